"""A log's settings."""

from __future__ import annotations

from pathlib import Path

import msgspec


class WitnessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A witness to ask: its name in the quorum file, its C2SP vkey, its address."""

    name: str
    key: str
    url: str


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of ``glasslock serve log``.

    ``needed`` of the witnesses must cosign before anything is published. ``submitters`` are raw
    Ed25519 keys in hex; an empty list takes entries from anybody who signs. Entries wait at most
    ``batch_seconds`` for others, except immediate ones; a checkpoint is cosigned anew after
    ``heartbeat_seconds`` without entries, so that readers see that the log lives. ``also`` are
    quorum files that every checkpoint must satisfy too, while readers change from one to another.
    """

    data: Path
    origin: str
    witnesses: list[WitnessSettings]
    needed: int
    submitters: list[str] = []
    also: list[Path] = []
    batch_seconds: float = 1.0
    heartbeat_seconds: float = 60.0
    host: str = "127.0.0.1"
    port: int = 8460
