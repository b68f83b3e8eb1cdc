"""Where a keyholder's keys are: in a file of its folder, or on a token; knows no order.

With a file, the signing seed is in it and the database's key follows from the seed. With a token,
the signing key never leaves it, and its wrapping key wraps the database's key and each period seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol

from glasslock.errors import ConfigError
from glasslock.keyholder.config import KeyholderConfig, TokenSettings
from glasslock.keyholder.store import DATABASE
from glasslock.keyholder.vault import PLAIN, Vault
from glasslock.runtime.files import check_private, private_folder, read_limited, write_atomic
from glasslock.runtime.keys import load_or_create_seed, new_seed
from glasslock.signing import Signer, SigningKey
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label

KEY_FILE: Final = "keyholder.key"
WRAPPED_FILE: Final = "keyholder.wrapped"
MAX_PASSPHRASE: Final = 1_024
_MAX_WRAPPED: Final = 256
_DATABASE: Final = b"database"


@dataclass(frozen=True, slots=True)
class Keys:
    """Who signs, what opens the database, and where period seeds are wrapped."""

    signer: Signer
    database: bytes = field(repr=False)
    vault: Vault


class Token(Signer, Vault, Protocol):
    """What a token is to a keyholder; ``runtime.token.Token`` is one, loaded where it is set."""

    def make_keys(self) -> bytes:
        """Make its keys; returns the public signing key."""


def open_signer(config: KeyholderConfig) -> Signer:
    """Return who signs; a key file is made when there is none, keys on a token are not.

    Raises:
        ConfigError: a passphrase or PIN is wrong, or the token has no such keys.
        TransportError: the token is not there.
    """
    return open_keys(config).signer


def open_keys(config: KeyholderConfig) -> Keys:
    """Return all keys; raises as ``open_signer``, and ``VerificationError`` as ``Token.unwrap``."""
    folder = private_folder(config.data)
    if config.token is None:
        seed = load_or_create_seed(folder / KEY_FILE, _passphrase(config))
        return Keys(SigningKey.from_seed(seed), derive(seed, Label.STORE), PLAIN)
    if (folder / KEY_FILE).exists():
        raise ConfigError("the folder has a key file; the settings a token", rule="keyholder.keys")
    token = _token(config.token)
    return Keys(token, _database_key(folder / WRAPPED_FILE, token), token)


def make_keys(config: KeyholderConfig) -> bytes:
    """Make the keys where the settings say; returns the public signing key.

    Raises:
        ConfigError: there are keys already.
        TransportError: the token is not there.
    """
    if config.token is not None:
        return _token(config.token).make_keys()
    path = private_folder(config.data) / KEY_FILE
    if path.exists():
        raise ConfigError("there is a key file already", rule="keyholder.keys")
    return SigningKey.from_seed(load_or_create_seed(path, _passphrase(config))).public


def _token(settings: TokenSettings) -> Token:
    try:
        module = import_module("glasslock.runtime.token")
    except ImportError:
        raise ConfigError("the package python-pkcs11 is missing", rule="token.package") from None
    check_private(settings.pin_file)
    pin = read_limited(settings.pin_file, MAX_PASSPHRASE).decode().strip()
    made: Token = module.Token(settings.module, settings.label, pin, settings.key_label)
    return made


def _passphrase(config: KeyholderConfig) -> str | None:
    if config.passphrase_file is None:
        return None
    return read_limited(config.passphrase_file, MAX_PASSPHRASE).decode().strip()


def _database_key(path: Path, token: Token) -> bytes:
    """Unwrap the database's key, drawing it first where there is no database yet."""
    if not path.exists():
        if (path.parent / DATABASE).exists():
            raise ConfigError("the database has no wrapped key beside it", rule="keyholder.wrapped")
        write_atomic(path, token.wrap(new_seed(), _DATABASE))
    return token.unwrap(read_limited(path, _MAX_WRAPPED), _DATABASE)
