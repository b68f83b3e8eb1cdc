"""Deterministic CBOR, cut down to what Glasslock signs and hashes; knows no structure by name.

RFC 8949 4.2.1 with unsigned integers, byte strings, text, null and arrays, nothing else: no maps,
tags, floats, negative numbers or indefinite lengths. A decoder that accepts less has less to get
wrong, which is why this is not a general CBOR library (see the decision record on the codec).
"""

from __future__ import annotations

from typing import Final, TypeAlias, Union

from glasslock.errors import WireError

Value: TypeAlias = Union[int, bytes, str, "tuple[Value, ...]", None]
Encodable: TypeAlias = Union[int, bytes, str, "tuple[Encodable, ...]", "list[Encodable]", None]

MAX_DEPTH: Final = 16
MAX_BYTES: Final = 16 * 1024 * 1024

_UINT, _BYTES, _TEXT, _ARRAY, _SIMPLE = 0, 2, 3, 4, 7
_NULL: Final = 0xF6
_INLINE: Final = 24
_WIDTHS: Final = {24: 1, 25: 2, 26: 4, 27: 8}


def encode(value: Encodable) -> bytes:
    """Encode ``value`` as deterministic CBOR.

    Raises:
        WireError: a type outside the subset, a negative or over 64 bit integer, text that is
            not valid Unicode, or nesting deeper than ``MAX_DEPTH``.
    """
    out = bytearray()
    _put(out, value, 0)
    return bytes(out)


def _head(out: bytearray, major: int, number: int) -> None:
    lead = major << 5
    if number < _INLINE:
        out.append(lead | number)
    elif number < 1 << 8:
        out += bytes((lead | 24, number))
    elif number < 1 << 16:
        out.append(lead | 25)
        out += number.to_bytes(2, "big")
    elif number < 1 << 32:
        out.append(lead | 26)
        out += number.to_bytes(4, "big")
    elif number < 1 << 64:
        out.append(lead | 27)
        out += number.to_bytes(8, "big")
    else:
        raise WireError("an integer is wider than 64 bits", rule="codec.range")


def _put(out: bytearray, value: Encodable, depth: int) -> None:
    # `type(...) is` and not isinstance: bool is an int in Python and must not pass for one.
    kind = type(value)
    if kind is bytes:
        _head(out, _BYTES, len(value))  # type: ignore[arg-type]
        out += value  # type: ignore[arg-type]
    elif kind is int:
        if value < 0:  # type: ignore[operator]
            raise WireError("negative integers have no encoding here", rule="codec.range")
        _head(out, _UINT, value)  # type: ignore[arg-type]
    elif value is None:
        out.append(_NULL)
    elif kind is str:
        data = _utf8(value)  # type: ignore[arg-type]
        _head(out, _TEXT, len(data))
        out += data
    elif kind is tuple or kind is list:
        if depth >= MAX_DEPTH:
            raise WireError("nested too deeply", rule="codec.depth")
        _head(out, _ARRAY, len(value))  # type: ignore[arg-type]
        for item in value:  # type: ignore[union-attr]
            _put(out, item, depth + 1)
    else:
        raise WireError(f"{kind.__name__} has no encoding here", rule="codec.type")


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise WireError("text is not valid Unicode", rule="codec.text") from error


def decode(data: bytes, *, limit: int = MAX_BYTES) -> Value:
    """Decode one deterministic CBOR item that fills ``data``; arrays come back as tuples.

    ``limit`` is the most bytes accepted.

    Raises:
        WireError: anything that ``encode`` would not have written byte for byte.
    """
    if len(data) > limit:
        raise WireError("input is too long", rule="codec.length")
    value, end = _take(data, 0, 0)
    if end != len(data):
        raise WireError("bytes follow the end", rule="codec.trailing")
    return value


def _take(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    if at >= len(data):
        raise WireError("input ends too early", rule="codec.truncated")
    lead = data[at]
    if lead == _NULL:
        return None, at + 1
    major = lead >> 5
    number, at = _number(data, at + 1, lead & 31)
    if major == _UINT:
        return number, at
    if major in (_BYTES, _TEXT):
        return _string(data, at, number, text=major == _TEXT)
    if major == _ARRAY:
        return _array(data, at, number, depth)
    raise WireError("this kind of item is not allowed", rule="codec.type")


def _number(data: bytes, at: int, info: int) -> tuple[int, int]:
    if info < _INLINE:
        return info, at
    width = _WIDTHS.get(info)
    if width is None:
        raise WireError("reserved or indefinite length", rule="codec.type")
    end = at + width
    if end > len(data):
        raise WireError("input ends too early", rule="codec.truncated")
    number = int.from_bytes(data[at:end], "big")
    smallest = _INLINE if width == 1 else 1 << (4 * width)
    if number < smallest:
        raise WireError("a number is not in its shortest form", rule="codec.shortest")
    return number, end


def _string(data: bytes, at: int, length: int, *, text: bool) -> tuple[Value, int]:
    end = at + length
    if end > len(data):
        raise WireError("input ends too early", rule="codec.truncated")
    raw = data[at:end]
    if not text:
        return bytes(raw), end
    try:
        return raw.decode("utf-8"), end
    except UnicodeDecodeError as error:
        raise WireError("text is not valid UTF-8", rule="codec.text") from error


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[Value, int]:
    if depth >= MAX_DEPTH:
        raise WireError("nested too deeply", rule="codec.depth")
    # Each item takes at least one byte: a larger count cannot be true and must cost nothing.
    if count > len(data) - at:
        raise WireError("input ends too early", rule="codec.truncated")
    items = []
    for _ in range(count):
        item, at = _take(data, at, depth + 1)
        items.append(item)
    return tuple(items), at
