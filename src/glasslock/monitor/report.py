"""A whole log in numbers: policies, keys and authorities; orders, answers, disclosures.

Fed with verified entries (index, witnessed time, bytes). Knows no log, no proof and no clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from glasslock.errors import GlasslockError
from glasslock.monitor.recount import contradictions
from glasslock.monitor.replay import (
    ORDERS,
    OTHER,
    POLICY,
    Bodies,
    Entries,
    kind_of,
    replay_orders,
)
from glasslock.orders.authority import Register
from glasslock.orders.commitment import count_bucket
from glasslock.orders.ledger import OrderRecord, Said
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.drill import DrillBook
from glasslock.sealing.roster import vet_revocation
from glasslock.wire.leaf import (
    CloseLeaf,
    DoneLeaf,
    IntentLeaf,
    RefusalLeaf,
    RemovalLeaf,
    ReportLeaf,
)
from glasslock.wire.order import entry_digest
from glasslock.wire.record import encode_record


@dataclass(frozen=True, slots=True)
class Report:
    """What a log holds: ``kind`` is policy, orders or other; ``facts`` are its numbers."""

    kind: str
    facts: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)


def report(entries: Entries, time: int, known: Bodies | None = None) -> Report:
    """Return the report of a log seen whole at ``time`` by its witnesses' clocks.

    With ``known``, leaves of an orders log by anybody else are counted as ``strangers`` only.
    """
    kind = kind_of(entries)
    if kind == POLICY:
        return policy_report(entries, time)
    return orders_report(entries, time, known) if kind == ORDERS else Report(OTHER, {})


def policy_report(entries: Entries, time: int) -> Report:
    """Return what a policy log holds; ``keys`` has one row for each period key."""
    book, drills = PolicyBook(), DrillBook()
    held = 0
    for index, when, entry in entries:
        before = _held(book)
        book.add(entry, index, when)
        held += _held(book) > before or drills.add(entry, index, when)
    book.seen(time)
    vetted: set[bytes] = set()
    ended: dict[bytes, str] = {}
    registered: set[bytes] = set()
    for logged in book.policies.values():
        policy = logged.record.signed.policy
        keys = book.vetted(policy)
        vetted |= {key.record.key_id for key in keys}
        for end in book.ends:
            try:
                ended[vet_revocation(policy, end, keys).key_id] = end.record.kind
            except GlasslockError:
                continue
        records = [each.record for each in book.authorities]
        registered |= {each.digest for each in Register(policy, records).all()}
    known = {entry_digest(encode_record(each.record)) for each in book.authorities}
    policies = book.policies.values()
    ends = Counter(ended.values())
    facts = {
        "policies": len(book.policies),
        "period_keys": len(book.keys),
        "vetted": len(vetted),
        "revoked": ends["revoked"],
        "destroyed": ends["destroyed"],
        "authorities": len(registered),
        "drills": sum(len(drills.of(each.record.signed.policy, book)) for each in policies),
        "invalid": len(entries) - held + len(known - registered),
    }
    rows = [
        {
            "keyholder": key.record.keyholder,
            "first_day": key.record.first_day,
            "last_day": key.record.last_day,
            "vetted": key.record.key_id in vetted,
            "ended": ended.get(key.record.key_id, ""),
        }
        for key in book.keys
    ]
    return Report(POLICY, facts, rows)


def _held(book: PolicyBook) -> int:
    lists = (book.policies, book.keys, book.proofs, book.ends, book.authorities)
    return sum(map(len, lists))


def orders_report(entries: Entries, time: int, known: Bodies | None = None) -> Report:
    """Return what an orders log holds, with one row for each order.

    ``exceeding`` counts orders of which more slots were reported opened than they name, as far as
    buckets tell; ``unannounced`` counts releases that no intent of the same key came before,
    ``void`` extensions that break a rule, ``afterwards`` what keyholders said of a release of an
    order that was over. ``miscounted`` says where a provider's counts contradict the log.
    """
    ledger, strangers = replay_orders(entries, time, known)
    rows = [_order_row(record, overdue=ledger.overdue(record)) for record in ledger.orders.values()]
    rules = Counter(
        said.leaf.rule
        for record in ledger.orders.values()
        for said in record.said
        if isinstance(said.leaf, RefusalLeaf)
    )
    facts: dict[str, Any] = {
        "orders": len(rows),
        **{name: sum(row[name] for row in rows) for name in _SUMMED},
        "disclosures": sum(row["disclosed"] for row in rows),
        "overdue": sum(row["overdue"] for row in rows),
        "exceeding": sum(row["exceeding"] for row in rows),
        "closed": sum(bool(row["closed"]) for row in rows),
        "rules": dict(sorted(rules.items())),
        "ingest": len(ledger.ingest),
        "counts": len(ledger.counts),
        "miscounted": contradictions(ledger),
        "removed": sum(
            said.leaf.count for said in ledger.removals if isinstance(said.leaf, RemovalLeaf)
        ),
        "unauthenticated": sum(getattr(said.leaf, "count", 0) for said in ledger.unauthenticated),
        "invalid": ledger.invalid,
    }
    if known is not None:
        facts["strangers"] = strangers
    return Report(ORDERS, facts, rows)


# Read by the agency; released by at least one keyholder; refused by whoever answered; unanswered.
OPENED, RELEASED, REFUSED, WAITING = OUTCOMES = ("opened", "released", "refused", "waiting")
_SUMMED: Final = (
    "intents",
    "done",
    "unannounced",
    "refusals",
    "reports",
    "extensions",
    "void",
    "afterwards",
)
# A keyholder may have sent what it announced before it read that the order is over.
CLOSE_SLACK: Final = 60


def _order_row(record: OrderRecord, *, overdue: bool) -> dict[str, Any]:
    kinds = Counter(said.leaf.kind for said in record.said)
    intents: set[tuple[bytes, int, bytes]] = set()
    unannounced = 0
    for said in record.said:
        if isinstance(said.leaf, IntentLeaf):
            intents.add((said.key, said.leaf.seat, said.leaf.release))
        elif isinstance(said.leaf, DoneLeaf):
            unannounced += (said.key, said.leaf.seat, said.leaf.release) not in intents
    extensions = [rule for _, rule in record.extensions()]
    closed = record.closed()
    return {
        "order": record.index,
        "time": record.time,
        "family": record.leaf.family,
        "class": record.leaf.authority_class,
        "accounts": record.leaf.accounts,
        "slots": record.leaf.slots,
        "disclose_by": record.date(),
        "extensions": extensions.count(None),
        "void": len(extensions) - extensions.count(None),
        "closed": closed.leaf.outcome if closed and isinstance(closed.leaf, CloseLeaf) else "",
        "afterwards": 0 if closed is None else _after(record, closed),
        "intents": kinds["intent"],
        "done": kinds["done"],
        "unannounced": unannounced,
        "refusals": kinds["refusal"],
        "reports": kinds["report"],
        "exceeding": _most_opened(record) > record.leaf.slots,
        "disclosed": record.disclosed is not None,
        "overdue": overdue,
        "outcome": outcome(record),
    }


def _after(record: OrderRecord, closed: Said) -> int:
    """Count what keyholders announced or sent when the order had been over for a while."""
    return sum(
        isinstance(said.leaf, IntentLeaf | DoneLeaf)
        and said.index > closed.index
        and said.time > closed.time + CLOSE_SLACK
        for said in record.said
    )


def _most_opened(record: OrderRecord) -> int:
    """Return the bucket of the most slots that anybody says were opened by an order."""
    said = [each.leaf for each in record.said]
    buckets = [leaf.slots for leaf in said if isinstance(leaf, ReportLeaf)]
    buckets += [count_bucket(leaf.slots) for leaf in said if isinstance(leaf, DoneLeaf)]
    return max(buckets, default=0)


def outcome(record: OrderRecord) -> str:
    """Return how far an order came: one of ``OUTCOMES``."""
    said = [each.leaf for each in record.said]
    if any(isinstance(leaf, ReportLeaf) for leaf in said):
        return OPENED
    if any(isinstance(leaf, IntentLeaf) for leaf in said):
        return RELEASED
    if any(isinstance(leaf, RefusalLeaf) for leaf in said):
        return REFUSED
    return WAITING
