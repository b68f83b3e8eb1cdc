"""The provider's settings and what it makes of them; knows no request."""

from __future__ import annotations

from pathlib import Path

import msgspec

from glasslock.wire.policy import Clocks, Policy


class ClockSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Clocks of the policy ``none``; seconds, slots and days as in the policy document."""

    slot_seconds: int = 900
    slots_per_day: int = 96
    skew_seconds: int = 120
    away_days: int = 30
    ingest_seconds: int = 600


class PolicyLogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy log whose policies for this provider are served: origin, address, quorum file."""

    origin: str
    url: str
    quorum: Path
    interval_seconds: float = 30.0


class ProviderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of ``glasslock serve``.

    ``data`` is the folder for key, database and blobs; ``port`` 0 chooses one.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8440
    clocks: ClockSettings = ClockSettings()
    policy_log: PolicyLogSettings | None = None


def none_policy(config: ProviderConfig, provider_key: bytes) -> Policy:
    """Return the policy ``none`` of this provider: no keyholders, no way in."""
    clocks = config.clocks
    return Policy(
        "none",
        "none",
        provider_key,
        Clocks(
            clocks.slot_seconds,
            clocks.slots_per_day,
            clocks.skew_seconds,
            clocks.away_days,
            clocks.ingest_seconds,
        ),
    )
