"""Everything that can be said of the logs of one quorum file, from what was seen of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any, Final

from glasslock.errors import GlasslockError
from glasslock.monitor import findings
from glasslock.monitor.drills import drilled
from glasslock.monitor.findings import BROKEN, Finding
from glasslock.monitor.replay import (
    ORDERS,
    POLICY,
    Bodies,
    Entries,
    bodies,
    kind_of,
    replay_orders,
)
from glasslock.monitor.report import Report, report
from glasslock.monitor.statistics import Statistics, count
from glasslock.orders.ledger import Said
from glasslock.tlog.checkpoint import VerifiedCheckpoint

# A checkpoint on its way to publication is older at the log than at its witnesses.
ON_ITS_WAY_SECONDS: Final = 300
AGREES: Final = "agrees"
AHEAD: Final = "ahead"
DIFFERS: Final = "differs"
SILENT: Final = "silent"


@dataclass(frozen=True, slots=True)
class View:
    """What the witness ``name`` itself shows of a log: ``size`` and ``time`` it cosigned last.

    ``verdict`` says how that fits the log: ``AGREES``, ``AHEAD``, ``DIFFERS``, or ``SILENT``.
    """

    name: str
    verdict: str
    size: int = 0
    time: int = 0
    shard: str = ""


@dataclass(frozen=True, slots=True)
class SeenShard:
    """A shard of a log that is a chain: ``base`` entries stand before it, ``size`` in it."""

    origin: str
    base: int
    size: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A log as it was seen: its newest verified checkpoint and all entries below it.

    ``failure`` is why it could not be read on to its end; ``contradictions`` are the times at
    which it showed something that cannot be true beside what it had shown before.
    """

    origin: str
    checkpoint: VerifiedCheckpoint | None
    entries: Entries
    failure: GlasslockError | None = None
    views: tuple[View, ...] = ()
    contradictions: tuple[int, ...] = ()
    shards: tuple[SeenShard, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """The account of all logs: facts of each, rows and statistics of orders, what is wrong."""

    logs: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    statistics: Statistics = field(default_factory=Statistics)
    findings: list[Finding] = field(default_factory=list)
    drills: list[dict[str, Any]] = field(default_factory=list)

    def as_facts(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "logs": self.logs,
            "statistics": asdict(self.statistics),
            "orders": self.orders,
            "keys": self.keys,
            "drills": self.drills,
            "findings": [asdict(each) for each in self.findings],
        }


def audit(seen: Sequence[Seen], now: int, max_age: int) -> Account:
    """Return the account of logs ``seen`` at ``now``; ``max_age`` (seconds) is when one is stale.

    Orders are judged by the policy log among them; without one, by signatures alone.
    """
    policies = [each.entries for each in seen if kind_of(each.entries) == POLICY]
    known = bodies(chain.from_iterable(policies)) if policies else None
    account = Account()
    for each in seen:
        account.findings.extend(_about(each, now, max_age))
        if each.checkpoint is None:
            continue
        found = report(each.entries, each.checkpoint.median_time, known)
        account.logs.append(_facts(each, each.checkpoint, found))
        if found.kind == ORDERS:
            account.findings.extend(findings.of_orders(each.origin, found.facts, found.rows))
            account.orders.extend({"log": each.origin, **row} for row in found.rows)
        elif found.kind == POLICY:
            account.findings.extend(findings.of_policies(each.origin, found.facts))
            account.keys.extend(found.rows)
            drills = drilled(each.origin, each.entries, each.checkpoint.median_time)
            account.drills.extend(drills.rows)
            account.findings.extend(drills.findings)
    return _with_statistics(account, seen, known)


def _with_statistics(account: Account, seen: Sequence[Seen], known: Bodies | None) -> Account:
    orders, removals = [], list[Said]()
    time = 0
    for each in seen:
        if each.checkpoint is not None and kind_of(each.entries) == ORDERS:
            ledger, _ = replay_orders(each.entries, each.checkpoint.median_time, known)
            orders += list(ledger.orders.values())
            removals += ledger.removals
            time = max(time, ledger.time)
    statistics = count(orders, time, known.names if known else {}, removals)
    return replace(account, statistics=statistics)


def _about(seen: Seen, now: int, max_age: int) -> list[Finding]:
    found = []
    if seen.failure is not None:
        found.append(findings.of_failure(seen.origin, seen.failure))
    for time in seen.contradictions:
        text = f"on {findings.moment(time)} it contradicted what it had shown before: kept as proof"
        found.append(Finding(BROKEN, "log.contradiction", seen.origin, text))
    if seen.checkpoint is not None:
        found.extend(findings.of_age(seen.origin, seen.checkpoint.median_time, now, max_age))
    for view in seen.views:
        if view.verdict == DIFFERS:
            text = f"the log signed another past for the witness {view.name}"
            found.append(Finding(BROKEN, "log.split", seen.origin, text))
        # Of a log that could not be read to its end, nobody can say what it would have shown.
        late = now - view.time > ON_ITS_WAY_SECONDS and seen.failure is None
        if view.verdict == AHEAD and late:
            text = f"the witness {view.name} has seen {view.size} entries: the log shows fewer"
            found.append(Finding(BROKEN, "log.withheld", seen.origin, text))
    return found


def _facts(seen: Seen, checkpoint: VerifiedCheckpoint, found: Report) -> dict[str, Any]:
    base = seen.shards[-1].base if seen.shards else 0
    shards: dict[str, object] = {}
    if len(seen.shards) > 1:
        shards["shards"] = [
            {"origin": each.origin, "first": each.base, "size": each.size}
            | {"witnesses": _views(seen, each.origin)}
            for each in seen.shards
        ]
    return {
        "origin": seen.origin,
        "kind": found.kind,
        "size": base + checkpoint.size,
        "time": checkpoint.median_time,
        "cosigned": [name for name, _ in checkpoint.times],
        "witnesses": _views(seen, checkpoint.origin),
        **shards,
        **found.facts,
    }


def _views(seen: Seen, shard: str) -> dict[str, str]:
    return {view.name: view.verdict for view in seen.views if view.shard in ("", shard)}
