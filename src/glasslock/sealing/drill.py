"""Drills: whether every keyholder can still give a working share, for all to see (section 6).

A drill is made by one seat with the code that seals slots, to the very keys that slots are sealed
to; each other seat answers with its share, in the clear, by the code that opens slots; then the
maker shows what it was made from. Everything is judged by the policy log alone. Knows no store, no
clock and no secret of a keyholder.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from glasslock import signing
from glasslock.errors import GlasslockError, VerificationError
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.roster import DayRoster, Logged, check_roster
from glasslock.sealing.seal import make_seal, make_tier1
from glasslock.sealing.shares import (
    Share,
    SlotFacts,
    VerifiedSlot,
    check_share,
    slot_signed_content,
    verify_slot,
)
from glasslock.signing import Signer
from glasslock.wire.digest import digest
from glasslock.wire.drill import (
    DrillAnswer,
    DrillPart,
    DrillRecord,
    DrillSecret,
    decode_drill,
)
from glasslock.wire.labels import Label
from glasslock.wire.policy import Access, Policy
from glasslock.wire.seal import encapsulation_digest, encapsulation_digests

# The most policy days that a drill gives its seats, and the least part of one.
LONGEST_DAYS: Final = 7
SHORTEST_PART: Final = 24
# So often each seat should have passed a drill, in policy days: once a period, and once more.
DRILL_DAYS: Final = 14


class State(StrEnum):
    """What a drill says of one seat."""

    VACANT = "vacant"
    MAKER = "maker"
    WAITING = "waiting"
    PASSED = "passed"
    FAILED = "failed"
    LATE = "late"
    SILENT = "silent"
    VOID = "void"


class Making(StrEnum):
    """What is known of how a drill was made."""

    OPEN = "not shown yet"
    RIGHT = "made right"
    FALSE = "made falsely"


@dataclass(frozen=True)
class MadeDrill:
    """A drill as its maker holds it: what is logged, and the secret that is shown at the end."""

    record: DrillRecord
    parts: tuple[DrillPart, ...]
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class Drill:
    """A logged drill that holds; comes only from ``check_drill``."""

    record: DrillRecord
    index: int
    time: int
    maker: int
    access: Access
    slot: VerifiedSlot
    roster: DayRoster

    def enc_digest(self, seat: int) -> bytes:
        """Return the digest of a seat's encapsulation, empty where the seat is vacant."""
        return self.slot.enc_digests[seat] or b""


@dataclass(frozen=True, slots=True)
class Result:
    """How a drill stands: one state per seat, and what is known of its making."""

    seats: tuple[State, ...]
    making: Making


def make_drill(
    policy: Policy, roster: DayRoster, maker: int, answer_by: int, secret: bytes, key: Signer
) -> MadeDrill:
    """Return a drill of the keys in ``roster``; ``secret`` are 64 random bytes.

    Half of them are the nonce, and the other half is what the drill is sealed from.

    Raises:
        StateError: too few seats have a key.
    """
    access, clocks = _access(policy), policy.clocks
    nonce, seed = secret[:32], secret[32:]
    bare = DrillRecord(
        policy.digest,
        access.seats[maker].keyholder,
        nonce,
        roster.day,
        answer_by,
        roster.key_ids,
        (None,) * len(roster.seats),
        b"",
    )
    tier1, keys = make_tier1(seed, bare.tier1_header(clocks.slots_per_day), roster)
    bare = replace(bare, encs=encapsulation_digests(tier1.encs))
    header = bare.slot_header(clocks.slots_per_day, key.public)
    seal = make_seal(seed, header, access.shape, keys)
    signature = key.sign(Label.SIGN_SLOT, slot_signed_content(header.digest, seal.digest))
    parts = tuple(DrillPart(bare.context, enc) for enc in tier1.encs if enc is not None)
    return MadeDrill(replace(bare, seal=seal.encoded, signature=signature), parts, seed)


class DrillBook:
    """The drills of a policy log as far as it was read."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.drills: dict[bytes, Logged[DrillRecord]] = {}
        self.parts: dict[bytes, bytes] = {}
        self.answers: dict[bytes, list[Logged[DrillAnswer]]] = {}
        self.secrets: dict[bytes, list[Logged[DrillSecret]]] = {}
        self._checked: dict[tuple[bytes, bytes], Drill | None] = {}

    def add(self, entry: bytes, index: int, time: int) -> bool:
        """Read the entry at ``index``, witnessed at ``time``; says whether it is of a drill."""
        try:
            record = decode_drill(entry)
        except GlasslockError:
            return False
        match record:
            case DrillRecord():
                # The first counts: who writes the same again changes nothing.
                self.drills.setdefault(record.context, Logged(record, index, time))
            case DrillPart():
                self.parts[encapsulation_digest(record.enc)] = record.enc
            case DrillAnswer():
                self.answers.setdefault(record.context, []).append(Logged(record, index, time))
            case DrillSecret():
                self.secrets.setdefault(record.context, []).append(Logged(record, index, time))
        return True

    def of(self, policy: Policy, book: PolicyBook) -> list[Drill]:
        """Return the drills under ``policy`` that hold, in log order.

        ``book`` has read the same log as far: what held a drill up or down does not change after.
        """
        found = []
        for context, logged in self.drills.items():
            place = (policy.digest, context)
            if place not in self._checked:
                try:
                    self._checked[place] = check_drill(policy, book, logged)
                except GlasslockError:
                    self._checked[place] = None
            drill = self._checked[place]
            if drill is not None:
                found.append(drill)
        return sorted(found, key=lambda each: each.index)

    def answered(self, drill: Drill, seat: int) -> Logged[DrillAnswer] | None:
        """Return the first answer that a seat has signed, or None."""
        who = drill.access.seats[seat]
        for logged in self.answers.get(drill.record.context, []):
            if logged.record.keyholder == who.keyholder and _signed(who.signing_key, logged.record):
                return logged
        return None

    def shown(self, drill: Drill) -> Logged[DrillSecret] | None:
        """Return the first secret that the drill's maker has signed, or None."""
        secrets = self.secrets.get(drill.record.context, [])
        return next((s for s in secrets if _signed(drill.slot.header.signer, s.record)), None)

    def result(self, drill: Drill, at: int) -> Result:
        """Say how a drill stands at ``at`` (unix seconds)."""
        shown = self.shown(drill)
        count = len(drill.access.seats)
        seats = tuple(self._state(drill, seat, shown, at) for seat in range(count))
        return Result(seats, _making(drill, shown))

    def _state(self, drill: Drill, seat: int, shown: Logged[DrillSecret] | None, at: int) -> State:
        if drill.record.key_ids[seat] is None:
            return State.VACANT
        if seat == drill.maker:
            return State.MAKER
        answer, by = self.answered(drill, seat), drill.record.answer_by
        # Who has seen the secret could give any seat's share.
        if answer is not None and (shown is None or answer.index < shown.index):
            if not _is_right(drill, seat, answer.record):
                return State.FAILED
            return State.PASSED if answer.time <= by else State.LATE
        if shown is not None and shown.time <= by:
            return State.VOID
        return State.WAITING if at <= by else State.SILENT


def check_drill(policy: Policy, book: PolicyBook, logged: Logged[DrillRecord]) -> Drill:
    """Return a logged drill of ``policy`` if it may be answered.

    Its headers are made here and not taken from anybody, so a seal of a conversation cannot be in
    it: that one is of another slot header (rule ``slot.seal``).

    Raises:
        VerificationError: another policy or other keys than its day's, dates out of bounds, a
            maker without a seat, a signature or seal that does not fit.
        WireError: the seal is malformed.
    """
    record, access, clocks = logged.record, _access(policy), policy.clocks
    maker = access.seat_of(record.keyholder)
    if maker is None:
        raise VerificationError("a drill by nobody in this policy", rule="drill.seat")
    day = clocks.day_seconds
    given = record.answer_by - logged.time
    if not day // SHORTEST_PART <= given <= LONGEST_DAYS * day:
        raise VerificationError("a drill gives too little time, or too much", rule="drill.date")
    if record.day > logged.time // day:
        raise VerificationError("a drill of a day to come", rule="drill.day")
    tier1 = record.tier1_header(clocks.slots_per_day)
    header = record.slot_header(clocks.slots_per_day, access.seats[maker].signing_key)
    facts = SlotFacts(
        header.encoded,
        digest(Label.SEAL, record.seal),
        record.signature,
        record.seal,
        tier1.encoded,
        record.encs,
    )
    slot = verify_slot(facts, policy)
    roster = check_roster(tier1, book.rosters(policy, record.day, logged.time))
    return Drill(record, logged.index, logged.time, maker, access, slot, roster)


def _is_right(drill: Drill, seat: int, answer: DrillAnswer) -> bool:
    if answer.share is None or answer.blind is None:
        return False
    try:
        check_share(drill.slot, Share(seat, answer.share, answer.blind))
    except GlasslockError:
        return False
    return True


def _making(drill: Drill, shown: Logged[DrillSecret] | None) -> Making:
    """Make the drill again from the secret that was shown, as members do with a seal."""
    if shown is None:
        return Making.OPEN
    try:
        tier1, keys = make_tier1(shown.record.secret, drill.slot.tier1, drill.roster)
        seal = make_seal(shown.record.secret, drill.slot.header, drill.slot.shape, keys)
    except GlasslockError:
        return Making.FALSE
    same = (tier1.digest, seal.digest) == (drill.slot.header.tier1, drill.slot.seal.digest)
    return Making.RIGHT if same else Making.FALSE


def _signed(key: bytes, record: DrillAnswer | DrillSecret) -> bool:
    try:
        signing.verify(key, Label.SIGN_RECORD, record.signed_part(), record.signature)
    except GlasslockError:
        return False
    return True


def _access(policy: Policy) -> Access:
    if policy.access is None:
        raise VerificationError("this policy has no keyholders", rule="drill.none")
    return policy.access
