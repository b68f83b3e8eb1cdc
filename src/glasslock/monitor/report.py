"""A whole log in numbers: policies, keys and authorities; orders, answers, disclosures.

Fed with verified entries (index, witnessed time, bytes). Knows no log, no proof and no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from glasslock.errors import GlasslockError, WireError
from glasslock.orders.authority import Register
from glasslock.orders.ledger import Ledger, OrderRecord
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.roster import vet_revocation
from glasslock.wire.leaf import (
    DoneLeaf,
    IntentLeaf,
    RefusalLeaf,
    ReportLeaf,
    SignedLeaf,
    decode_leaf,
)
from glasslock.wire.order import entry_digest
from glasslock.wire.record import ISSUING, encode_record, split_entry

Entry: TypeAlias = tuple[int, int, bytes]

POLICY_TYPES: Final = frozenset({"policy", "period-key", "period-proof", "period-end", "authority"})
ORDERS_TYPES: Final = frozenset(
    {
        "order",
        "intent",
        "done",
        "refusal",
        "report",
        "ingest",
        "unauthenticated",
        "disclosure",
    }
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a log holds: ``kind`` is policy, orders or other; ``facts`` are its numbers."""

    kind: str
    facts: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bodies:
    """Whose keys may say what in an orders log, by a policy log: providers, seats, authorities."""

    providers: frozenset[bytes]
    seats: frozenset[bytes]
    issuing: frozenset[bytes]

    def may(self, signed: SignedLeaf) -> bool:
        """Say whether a leaf is by somebody whose place it is."""
        match signed.leaf:
            case IntentLeaf() | DoneLeaf():
                return signed.key in self.seats
            case RefusalLeaf(seat=seat) if seat is not None:
                return signed.key in self.seats
            case ReportLeaf():
                return signed.key in self.issuing
        return signed.key in self.providers


def bodies(entries: Sequence[Entry]) -> Bodies:
    """Return who may act in orders, by all entries of a policy log."""
    book = PolicyBook()
    for index, when, entry in entries:
        book.add(entry, index, when)
    policies = [logged.record.signed.policy for logged in book.policies.values()]
    records = [each.record for each in book.authorities]
    registered = [each for policy in policies for each in Register(policy, records).all()]
    return Bodies(
        frozenset(policy.provider_key for policy in policies),
        frozenset(
            seat.signing_key for policy in policies if policy.access for seat in policy.access.seats
        ),
        frozenset(each.key for each in registered if each.record.role == ISSUING),
    )


def report(entries: Sequence[Entry], time: int, known: Bodies | None = None) -> Report:
    """Return the report of a log seen whole at ``time`` by its witnesses' clocks.

    With ``known``, leaves of an orders log by anybody else are counted as ``strangers`` only.
    """
    types = Counter(_type(entry) for _, _, entry in entries)
    policy, orders = (sum(types[name] for name in names) for names in (POLICY_TYPES, ORDERS_TYPES))
    if not policy and not orders:
        return Report("other", {})
    return policy_report(entries, time) if policy > orders else orders_report(entries, time, known)


def _type(entry: bytes) -> str:
    try:
        return split_entry(entry)[0]
    except WireError:
        return ""


def policy_report(entries: Sequence[Entry], time: int) -> Report:
    """Return what a policy log holds; ``keys`` has one row for each period key."""
    book = PolicyBook()
    held = 0
    for index, when, entry in entries:
        before = _held(book)
        book.add(entry, index, when)
        held += _held(book) > before
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
    ends = Counter(ended.values())
    facts = {
        "policies": len(book.policies),
        "period_keys": len(book.keys),
        "vetted": len(vetted),
        "revoked": ends["revoked"],
        "destroyed": ends["destroyed"],
        "authorities": len(registered),
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
    return Report("policy", facts, rows)


def _held(book: PolicyBook) -> int:
    lists = (book.policies, book.keys, book.proofs, book.ends, book.authorities)
    return sum(map(len, lists))


def orders_report(entries: Sequence[Entry], time: int, known: Bodies | None = None) -> Report:
    """Return what an orders log holds, with one row for each order.

    ``exceeding`` counts orders of which more slots were reported opened than they name, as far as
    buckets tell; ``unannounced`` counts releases that no intent of the same key came before.
    """
    ledger = Ledger()
    strangers = 0
    for index, when, entry in entries:
        if known is not None and _strange(entry, known):
            strangers += 1
        else:
            ledger.add(entry, index, when)
    ledger.seen(time)
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
        "rules": dict(sorted(rules.items())),
        "ingest": len(ledger.ingest),
        "unauthenticated": sum(getattr(said.leaf, "count", 0) for said in ledger.unauthenticated),
        "invalid": ledger.invalid,
    }
    if known is not None:
        facts["strangers"] = strangers
    return Report("orders", facts, rows)


def _strange(entry: bytes, known: Bodies) -> bool:
    try:
        leaf = decode_leaf(entry)
    except WireError:
        return False
    return isinstance(leaf, SignedLeaf) and not known.may(leaf)


_SUMMED: Final = ("intents", "done", "unannounced", "refusals", "reports")


def _order_row(record: OrderRecord, *, overdue: bool) -> dict[str, Any]:
    kinds = Counter(said.leaf.kind for said in record.said)
    intents: set[tuple[bytes, int, bytes]] = set()
    unannounced = 0
    for said in record.said:
        if isinstance(said.leaf, IntentLeaf):
            intents.add((said.key, said.leaf.seat, said.leaf.release))
        elif isinstance(said.leaf, DoneLeaf):
            unannounced += (said.key, said.leaf.seat, said.leaf.release) not in intents
    reported = [said.leaf.slots for said in record.said if isinstance(said.leaf, ReportLeaf)]
    return {
        "order": record.index,
        "time": record.time,
        "family": record.leaf.family,
        "class": record.leaf.authority_class,
        "accounts": record.leaf.accounts,
        "slots": record.leaf.slots,
        "disclose_by": record.leaf.disclose_by,
        "intents": kinds["intent"],
        "done": kinds["done"],
        "unannounced": unannounced,
        "refusals": kinds["refusal"],
        "reports": kinds["report"],
        "exceeding": any(slots > record.leaf.slots for slots in reported),
        "disclosed": record.disclosed is not None,
        "overdue": overdue,
    }
