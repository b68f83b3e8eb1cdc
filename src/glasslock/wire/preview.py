"""What an order would reach, in numbers, as its provider has signed it (section 5, A.7).

Knows the bytes; does not know whether a number is true or a signature holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from glasslock.wire.codec import encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.shape import SIGNATURE, U32, Fields

MAX_PREVIEW: Final = 1_024


@dataclass(frozen=True, slots=True)
class Numbers:
    """What an order reaches. Messages count when they were removed as well: ``removed`` of them."""

    named: int
    third_parties: int
    conversations: int
    slots: int
    days: int
    messages: int
    removed: int


@dataclass(frozen=True)
class Preview:
    """Numbers about the order with digest ``order``, as stored at ``time`` (unix seconds)."""

    order: bytes
    time: int
    numbers: Numbers
    signature: bytes = bytes(SIGNATURE)

    @cached_property
    def statement(self) -> bytes:
        """What the provider signs under ``preview statement``."""
        found = self.numbers
        return encode(
            (
                self.order,
                self.time,
                found.named,
                found.third_parties,
                found.conversations,
                found.slots,
                found.days,
                found.messages,
                found.removed,
            )
        )

    @property
    def digest(self) -> bytes:
        """``H("previewed", statement)``: what a chain of custody names."""
        return digest(Label.PREVIEWED, self.statement)

    def encode(self) -> bytes:
        """Return the wire form."""
        return encode((self.statement, self.signature))


def decode_preview(data: bytes) -> Preview:
    """Decode a signed preview; raises ``WireError``. Nothing is verified here."""
    outer = Fields.of(data, "preview", 2, limit=MAX_PREVIEW)
    fields = Fields.of(outer.bytes(MAX_PREVIEW, 1), "preview statement", 9, limit=MAX_PREVIEW)
    preview = Preview(
        order=fields.digest(),
        time=fields.uint(),
        numbers=Numbers(
            named=fields.uint(U32),
            third_parties=fields.uint(U32),
            conversations=fields.uint(U32),
            slots=fields.uint(U32),
            days=fields.uint(U32),
            messages=fields.uint(U32),
            removed=fields.uint(U32),
        ),
        signature=outer.exactly(SIGNATURE),
    )
    fields.close()
    outer.close()
    return preview
