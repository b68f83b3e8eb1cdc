"""Proofs that travel alone: c2sp.org/tlog-proof@v1, and the entry that one proves. Pure.

``LoggedEntry`` is made here only: its bytes stand at its index in a log whose checkpoint a quorum
has cosigned. Knows nothing of what the entry says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from glasslock.errors import LogInconsistent, StateError, WireError
from glasslock.tlog.checkpoint import VerifiedCheckpoint, read_head, verify_checkpoint
from glasslock.tlog.encoding import (
    check_text,
    decode_base64,
    decode_decimal,
    decode_hash,
    encode_base64,
)
from glasslock.tlog.merkle import MAX_PROOF, Frontier, leaf_hash, verify_inclusion
from glasslock.tlog.note import MAX_NOTE
from glasslock.tlog.quorum import QuorumFile

MAX_EXTRA: Final = 65_536

_MAGIC: Final = b"c2sp.org/tlog-proof@v1"
_MAX_FILE: Final = MAX_NOTE + 2 * MAX_EXTRA


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """A decoded proof, nothing of it verified: ``extra`` never is, and no one may rely on it."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes = field(repr=False)
    extra: bytes | None = None


@dataclass(frozen=True, slots=True, init=False)
class LoggedEntry:
    """Entry bytes that stand at ``index`` of the log that ``checkpoint`` vouches for.

    Of a log that is a chain of shards, ``checkpoint`` is its shard's and ``index`` the chain's.
    """

    index: int
    entry: bytes = field(repr=False)
    checkpoint: VerifiedCheckpoint

    def __init__(self, *_: object, **__: object) -> None:
        """Refuse: an entry is proven, not declared; raises ``StateError``."""
        raise StateError("an entry is proven, not declared", rule="proof.unverified")


def encode_proof(proof: InclusionProof) -> bytes:
    """Return the text of ``proof``; raises ``WireError`` if it would not be read back."""
    lines = [_MAGIC]
    if proof.extra is not None:
        lines.append(b"extra " + encode_base64(proof.extra))
    lines.append(b"index %d" % proof.index)
    lines += [encode_base64(item) for item in proof.hashes]
    data = b"\n".join(lines) + b"\n\n" + proof.checkpoint
    if decode_proof(data) != proof:
        raise WireError("this cannot be written as a proof", rule="proof.encode")
    return data


def decode_proof(data: bytes) -> InclusionProof:
    """Read a proof and the checkpoint in it, believing neither.

    Raises:
        WireError: any byte is not as the format says, or the index is not below the tree's size.
    """
    if len(data) > _MAX_FILE:
        raise WireError("a proof is too long", rule="proof.length")
    check_text(data, rule="proof.text")
    top, blank, checkpoint = data.partition(b"\n\n")
    lines = top.split(b"\n")
    if not blank or lines.pop(0) != _MAGIC:
        raise WireError("this is no tlog proof", rule="proof.magic")
    extra = None
    if lines and lines[0].startswith(b"extra "):
        extra = decode_base64(lines.pop(0)[6:], rule="proof.extra")
        if len(extra) > MAX_EXTRA:
            raise WireError("the extra data is too long", rule="proof.extra")
    if not lines or not lines[0].startswith(b"index "):
        raise WireError("a proof names its index", rule="proof.index")
    index = decode_decimal(lines.pop(0)[6:], rule="proof.index")
    if len(lines) > MAX_PROOF:
        raise WireError("a proof has at most 63 hashes", rule="proof.hashes")
    hashes = tuple(decode_hash(line, rule="proof.hashes") for line in lines)
    if index >= read_head(checkpoint)[1].size:
        raise WireError("the index is not in this tree", rule="proof.index")
    return InclusionProof(index, hashes, checkpoint, extra)


def verify_entry(
    proof: bytes,
    entry: bytes,
    quorum: QuorumFile,
    *,
    origin: str | None = None,
    now: int | None = None,
    max_age: int | None = None,
) -> LoggedEntry:
    """Return ``entry`` as logged, once ``proof`` shows it under a checkpoint that holds.

    The keyword arguments are those of ``verify_checkpoint``.

    Raises:
        LogInconsistent: the entry is not where the proof says.
        VerificationError: the checkpoint does not hold (see ``verify_checkpoint``).
        WireError: the proof is malformed.
    """
    decoded = decode_proof(proof)
    checkpoint = verify_checkpoint(
        decoded.checkpoint, quorum, origin=origin, now=now, max_age=max_age
    )
    return verify_included(checkpoint, entry, decoded.index, decoded.hashes)


def verify_included(
    checkpoint: VerifiedCheckpoint, entry: bytes, index: int, hashes: Sequence[bytes]
) -> LoggedEntry:
    """Return ``entry`` as logged under a checkpoint that has already been verified.

    Raises:
        LogInconsistent: it is not entry ``index`` of that tree.
    """
    verify_inclusion(leaf_hash(entry), index, checkpoint.size, hashes, checkpoint.root)
    return _make(index, entry, checkpoint)


def verify_appended(
    before: Frontier, entries: Sequence[bytes], checkpoint: VerifiedCheckpoint
) -> tuple[Frontier, tuple[LoggedEntry, ...]]:
    """Return the new frontier and ``entries`` as logged: all that came after ``before``.

    For a follower that replays everything: the recomputed root proves inclusion and consistency
    with what it had in one step. ``before`` is left as it was.

    Raises:
        LogInconsistent: entries are missing, or they are not what the checkpoint covers.
    """
    after = before.copy()
    after.extend(leaf_hash(entry) for entry in entries)
    if after.size != checkpoint.size:
        raise LogInconsistent("the log withholds entries, or adds some", rule="log.count")
    if after.root() != checkpoint.root:
        raise LogInconsistent("the entries are not what the log signed", rule="log.entries")
    made = (_make(before.size + at, entry, checkpoint) for at, entry in enumerate(entries))
    return after, tuple(made)


def in_chain(logged: tuple[LoggedEntry, ...], base: int) -> tuple[LoggedEntry, ...]:
    """Return entries of a shard with their places in the chain, ``base`` leaves being before it."""
    if base == 0:
        return logged
    return tuple(_make(base + each.index, each.entry, each.checkpoint) for each in logged)


def _make(index: int, entry: bytes, checkpoint: VerifiedCheckpoint) -> LoggedEntry:
    made = object.__new__(LoggedEntry)
    for name, value in (("index", index), ("entry", entry), ("checkpoint", checkpoint)):
        object.__setattr__(made, name, value)
    return made
