"""HPKE in base mode over X-Wing (RFC 9180 with KEM 0x647a), a second time; knows no recipient."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from tests.vectors.oracle import xwing
from tests.vectors.oracle.cbor import Invalid

KEM, HKDF_SHA256 = 0x647A, 1
AES_256_GCM, CHACHA = 2, 3


def suite_id(aead: int) -> bytes:
    return b"HPKE" + b"".join(each.to_bytes(2, "big") for each in (KEM, HKDF_SHA256, aead))


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, hashlib.sha256).digest()


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return HKDFExpand(algorithm=SHA256(), length=length, info=labelled).derive(prk)


@dataclass(frozen=True)
class Context:
    """What the key schedule of RFC 9180 5.1 gives."""

    aead: int
    key: bytes
    base_nonce: bytes
    exporter_secret: bytes

    def _cipher(self) -> AESGCM | ChaCha20Poly1305:
        return AESGCM(self.key) if self.aead == AES_256_GCM else ChaCha20Poly1305(self.key)

    def nonce(self, number: int) -> bytes:
        mixed = int.from_bytes(self.base_nonce, "big") ^ number
        return mixed.to_bytes(12, "big")

    def seal(self, number: int, text: bytes, aad: bytes = b"") -> bytes:
        return self._cipher().encrypt(self.nonce(number), text, aad)

    def open(self, number: int, data: bytes, aad: bytes = b"") -> bytes:
        try:
            return self._cipher().decrypt(self.nonce(number), data, aad)
        except InvalidTag:
            raise Invalid("a ciphertext") from None

    def export(self, context: bytes, length: int) -> bytes:
        return _expand(suite_id(self.aead), self.exporter_secret, b"sec", context, length)


def schedule(shared: bytes, info: bytes, aead: int) -> Context:
    suite = suite_id(aead)
    hashes = [_extract(suite, b"", b"psk_id_hash", b""), _extract(suite, b"", b"info_hash", info)]
    context = b"\0" + b"".join(hashes)
    secret = _extract(suite, shared, b"secret", b"")
    return Context(
        aead,
        _expand(suite, secret, b"key", context, 32),
        _expand(suite, secret, b"base_nonce", context, 12),
        _expand(suite, secret, b"exp", context, 32),
    )


def seal(public: bytes, coins: bytes, info: bytes, text: bytes) -> bytes:
    """enc || ciphertext of one message under AES-256-GCM."""
    shared, enc = xwing.encapsulate(public, coins)
    return enc + schedule(shared, info, AES_256_GCM).seal(0, text)


def open_(seed: bytes, data: bytes, info: bytes) -> bytes:
    shared = xwing.decapsulate(seed, data[: xwing.ENC])
    return schedule(shared, info, AES_256_GCM).open(0, data[xwing.ENC :])
