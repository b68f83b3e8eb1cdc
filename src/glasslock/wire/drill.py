"""What a drill leaves in the policy log: challenge, its parts, answers, and the secret (section 6).

A drill is a seal that no conversation has: its slot header and tier 1 header are not in the record
but follow from it, under a context that only a drill can have. So a drill names no real slot, and
there is no way to write one that does. Knows the bytes; does not know a key or whether a share is
right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from glasslock.errors import WireError
from glasslock.ids import KeyholderId, keyholder_id
from glasslock.wire.codec import Value, encode
from glasslock.wire.digest import digest
from glasslock.wire.envelope import Seen, SlotHeader
from glasslock.wire.labels import Label
from glasslock.wire.policy import MAX_SEATS
from glasslock.wire.record import ENCAPSULATION_SIZE, MAGIC, split_entry
from glasslock.wire.seal import PerSeat, Tier1Header, tier1_digest
from glasslock.wire.shape import DIGEST, SIGNATURE, U32, Fields, expect_digest, expect_text

GROUP: Final = b"drill"
MAX_SEAL: Final = 8_192


@dataclass(frozen=True)
class DrillRecord:
    """A canary sealed to the keys of policy day ``day``, to be answered by ``answer_by``.

    ``keyholder`` has made it; ``nonce`` is random, so that no two drills are one. ``key_ids`` and
    ``encs`` (digests of the encapsulations) have one item per seat, null where it is vacant. Times
    are unix seconds. ``signature`` is Sign("slot", cbor([Hh, seal digest])) over the headers that
    follow from all the rest.
    """

    policy: bytes
    keyholder: KeyholderId
    nonce: bytes
    day: int
    answer_by: int
    key_ids: PerSeat
    encs: PerSeat
    seal: bytes
    signature: bytes = b"\x00" * SIGNATURE

    @cached_property
    def context(self) -> bytes:
        """``H("drill", policy, keyholder, nonce, day, answer_by)``: where others have a group's."""
        return digest(
            Label.DRILL, self.policy, self.keyholder, self.nonce, self.day, self.answer_by
        )

    def tier1_header(self, slots_per_day: int) -> Tier1Header:
        """Return the tier 1 header of the drill, at the first slot of its day."""
        return Tier1Header(
            self.policy,
            GROUP,
            0,
            self.context,
            0,
            self.context,
            self.day,
            self.day * slots_per_day,
            self.key_ids,
        )

    def slot_header(self, slots_per_day: int, signer: bytes) -> SlotHeader:
        """Return the slot header of the drill; ``signer`` is the key of who has made it."""
        tier1 = self.tier1_header(slots_per_day)
        return SlotHeader(
            self.policy,
            GROUP,
            0,
            self.context,
            0,
            self.context,
            signer,
            tier1.tau,
            tier1_digest(tier1.digest, self.encs),
            None,
            Seen(0, bytes(DIGEST)),
        )

    def body(self) -> bytes:
        """Return the bytes after the magic line."""
        return encode(
            (
                self.policy,
                self.keyholder,
                self.nonce,
                self.day,
                self.answer_by,
                self.key_ids,
                self.encs,
                self.seal,
                self.signature,
            )
        )


@dataclass(frozen=True, slots=True)
class DrillPart:
    """One encapsulation of a drill, which has its digest: it proves itself and is not signed."""

    context: bytes
    enc: bytes

    def body(self) -> bytes:
        """Return the bytes after the magic line."""
        return encode((self.context, self.enc))


@dataclass(frozen=True)
class DrillAnswer:
    """A keyholder's share and blind of a drill; both None: its own word that it has none."""

    context: bytes
    keyholder: KeyholderId
    share: bytes | None
    blind: bytes | None
    signature: bytes = b"\x00" * SIGNATURE

    def signed_part(self) -> bytes:
        """Return what the keyholder's signing key signs."""
        return encode(("drill-answer", self.context, self.keyholder, self.share, self.blind))

    def body(self) -> bytes:
        """Return the bytes after the magic line."""
        return encode((self.context, self.keyholder, self.share, self.blind, self.signature))


@dataclass(frozen=True)
class DrillSecret:
    """What a drill was made from; signed by who has made it."""

    context: bytes
    secret: bytes
    signature: bytes = b"\x00" * SIGNATURE

    def signed_part(self) -> bytes:
        """Return what the maker's signing key signs."""
        return encode(("drill-secret", self.context, self.secret))

    def body(self) -> bytes:
        """Return the bytes after the magic line."""
        return encode((self.context, self.secret, self.signature))


Drilled: TypeAlias = DrillRecord | DrillPart | DrillAnswer | DrillSecret

_TYPES: Final[dict[type[Drilled], str]] = {
    DrillRecord: "drill",
    DrillPart: "drill-part",
    DrillAnswer: "drill-answer",
    DrillSecret: "drill-secret",
}
TYPES: Final = frozenset(_TYPES.values())


def encode_drill(record: Drilled) -> bytes:
    """Return the log entry of ``record``."""
    return MAGIC + _TYPES[type(record)].encode() + b"\n" + record.body()


def decode_drill(entry: bytes) -> Drilled:
    """Decode a drill's entry of the policy log; raises ``WireError`` for any other."""
    kind, body = split_entry(entry)
    if kind == "drill":
        return _drill(Fields.of(body, "drill", 9))
    if kind == "drill-part":
        part = Fields.of(body, "drill part", 2)
        return DrillPart(part.digest(), part.exactly(ENCAPSULATION_SIZE))
    if kind == "drill-answer":
        return _answer(Fields.of(body, "drill answer", 5))
    if kind == "drill-secret":
        secret = Fields.of(body, "drill secret", 3)
        return DrillSecret(secret.digest(), secret.exactly(DIGEST), secret.exactly(SIGNATURE))
    raise WireError("no record of a drill", rule="record.type")


def _drill(fields: Fields) -> DrillRecord:
    record = DrillRecord(
        policy=fields.digest(),
        keyholder=keyholder_id(expect_text(fields.any())),
        nonce=fields.exactly(DIGEST),
        day=fields.uint(U32),
        answer_by=fields.uint(),
        key_ids=fields.each(_digest_or_null, MAX_SEATS, 1),
        encs=fields.each(_digest_or_null, MAX_SEATS, 1),
        seal=fields.bytes(MAX_SEAL, 1),
        signature=fields.exactly(SIGNATURE),
    )
    fields.close()
    return record


def _answer(fields: Fields) -> DrillAnswer:
    answer = DrillAnswer(
        fields.digest(),
        keyholder_id(expect_text(fields.any())),
        fields.maybe(fields.digest),
        fields.maybe(fields.digest),
        fields.exactly(SIGNATURE),
    )
    if (answer.share is None) != (answer.blind is None):
        raise WireError("half an answer to a drill", rule="drill.half")
    return answer


def _digest_or_null(value: Value) -> bytes | None:
    return None if value is None else expect_digest(value)
