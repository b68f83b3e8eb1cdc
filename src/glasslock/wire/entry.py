"""A group's one line of entries, its running head, and what a receipt says (sections 2 and 4).

Knows bytes and digests; does not know who may write an entry or who keeps the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from glasslock.errors import WireError
from glasslock.wire.codec import encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.shape import SIGNATURE, Fields, expect_digest

MAX_BATCH: Final = 1 << 20
MAX_PATH: Final = 20


class EntryKind(StrEnum):
    """What stands in an entry; a tombstone is what a removal leaves of an envelope."""

    HANDSHAKE = "handshake"
    ENVELOPE = "envelope"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class Head:
    """The state of a line after an entry: position from 1, time in unix seconds, running head."""

    position: int
    time: int
    head: bytes

    @classmethod
    def start(cls, group_id: bytes) -> Head:
        """Return the head of an empty line: ``H("stream", group_id)`` at position 0."""
        return cls(0, 0, digest(Label.STREAM, group_id))

    def next(self, time: int, entry: bytes) -> Head:
        """Return the head after an entry of digest ``entry`` at ``time``.

        Raises:
            WireError: time runs back.
        """
        if time < self.time:
            raise WireError("the time of an entry runs back", rule="stream.time")
        position = self.position + 1
        return Head(position, time, digest(Label.STREAM_NEXT, self.head, position, time, entry))


def handshake_digest(commit: bytes) -> bytes:
    """Return D of a handshake: ``H("handshake", MLS bytes)``."""
    return digest(Label.HANDSHAKE, commit)


def device_next(previous: bytes, q: int, entry: bytes) -> bytes:
    """Return a sending device's own line after its q-th entry, over all its groups."""
    return digest(Label.DEVICE_NEXT, previous, q, entry)


@dataclass(frozen=True, slots=True)
class ReceiptLeaf:
    """What the provider acknowledges of one entry."""

    group_id: bytes
    position: int
    time: int
    entry: bytes
    head: bytes
    seal: bytes | None = None
    tier1: bytes | None = None

    def encode(self) -> bytes:
        """Return the wire form."""
        return encode(
            (
                self.group_id,
                self.position,
                self.time,
                self.entry,
                self.head,
                self.seal,
                self.tier1,
            )
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """A leaf with its place in a batch whose root the provider signed.

    The tree is that of RFC 9162; the signature is ``Sign("receipt", cbor([count, root]))``.
    """

    leaf: ReceiptLeaf
    index: int
    count: int
    root: bytes
    path: tuple[bytes, ...]
    signature: bytes

    def encode(self) -> bytes:
        """Return the wire form."""
        return encode(
            (self.leaf.encode(), self.index, self.count, self.root, self.path, self.signature)
        )


def receipt_content(count: int, root: bytes) -> bytes:
    """Return what the provider signs for a batch."""
    return encode((count, root))


def decode_receipt_leaf(data: bytes) -> ReceiptLeaf:
    """Decode a receipt leaf; raises ``WireError``."""
    fields = Fields.of(data, "receipt leaf", 7, limit=1_024)
    leaf = ReceiptLeaf(
        fields.bytes(64, 1),
        fields.uint(),
        fields.uint(),
        fields.digest(),
        fields.digest(),
        fields.maybe(fields.digest),
        fields.maybe(fields.digest),
    )
    fields.close()
    return leaf


def decode_receipt(data: bytes) -> Receipt:
    """Decode a receipt; raises ``WireError``. Nothing is verified here."""
    fields = Fields.of(data, "receipt", 6, limit=4_096)
    receipt = Receipt(
        decode_receipt_leaf(fields.bytes(1_024)),
        fields.uint(MAX_BATCH),
        fields.uint(MAX_BATCH, 1),
        fields.digest(),
        fields.each(expect_digest, MAX_PATH),
        fields.exactly(SIGNATURE),
    )
    fields.close()
    if receipt.index >= receipt.count:
        raise WireError("a receipt lies outside its batch", rule="receipt.index")
    return receipt
