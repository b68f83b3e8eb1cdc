"""Proofs that an order's leaves stand in the log, made from the desk's own copy of it.

Knows entries and a checkpoint; knows no order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from glasslock.casefile.excerpts import LogExcerpt, ProvenBytes
from glasslock.tlog.checkpoint import VerifiedCheckpoint
from glasslock.tlog.merkle import complete_root, leaf_hash, prove_inclusion
from glasslock.tlog.proof import InclusionProof, encode_proof


class _Hashes:
    """Hashes of complete subtrees over entries at hand, each computed once."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self._leaves = [leaf_hash(entry) for entry in entries]
        self._known: dict[tuple[int, int], bytes] = {}

    def hash(self, level: int, index: int) -> bytes:
        """Return the root over leaves ``index << level`` to ``(index + 1) << level``."""
        if level == 0:
            return self._leaves[index]
        place = (level, index)
        if place not in self._known:
            below = (self.hash(level - 1, 2 * index), self.hash(level - 1, 2 * index + 1))
            self._known[place] = complete_root(below)
        return self._known[place]


def make_excerpt(
    entries: Sequence[bytes],
    newest: VerifiedCheckpoint,
    notes: Sequence[tuple[int, bytes]],
    wanted: Iterable[int],
) -> LogExcerpt:
    """Return ``wanted`` entries, each with its proof under the first checkpoint that covered it.

    ``entries`` are all that the log has up to ``newest``, ``notes`` the checkpoints (size, note) at
    hand. Where none of them covers an entry, ``newest`` proves it, and it looks as young as that.
    """
    hashes = _Hashes(entries[: newest.size])
    at_hand = sorted({*notes, (newest.size, newest.note)})
    chosen = []
    for index in sorted(set(wanted)):
        if index >= newest.size:
            continue
        size, note = next(pair for pair in at_hand if index < pair[0])
        hashed = tuple(prove_inclusion(hashes, index, size))
        proof = encode_proof(InclusionProof(index, hashed, note))
        chosen.append(ProvenBytes(index, entries[index], proof))
    return LogExcerpt(newest.origin, newest.note, tuple(chosen))
