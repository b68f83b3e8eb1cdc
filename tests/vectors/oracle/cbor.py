"""The second implementation's CBOR: written from the protocol's Notation, knows no structure.

Decoding reads any width leniently and then does what the Notation says: encode again and compare.
"""

from __future__ import annotations

from typing import Any

# What the subset holds: int, bytes, str, None, and lists of them.
Item = Any

WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}


class Invalid(Exception):
    """Whatever the second implementation refuses."""


def encode(item: Item) -> bytes:
    if item is None:
        return b"\xf6"
    if isinstance(item, bool):
        raise Invalid("a truth value")
    if isinstance(item, int):
        return _head(0, item)
    if isinstance(item, bytes):
        return _head(2, len(item)) + item
    if isinstance(item, str):
        text = item.encode()
        return _head(3, len(text)) + text
    if isinstance(item, list | tuple):
        return _head(4, len(item)) + b"".join(encode(each) for each in item)
    raise Invalid("a kind of item that is not in the subset")


def _head(major: int, number: int) -> bytes:
    if not 0 <= number < 1 << 64:
        raise Invalid("a number out of range")
    if number < 24:
        return bytes([32 * major + number])
    code = next(code for code, width in WIDTHS.items() if number < 256**width)
    return bytes([32 * major + code]) + number.to_bytes(WIDTHS[code], "big")


def decode(data: bytes) -> Item:
    """Read one item; arrays come back as lists."""
    rest = bytearray(data[::-1])
    item = _read(rest)
    if rest or encode(item) != data:
        raise Invalid("another spelling, or more than one item")
    return item


def _pop(rest: bytearray, count: int) -> bytes:
    if count > len(rest):
        raise Invalid("it ends too early")
    taken = bytes(rest[len(rest) - count :][::-1])
    del rest[len(rest) - count :]
    return taken


def _read(rest: bytearray) -> Item:
    first = _pop(rest, 1)[0]
    if first == 0xF6:
        return None
    major, info = divmod(first, 32)
    if major not in (0, 2, 3, 4) or info > 27:
        raise Invalid("a kind of item that is not in the subset")
    number = int.from_bytes(_pop(rest, WIDTHS[info]), "big") if info in WIDTHS else info
    if major == 0:
        return number
    if major == 4:
        if number > len(rest):
            raise Invalid("it ends too early")
        return [_read(rest) for _ in range(number)]
    taken = _pop(rest, number)
    if major == 2:
        return taken
    try:
        return taken.decode()
    except UnicodeDecodeError:
        raise Invalid("text that is no text") from None
