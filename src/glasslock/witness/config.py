"""A witness's settings."""

from __future__ import annotations

from pathlib import Path

import msgspec


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log that the witness follows: its keys, each a C2SP vkey under the log's origin."""

    origin: str
    keys: list[str]


class WitnessConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of ``glasslock witness run``; ``name`` is what cosignatures are signed as."""

    data: Path
    name: str
    logs: list[LogSettings] = []
    host: str = "127.0.0.1"
    port: int = 8450
