"""What the provider counts of its own leaves in an orders log, as everybody can; pure.

Entries go to a log one after the other, each after the one before was answered. So all own leaves
below the newest index that is known here are known here too, and what still waits comes after.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from glasslock.wire.leaf import (
    CountsLeaf,
    OrderLeaf,
    RefusalLeaf,
    SignedLeaf,
    UnauthenticatedLeaf,
    decode_leaf,
)

PERIOD_DAYS: Final = 30


class Counted(Protocol):
    """What of the provider's store counts are made from."""

    def period(self, origin: str) -> tuple[int, int] | None:
        """Return the period of a log that is being counted, and where the counts before ended."""

    def count_from(self, origin: str, period: int, ended: int) -> None:
        """Begin to count a period, with what stands in the log from index ``ended``."""

    def told(self, origin: str, first: int) -> Sequence[tuple[int, bytes]]:
        """Return index and entry of all that was handed to a log and stands from ``first`` on."""

    def class_at(self, origin: str, index: int) -> str | None:
        """Return the class of authority of the order whose leaf stands at ``index``."""


def is_over(stored: Counted, origin: str, day: int) -> bool:
    """Say whether the period of a log that is being counted is over on a policy day."""
    begun = stored.period(origin)
    return begun is None or begun[0] < day // PERIOD_DAYS


def close_period(stored: Counted, origin: str, day: int, own: bytes) -> CountsLeaf | None:
    """Begin the period of a policy day; returns the counts of the one before, by the key ``own``.

    None in a log's first period, and when nothing was handed to it.
    """
    period, begun = day // PERIOD_DAYS, stored.period(origin)
    first = 0 if begun is None else begun[1]
    leaf = None
    if begun is not None:
        told = stored.told(origin, first)
        leaf = count_told(
            period - 1, first, told, own, lambda index: stored.class_at(origin, index)
        )
    stored.count_from(origin, period, first if leaf is None else leaf.end)
    return leaf


def count_told(
    period: int,
    first: int,
    told: Iterable[tuple[int, bytes]],
    own: bytes,
    class_at: Callable[[int], str | None],
) -> CountsLeaf | None:
    """Return the counts of leaves signed by ``own`` from index ``first`` on; None if none stand.

    ``told`` are index and entry of all that was handed to the log and stands there; ``class_at``
    gives the class of the order at an index.
    """
    orders: dict[str, int] = defaultdict(int)
    refused: dict[str, int] = defaultdict(int)
    unauthenticated, end = 0, first
    for index, entry in told:
        end = max(end, index + 1)
        signed = decode_leaf(entry)
        if index < first or not isinstance(signed, SignedLeaf) or signed.key != own:
            continue
        match signed.leaf:
            case OrderLeaf(authority_class=name):
                orders[name] += 1
            case RefusalLeaf(order=order, seat=None):
                refused[class_at(order) or ""] += 1
            case UnauthenticatedLeaf(count=count):
                unauthenticated += count
    if end == first:
        return None
    names = sorted(orders.keys() | refused.keys())
    rows = tuple((name, orders[name], refused[name]) for name in names)
    return CountsLeaf(period, first, end, rows, unauthenticated)
