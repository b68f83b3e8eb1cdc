"""The signature types of C2SP notes that we speak: bytes in, verdict out. Knows no note format.

A type is one ``Scheme`` in ``SCHEMES``; a new one is added there and nowhere else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import ClassVar, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from glasslock.errors import BadSignature, KeyRejected, WireError
from glasslock.tlog.cosignature import (
    ed25519_statement,
    join_time,
    ml_dsa_statement,
    split_time,
)

SEED_SIZE: Final = 32

_P: Final = 2**255 - 19
# The y coordinates of the points of order 1, 2, 4 and 8 (RFC 8032 curve): keys that verify
# signatures nobody made. The two of order 8 have no closed form.
_SMALL_ORDER_Y: Final = frozenset(
    (
        0,
        1,
        _P - 1,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    )
)


class KeyType(IntEnum):
    """Signature type identifier bytes (C2SP signed-note)."""

    ED25519 = 0x01
    COSIGNATURE = 0x04
    ML_DSA_44 = 0x06


class Scheme(ABC):
    """One signature type: how its key looks, what it signs, whether it says a time."""

    key_size: ClassVar[int]
    timed: ClassVar[bool]

    @abstractmethod
    def check_key(self, key: bytes) -> None:
        """Raise ``KeyRejected`` if ``key`` cannot be trusted as a public key."""

    @abstractmethod
    def public(self, seed: bytes) -> bytes:
        """Return the public key of a 32-byte seed."""

    @abstractmethod
    def sign(self, seed: bytes, name: str, body: bytes, time: int) -> bytes:
        """Return the signature bytes of a note line over ``body``."""

    @abstractmethod
    def verify(self, key: bytes, name: str, body: bytes, blob: bytes) -> int:
        """Return the time that ``blob`` states over ``body``, 0 for none.

        Raises:
            BadSignature: it does not verify.
        """


class _Ed25519(Scheme):
    key_size = 32
    timed = False

    def check_key(self, key: bytes) -> None:
        y = int.from_bytes(key, "little") & (1 << 255) - 1
        if len(key) != self.key_size or y >= _P or y in _SMALL_ORDER_Y:
            raise KeyRejected("an Ed25519 key is malformed or of small order", rule="vkey.key")

    def public(self, seed: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()

    def sign(self, seed: bytes, name: str, body: bytes, time: int) -> bytes:  # noqa: ARG002 - no name or time in type 0x01
        return Ed25519PrivateKey.from_private_bytes(seed).sign(body)

    def verify(self, key: bytes, name: str, body: bytes, blob: bytes) -> int:  # noqa: ARG002 - not bound to the name
        _ed25519_verify(key, body, blob)
        return 0


class _Cosignature(_Ed25519):
    timed = True

    def sign(self, seed: bytes, name: str, body: bytes, time: int) -> bytes:  # noqa: ARG002 - not bound to the name
        statement = ed25519_statement(body, time)
        return join_time(time, Ed25519PrivateKey.from_private_bytes(seed).sign(statement))

    def verify(self, key: bytes, name: str, body: bytes, blob: bytes) -> int:  # noqa: ARG002 - not bound to the name
        time, signature = _timed(blob)
        _ed25519_verify(key, ed25519_statement(body, time), signature)
        return time


class _MlDsa44(Scheme):
    key_size = 1312
    timed = True

    def check_key(self, key: bytes) -> None:
        if len(key) != self.key_size:
            raise KeyRejected("an ML-DSA-44 key has 1,312 bytes", rule="vkey.key")

    def public(self, seed: bytes) -> bytes:
        return MLDSA44PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()

    def sign(self, seed: bytes, name: str, body: bytes, time: int) -> bytes:
        key = MLDSA44PrivateKey.from_seed_bytes(seed)
        return join_time(time, key.sign(ml_dsa_statement(name, body, time)))

    def verify(self, key: bytes, name: str, body: bytes, blob: bytes) -> int:
        time, signature = _timed(blob)
        try:
            statement = ml_dsa_statement(name, body, time)
            MLDSA44PublicKey.from_public_bytes(key).verify(signature, statement)
        except (InvalidSignature, ValueError, WireError) as error:
            raise BadSignature("a note signature does not verify", rule="note.signature") from error
        return time


def _timed(blob: bytes) -> tuple[int, bytes]:
    try:
        return split_time(blob)
    except WireError as error:
        raise BadSignature("a cosignature states no time", rule="note.signature") from error


def _ed25519_verify(key: bytes, message: bytes, signature: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise BadSignature("a note signature does not verify", rule="note.signature") from error


SCHEMES: Final[Mapping[KeyType, Scheme]] = MappingProxyType(
    {
        KeyType.ED25519: _Ed25519(),
        KeyType.COSIGNATURE: _Cosignature(),
        KeyType.ML_DSA_44: _MlDsa44(),
    }
)
