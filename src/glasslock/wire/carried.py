"""What a device tells its conversation of the logs it has read, as bytes (protocol section 4).

Knows where one note ends and the next begins, and that the field always has the same length: that
a device has read a log, or how far, is not to be told by the length of its message. Knows no note.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from glasslock.errors import WireError

CARRIED_SIZE: Final = 1_024
MAX_CARRIED: Final = 4
_LENGTH: Final = 2


def encode_carried(notes: Iterable[bytes]) -> bytes:
    """Return the field with ``notes`` in their order; what does not fit any more is left out."""
    out = bytearray()
    for count, note in enumerate(notes):
        if count == MAX_CARRIED or len(out) + _LENGTH + len(note) > CARRIED_SIZE:
            break
        out += len(note).to_bytes(_LENGTH, "big") + note
    return bytes(out.ljust(CARRIED_SIZE, b"\0"))


def decode_carried(data: bytes) -> tuple[bytes, ...]:
    """Return the notes of a field.

    Raises:
        WireError: it has another length, more notes than may be, or ends in anything but zeros.
    """
    if len(data) != CARRIED_SIZE:
        raise WireError("what a message carries has another length", rule="carried.length")
    notes: list[bytes] = []
    at = 0
    while size := int.from_bytes(data[at : at + _LENGTH], "big"):
        end = at + _LENGTH + size
        if end > CARRIED_SIZE or len(notes) == MAX_CARRIED:
            raise WireError("what a message carries are no notes", rule="carried.notes")
        notes.append(data[at + _LENGTH : end])
        at = end
    if any(data[at:]):
        raise WireError("what a message carries does not end in zeros", rule="carried.padding")
    return tuple(notes)
