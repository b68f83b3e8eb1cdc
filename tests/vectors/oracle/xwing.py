"""X-Wing with given coins (draft-connolly-cfrg-xwing-kem) and its HPKE key derivation.

Stands on its own ML-KEM, the system library's X25519 and hashlib; knows nothing of Glasslock.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from tests.vectors.oracle import mlkem
from tests.vectors.oracle.cbor import Invalid

LABEL = b"\\.//^\\"
PUBLIC, ENC = 1_216, 1_120


def _halves(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    expanded = hashlib.shake_256(seed).digest(96)
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def public_key(seed: bytes) -> bytes:
    lattice, curve = _halves(seed)
    return lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()


def _combined(ss_m: bytes, ss_x: bytes, ct_x: bytes, pk_x: bytes) -> bytes:
    return hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + LABEL).digest()


def encapsulate(public: bytes, coins: bytes) -> tuple[bytes, bytes]:
    """EncapsulateDerand: ``(shared secret, enc)``."""
    check(public)
    pk_m, pk_x = public[: mlkem.PUBLIC], public[mlkem.PUBLIC :]
    ephemeral = X25519PrivateKey.from_private_bytes(coins[32:64])
    ct_x = ephemeral.public_key().public_bytes_raw()
    ss_x = ephemeral.exchange(X25519PublicKey.from_public_bytes(pk_x))
    ss_m, ct_m = mlkem.encapsulate(pk_m, coins[:32])
    return _combined(ss_m, ss_x, ct_x, pk_x), ct_m + ct_x


def decapsulate(seed: bytes, enc: bytes) -> bytes:
    lattice, curve = _halves(seed)
    ct_m, ct_x = enc[: mlkem.CIPHERTEXT], enc[mlkem.CIPHERTEXT :]
    ss_x = curve.exchange(X25519PublicKey.from_public_bytes(ct_x))
    pk_x = curve.public_key().public_bytes_raw()
    return _combined(lattice.decapsulate(ct_m), ss_x, ct_x, pk_x)


def check(public: bytes) -> None:
    """Refuse what section 3 says no client takes as a period key."""
    if len(public) != PUBLIC or not mlkem.modulus_check(public[: mlkem.PUBLIC]):
        raise Invalid("an encapsulation key that fails FIPS 203")
    probe = X25519PrivateKey.from_private_bytes(bytes(range(32)))
    try:
        probe.exchange(X25519PublicKey.from_public_bytes(public[mlkem.PUBLIC :]))
    except ValueError:
        raise Invalid("an X25519 key of low order") from None


def derive_seed(ikm: bytes) -> bytes:
    """DeriveKeyPair of KEM 0x647a as the published hpke-pq vectors have it: the 32-byte seed."""
    suite = b"KEM" + (0x647A).to_bytes(2, "big")
    label = b"DeriveKeyPair"
    message = ikm + b"HPKE-v1" + suite + len(label).to_bytes(2, "big") + label + b"\x00\x20"
    return hashlib.shake_256(message).digest(32)
