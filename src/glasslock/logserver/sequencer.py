"""A growing Merkle tree and what of it is published (C2SP tlog-tiles); knows no disk, no witness.

Pure but for its memory. That is the right edge: all hashes, counted in whole tiles, that are not
settled yet. What is settled lies in published tiles and is read back from there, and believed when
it hashes to what the edge holds, so that memory stays the same however long the log is.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from glasslock.errors import LogInconsistent
from glasslock.tlog.encoding import HASH_SIZE
from glasslock.tlog.merkle import (
    complete_root,
    frontier_at,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
)
from glasslock.tlog.tile import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    bundles,
    encode_bundle,
    level_size,
    subtree_root,
    tiles,
)

# Returns the bytes of a published tile, whatever they are; of one that is not there, none.
ReadTile = Callable[[Tile], bytes]

# Checked tiles that are kept for the next proof: 64 of them hold about 2 MB.
_KEPT_TILES: Final = 64


class Tree:
    """The complete subtrees of a log: those of its edge by level, the others by their tiles."""

    def __init__(self, entries: Iterable[bytes] = (), read: ReadTile | None = None) -> None:
        """Build from ``entries``; ``read`` gives back what is settled, and without it nothing is.

        No tile is read before one is asked for that was settled.
        """
        self._levels: list[list[bytes]] = [[]]
        # The index that the first hash of each level has in the tree.
        self._first: list[int] = [0]
        self._read = read
        self._kept: OrderedDict[tuple[int, int], tuple[bytes, ...]] = OrderedDict()
        self.extend(entries)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._first[0] + len(self._levels[0])

    def extend(self, entries: Iterable[bytes]) -> None:
        """Append entries."""
        sha256 = hashlib.sha256
        row = [leaf_hash(entry) for entry in entries]
        level = 0
        while row:
            if level == len(self._levels):
                self._levels.append([])
                self._first.append(0)
            nodes = self._levels[level]
            # Levels begin at an even index, as tiles do.
            single = len(nodes) & ~1
            nodes += row
            pairs = range(single, len(nodes) - 1, 2)
            row = [sha256(b"\x01" + nodes[at] + nodes[at + 1]).digest() for at in pairs]
            level += 1

    def settle(self, size: int) -> None:
        """Let go of the hashes in full tiles of the first ``size`` leaves: they are published."""
        if self._read is None:
            return
        for level, nodes in enumerate(self._levels):
            tile_level, low = divmod(level, TILE_HEIGHT)
            first = level_size(size, tile_level) // TILE_WIDTH * TILE_WIDTH >> low
            gone = first - self._first[level]
            if gone > 0:
                del nodes[:gone]
                self._first[level] = first

    def hash(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree; see ``HashReader``.

        Raises:
            LogInconsistent: it is settled, and the tile that holds it is not what was sequenced.
        """
        if index >= self._first[level]:
            return self._levels[level][index - self._first[level]]
        tile_level, low = divmod(level, TILE_HEIGHT)
        tile, place = divmod(index << low, TILE_WIDTH)
        return subtree_root(self._settled_tile(tile_level, tile), low, place >> low)

    def _settled_tile(self, level: int, index: int) -> tuple[bytes, ...]:
        found = self._kept.get((level, index))
        if found is None:
            found = self._kept[level, index] = self._checked_tile(level, index)
            if len(self._kept) > _KEPT_TILES:
                self._kept.popitem(last=False)
        return found

    def _checked_tile(self, level: int, index: int) -> tuple[bytes, ...]:
        """Return a settled tile's hashes, which hash to what stands in the tile above it.

        The topmost of those is of the edge, which was made from the entries.
        """
        data = b"" if self._read is None else self._read(Tile(level, index))
        hashes = tuple(data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE))
        whole = len(data) == TILE_WIDTH * HASH_SIZE
        if not whole or complete_root(hashes) != self.hash((level + 1) * TILE_HEIGHT, index):
            raise LogInconsistent("a published tile is not what was sequenced", rule="log.tile")
        return hashes

    def root(self, size: int) -> bytes:
        """Return the root over the first ``size`` leaves; raises as ``hash``."""
        return frontier_at(self, size).root()

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Prove that leaf ``index`` stands in the tree of ``size``; raises as ``hash``."""
        return prove_inclusion(self, index, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Prove that the tree of ``new`` begins with that of ``old``; raises as ``hash``."""
        return prove_consistency(self, old, new) if old else []

    def tile(self, tile: Tile) -> bytes:
        """Return a tile's bytes; raises as ``hash``."""
        level = tile.level * TILE_HEIGHT
        first = tile.index * TILE_WIDTH - self._first[level]
        if first < 0:
            return b"".join(self._settled_tile(tile.level, tile.index)[: tile.width])
        return b"".join(self._levels[level][first : first + tile.width])


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
