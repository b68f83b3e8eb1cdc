"""Logs replayed by somebody who has no part in them: who may act, and what became of each order.

Fed with verified entries (index, witnessed time, bytes). Knows no log, no proof and no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from glasslock.errors import WireError
from glasslock.orders.authority import Register
from glasslock.orders.extension import Parties, nobody
from glasslock.orders.ledger import Ledger
from glasslock.sealing.book import PolicyBook
from glasslock.wire import drill
from glasslock.wire.leaf import (
    KINDS,
    CloseLeaf,
    DoneLeaf,
    ExtendLeaf,
    IntentLeaf,
    RefusalLeaf,
    ReportLeaf,
    SignedLeaf,
    decode_leaf,
)
from glasslock.wire.policy import Seat
from glasslock.wire.record import ISSUING, split_entry

Entry: TypeAlias = tuple[int, int, bytes]

POLICY: Final = "policy"
ORDERS: Final = "orders"
OTHER: Final = "other"
_POLICY_TYPES: Final = drill.TYPES | {
    "policy",
    "period-key",
    "period-proof",
    "period-end",
    "authority",
}


class Entries(Protocol):
    """All entries of a log in order, as often as they are gone through; never all at once."""

    def __iter__(self) -> Iterator[Entry]:
        """Yield index, witnessed time and bytes of each."""
        ...

    def __len__(self) -> int:
        """Return how many there are."""
        ...


@dataclass(frozen=True, slots=True)
class Bodies:
    """Whose keys may say what in an orders log, by a policy log: providers, seats, authorities.

    ``names`` are the legal persons behind the seats, by signing key; ``parties`` says which two
    may put off a notice.
    """

    providers: frozenset[bytes]
    seats: frozenset[bytes]
    issuing: frozenset[bytes]
    names: dict[bytes, str] = field(default_factory=dict)
    parties: Parties = nobody

    def may(self, signed: SignedLeaf, time: int) -> bool:
        """Say whether a leaf, witnessed at ``time``, is by somebody whose place it is."""
        match signed.leaf:
            case IntentLeaf() | DoneLeaf():
                return signed.key in self.seats
            case RefusalLeaf(seat=seat) if seat is not None:
                return signed.key in self.seats
            case ExtendLeaf(countersigner=other):
                return signed.key in self.issuing and self.parties(signed.key, other, time)
            case ReportLeaf() | CloseLeaf():
                return signed.key in self.issuing
        return signed.key in self.providers


def kind_of(entries: Iterable[Entry]) -> str:
    """Return what a log is by what stands in it: ``POLICY``, ``ORDERS`` or ``OTHER``."""
    types = Counter(_type(entry) for _, _, entry in entries)
    policy = sum(types[name] for name in _POLICY_TYPES)
    orders = sum(types[name] for name in KINDS)
    if not policy and not orders:
        return OTHER
    return POLICY if policy > orders else ORDERS


def _type(entry: bytes) -> str:
    try:
        return split_entry(entry)[0]
    except WireError:
        return ""


def bodies(entries: Iterable[Entry]) -> Bodies:
    """Return who may act in orders, by all entries of a policy log."""
    book = PolicyBook()
    for index, when, entry in entries:
        book.add(entry, index, when)
    policies = [logged.record.signed.policy for logged in book.policies.values()]
    records = [each.record for each in book.authorities]
    registers = [Register(policy, records) for policy in policies]
    registered = [each for register in registers for each in register.all()]
    seats: list[Seat] = [s for policy in policies if policy.access for s in policy.access.seats]
    return Bodies(
        frozenset(policy.provider_key for policy in policies),
        frozenset(seat.signing_key for seat in seats),
        frozenset(each.key for each in registered if each.record.role == ISSUING),
        {seat.signing_key: seat.legal_person for seat in seats},
        lambda one, other, time: any(each.may_extend(one, other, time) for each in registers),
    )


def replay_orders(
    entries: Iterable[Entry], time: int, known: Bodies | None = None
) -> tuple[Ledger, int]:
    """Return an orders log seen whole at ``time``, and how many leaves were by strangers.

    With ``known``, a leaf by anybody whose place it is not counts as a stranger's and for nothing
    else; without, every signed leaf counts.
    """
    ledger = Ledger()
    strangers = 0
    for index, when, entry in entries:
        if known is not None and _strange(entry, when, known):
            strangers += 1
        else:
            ledger.add(entry, index, when)
    ledger.seen(time)
    return ledger, strangers


def _strange(entry: bytes, time: int, known: Bodies) -> bool:
    try:
        leaf = decode_leaf(entry)
    except WireError:
        return False
    return isinstance(leaf, SignedLeaf) and not known.may(leaf, time)
