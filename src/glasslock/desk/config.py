"""A desk's settings."""

from __future__ import annotations

from pathlib import Path

import msgspec


class DeskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of ``glasslock serve desk`` and ``glasslock order``.

    ``quorum`` is the path of the pinned quorum file of both logs, which says where they are
    reached; ``policy`` is the digest (hex) of the one policy under which this desk works.
    Keyholders send their releases to ``host`` and ``port``; logs are read every ``poll_seconds``.
    """

    data: Path
    quorum: Path
    policy_origin: str
    orders_origin: str
    policy: str
    provider: str
    host: str = "127.0.0.1"
    port: int = 8470
    poll_seconds: float = 1.0
