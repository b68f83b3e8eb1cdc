"""A keyholder's settings; knows no order and no key."""

from __future__ import annotations

from pathlib import Path

import msgspec

from glasslock.errors import ConfigError
from glasslock.runtime.files import read_limited
from glasslock.tlog.quorum import MAX_FILE, QuorumFile


class TokenSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A PKCS#11 token: its library, its label, the file with its PIN, the label of both keys."""

    module: Path
    label: str
    pin_file: Path
    key_label: str = "glasslock"


class KeyholderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of ``glasslock keyholder``.

    ``quorum`` is the path of the pinned quorum file of both logs, which says where they are
    reached; ``policy`` is the digest (hex) of the one policy served, empty before it is founded.
    ``desks`` gives the address of each agency's desk by the agency's name. Unless ``standing`` is
    true, a person answers each order. A new period key, of ``period_days`` days, is published when
    fewer than ``ahead_days`` days are covered. ``max_age`` (seconds) is how old the witnesses' word
    on a log may be for an order to be judged by it. With ``token`` the keys are on it and no key
    file is used.
    """

    data: Path
    name: str
    quorum: Path
    policy_origin: str
    orders_origin: str
    provider: str
    policy: str = ""
    desks: dict[str, str] = {}
    standing: bool = False
    poll_seconds: float = 5.0
    ahead_days: int = 3
    period_days: int = 7
    max_age: int = 86_400
    passphrase_file: Path | None = None
    token: TokenSettings | None = None


def pinned_quorum(config: KeyholderConfig) -> QuorumFile:
    """Return the quorum file of the settings; raises ``ConfigError`` or as ``parse``."""
    try:
        return QuorumFile.parse(read_limited(config.quorum, MAX_FILE).decode())
    except UnicodeDecodeError as error:
        raise ConfigError("the quorum file is not text", rule="keyholder.quorum") from error


def policy_digest(config: KeyholderConfig) -> bytes:
    """Return the digest of the policy served; raises ``ConfigError``."""
    try:
        digest = bytes.fromhex(config.policy)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise ConfigError("`policy` is the digest of a policy in hex", rule="keyholder.policy")
    return digest


def log_url(quorum: QuorumFile, origin: str) -> str:
    """Return where a log is reached; raises ``ConfigError``."""
    url = quorum.log_url(origin)
    if url is None:
        raise ConfigError(f"the quorum file gives no address of {origin}", rule="keyholder.log")
    return url
