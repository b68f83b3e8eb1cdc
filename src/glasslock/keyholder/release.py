"""Yes, no or not yet: the decision on a logged order, and the release that follows a yes.

``decide`` runs the checks of section 5.3 in their order. Own rules stand in ``check.RULES``, those
on orders in ``orders.review.RULES``; a manifest that does not fit is refused under the rule that
names what is wrong with it. Knows own seeds; no store and no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from glasslock.errors import ConfigError, GlasslockError, TransportError
from glasslock.keyholder.check import LoggedOrder, Logs, Reason, Wait, check, refuse
from glasslock.keyholder.notice import date_of
from glasslock.keyholder.period import OwnKey
from glasslock.keyholder.seat import Seated
from glasslock.keyholder.watch import Case, intents
from glasslock.orders.ledger import OrderRecord, sign_leaf
from glasslock.orders.manifest import GrantedSlot
from glasslock.orders.review import Refusal
from glasslock.sealing.releasing import CaseKeys, make_release
from glasslock.sealing.shares import (
    OpenedSeat,
    Share,
    Tier1s,
    VerifiedSlot,
    open_seat,
    open_share,
    verify_listed,
)
from glasslock.wire.leaf import DoneLeaf, IntentLeaf, RefusalLeaf, encode_leaf
from glasslock.wire.release import Release, decode_release

PERIOD_DAYS: Final = 7
# A disclosure may wait for its batch and for a reader to come by.
OVERDUE_SLACK: Final = 60
_GROUND: Final = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """What the keyholder's person said, and why; ``mark`` goes with a no (``duress``)."""

    yes: bool
    ground: str = ""
    mark: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Facts:
    """All that a decision on one order rests on.

    ``cases`` are all orders that the store knows, by index; ``keys`` all own period keys by id,
    with their seeds unless destroyed. ``answer`` is None as long as the person has not spoken;
    ``standing`` says that nobody needs to.
    """

    seated: Seated
    logs: Logs
    record: OrderRecord
    case: Case
    cases: Mapping[int, Case]
    keys: Mapping[bytes, OwnKey] = field(repr=False)
    answer: Answer | None
    standing: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What to release of a logged order: the shares that could be read."""

    logged: LoggedOrder
    shares: tuple[tuple[VerifiedSlot, Share], ...] = field(repr=False)


Verdict: TypeAlias = Plan | Refusal | Wait


def decide(facts: Facts, now: int) -> Verdict:
    """Answer an order at ``now`` (unix seconds)."""
    logged = check(facts.seated, facts.logs, facts.record, facts.case.bundle, now)
    if not isinstance(logged, LoggedOrder):
        return logged
    if facts.answer is not None and not facts.answer.yes:
        return refuse("release.person", facts.answer.ground[:_GROUND])
    # The earlier clock: both must have reached the date.
    if min(now, facts.logs.ledger.time) < logged.admitted.order.hold:
        return Wait(Reason.HOLD)
    refused = _once(facts, logged) or _in_budget(facts, logged) or _not_overdue(facts, logged)
    if refused is not None:
        return refused
    if facts.answer is None and not facts.standing:
        return Wait(Reason.PERSON)
    return _plan(logged, facts.keys)


# -- rules over all orders --------------------------------------------------------------------


def _once(facts: Facts, logged: LoggedOrder) -> Refusal | None:
    """An order digest once over all leaves; and nothing that this seat has announced already."""
    if any(
        case.digest == logged.admitted.digest and index < logged.index
        for index, case in facts.cases.items()
    ):
        return refuse("release.replayed")
    if intents(facts.record, facts.seated):
        return refuse("release.restored")
    return None


def _in_budget(facts: Facts, logged: LoggedOrder) -> Refusal | None:
    """Count the authority's releases of the last seven policy days.

    The log counts, so that a store that was rolled back does not begin anew: an intent of ours
    whose order the store does not know is held against every authority.
    """
    seated, ledger = facts.seated, facts.logs.ledger
    since = ledger.time - PERIOD_DAYS * seated.day
    name, used = logged.admitted.issuing.name, 0
    for index, record in ledger.orders.items():
        case = facts.cases.get(index)
        if record.leaf.family != seated.policy.family or index == logged.index:
            continue
        if case is not None and case.authority != name:
            continue
        times = intents(record, seated)
        on_its_way = not times and case is not None and case.release is not None
        used += on_its_way or any(time > since for time in times)
    return refuse("release.budget") if used >= seated.limits.orders_per_period else None


def _not_overdue(facts: Facts, logged: LoggedOrder) -> Refusal | None:
    ledger = facts.logs.ledger
    slack = max(OVERDUE_SLACK, facts.seated.limits.batch_seconds)
    for index, case in facts.cases.items():
        record = ledger.orders.get(index)
        if record is None or case.authority != logged.admitted.issuing.name:
            continue
        date = date_of(facts.seated, facts.logs.book, ledger, record, case.bundle)
        if record.disclosed is None and date + slack < ledger.time:
            return refuse("release.overdue")
    return None


# -- shares -----------------------------------------------------------------------------------


def _plan(logged: LoggedOrder, keys: Mapping[bytes, OwnKey]) -> Plan | Refusal:
    """Read the shares of all granted slots; one that cannot be read is left out without a word."""
    if not logged.checked.slots:
        return refuse("release.empty")
    reader = _Reader(logged.seated, keys)
    shares = tuple(found for slot in logged.checked.slots if (found := reader.read(slot)))
    if shares:
        return Plan(logged, shares)
    gone = reader.destroyed == len(logged.checked.slots)
    return refuse("release.destroyed" if gone else "release.unreadable")


class _Reader:
    """Reads one seat's shares; a tier 1 is read and opened once for all its slots."""

    def __init__(self, seated: Seated, keys: Mapping[bytes, OwnKey]) -> None:
        self.destroyed = 0
        self._seated = seated
        self._keys = keys
        self._tier1s = Tier1s()
        self._opened: dict[bytes, OpenedSeat] = {}
        self._latest: dict[bytes, OpenedSeat] = {}

    def read(self, granted: GrantedSlot) -> tuple[VerifiedSlot, Share] | None:
        try:
            slot = verify_listed(
                granted.opening,
                granted.kept.seal,
                (granted.tier1.header, granted.tier1.encs),
                self._seated.policy,
                self._tier1s,
            )
            opened = self._open(slot, granted.tier1.encs[self._seated.seat])
            return None if opened is None else (slot, open_share(slot, self._on(slot, opened)))
        except (TransportError, ConfigError):
            # A key that cannot be reached now says nothing about the share.
            raise
        except (GlasslockError, IndexError):
            return None

    def _open(self, slot: VerifiedSlot, enc: bytes | None) -> OpenedSeat | None:
        seat, tier1 = self._seated.seat, slot.header.tier1 or b""
        if tier1 not in self._opened:
            key = self._keys.get(slot.tier1.key_ids[seat] or b"")
            if key is None or enc is None:
                return None
            secret = key.secret
            if secret is None:
                self.destroyed += 1
                return None
            self._opened[tier1] = open_seat(slot, seat, secret, key.key_id, enc)
        return self._opened[tier1]

    def _on(self, slot: VerifiedSlot, first: OpenedSeat) -> OpenedSeat:
        """Step on from the slot read last where that is earlier: most lists are in order."""
        latest = self._latest.get(first.tier1, first)
        if not latest.tau <= slot.header.tau:
            return first
        self._latest[first.tier1] = latest.at(slot.header.tau)
        return self._latest[first.tier1]


# -- what a decision gives --------------------------------------------------------------------


def release(plan: Plan, fresh: bytes) -> Release:
    """Return the signed release of a plan; ``fresh`` are 96 random bytes.

    Raises:
        KeyRejected: a case key is malformed.
    """
    admitted, seated = plan.logged.admitted, plan.logged.seated
    keys = CaseKeys(admitted.agency.key, admitted.registry.key)
    return make_release(admitted.digest, keys, plan.shares, fresh, seated.key)


def intent_entry(seated: Seated, index: int, made: Release) -> bytes:
    """Return the log entry that announces a release."""
    return encode_leaf(sign_leaf(IntentLeaf(index, seated.seat, made.digest), seated.key))


def refusal_entry(seated: Seated, index: int, refused: Refusal, mark: bytes) -> bytes:
    """Return the log entry of an answer no; ``mark`` is 16 bytes, random unless an answer's."""
    leaf = RefusalLeaf(index, seated.seat, refused.rule[:64], refused.ground[:_GROUND], mark)
    return encode_leaf(sign_leaf(leaf, seated.key))


def done_entry(seated: Seated, index: int, data: bytes) -> bytes:
    """Return the log entry that the release in ``data`` was sent."""
    made = decode_release(data)
    leaf = DoneLeaf(index, seated.seat, made.digest, len(made.slots))
    return encode_leaf(sign_leaf(leaf, seated.key))
