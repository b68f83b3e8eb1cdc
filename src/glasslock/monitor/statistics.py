"""What the public may count of orders: by month, class and outcome, and how keyholders answered.

Counted from leaves alone, so that anybody who replays the log gets the same. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Final, TypeAlias

from glasslock.monitor.report import OUTCOMES, outcome
from glasslock.orders.ledger import OrderRecord, Said
from glasslock.wire.leaf import (
    BASES,
    CloseLeaf,
    IntentLeaf,
    RefusalLeaf,
    RemovalLeaf,
)

DAY_SECONDS: Final = 86_400
Counts: TypeAlias = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Answers:
    """How one keyholder answered; ``seconds`` is the median from the order to its answer."""

    keyholder: str
    released: int
    refused: int
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of orders; each of the first two has one count per outcome in every row.

    ``days_secret`` is the median from an order to its disclosure, in whole days. ``extended``
    counts orders by how often their notice was put off, ``closed`` by how their authority says
    that they ended, ``removed`` entries by family and legal basis.
    """

    by_month: Counts = field(default_factory=dict)
    by_class: Counts = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)
    answers: tuple[Answers, ...] = ()
    disclosed: int = 0
    overdue: int = 0
    days_secret: int | None = None
    extended: dict[str, int] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    removed: Counts = field(default_factory=dict)


def month_of(time: int) -> str:
    """Return the month (UTC) of a time in unix seconds, as ``2026-11``."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m}"


def count(
    orders: Sequence[OrderRecord],
    time: int,
    names: Mapping[bytes, str],
    removals: Iterable[Said] = (),
) -> Statistics:
    """Return the statistics of ``orders`` at ``time`` (unix seconds, by the witnesses' clocks).

    ``names`` are keyholders by signing key; one that is not in it goes by its key.
    """
    moved = [sum(rule is None for _, rule in order.extensions()) for order in orders]
    closed = (order.closed() for order in orders)
    ends = [s.leaf.outcome for s in closed if s and isinstance(s.leaf, CloseLeaf)]
    by_month, by_class = _table(), _table()
    rules: Counter[str] = Counter()
    for order in orders:
        by_month[month_of(order.time)][outcome(order)] += 1
        by_class[order.leaf.authority_class][outcome(order)] += 1
        rules.update(said.leaf.rule for said in order.said if isinstance(said.leaf, RefusalLeaf))
    secret = [o.disclosed_at - o.time for o in orders if o.disclosed_at is not None]
    return Statistics(
        dict(sorted(by_month.items())),
        dict(sorted(by_class.items())),
        dict(sorted(rules.items())),
        tuple(_answers(orders, names)),
        len(secret),
        sum(o.disclosed is None and o.date() < time for o in orders),
        round(median(secret)) // DAY_SECONDS if secret else None,
        {str(times): moved.count(times) for times in sorted(set(moved)) if times},
        dict(sorted(Counter(ends).items())),
        _removed(removals),
    )


def _removed(removals: Iterable[Said]) -> Counts:
    found: Counts = defaultdict(lambda: dict.fromkeys(BASES, 0))
    for said in removals:
        if isinstance(said.leaf, RemovalLeaf):
            found[said.leaf.family][BASES[said.leaf.basis]] += said.leaf.count
    return dict(sorted(found.items()))


def _table() -> Counts:
    return defaultdict(lambda: dict.fromkeys(OUTCOMES, 0))


def _answers(orders: Iterable[OrderRecord], names: Mapping[bytes, str]) -> Iterable[Answers]:
    released, refused = Counter[bytes](), Counter[bytes]()
    times: dict[bytes, list[int]] = defaultdict(list)
    for order in orders:
        answered: set[bytes] = set()
        for said in order.said:
            refusal = isinstance(said.leaf, RefusalLeaf) and said.leaf.seat is not None
            if not (refusal or isinstance(said.leaf, IntentLeaf)) or said.key in answered:
                continue
            answered.add(said.key)
            (refused if refusal else released)[said.key] += 1
            times[said.key].append(said.time - order.time)
    for key in sorted(set(names) | set(times), key=lambda key: (names.get(key, "~"), key)):
        took = times.get(key)
        seconds = None if took is None else round(median(took))
        yield Answers(names.get(key) or key.hex()[:16], released[key], refused[key], seconds)
