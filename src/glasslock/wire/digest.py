"""The two one-way functions of the protocol, H and KDF; knows no structure and no key by name."""

from __future__ import annotations

from typing import Final

from glasslock import _core
from glasslock.wire.codec import Encodable
from glasslock.wire.labels import Label

PROTOCOL: Final = "glasslock/1"
DIGEST_SIZE: Final = 32


def digest(label: Label, *parts: Encodable) -> bytes:
    """Return ``H(label, parts...)``: SHA-256 over the CBOR array of protocol, label and parts."""
    return _core.digest_labelled(label, parts)


def derive(key: bytes, label: Label, *parts: Encodable, length: int = DIGEST_SIZE) -> bytes:
    """Return ``KDF(key, label, parts...; length)``: HKDF-Expand-SHA256 (RFC 5869 2.3).

    ``length`` is in bytes and is part of what is derived, so a short output is no prefix of a
    long one.

    Raises:
        WireError: ``length`` is outside what HKDF-Expand can give.
    """
    return _core.derive_labelled(key, label, parts, length)
