"""Deterministic CBOR, cut down to what Glasslock signs and hashes; knows no structure by name.

RFC 8949 4.2.1 with unsigned integers, byte strings, text, null and arrays, nothing else: no maps,
tags, floats, negative numbers or indefinite lengths. A decoder that accepts less has less to get
wrong, which is why this is not a general CBOR library (decision 0003). The work is done in the
Rust core, because every hash, key and signature of the protocol passes through here.
"""

from __future__ import annotations

from typing import Final, TypeAlias, Union

from glasslock import _core

Value: TypeAlias = Union[int, bytes, str, "tuple[Value, ...]", None]
Encodable: TypeAlias = Union[int, bytes, str, "tuple[Encodable, ...]", "list[Encodable]", None]

MAX_DEPTH: Final = 16
MAX_BYTES: Final = 16 * 1024 * 1024


def encode(value: Encodable) -> bytes:
    """Encode ``value`` as deterministic CBOR.

    Raises:
        WireError: a type outside the subset (``bool`` is one), a negative or over 64 bit
            integer, text that is not valid Unicode, or nesting deeper than ``MAX_DEPTH``.
    """
    return _core.cbor_encode(value)


def decode(data: bytes, *, limit: int = MAX_BYTES) -> Value:
    """Decode one deterministic CBOR item that fills ``data``; arrays come back as tuples.

    ``limit`` is the most bytes accepted.

    Raises:
        WireError: anything that ``encode`` would not have written byte for byte.
    """
    return _core.cbor_decode(data, limit)
