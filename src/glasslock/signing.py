"""Ed25519 with a label, typed keys and one verifier; knows no role and no file.

Everything outside C2SP notes is signed as ``Sign(label, content)``: SignWithLabel of RFC 9420
5.1.2 under ``"glasslock/1 " || label``. Members must agree on what verifies, and Ed25519
implementations differ at the edges, so every verification goes through the same strict Rust code
that the MLS engine uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from glasslock import _core
from glasslock.errors import KeyRejected

SEED_SIZE: Final = 32
PUBLIC_KEY_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64
_PREFIX: Final = b"MLS 1.0 glasslock/1 "


class Signer(Protocol):
    """Whoever can sign: a key in memory, or one that never leaves its token."""

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""

    def sign(self, label: str, content: bytes) -> bytes:
        """Return ``Sign(label, content)``, 64 bytes."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret Ed25519 key; its representation shows the public half only."""

    seed: bytes = field(repr=False)
    public: bytes

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """Make the key from its 32-byte RFC 8032 seed.

        Raises:
            KeyRejected: the seed has another length.
        """
        if len(seed) != SEED_SIZE:
            raise KeyRejected("a signing seed has 32 bytes", rule="signing.seed")
        return cls(seed=seed, public=_core.ed25519_public_key(seed))

    def sign(self, label: str, content: bytes) -> bytes:
        """Return ``Sign(label, content)``, 64 bytes."""
        return _core.sign_with_label(self.seed, str(label), content)


def sign_content(label: str, content: bytes) -> bytes:
    """Return the bytes that Ed25519 signs for ``Sign(label, content)``: SignContent of RFC 9420."""
    name = _PREFIX + label.encode()
    return _vector(name) + _vector(content)


def _vector(data: bytes) -> bytes:
    """A variable-size vector of RFC 9420 section 2.1.2."""
    size = len(data)
    if size < 1 << 6:
        return size.to_bytes(1) + data
    if size < 1 << 14:
        return (size | 1 << 14).to_bytes(2) + data
    return (size | 1 << 31).to_bytes(4) + data


def verify(public: bytes, label: str, content: bytes, signature: bytes) -> None:
    """Check ``Sign(label, content)`` under ``public``.

    Raises:
        BadSignature: the signature does not verify (strictly: no small-order keys, canonical s).
        KeyRejected: ``public`` is not a usable Ed25519 key.
    """
    _core.verify_with_label(public, str(label), content, signature)


def verify_all(items: Sequence[tuple[bytes, str, bytes, bytes]]) -> None:
    """Check many ``(public, label, content, signature)``; raises as ``verify`` for the first."""
    for public, label, content, signature in items:
        verify(public, label, content, signature)
