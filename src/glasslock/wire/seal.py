"""What a seal looks like: tier 1 header, encapsulations, seal, upload (section 3).

Knows the bytes and their digests; does not know a key, a roster or whether a seal is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from glasslock.wire.codec import Value, encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.policy import MAX_SEATS
from glasslock.wire.record import ENCAPSULATION_SIZE
from glasslock.wire.shape import U32, Fields, expect_digest

SEALED_SIZE: Final = 48

PerSeat: TypeAlias = tuple[bytes | None, ...]


@dataclass(frozen=True)
class Tier1Header:
    """Whose slot secrets are carried to which period keys, from slot ``tau`` to the day's end.

    ``key_ids`` has one item per seat of the policy, null where the seat is vacant. ``policy``,
    ``context`` and ``credential`` are digests.
    """

    policy: bytes
    group_id: bytes
    epoch: int
    context: bytes
    leaf: int
    credential: bytes
    day: int
    tau: int
    key_ids: PerSeat

    @cached_property
    def encoded(self) -> bytes:
        """The wire form."""
        return encode(
            (
                self.policy,
                self.group_id,
                self.epoch,
                self.context,
                self.leaf,
                self.credential,
                self.day,
                self.tau,
                self.key_ids,
            )
        )

    @cached_property
    def digest(self) -> bytes:
        """``H1 = H("tier 1 header", bytes)``."""
        return digest(Label.TIER_1_HEADER, self.encoded)


@dataclass(frozen=True, slots=True)
class SealedShare:
    """One seat's row of a seal: its share under AEAD (48 bytes) and the commitment to it."""

    sealed: bytes
    commit: bytes


@dataclass(frozen=True)
class Seal:
    """The shares of one slot key; ``slot`` is Hh, ``commitment`` that of the slot key."""

    slot: bytes
    commitment: bytes
    rows: tuple[SealedShare | None, ...]

    @cached_property
    def encoded(self) -> bytes:
        """The wire form."""
        rows = tuple(None if row is None else (row.sealed, row.commit) for row in self.rows)
        return encode((self.slot, self.commitment, rows))

    @cached_property
    def digest(self) -> bytes:
        """``seal_digest = H("seal", bytes)``."""
        return digest(Label.SEAL, self.encoded)


@dataclass(frozen=True)
class SealUpload:
    """What travels beside the first envelope of a slot; ``encs`` only when tier 1 is new.

    The tier 1 header itself stands in the envelope's opening.
    """

    seal: bytes
    encs: PerSeat | None = None

    def encode(self) -> bytes:
        """Return the wire form."""
        return encode((self.seal, self.encs))


def encapsulation_digest(enc: bytes) -> bytes:
    """Return ``H("encapsulation", enc)``."""
    return digest(Label.ENCAPSULATION, enc)


def encapsulation_digests(encs: PerSeat) -> PerSeat:
    """Return ``H("encapsulation", enc)`` per seat, null where the seat is vacant."""
    return tuple(None if enc is None else encapsulation_digest(enc) for enc in encs)


def tier1_digest(header: bytes, enc_digests: PerSeat) -> bytes:
    """Return ``H("tier 1", H1, [H("encapsulation", enc)? per seat])``; ``header`` is H1."""
    return digest(Label.TIER_1, header, enc_digests)


def decode_tier1_header(data: bytes) -> Tier1Header:
    """Decode a tier 1 header; raises ``WireError``."""
    fields = Fields.of(data, "tier 1 header", 9, limit=4_096)
    header = Tier1Header(
        policy=fields.digest(),
        group_id=fields.bytes(64, 1),
        epoch=fields.uint(),
        context=fields.digest(),
        leaf=fields.uint(U32),
        credential=fields.digest(),
        day=fields.uint(U32),
        tau=fields.uint(U32),
        key_ids=fields.each(_digest_or_null, MAX_SEATS, 1),
    )
    fields.close()
    return header


def decode_seal(data: bytes) -> Seal:
    """Decode a seal; raises ``WireError``."""
    fields = Fields.of(data, "seal", 3, limit=8_192)
    seal = Seal(fields.digest(), fields.digest(), fields.each(_row, MAX_SEATS, 1))
    fields.close()
    return seal


def decode_seal_upload(data: bytes) -> SealUpload:
    """Decode an upload; raises ``WireError``. The seal in it is not decoded."""
    fields = Fields.of(data, "seal upload", 2)
    upload = SealUpload(
        fields.bytes(8_192, 1), fields.maybe(lambda: fields.each(_enc_or_null, MAX_SEATS, 1))
    )
    fields.close()
    return upload


def _digest_or_null(value: Value) -> bytes | None:
    return None if value is None else expect_digest(value)


def _enc_or_null(value: Value) -> bytes | None:
    return None if value is None else Fields((value,), "encapsulations").exactly(ENCAPSULATION_SIZE)


def _row(value: Value) -> SealedShare | None:
    if value is None:
        return None
    fields = Fields(value, "seal row", 2)
    return SealedShare(fields.exactly(SEALED_SIZE), fields.digest())
