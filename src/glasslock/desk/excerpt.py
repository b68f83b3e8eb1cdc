"""Proofs that an order's leaves stand in the log, made from the desk's own copy of it.

Knows entries and a checkpoint; knows no order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glasslock.casefile.excerpts import LogExcerpt, ProvenBytes
from glasslock.tlog.checkpoint import VerifiedCheckpoint
from glasslock.tlog.merkle import complete_root, leaf_hash, prove_inclusion
from glasslock.tlog.proof import InclusionProof, encode_proof
from glasslock.wire.shard import Genesis, decode_shard_leaf, is_reserved


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


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The entries of one shard, which begin at ``base`` of the chain, and its last checkpoint."""

    base: int
    entries: Sequence[bytes]
    size: int
    note: bytes
    hashes: _Hashes

    def prove(self, index: int, notes: Sequence[tuple[int, bytes]]) -> ProvenBytes:
        """Return the entry at ``index`` of the chain, proven in this shard."""
        end = self.base + self.size
        at_hand = sorted({*((s, n) for s, n in notes if index < s <= end), (end, self.note)})
        size, note = at_hand[0]
        place = index - self.base
        hashed = tuple(prove_inclusion(self.hashes, place, size - self.base))
        proof = encode_proof(InclusionProof(place, hashed, note))
        return ProvenBytes(index, self.entries[place], proof)


def make_excerpt(
    entries: Sequence[bytes],
    newest: VerifiedCheckpoint,
    notes: Sequence[tuple[int, bytes]],
    wanted: Iterable[int],
) -> LogExcerpt:
    """Return ``wanted`` entries, each with its proof under the first checkpoint that covered it.

    ``entries`` are all that the log has up to ``newest``, ``notes`` the checkpoints (size, note) at
    hand. Where none of them covers an entry, ``newest`` proves it, and it looks as young as that.
    Of a log that is a chain of shards, sizes count over the chain, and the leaves that link its
    shards are in the excerpt whether wanted or not.
    """
    origin, stretches = _parted(entries, newest)
    links = {each.base - back for each in stretches[1:] for back in (0, 1)}
    links |= {stretches[0].base} if stretches[0].base else set()
    chosen = []
    for index in sorted({*wanted, *links}):
        part = next((each for each in stretches if index < each.base + each.size), None)
        if part is not None:
            chosen.append(part.prove(index, notes))
    return LogExcerpt(origin, newest.note, tuple(chosen))


def _parted(entries: Sequence[bytes], newest: VerifiedCheckpoint) -> tuple[str, list[_Stretch]]:
    """Return the origin at which the chain begins, and its shards in order."""
    genesis = {
        at: leaf
        for at, entry in enumerate(entries)
        if is_reserved(entry) and isinstance(leaf := decode_shard_leaf(entry), Genesis)
    }
    # Of a chain that begins late for its reader, the first entry says where.
    first = genesis[0].base if 0 in genesis else 0
    origin = newest.origin
    starts = [0, *(at for at in genesis if at)]
    found = []
    for start, end in zip(starts, [*starts[1:], len(entries)], strict=True):
        own = entries[start:end]
        size, note = newest.size, newest.note
        if end in genesis:
            size, note = len(own), genesis[end].checkpoint
            origin = genesis[end].origin if start == 0 else origin
        found.append(_Stretch(first + start, own, size, note, _Hashes(own[:size])))
    return origin, found
