"""Key files: 32-byte seeds on disk, under a passphrase or for their owner only; knows no role."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from glasslock.errors import ConfigError
from glasslock.runtime.files import check_private, read_limited, write_atomic

SEED_SIZE: Final = 32
_MAGIC_PLAIN: Final = b"glasslock key 1\n"
_MAGIC_SEALED: Final = b"glasslock sealed key 1\n"
_SALT: Final = 16
_NONCE: Final = 12
_TAG: Final = 16
# RFC 9106 section 4, second recommended option: 64 MiB, three passes.
_MEMORY_KIB: Final = 65_536
_PASSES: Final = 3
_LANES: Final = 4


def new_seed() -> bytes:
    """Return 32 fresh random bytes."""
    return os.urandom(SEED_SIZE)


def derive_key(passphrase: str, salt: bytes) -> bytes:
    """Return 32 bytes from a passphrase by Argon2id (RFC 9106)."""
    return hash_secret_raw(
        passphrase.encode(), salt, _PASSES, _MEMORY_KIB, _LANES, SEED_SIZE, Type.ID
    )


def save_seed(path: Path, seed: bytes, passphrase: str | None = None) -> None:
    """Write a key file; without a passphrase it is as safe as its folder.

    Raises:
        StorageError: it cannot be written.
    """
    if passphrase is None:
        write_atomic(path, _MAGIC_PLAIN + seed)
        return
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    sealed = AESGCM(derive_key(passphrase, salt)).encrypt(nonce, seed, _MAGIC_SEALED)
    write_atomic(path, _MAGIC_SEALED + salt + nonce + sealed)


def load_seed(path: Path, passphrase: str | None = None) -> bytes:
    """Read a key file.

    Raises:
        ConfigError: it is missing, readable by others, malformed, or the passphrase is wrong.
    """
    check_private(path)
    data = read_limited(path, 256)
    if data.startswith(_MAGIC_PLAIN) and len(data) == len(_MAGIC_PLAIN) + SEED_SIZE:
        return data[len(_MAGIC_PLAIN) :]
    rest = data.removeprefix(_MAGIC_SEALED)
    if rest == data or len(rest) != _SALT + _NONCE + SEED_SIZE + _TAG:
        raise ConfigError(f"{path.name} is not a key file", rule="keys.format")
    if passphrase is None:
        raise ConfigError(f"{path.name} needs its passphrase", rule="keys.passphrase")
    salt, nonce, sealed = rest[:_SALT], rest[_SALT : _SALT + _NONCE], rest[_SALT + _NONCE :]
    try:
        return AESGCM(derive_key(passphrase, salt)).decrypt(nonce, sealed, _MAGIC_SEALED)
    except InvalidTag:
        raise ConfigError("the passphrase is wrong", rule="keys.passphrase") from None


def load_or_create_seed(path: Path, passphrase: str | None = None) -> bytes:
    """Read a key file, making it first when there is none; raises as ``load_seed``."""
    if not path.exists():
        save_seed(path, new_seed(), passphrase)
    return load_seed(path, passphrase)
