"""A growing Merkle tree and what of it is published (C2SP tlog-tiles); knows no disk, no witness.

Pure but for its memory: the hashes of all complete subtrees, rebuilt from the entries at boot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from glasslock.errors import LogInconsistent
from glasslock.tlog.merkle import (
    frontier_at,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
)
from glasslock.tlog.tile import TILE_HEIGHT, TILE_WIDTH, Tile, bundles, encode_bundle, tiles


class Tree:
    """All complete subtrees of a log, by level."""

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        """Build from ``entries``."""
        self._levels: list[list[bytes]] = [[]]
        self.extend(entries)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._levels[0])

    def extend(self, entries: Iterable[bytes]) -> None:
        """Append entries."""
        sha256 = hashlib.sha256
        row = [leaf_hash(entry) for entry in entries]
        level = 0
        while row:
            if level == len(self._levels):
                self._levels.append([])
            nodes = self._levels[level]
            first = len(nodes) & ~1
            nodes += row
            pairs = range(first, len(nodes) - 1, 2)
            row = [sha256(b"\x01" + nodes[at] + nodes[at + 1]).digest() for at in pairs]
            level += 1

    def hash(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree; see ``HashReader``."""
        return self._levels[level][index]

    def root(self, size: int) -> bytes:
        """Return the root over the first ``size`` leaves."""
        return frontier_at(self, size).root()

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the proof that leaf ``index`` stands in the tree of ``size``."""
        return prove_inclusion(self, index, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of ``new`` begins with that of ``old``."""
        return prove_consistency(self, old, new) if old else []

    def tile(self, tile: Tile) -> bytes:
        """Return a tile's bytes."""
        first = tile.index * TILE_WIDTH
        return b"".join(self._levels[tile.level * TILE_HEIGHT][first : first + tile.width])


def files(tree: Tree, old: int, new: int, entries: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every file that a log of ``new`` leaves has and one of ``old`` not.

    ``entries`` are those from the start of the bundle in which ``old`` lies, up to ``new``.

    Raises:
        LogInconsistent: an entry is not the one that was sequenced.
    """
    first = old // TILE_WIDTH * TILE_WIDTH
    for at, entry in enumerate(entries):
        if leaf_hash(entry) != tree.hash(0, first + at):
            raise LogInconsistent("an entry changed after it was sequenced", rule="log.entry")
    for bundle in bundles(old, new):
        start = bundle.index * TILE_WIDTH - first
        yield bundle.path, encode_bundle(entries[start : start + bundle.width])
    for tile in tiles(old, new):
        yield tile.path, tree.tile(tile)
