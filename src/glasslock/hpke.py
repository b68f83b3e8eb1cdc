"""Ordinary HPKE (RFC 9180) with the X-Wing hybrid KEM and fresh coins; knows no recipient's role.

Used for releases, preserved shares and case keys. Tier 1 of a seal is not this: it needs coins
that every member can recompute, and stands in ``glasslock.sealing``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from glasslock import _core
from glasslock.errors import VerificationError

SEED_SIZE: Final = 32
PUBLIC_KEY_SIZE: Final = 1216
ENC_SIZE: Final = 1120
_MLKEM_PUBLIC: Final = 1184
_MLKEM_SEED: Final = 64
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class DecryptionKey:
    """A secret X-Wing key (draft-connolly-cfrg-xwing-kem); shows its public half only."""

    seed: bytes = field(repr=False)
    public: bytes

    @classmethod
    def from_seed(cls, seed: bytes) -> DecryptionKey:
        """Make the key from its 32-byte seed; raises ``KeyRejected`` for another length."""
        return cls(seed=seed, public=_core.xwing_public_key(seed))

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Decrypt ``enc || ciphertext`` made for this key under the same ``info``.

        Raises:
            VerificationError: anything at all is wrong; which part is not told.
        """
        expanded = hashlib.shake_256(self.seed).digest(_MLKEM_SEED + 32)
        private = MLKEM768X25519PrivateKey(
            MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED]),
            X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED:]),
        )
        try:
            return _SUITE.decrypt(sealed, private, info)
        except (InvalidTag, ValueError) as error:
            raise VerificationError("a sealed value does not open", rule="hpke.open") from error


def seal(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Encrypt ``plaintext`` to the X-Wing ``public`` key (1,216 bytes); returns enc || ciphertext.

    Raises:
        KeyRejected: the key fails the checks of FIPS 203 or has a low-order X25519 half.
    """
    _core.xwing_check_public_key(public)
    key = MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC]),
        X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:]),
    )
    return _SUITE.encrypt(plaintext, key, info)
