"""The two one-way functions of the protocol, H and KDF; knows no structure and no key by name."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from glasslock.errors import WireError
from glasslock.wire.codec import Encodable, encode
from glasslock.wire.labels import Label

PROTOCOL: Final = "glasslock/1"
DIGEST_SIZE: Final = 32
_MAX_LENGTH: Final = 255 * DIGEST_SIZE


def digest(label: Label, *parts: Encodable) -> bytes:
    """Return ``H(label, parts...)``: SHA-256 over the CBOR array of protocol, label and parts."""
    return hashlib.sha256(encode((PROTOCOL, label.value, *parts))).digest()


def derive(key: bytes, label: Label, *parts: Encodable, length: int = DIGEST_SIZE) -> bytes:
    """Return ``KDF(key, label, parts...; length)``: HKDF-Expand-SHA256 (RFC 5869 2.3).

    ``length`` is in bytes and is part of what is derived, so a short output is no prefix of a
    long one.

    Raises:
        WireError: ``length`` is outside what HKDF-Expand can give.
    """
    if not 0 < length <= _MAX_LENGTH:
        raise WireError("a derived key has an impossible length", rule="kdf.length")
    info = encode((PROTOCOL, label.value, length, *parts))
    block = hmac.digest(key, info + b"\x01", "sha256")
    if length <= DIGEST_SIZE:
        return block[:length]
    out = block
    for counter in range(2, -(-length // DIGEST_SIZE) + 1):
        block = hmac.digest(key, block + info + bytes((counter,)), "sha256")
        out += block
    return out[:length]
