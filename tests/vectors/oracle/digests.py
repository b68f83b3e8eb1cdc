"""The second implementation's H, KDF and Sign (Notation); knows functions and no structure."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from tests.vectors.oracle.cbor import Item, encode

NAME = "glasslock/1"


def h(label: str, *parts: Item) -> bytes:
    return hashlib.sha256(encode([NAME, label, *parts])).digest()


def kdf(key: bytes, label: str, *parts: Item, length: int = 32) -> bytes:
    info = encode([NAME, label, length, *parts])
    return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(key)


def _vector(data: bytes) -> bytes:
    """A TLS vector with the variable-size length of RFC 9420 2.1.2."""
    size = len(data)
    if size < 1 << 6:
        return bytes([size]) + data
    if size < 1 << 14:
        return (size | 0x4000).to_bytes(2, "big") + data
    return (size | 0x80000000).to_bytes(4, "big") + data


def sign_content(label: str, content: bytes) -> bytes:
    """SignContent of RFC 9420 5.1.2."""
    return _vector(b"MLS 1.0 " + label.encode()) + _vector(content)


def mls_sign(seed: bytes, label: str, content: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(sign_content(label, content))


def mls_verify(public: bytes, label: str, content: bytes, signature: bytes) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(signature, sign_content(label, content))
    except (InvalidSignature, ValueError):
        return False
    return True


def sign(seed: bytes, label: str, content: bytes) -> bytes:
    return mls_sign(seed, f"{NAME} {label}", content)


def verify(public: bytes, label: str, content: bytes, signature: bytes) -> bool:
    return mls_verify(public, f"{NAME} {label}", content, signature)


def public_key(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
