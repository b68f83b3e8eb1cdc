"""Which orders of the log are this keyholder's to answer, and what is next on each.

Knows the orders log as it was read and what is kept of each order; reads no order and judges none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from glasslock.errors import StateError
from glasslock.keyholder.seat import Seated
from glasslock.orders.ledger import Ledger, OrderRecord
from glasslock.wire.leaf import DoneLeaf, IntentLeaf, RefusalLeaf
from glasslock.wire.release import decode_release


@dataclass(frozen=True, slots=True)
class Bundle:
    """What the provider handed over of an order, as bytes; nothing in it is checked."""

    issued: bytes
    secret: bytes = field(repr=False)
    manifest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Case:
    """What is kept of the order whose leaf stands at ``index``.

    ``digest`` and ``authority`` are what its document says; ``release`` the bytes that the intent
    names; ``rule`` the rule of an answer no.
    """

    index: int
    bundle: Bundle
    digest: bytes
    authority: str
    release: bytes | None = field(default=None, repr=False)
    rule: str | None = None
    sent: bool = False
    noticed: bool = False

    @property
    def answered(self) -> bool:
        """Whether the answer was given and stored."""
        return self.release is not None or self.rule is not None


@dataclass(frozen=True, slots=True, init=False)
class Announced:
    """A release whose intent stands in the log; comes only from ``announced``."""

    index: int
    release: bytes = field(repr=False)

    def __init__(self, *_: object, **__: object) -> None:
        """Refuse: an intent is read in the log, not declared; raises ``StateError``."""
        raise StateError("an intent is read in the log, not declared", rule="release.unannounced")


class Step(StrEnum):
    """What is next on an order."""

    FETCH = "fetch"
    JUDGE = "judge"
    SEND = "send"
    NOTIFY = "notify"


def steps(
    ledger: Ledger,
    seated: Seated,
    cases: Mapping[int, Case],
    date: Callable[[OrderRecord, Case], int],
) -> Iterator[tuple[OrderRecord, Step]]:
    """Yield what is next on each order of the policy's family, in log order.

    ``date`` gives the date of an order's disclosure, with the extensions that count.
    """
    for index in sorted(ledger.orders):
        record = ledger.orders[index]
        if record.leaf.family == seated.policy.family:
            case = cases.get(index)
            due = case is not None and not case.noticed and date(record, case) <= ledger.time
            yield from ((record, step) for step in _of(record, seated, case, due=due))


def _of(record: OrderRecord, seated: Seated, case: Case | None, *, due: bool) -> Iterator[Step]:
    if case is None:
        if record.disclosed is None and not finished(record, seated):
            yield Step.FETCH
        return
    if not case.answered and not finished(record, seated):
        yield Step.JUDGE
    if case.release is not None and not case.sent and announced(record, seated, case) is not None:
        yield Step.SEND
    if due:
        yield Step.NOTIFY


def finished(record: OrderRecord, seated: Seated) -> bool:
    """Say whether the log holds the last word on an order: ours, or the provider's no."""
    last = (
        (said.key, said.leaf.seat)
        for said in record.said
        if isinstance(said.leaf, DoneLeaf | RefusalLeaf)
    )
    ours = ((seated.key.public, seated.seat), (seated.policy.provider_key, None))
    return any(word in ours for word in last)


def announced(record: OrderRecord, seated: Seated, case: Case) -> Announced | None:
    """Return the stored release once the log shows the intent for exactly it, else None (L1).

    The log is this keyholder's own copy: what it shows is under a checkpoint of its quorum.
    """
    if case.release is None:
        return None
    digest = decode_release(case.release).digest
    if record.intent(seated.seat, seated.key.public, digest) is None:
        return None
    made = object.__new__(Announced)
    object.__setattr__(made, "index", record.index)
    object.__setattr__(made, "release", case.release)
    return made


def intents(record: OrderRecord, seated: Seated) -> list[int]:
    """Return the witnessed times of all intents under this keyholder's key and seat."""
    return [
        said.time
        for said in record.by(seated.key.public)
        if isinstance(said.leaf, IntentLeaf) and said.leaf.seat == seated.seat
    ]
