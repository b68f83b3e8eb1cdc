"""What a message looks like on a group's line: headers, opening, envelope (sections 2 and 4).

Knows the bytes and their digests; does not know a key, a group or whether a claim is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from glasslock.errors import WireError
from glasslock.wire.codec import encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.shape import DIGEST, SIGNATURE, U32, Fields

SALT_SIZE: Final = 16
MAX_TEXT: Final = 65_536
MAX_PADDED: Final = 67_584
COMMITMENT_SIZE: Final = 32
TAG_SIZE: Final = 16
MAX_BODY: Final = COMMITMENT_SIZE + MAX_PADDED + TAG_SIZE
MAX_ENVELOPE: Final = MAX_BODY + 8_192


@dataclass(frozen=True, slots=True)
class Close:
    """A device's last slot in the group that had an accepted message, and how it ended."""

    epoch: int
    tau: int
    count: int
    last: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """The last entry a sender has processed."""

    position: int
    head: bytes


@dataclass(frozen=True)
class SlotHeader:
    """Opens a slot of one leaf (section 2, Epochs); ``signer`` is the leaf's raw key."""

    policy: bytes
    group_id: bytes
    epoch: int
    context: bytes
    leaf: int
    credential: bytes
    signer: bytes
    tau: int
    tier1: bytes | None
    close: Close | None
    seen: Seen

    @cached_property
    def encoded(self) -> bytes:
        """The wire form."""
        close = self.close
        return encode(
            (
                self.policy,
                self.group_id,
                self.epoch,
                self.context,
                self.leaf,
                self.credential,
                self.signer,
                self.tau,
                self.tier1,
                None if close is None else (close.epoch, close.tau, close.count, close.last),
                (self.seen.position, self.seen.head),
            )
        )

    @cached_property
    def digest(self) -> bytes:
        """``Hh = H("slot header", bytes)``."""
        return digest(Label.SLOT_HEADER, self.encoded)


@dataclass(frozen=True)
class MessageHeader:
    """Heads one message: its slot (Hh), number, salt, the message before it, padded size."""

    slot: bytes
    m: int
    salt: bytes
    previous: bytes | None
    size: int

    @cached_property
    def encoded(self) -> bytes:
        """The wire form."""
        return encode((self.slot, self.m, self.salt, self.previous, self.size))

    @cached_property
    def digest(self) -> bytes:
        """``H("message header", bytes)``."""
        return digest(Label.MESSAGE_HEADER, self.encoded)


@dataclass(frozen=True, slots=True)
class Opening:
    """Stands with message 0 only: what opens the slot."""

    slot_header: bytes
    seal_digest: bytes | None = None
    signature: bytes | None = None
    tier1_header: bytes | None = None

    def value(self) -> tuple[bytes | None, ...]:
        """Return the wire form."""
        return (self.slot_header, self.seal_digest, self.signature, self.tier1_header)


@dataclass(frozen=True)
class Envelope:
    """One message as it travels and is stored; ``header`` is the message header's bytes."""

    header: bytes
    body: bytes
    opening: Opening | None = None

    def encode(self) -> bytes:
        """Return the wire form."""
        return encode(
            (self.header, self.body, None if self.opening is None else self.opening.value())
        )

    @cached_property
    def message_header(self) -> MessageHeader:
        """The decoded message header; raises ``WireError``."""
        return decode_message_header(self.header)

    @cached_property
    def digest(self) -> bytes:
        """``D = H("envelope", header, H("sealed body", body), opening)``."""
        return _digest(self.header, digest(Label.SEALED_BODY, self.body), self.opening)

    def tombstone(self) -> Tombstone:
        """Return what a removal leaves of this envelope."""
        return Tombstone(self.header, digest(Label.SEALED_BODY, self.body), self.opening)


@dataclass(frozen=True)
class Tombstone:
    """An envelope without its body; it still proves positions and chains."""

    header: bytes
    body_digest: bytes
    opening: Opening | None = None

    def encode(self) -> bytes:
        """Return the wire form."""
        return encode(
            (self.header, self.body_digest, None if self.opening is None else self.opening.value())
        )

    @cached_property
    def message_header(self) -> MessageHeader:
        """The decoded message header; raises ``WireError``."""
        return decode_message_header(self.header)

    @cached_property
    def digest(self) -> bytes:
        """D of the envelope that this was."""
        return _digest(self.header, self.body_digest, self.opening)


def _digest(header: bytes, body_digest: bytes, opening: Opening | None) -> bytes:
    value = None if opening is None else opening.value()
    return digest(Label.ENVELOPE, header, body_digest, value)


def decode_slot_header(data: bytes) -> SlotHeader:
    """Decode a slot header; raises ``WireError``."""
    fields = Fields.of(data, "slot header", 11, limit=1_024)
    header = SlotHeader(
        policy=fields.digest(),
        group_id=fields.bytes(64, 1),
        epoch=fields.uint(),
        context=fields.digest(),
        leaf=fields.uint(U32),
        credential=fields.digest(),
        signer=fields.exactly(DIGEST),
        tau=fields.uint(U32),
        tier1=fields.maybe(fields.digest),
        close=fields.maybe(lambda: _close(fields.nested("close", 4))),
        seen=_seen(fields.nested("seen", 2)),
    )
    fields.close()
    return header


def decode_message_header(data: bytes) -> MessageHeader:
    """Decode a message header; raises ``WireError``."""
    fields = Fields.of(data, "message header", 5, limit=256)
    header = MessageHeader(
        slot=fields.digest(),
        m=fields.uint(U32),
        salt=fields.exactly(SALT_SIZE),
        previous=fields.maybe(fields.digest),
        size=fields.uint(MAX_PADDED, 1),
    )
    fields.close()
    if (header.m == 0) != (header.previous is None):
        raise WireError("only message 0 has no message before it", rule="header.previous")
    return header


def decode_envelope(data: bytes) -> Envelope:
    """Decode an envelope and the header in it; raises ``WireError``."""
    fields = Fields.of(data, "envelope", 3, limit=MAX_ENVELOPE)
    header, body = fields.bytes(256), fields.bytes(MAX_BODY, COMMITMENT_SIZE + TAG_SIZE)
    opening = fields.maybe(lambda: _opening(fields.nested("opening", 4)))
    fields.close()
    envelope = Envelope(header, body, opening)
    if len(body) != COMMITMENT_SIZE + envelope.message_header.size + TAG_SIZE:
        raise WireError("the body is not as long as its header says", rule="envelope.size")
    _check_opening(envelope.message_header, opening)
    return envelope


def decode_tombstone(data: bytes) -> Tombstone:
    """Decode a tombstone and the header in it; raises ``WireError``."""
    fields = Fields.of(data, "tombstone", 3, limit=16_384)
    header, body = fields.bytes(256), fields.digest()
    opening = fields.maybe(lambda: _opening(fields.nested("opening", 4)))
    fields.close()
    tombstone = Tombstone(header, body, opening)
    _check_opening(tombstone.message_header, opening)
    return tombstone


def _check_opening(header: MessageHeader, opening: Opening | None) -> None:
    if (header.m == 0) != (opening is not None):
        raise WireError("an opening stands with message 0, and only there", rule="envelope.opening")


def _opening(fields: Fields) -> Opening:
    opening = Opening(
        slot_header=fields.bytes(1_024),
        seal_digest=fields.maybe(fields.digest),
        signature=fields.maybe(lambda: fields.exactly(SIGNATURE)),
        tier1_header=fields.maybe(lambda: fields.bytes(4_096)),
    )
    fields.close()
    return opening


def _close(fields: Fields) -> Close:
    close = Close(fields.uint(), fields.uint(U32), fields.uint(U32, 1), fields.digest())
    fields.close()
    return close


def _seen(fields: Fields) -> Seen:
    seen = Seen(fields.uint(), fields.digest())
    fields.close()
    return seen
