"""Settings from a TOML file into a typed struct, strictly; knows no setting by name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from glasslock.errors import ConfigError
from glasslock.runtime.files import read_limited

T = TypeVar("T", bound=msgspec.Struct)
MAX_CONFIG: Final = 1 << 20


def load_config(path: Path, kind: type[T]) -> T:
    """Return the settings in ``path`` as a ``kind``.

    Raises:
        ConfigError: the file is missing, is not TOML, or a setting is unknown or of a wrong type.
    """
    try:
        data = tomllib.loads(read_limited(path, MAX_CONFIG).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not TOML: {error}", rule="config.toml") from error
    try:
        return msgspec.convert(data, kind, dec_hook=_read)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path.name}: {error}", rule="config.setting") from error


def _read(kind: type[Any], value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    raise TypeError(f"expected {kind.__name__}")
