"""The quorum files that a log's checkpoints must satisfy: its own, and others while readers change.

Readers pin a quorum file. To change a witness or a key, the log satisfies the old file and the new
one until nobody pins the old one any more (section 7, Rotation).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from glasslock.errors import ConfigError, GlasslockError
from glasslock.logserver.config import LogConfig
from glasslock.runtime.files import read_limited
from glasslock.tlog.chain import extended
from glasslock.tlog.note import Signer, Verifier
from glasslock.tlog.quorum import MAX_FILE, LogKey, QuorumFile, WitnessKey


def load_quorums(
    config: LogConfig, signers: Sequence[Signer], earlier: Sequence[str] = (), *, over: bool = False
) -> tuple[QuorumFile, ...]:
    """Return the log's own quorum file first, then those of ``also``, unless the shard is ``over``.

    A file of ``also`` may name an ``earlier`` shard of the chain: its readers know the keys of this
    one from the shard-end before it.

    Raises:
        ConfigError: the witnesses make no quorum, or a file of ``also`` cannot be satisfied.
    """
    own = _own(config, signers)
    also = () if over else config.also
    return (own, *(_other(path, own, signers, earlier) for path in also))


def _own(config: LogConfig, signers: Sequence[Signer]) -> QuorumFile:
    try:
        witnesses = [WitnessKey(w.name, Verifier.parse(w.key), w.url) for w in config.witnesses]
        newest = {each.verifier.kind: LogKey(each.verifier) for each in reversed(signers)}
        return QuorumFile.of(list(newest.values())[::-1], witnesses, config.needed)
    except GlasslockError as error:
        raise ConfigError(f"the witnesses make no quorum: {error}", rule="log.witnesses") from error


def _other(
    path: Path, own: QuorumFile, signers: Sequence[Signer], earlier: Sequence[str]
) -> QuorumFile:
    try:
        found = QuorumFile.parse(read_limited(path, MAX_FILE).decode(errors="replace"))
        if set(earlier) & set(found.origins):
            found = extended(found, signers[0].name, [log.verifier.vkey for log in own.logs])
    except GlasslockError as error:
        raise ConfigError(f"{path.name}: {error}", rule="log.also") from error
    keys = found.log_keys(signers[0].name)
    mine = {each.verifier for each in signers}
    if not keys or {key.kind for key in keys} != {key.kind for key in keys if key in mine}:
        raise ConfigError(f"{path.name} asks for keys that this log lacks", rule="log.also")
    reached = {each.verifier.key for each in own.witnesses}
    if any(each.url is None and each.verifier.key not in reached for each in found.witnesses):
        raise ConfigError(f"{path.name} does not say where a witness is", rule="log.also")
    return found
