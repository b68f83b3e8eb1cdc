"""Which period keys a day's seals go to (protocol sections 3 and 6); knows no log and no secret.

The reader of the policy log hands in what it found there, with index and witness time; everybody
who reads the same log must come to the same roster.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from glasslock import _core, signing
from glasslock.errors import KeyRejected, StateError, VerificationError
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label
from glasslock.wire.policy import Access, Policy, Seat
from glasslock.wire.record import EndRecord, PeriodKeyRecord, ProofRecord
from glasslock.wire.seal import PerSeat, Tier1Header

REVOCATION_GRACE: Final = 3_600

R = TypeVar("R")


class SeatsVacant(StateError):
    """Too few keyholders have a key for this day."""

    slug = "seats-vacant"


class StaleRoster(VerificationError):
    """A slot is sealed to other keys than the policy log has for its day."""

    slug = "stale-roster"


@dataclass(frozen=True, slots=True)
class Logged(Generic[R]):
    """A record with its index in the policy log and the time it was witnessed (unix seconds)."""

    record: R
    index: int
    time: int


@dataclass(frozen=True, slots=True)
class VettedKey:
    """A period key that may be used on its days; comes only from ``vet_key``."""

    seat: int
    record: PeriodKeyRecord
    index: int


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key id that does not count after ``time``; comes only from ``vet_revocation``."""

    key_id: bytes
    time: int


@dataclass(frozen=True, slots=True)
class SeatKey:
    """The period key of a filled seat."""

    key_id: bytes
    public: bytes


@dataclass(frozen=True)
class DayRoster:
    """The keys of all seats on one policy day; ``shape`` is ``(threshold, seats)`` per class."""

    policy: bytes
    day: int
    shape: tuple[tuple[int, int], ...]
    seats: tuple[SeatKey | None, ...]

    def __post_init__(self) -> None:
        """Refuse two equal keys (section 3, Seats); raises ``KeyRejected``."""
        if len(self.seats) != sum(count for _, count in self.shape):
            raise StateError("a roster has one item per seat", rule="roster.seats")
        keys = [seat.public for seat in self.seats if seat is not None]
        if len(set(keys)) != len(keys):
            raise KeyRejected("two seats have the same key", rule="roster.equal")

    @property
    def key_ids(self) -> PerSeat:
        """The key id of every seat, null where it is vacant."""
        return tuple(None if seat is None else seat.key_id for seat in self.seats)

    def check_sendable(self) -> None:
        """Check that every class has as many keys as its threshold.

        Raises:
            SeatsVacant: a class has fewer: nothing may be sent on this day.
        """
        first = 0
        for threshold, count in self.shape:
            filled = sum(seat is not None for seat in self.seats[first : first + count])
            if filled < threshold:
                raise SeatsVacant("too few keyholders have a key", rule="roster.threshold")
            first += count


def vet_key(
    policy: Policy, key: Logged[PeriodKeyRecord], proofs: Sequence[Logged[ProofRecord]]
) -> VettedKey:
    """Return the key if it may be used on its days (sections 3 and 6).

    ``proofs`` are records of the same log; those about other keys are passed over.

    Raises:
        VerificationError: no seat, a wrong signature, logged too late, or not proven in time.
        KeyRejected: the key fails FIPS 203 or has a low-order X25519 half.
    """
    record = key.record
    access = _access(policy)
    number, seat = _seat(access, record.keyholder)
    day = policy.clocks.day_seconds
    if key.time >= (record.first_day - 1) * day:
        raise VerificationError("a period key was logged too late", rule="roster.late")
    _check_signed(seat, record.signed_part(), record.signature)
    _core.xwing_check_public_key(record.public_key)
    before_use = [item for item in proofs if item.time < record.first_day * day]
    _check_possession(record, access, number, before_use)
    return VettedKey(number, record, key.index)


def vet_revocation(policy: Policy, end: Logged[EndRecord], keys: Iterable[VettedKey]) -> Revocation:
    """Return the revocation (or destruction) of a key by its own keyholder.

    Raises:
        VerificationError: the key is not this keyholder's, or the signature is wrong.
    """
    record = end.record
    number, seat = _seat(_access(policy), record.keyholder)
    if not any(key.record.key_id == record.key_id and key.seat == number for key in keys):
        raise VerificationError("a keyholder ends its own keys only", rule="roster.owner")
    _check_signed(seat, record.signed_part(), record.signature)
    return Revocation(record.key_id, end.time)


def roster_of_day(
    policy: Policy, day: int, keys: Iterable[VettedKey], revocations: Iterable[Revocation], at: int
) -> DayRoster:
    """Return the roster of ``day`` as known at ``at`` (unix seconds of an entry).

    The earliest logged key of a seat counts, so that a later one cannot displace it; and one that
    another seat has logged before does not, so that two who share a key stop nobody else.

    Raises:
        VerificationError: the policy has no keyholders.
    """
    access = _access(policy)
    ended = {item.key_id for item in revocations if item.time <= at}
    seats: list[SeatKey | None] = [None] * len(access.seats)
    taken: set[bytes] = set()
    for key in sorted(keys, key=lambda item: item.index):
        record = key.record
        serves = record.first_day <= day <= record.last_day and record.key_id not in ended
        if serves and seats[key.seat] is None and record.public_key not in taken:
            seats[key.seat] = SeatKey(record.key_id, record.public_key)
            taken.add(record.public_key)
    return DayRoster(policy.digest, day, access.shape, tuple(seats))


def rosters_in_force(
    policy: Policy, day: int, keys: Sequence[VettedKey], revocations: Sequence[Revocation], at: int
) -> tuple[DayRoster, ...]:
    """Return every roster that an entry at ``at`` may use, the current one first.

    For one hour after a revocation the roster before it counts too. Raises as ``roster_of_day``.
    """
    recent = {item.time - 1 for item in revocations if at - REVOCATION_GRACE < item.time <= at}
    times = [at, *sorted(recent, reverse=True)]
    rosters = (roster_of_day(policy, day, keys, revocations, time) for time in times)
    return tuple(dict.fromkeys(rosters))


def check_roster(header: Tier1Header, rosters: Iterable[DayRoster]) -> DayRoster:
    """Return the roster in force that a tier 1 header names.

    Raises:
        StaleRoster: none of ``rosters`` has this day and these keys.
    """
    for roster in rosters:
        if (header.policy, header.day, header.key_ids) == (
            roster.policy,
            roster.day,
            roster.key_ids,
        ):
            return roster
    raise StaleRoster("stale roster", rule="roster.stale")


def possession_answer(secret: bytes, key_id: bytes) -> bytes:
    """Return ``KDF(ss, "proof", key id)``: what the owner of a key answers to a challenge.

    The key id names the owner: who has copied a key cannot have its owner answer for the copy.
    """
    return derive(secret, Label.PROOF, key_id)


def check_quorum(shape: Sequence[tuple[int, int]], seats: Iterable[int]) -> None:
    """Check that ``seats`` hold the threshold of every class.

    Raises:
        VerificationError: rule ``roster.unproven``: a class has fewer.
    """
    there, first = set(seats), 0
    for threshold, count in shape:
        if len(there & set(range(first, first + count))) < threshold:
            raise VerificationError("a period key is not proven", rule="roster.unproven")
        first += count


def _check_possession(
    key: PeriodKeyRecord, access: Access, owner: int, proofs: Sequence[Logged[ProofRecord]]
) -> None:
    """Check that the owner and those to whom it proved the key would together be a quorum.

    If all of them lied, they could open everything anyway; and whoever may be missing without an
    order failing may be missing here.
    """
    seats = access.seats
    proven = [
        number
        for number, challenger in enumerate(seats)
        if number != owner and _is_proven(key, seats[owner], challenger, proofs)
    ]
    check_quorum(access.shape, (owner, *proven))


def _is_proven(
    key: PeriodKeyRecord, owner: Seat, challenger: Seat, proofs: Sequence[Logged[ProofRecord]]
) -> bool:
    """Look for challenge, answer and reveal, in this order, that fit each other and the key."""
    ours = [p for p in proofs if (p.record.key_id, p.record.challenger) == _about(key, challenger)]
    for reveal in ours:
        if reveal.record.step == "reveal" and _signed_by(challenger, reveal.record):
            secret, enc = _core.xwing_encapsulate(key.public_key, reveal.record.data)
            challenge = _index(ours, "challenge", enc, challenger, (-1, reveal.index))
            span = (challenge, reveal.index)
            answer = _index(ours, "answer", possession_answer(secret, key.key_id), owner, span)
            if 0 <= challenge < answer:
                return True
    return False


def _about(key: PeriodKeyRecord, challenger: Seat) -> tuple[bytes, str]:
    return key.key_id, challenger.keyholder


def _index(
    proofs: Sequence[Logged[ProofRecord]],
    step: str,
    data: bytes,
    author: Seat,
    span: tuple[int, int],
) -> int:
    """Return the index of a step that ``author`` signed strictly inside ``span``, or -1."""
    for item in proofs:
        inside = span[0] < item.index < span[1]
        fits = (item.record.step, item.record.data) == (step, data)
        if inside and fits and _signed_by(author, item.record):
            return item.index
    return -1


def _signed_by(seat: Seat, record: ProofRecord) -> bool:
    try:
        _check_signed(seat, record.signed_part(), record.signature)
    except VerificationError:
        return False
    return True


def _check_signed(seat: Seat, content: bytes, signature: bytes) -> None:
    signing.verify(seat.signing_key, Label.SIGN_RECORD, content, signature)


def _access(policy: Policy) -> Access:
    if policy.access is None:
        raise VerificationError("this policy has no keyholders", rule="roster.none")
    return policy.access


def _seat(access: Access, keyholder: str) -> tuple[int, Seat]:
    number = access.seat_of(keyholder)
    if number is None:
        raise VerificationError("a record by nobody in this policy", rule="roster.seat")
    return number, access.seats[number]
