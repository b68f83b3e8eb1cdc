"""A provider's own counts beside what the log shows: each leaf counted again. Pure.

A provider counts its leaves from one index until before another, and begins where it ended last.
So whoever has the log can count the same leaves, and any difference is a contradiction of signed
words: either the provider counts falsely, or this log is not the one that it was shown.
"""

from __future__ import annotations

from collections import defaultdict

from glasslock.orders.ledger import Ledger, Said
from glasslock.wire.leaf import CountsLeaf, RefusalLeaf, UnauthenticatedLeaf


def contradictions(ledger: Ledger) -> list[str]:
    """Return in words what each false leaf of counts says and the log does not."""
    ends: dict[bytes, int] = defaultdict(int)
    found = []
    for said in ledger.counts:
        if not isinstance(said.leaf, CountsLeaf):
            continue
        found += [f"the counts at {said.index} {wrong}" for wrong in _wrong(ledger, said, ends)]
        ends[said.key] = max(ends[said.key], said.leaf.end)
    return found


def _wrong(ledger: Ledger, said: Said, ends: dict[bytes, int]) -> list[str]:
    leaf = said.leaf
    if not isinstance(leaf, CountsLeaf):
        return []
    if leaf.first != ends[said.key] or leaf.end > said.index:
        return [
            f"begin at {leaf.first} and end at {leaf.end}: leaves are left out, or counted twice"
        ]
    classes, unauthenticated = recount(ledger, said.key, leaf.first, leaf.end)
    told = {name: (orders, refused) for name, orders, refused in leaf.classes}
    wrong = [
        f"say {_told(told, name)} of class {name}, and the log shows {_told(classes, name)}"
        for name in sorted(told.keys() | classes.keys())
        if told.get(name, (0, 0)) != classes.get(name, (0, 0))
    ]
    if leaf.unauthenticated != unauthenticated:
        wrong.append(
            f"say {leaf.unauthenticated} unauthenticated requests, and the log shows "
            f"{unauthenticated}"
        )
    return wrong


def _told(classes: dict[str, tuple[int, int]], name: str) -> str:
    orders, refused = classes.get(name, (0, 0))
    return f"{orders} orders, {refused} refused by the provider,"


def recount(
    ledger: Ledger, provider: bytes, first: int, end: int
) -> tuple[dict[str, tuple[int, int]], int]:
    """Return orders and the provider's refusals by class, and requests that nobody signed.

    Of the leaves by ``provider`` from index ``first`` until before ``end``.
    """
    orders: dict[str, int] = defaultdict(int)
    refused: dict[str, int] = defaultdict(int)
    for record in ledger.orders.values():
        name = record.leaf.authority_class
        orders[name] += record.provider == provider and first <= record.index < end
        refused[name] += sum(
            said.key == provider and first <= said.index < end
            for said in record.said
            if isinstance(said.leaf, RefusalLeaf) and said.leaf.seat is None
        )
    nobody = sum(
        said.leaf.count
        for said in ledger.unauthenticated
        if isinstance(said.leaf, UnauthenticatedLeaf)
        and said.key == provider
        and first <= said.index < end
    )
    rows = {name: (orders[name], refused[name]) for name in orders}
    return {name: row for name, row in rows.items() if row != (0, 0)}, nobody
