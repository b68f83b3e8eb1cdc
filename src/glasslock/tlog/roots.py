"""What a tree's root was at earlier sizes, from the tiles of a log and a checkpoint that holds.

``earlier_roots`` is a generator like ``reader.catch_up``: it yields paths, is sent their bytes, and
believes each tile only after its check. A log that answers with other tiles than those of the
checkpoint is refused; one that does not answer gives nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

from glasslock.errors import NotFound
from glasslock.tlog.encoding import HASH_SIZE
from glasslock.tlog.merkle import HashReader, frontier_at, prove_consistency
from glasslock.tlog.tile import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    TreeTiles,
    edge,
    width_at,
)
from glasslock.tlog.treehead import TreeHead


@dataclass(frozen=True, slots=True)
class Earlier:
    """A root at an earlier size, and the proof that the later tree begins with that one."""

    root: bytes
    path: tuple[bytes, ...]


Steps = Generator[str, bytes, dict[int, Earlier]]


def earlier_root(reader: HashReader, size: int, head: TreeHead) -> Earlier:
    """Return what ``reader``, over the tree ``head``, had as its root at ``size``."""
    path = tuple(prove_consistency(reader, size, head.size))
    return Earlier(frontier_at(reader, size).root(), path)


def earlier_roots(head: TreeHead, sizes: Iterable[int]) -> Steps:
    """Return the roots of the tree ``head`` at ``sizes``, none above its own.

    Raises:
        LogInconsistent: what came is not of this tree.
        WireError: what came is malformed.
    """
    wanted = sorted(set(sizes))
    partial: dict[Tile, bytes] = {}
    for tile in edge(head.size):
        partial[tile] = yield from _partial(tile)
    tiles = TreeTiles(head.size, head.root, partial)
    asked = _Asked()
    for size in wanted:
        earlier_root(asked, size, head)
    # From the top down: a tile is believed by the one above it.
    for level, index in sorted(_with_parents(asked.tiles, head.size), reverse=True):
        tile = Tile(level, index)
        tiles.take(tile, (yield tile.path))
    return {size: earlier_root(tiles, size, head) for size in wanted}


def _partial(tile: Tile) -> Generator[str, bytes, bytes]:
    """Get a partial tile, or the begin of the full one that has taken its place since."""
    try:
        return (yield tile.path)
    except NotFound:
        full = yield Tile(tile.level, tile.index).path
        return full[: tile.width * HASH_SIZE]


def _with_parents(asked: Iterable[tuple[int, int]], size: int) -> set[tuple[int, int]]:
    """Return the full tiles among ``asked``, with all full tiles above them."""
    found = set()
    for place in asked:
        level, index = place
        while width_at(level, index, size) == TILE_WIDTH:
            found.add((level, index))
            level, index = level + 1, index >> TILE_HEIGHT
    return found


class _Asked:
    """A ``HashReader`` that only takes down which tiles are asked for."""

    def __init__(self) -> None:
        self.tiles: set[tuple[int, int]] = set()

    def hash(self, level: int, index: int) -> bytes:
        """Take down the tile that holds the hash of a complete subtree."""
        tile_level, low_bits = divmod(level, TILE_HEIGHT)
        self.tiles.add((tile_level, (index << low_bits) >> TILE_HEIGHT))
        return bytes(HASH_SIZE)
