"""Period keys: which to publish, prove, challenge and destroy, and when (protocol section 6).

Facts in, records out. A key is published before the day that precedes its first day begins, proven
to every other seat that is there before its first day, and destroyed when the policy's retention
is over. Knows the policy log as it was read, own seeds and own coins; no store and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from glasslock import signing
from glasslock.errors import GlasslockError, KeyRejected, StateError
from glasslock.keyholder.seat import Seated
from glasslock.keyholder.vault import PLAIN, Vault
from glasslock.sealing import possession
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.roster import Logged
from glasslock.wire.labels import Label
from glasslock.wire.policy import MAX_PERIOD_DAYS
from glasslock.wire.record import (
    EndRecord,
    PeriodKeyRecord,
    ProofRecord,
    Record,
    encode_record,
)

DESTROYED: Final = "destroyed"
REVOKED: Final = "revoked"
MIN_AHEAD: Final = 2
# One seat may ask again after it lost its coins, but not for ever.
MAX_CHALLENGES: Final = 3


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A period key of this keyholder; ``seed`` is as ``vault`` wrapped it, None once destroyed."""

    record: PeriodKeyRecord
    seed: bytes | None = field(repr=False)
    vault: Vault = PLAIN

    @property
    def key_id(self) -> bytes:
        """Its key id."""
        return self.record.key_id

    @property
    def secret(self) -> bytes | None:
        """The seed itself, in memory for as long as it is used; raises as ``Vault.unwrap``."""
        return None if self.seed is None else self.vault.unwrap(self.seed, self.key_id)


@dataclass(frozen=True, slots=True)
class Coins:
    """What this keyholder drew to challenge another's key; ``enc`` is what the coins give."""

    key_id: bytes
    enc: bytes
    coins: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Known:
    """What period keys are judged by. ``written`` says whether an entry is logged or on its way."""

    seated: Seated
    book: PolicyBook
    own: Mapping[bytes, OwnKey]
    coins: Mapping[bytes, Coins]
    written: Callable[[bytes], bool]
    ahead_days: int
    period_days: int


@dataclass(frozen=True, slots=True)
class Work:
    """What is due: a key from ``make`` on, challenges to ``keys``, proofs, keys to destroy.

    ``late`` are keys that were never logged in time: their seeds go without a word.
    """

    make: int | None
    keys: tuple[PeriodKeyRecord, ...]
    proofs: tuple[ProofRecord, ...]
    ends: tuple[EndRecord, ...]
    late: tuple[bytes, ...]

    @property
    def nothing(self) -> bool:
        """Whether nothing is due."""
        return self.make is None and not (self.keys or self.proofs or self.ends or self.late)


def work_due(known: Known, now: int) -> Work:
    """Return what is due at ``now`` (unix seconds).

    The later of the own clock and the witnesses' counts: a log that stands still does not keep a
    key from being destroyed, nor does a clock that does.
    """
    at = max(now, known.book.time)
    return Work(
        _first_day(known, at),
        tuple(_unchallenged(known, at)),
        (*_answers(known, at), *_reveals(known, at)),
        tuple(_ends(known, at)),
        tuple(key.key_id for key in known.own.values() if _is_late(known, key, at)),
    )


# -- records ----------------------------------------------------------------------------------


def make_key(seated: Seated, seed: bytes, first_day: int, days: int) -> OwnKey:
    """Return the signed period key of ``seed`` for ``days`` days from ``first_day``.

    Raises:
        StateError: a key serves one to seven days.
    """
    if not 1 <= days <= MAX_PERIOD_DAYS:
        raise StateError("a period key serves one to seven days", rule="period.days")
    public = possession.period_public_key(seed)
    bare = PeriodKeyRecord(seated.name, first_day, first_day + days - 1, public)
    return OwnKey(replace(bare, signature=_sign(seated, bare.signed_part())), seed)


def make_challenge(seated: Seated, key: PeriodKeyRecord, coins: bytes) -> tuple[Coins, ProofRecord]:
    """Return a challenge to another's key from 64 secret bytes; raises ``KeyRejected``."""
    enc, _ = possession.challenge(key.public_key, coins, key.key_id)
    return Coins(key.key_id, enc, coins), _proof(seated, "challenge", key.key_id, seated.name, enc)


def make_end(seated: Seated, key_id: bytes, now: int, kind: str = DESTROYED) -> EndRecord:
    """Return the signed word that an own key is destroyed, or ``REVOKED``."""
    bare = EndRecord(kind, key_id, seated.name, now)
    return replace(bare, signature=_sign(seated, bare.signed_part()))


def _proof(seated: Seated, step: str, key_id: bytes, challenger: str, data: bytes) -> ProofRecord:
    who = seated.access.seats[seated.access.seat_of(challenger) or 0].keyholder
    bare = ProofRecord(step, key_id, who, data)
    return replace(bare, signature=_sign(seated, bare.signed_part()))


def _sign(seated: Seated, content: bytes) -> bytes:
    return seated.key.sign(Label.SIGN_RECORD, content)


# -- what is due ------------------------------------------------------------------------------


def _first_day(known: Known, at: int) -> int | None:
    """Return the first day of the key to be made now, or None while enough days are covered."""
    day = known.seated.day
    today = at // day
    covered = max(
        (k.record.last_day for k in known.own.values() if _counts(known, k, at)), default=-1
    )
    if covered >= today + max(known.ahead_days, MIN_AHEAD):
        return None
    # It must be witnessed before the day after this one begins; what is left of today may be short.
    soonest = today + 2 + (day - at % day <= day // 4)
    return max(covered + 1, soonest)


def _counts(known: Known, key: OwnKey, at: int) -> bool:
    """Say whether a key is usable on its days, or may still become so."""
    record, day = key.record, known.seated.day
    if key.seed is None or any(end.record.key_id == key.key_id for end in known.book.ends):
        return False
    logged = _logged(known.book, key.key_id)
    if logged is None:
        return at < (record.first_day - 1) * day
    if logged.time >= (record.first_day - 1) * day:
        return False
    if at < record.first_day * day:
        return True
    return any(v.record.key_id == key.key_id for v in known.book.vetted(known.seated.policy))


def _is_late(known: Known, key: OwnKey, at: int) -> bool:
    unlogged = _logged(known.book, key.key_id) is None
    return key.seed is not None and unlogged and at >= (key.record.first_day - 1) * known.seated.day


def _logged(book: PolicyBook, key_id: bytes) -> Logged[PeriodKeyRecord] | None:
    return next((key for key in book.keys if key.record.key_id == key_id), None)


def _unchallenged(known: Known, at: int) -> Iterator[PeriodKeyRecord]:
    """Keys of other seats of this policy, logged in time and not in use, that we never asked."""
    seated, seen = known.seated, set(known.coins)
    for logged in known.book.keys:
        record = logged.record
        if record.key_id in seen or at >= record.first_day * seated.day:
            continue
        if logged.time >= (record.first_day - 1) * seated.day or record.keyholder == seated.name:
            continue
        if _signed_by(seated, record.keyholder, record) and _is_sound(record):
            seen.add(record.key_id)
            yield record


def _is_sound(record: PeriodKeyRecord) -> bool:
    try:
        possession.challenge(record.public_key, bytes(possession.COINS), record.key_id)
    except KeyRejected:
        return False
    return True


def _answers(known: Known, at: int) -> Iterator[ProofRecord]:
    """Answer what the other seats ask about own keys that are not in use yet.

    After that an answer would be about an encapsulation that seals something.
    """
    seated = known.seated
    asked: dict[tuple[bytes, str], int] = {}
    for proof in known.book.proofs:
        record = proof.record
        key = known.own.get(record.key_id)
        if record.step != "challenge" or key is None or key.seed is None:
            continue
        if at >= key.record.first_day * seated.day or record.challenger == seated.name:
            continue
        if not _signed_by(seated, record.challenger, record):
            continue
        place = (record.key_id, record.challenger)
        asked[place] = asked.get(place, 0) + 1
        if asked[place] > MAX_CHALLENGES:
            continue
        secret = key.secret
        if secret is None:
            continue
        try:
            data = possession.answer(secret, record.data, record.key_id)
        except KeyRejected:
            continue
        answer = _proof(seated, "answer", record.key_id, record.challenger, data)
        if not known.written(encode_record(answer)):
            yield answer


def _reveals(known: Known, at: int) -> Iterator[ProofRecord]:
    """Show own coins once the right answer to them stands in the log, and not before."""
    seated, book = known.seated, known.book
    for coins in known.coins.values():
        logged = _logged(book, coins.key_id)
        if logged is None or at >= logged.record.first_day * seated.day:
            continue
        reveal = _proof(seated, "reveal", coins.key_id, seated.name, coins.coins)
        if known.written(encode_record(reveal)):
            continue
        enc, answer = possession.challenge(logged.record.public_key, coins.coins, coins.key_id)
        ours = [p for p in book.proofs if _about(p.record) == (coins.key_id, seated.name)]
        asked = _at(ours, "challenge", enc, seated, seated.name, -1)
        if asked >= 0 and _at(ours, "answer", answer, seated, logged.record.keyholder, asked) >= 0:
            yield reveal


def _ends(known: Known, at: int) -> Iterator[EndRecord]:
    seated = known.seated
    for key in known.own.values():
        end = (key.record.last_day + 1 + seated.limits.retention_days) * seated.day
        if key.seed is not None and at >= end and not _is_late(known, key, at):
            yield make_end(seated, key.key_id, at)


def _about(record: ProofRecord) -> tuple[bytes, str]:
    return record.key_id, record.challenger


def _at(
    proofs: Sequence[Logged[ProofRecord]],
    step: str,
    data: bytes,
    seated: Seated,
    author: str,
    after: int,
) -> int:
    """Return the index of a step by ``author`` that stands after ``after``, or -1."""
    for proof in proofs:
        fits = (proof.record.step, proof.record.data) == (step, data)
        if fits and proof.index > after and _signed_by(seated, author, proof.record):
            return proof.index
    return -1


def _signed_by(seated: Seated, author: str, record: Record) -> bool:
    seat = seated.access.seat_of(author)
    if seat is None or not isinstance(record, PeriodKeyRecord | ProofRecord):
        return False
    try:
        signing.verify(
            seated.access.seats[seat].signing_key,
            Label.SIGN_RECORD,
            record.signed_part(),
            record.signature,
        )
    except GlasslockError:
        return False
    return True
