"""What opens a logged commitment: to everybody in the log, to a person in a letter (section 5.5).

Knows the bytes of fields and letters; does not know whether they open anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from glasslock.wire.codec import Encodable, Value, encode
from glasslock.wire.shape import DIGEST, Fields, expect_digest

MAX_FIELDS: Final = 2_048
MAX_LETTER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a commitment, opened: its value as CBOR bytes and the key that hid it."""

    label: str
    value: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """A notice to a person: the order leaf at ``index`` of the log ``origin``, opened for them.

    ``fields`` holds all fields in order: opened ones, and for the others their commitment.
    """

    origin: str
    index: int
    fields: tuple[Field | bytes, ...]

    def encode(self) -> bytes:
        """Return the wire form."""
        return encode((self.origin, self.index, fields_value(self.fields)))


def fields_value(fields: tuple[Field | bytes, ...]) -> Encodable:
    """Return the wire form of opened and hidden fields."""
    return tuple(
        each if isinstance(each, bytes) else (each.label, each.value, each.key) for each in fields
    )


def read_fields(fields: Fields) -> tuple[Field | bytes, ...]:
    """Take opened and hidden fields; raises ``WireError``."""
    return fields.each(_field, MAX_FIELDS, 1)


def decode_letter(data: bytes) -> Letter:
    """Decode a letter; raises ``WireError``. Nothing is verified here."""
    fields = Fields.of(data, "letter", 3, limit=MAX_LETTER)
    letter = Letter(fields.text(256, 1), fields.uint(), read_fields(fields))
    fields.close()
    return letter


def _field(value: Value) -> Field | bytes:
    if isinstance(value, bytes):
        return expect_digest(value)
    fields = Fields(value, "field", 3)
    return Field(fields.text(64, 1), fields.bytes(65_536, 1), fields.exactly(DIGEST))
