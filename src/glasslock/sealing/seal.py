"""Making a seal, and recomputing it: one code for sender and recipient (protocol section 3).

Knows slot secrets and period keys of a day; does not know a policy log, a group or who is asking.
Opening with shares stands in ``glasslock.sealing.shares``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from glasslock import _core
from glasslock.errors import SealMismatch, StateError
from glasslock.sealing.roster import DayRoster
from glasslock.sealing.slots import slot_key
from glasslock.wire.codec import Encodable, Value, encode
from glasslock.wire.digest import derive, digest
from glasslock.wire.envelope import SlotHeader
from glasslock.wire.labels import Label
from glasslock.wire.policy import MAX_SEATS, MAX_SLOTS_PER_DAY
from glasslock.wire.seal import (
    PerSeat,
    Seal,
    SealedShare,
    Tier1Header,
    encapsulation_digest,
    encapsulation_digests,
    tier1_digest,
)
from glasslock.wire.shape import U32, Fields, expect_digest

NONCE: Final = bytes(12)
_COINS: Final = 64

Shape = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Tier1:
    """A tier 1 with its encapsulations, null where a seat is vacant."""

    header: Tier1Header
    encs: PerSeat

    @cached_property
    def digest(self) -> bytes:
        """What slot headers name: ``H("tier 1", H1, ...)``."""
        return tier1_digest(self.header.digest, encapsulation_digests(self.encs))


@dataclass(frozen=True, slots=True)
class SeatKeys:
    """``K(j, tau)`` of every filled seat at one ``tau``; older ones cannot be had from it."""

    tau: int
    keys: PerSeat = field(repr=False)

    def at(self, tau: int) -> SeatKeys:
        """Return the keys of slot ``tau``, stepped for every slot between.

        Raises:
            StateError: ``tau`` lies before, or more than a day after.
        """
        steps = tau - self.tau
        if not 0 <= steps < MAX_SLOTS_PER_DAY:
            raise StateError("the seat keys of this slot are not to be had", rule="seal.step")
        return SeatKeys(tau, tuple(key and step_seat_key(key, steps) for key in self.keys))

    def value(self) -> Encodable:
        """Return the stored form."""
        return (self.tau, self.keys)

    @classmethod
    def read(cls, fields: Fields) -> SeatKeys:
        """Read the stored form; raises ``WireError``."""
        keys = cls(fields.uint(U32), fields.each(_key_or_null, MAX_SEATS, 1))
        fields.close()
        return keys

    def encode(self) -> bytes:
        """Return the stored form as bytes."""
        return encode(self.value())


def decode_seat_keys(data: bytes) -> SeatKeys:
    """Decode the stored form; raises ``WireError``."""
    return SeatKeys.read(Fields.of(data, "seat keys", 2))


def step_seat_key(key: bytes, steps: int) -> bytes:
    """Return ``K(j, tau + steps)`` from ``K(j, tau)``."""
    for _ in range(steps):
        key = derive(key, Label.SEAT_NEXT)
    return key


def first_seat_key(shared: bytes, header: bytes, seat: int, enc: bytes) -> bytes:
    """Return ``K(j, tau)`` of a tier 1 header digest H1; ``enc`` is the digest of enc_j."""
    return derive(shared, Label.SEAT, header, seat, enc)


def make_tier1(secret: bytes, header: Tier1Header, roster: DayRoster) -> tuple[Tier1, SeatKeys]:
    """Encapsulate to the whole roster with coins from ``S(i, tau)``; members get the same bytes.

    Raises:
        StateError: the header does not name the keys of this roster, or too few seats are filled.
        KeyRejected: a period key is malformed.
    """
    if (header.key_ids, header.day) != (roster.key_ids, roster.day):
        raise StateError("a tier 1 header names other keys than the roster", rule="seal.roster")
    roster.check_sendable()
    filled = [(number, seat) for number, seat in enumerate(roster.seats) if seat is not None]
    coins = [
        (s.public, derive(secret, Label.COINS, header.digest, j, s.key_id, length=_COINS))
        for j, s in filled
    ]
    encs: list[bytes | None] = [None] * len(roster.seats)
    keys: list[bytes | None] = [None] * len(roster.seats)
    pairs = _core.xwing_encapsulate_batch(coins)
    for (j, _), (shared, enc) in zip(filled, pairs, strict=True):
        encs[j] = enc
        keys[j] = first_seat_key(shared, header.digest, j, encapsulation_digest(enc))
    return Tier1(header, tuple(encs)), SeatKeys(header.tau, tuple(keys))


def make_seal(secret: bytes, slot: SlotHeader, shape: Shape, keys: SeatKeys) -> Seal:
    """Seal the slot key of ``slot`` from ``secret`` = S(i, tau) to the seats that have a key.

    ``keys`` are the seat keys of exactly this slot.

    Raises:
        StateError: keys of another slot, or of another number of seats.
    """
    if keys.tau != slot.tau or len(keys.keys) != sum(count for _, count in shape):
        raise StateError("seat keys of another slot or policy", rule="seal.keys")
    key = slot_key(secret, slot.digest)
    rows: list[SealedShare | None] = []
    for number, (seat_key, share) in enumerate(
        zip(keys.keys, _shares(secret, key, slot.digest, shape), strict=True)
    ):
        rows.append(None if seat_key is None else _row(slot.digest, number, seat_key, share))
    return Seal(slot.digest, slot_key_commitment(key, slot.digest), tuple(rows))


def check_tier1(claimed: bytes | None, own: Tier1) -> None:
    """Compare a sender's tier 1 digest with one's own; raises ``SealMismatch``."""
    if claimed != own.digest:
        raise SealMismatch("tier 1 is not what its members compute", rule="seal.tier1")


def check_seal(claimed: bytes | None, own: Seal) -> None:
    """Compare a sender's signed seal digest with one's own; raises ``SealMismatch``."""
    if claimed != own.digest:
        raise SealMismatch("the seal is not what its members compute", rule="seal.digest")


def slot_key_commitment(key: bytes, slot: bytes) -> bytes:
    """Return the commitment to W = ``key`` of the slot header digest ``slot``."""
    return derive(key, Label.SLOT_KEY_COMMITMENT, slot)


def share_commitment(slot: bytes, seat: int, blind: bytes, share: bytes) -> bytes:
    """Return ``commit_j``."""
    return digest(Label.SHARE, slot, seat, blind, share)


def share_key(seat_key: bytes, slot: bytes) -> bytes:
    """Return the AEAD key of a sealed share from ``K(j, tau)``."""
    return derive(seat_key, Label.SHARE_KEY, slot)


def share_blind(seat_key: bytes, slot: bytes) -> bytes:
    """Return ``blind_j`` from ``K(j, tau)``."""
    return derive(seat_key, Label.SHARE_BLIND, slot)


def xor(one: bytes, other: bytes) -> bytes:
    """Return the exclusive or of two strings of equal length."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))


def _shares(secret: bytes, key: bytes, slot: bytes, shape: Shape) -> list[bytes]:
    """Return the shares of all seats, vacant ones too, in seat order."""
    parts = [derive(secret, Label.CLASS_PART, slot, c) for c in range(len(shape) - 1)]
    parts.append(reduce(xor, parts, key))
    shares: list[bytes] = []
    for c, ((threshold, count), part) in enumerate(zip(shape, parts, strict=True)):
        coefficients = [derive(secret, Label.COEFFICIENT, slot, c, d) for d in range(1, threshold)]
        shares.extend(_core.shamir_shares(part, coefficients, count))
    return shares


def _row(slot: bytes, seat: int, seat_key: bytes, share: bytes) -> SealedShare:
    sealed = AESGCM(share_key(seat_key, slot)).encrypt(NONCE, share, slot)
    blind = share_blind(seat_key, slot)
    return SealedShare(sealed, share_commitment(slot, seat, blind, share))


def _key_or_null(value: Value) -> bytes | None:
    return None if value is None else expect_digest(value)
