"""Tiles and entry bundles of C2SP tlog-tiles: names, widths, bytes, authenticated reading.

Knows where a hash lies and how to believe it; knows no server and no signature. A root recomputed
from the right edge says nothing about any full tile, so every full tile is checked against its
entry in the tile above it (the check whose absence was CVE-2026-56865).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from glasslock.errors import LogInconsistent, StateError, WireError
from glasslock.tlog.encoding import HASH_SIZE, MAX_UINT
from glasslock.tlog.merkle import (
    EMPTY_ROOT,
    Frontier,
    complete_root,
    leaf_hash,
)

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
MAX_LEVEL: Final = 63
MAX_ENTRY: Final = 65_535

_PATH: Final = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Coordinates of a tile: hashes ``index * 256`` onward at ``level`` (in steps of 8 bits)."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        """Refuse coordinates that no tree has; raises ``WireError``."""
        if not 0 <= self.level <= MAX_LEVEL:
            raise WireError("there is no tile level of that number", rule="tile.level")
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """The path below the log's prefix, such as ``tile/0/x001/234.p/7``."""
        return f"tile/{self.level}/{_place(self.index, self.width)}"

    @property
    def parent(self) -> tuple[int, int, int]:
        """Level and index of the tile above, and this tile's place in it."""
        return self.level + 1, self.index >> TILE_HEIGHT, self.index % TILE_WIDTH


@dataclass(frozen=True, slots=True, order=True)
class Bundle:
    """Coordinates of an entry bundle: entries ``index * 256`` onward."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        """Refuse coordinates that no tree has; raises ``WireError``."""
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """The path below the log's prefix, such as ``tile/entries/000``."""
        return f"tile/entries/{_place(self.index, self.width)}"


def _check_place(index: int, width: int) -> None:
    if not 0 <= index <= MAX_UINT or not 1 <= width <= TILE_WIDTH:
        raise WireError("there is no tile at that place", rule="tile.place")


def _place(index: int, width: int) -> str:
    """Return ``N[.p/W]`` with N in groups of three digits, all but the last marked ``x``."""
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    text = "/".join([f"x{group}" for group in groups[:-1]] + [groups[-1]])
    return text if width == TILE_WIDTH else f"{text}.p/{width}"


def parse_path(path: str) -> Tile | Bundle:
    """Return the coordinates that ``path`` (below the log's prefix) spells.

    Raises:
        WireError: not a tile or bundle path in its one spelling.
    """
    match = _PATH.match(path)
    if not match:
        raise WireError("this is no tile path", rule="tile.path")
    kind, place, width_text = match.groups()
    index = int(place.replace("/", "").replace("x", ""))
    width = int(width_text) if width_text else TILE_WIDTH
    if width_text and width >= TILE_WIDTH:
        raise WireError("a partial tile is narrower than a full one", rule="tile.path")
    found = Bundle(index, width) if kind == "entries" else Tile(int(kind), index, width)
    # The pattern lets through groups of leading zeros: one tile, one name.
    if found.path != path:
        raise WireError("this is no tile path", rule="tile.path")
    return found


def level_size(size: int, level: int) -> int:
    """Return how many hashes tiles of ``level`` hold in a tree of ``size`` leaves."""
    return size >> (TILE_HEIGHT * level)


def width_at(level: int, index: int, size: int) -> int:
    """Return the width of tile ``index`` of ``level`` at ``size``; 0 when it does not exist."""
    return max(0, min(TILE_WIDTH, level_size(size, level) - index * TILE_WIDTH))


def tiles(old: int, new: int) -> Iterator[Tile]:
    """Yield the tiles that a tree of ``new`` leaves has and one of ``old`` had not, lowest first.

    ``old`` 0 gives all of them. A partial tile that did not grow is not yielded.
    """
    level = 0
    while level_size(new, level):
        had, has = level_size(old, level), level_size(new, level)
        if had < has:
            for index in range(had >> TILE_HEIGHT, -(-has // TILE_WIDTH)):
                yield Tile(level, index, width_at(level, index, new))
        level += 1


def bundles(old: int, new: int) -> Iterator[Bundle]:
    """Yield the entry bundles that a tree of ``new`` leaves has and one of ``old`` had not."""
    for tile in tiles(old, new):
        if tile.level:
            return
        yield Bundle(tile.index, tile.width)


def edge(size: int) -> tuple[Tile, ...]:
    """Return the partial tiles of a tree of ``size`` leaves, one a level at most, lowest first.

    Together they hold every hash the root is made of.
    """
    found = []
    level = 0
    while level_size(size, level):
        count = level_size(size, level)
        if count % TILE_WIDTH:
            found.append(Tile(level, count >> TILE_HEIGHT, count % TILE_WIDTH))
        level += 1
    return tuple(found)


def split_tile(tile: Tile, data: bytes) -> tuple[bytes, ...]:
    """Return the hashes of a tile's bytes; raises ``WireError`` unless exactly ``width``."""
    if len(data) != tile.width * HASH_SIZE:
        raise WireError("a tile has another length than its width", rule="tile.length")
    return tuple(data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of an entry bundle: each entry after its length in two bytes.

    Raises:
        WireError: no entry, more than 256, or one over 65,535 bytes.
    """
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise WireError("a bundle has 1 to 256 entries", rule="bundle.count")
    out = bytearray()
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise WireError("an entry has at most 65,535 bytes", rule="bundle.entry")
        out += len(entry).to_bytes(2, "big") + entry
    return bytes(out)


def decode_bundle(bundle: Bundle, data: bytes) -> tuple[bytes, ...]:
    """Return the entries of a bundle's bytes; raises ``WireError`` unless exactly ``width``."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data) or len(entries) == bundle.width:
            raise WireError("a bundle does not hold its entries", rule="bundle.length")
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != bundle.width:
        raise WireError("a bundle does not hold its entries", rule="bundle.count")
    return tuple(entries)


def subtree_root(hashes: Sequence[bytes], level: int, index: int) -> bytes:
    """Return the hash of the complete subtree ``(level, index)`` inside one tile's hashes.

    ``level`` counts from the tile's own row; raises ``WireError`` when it is not inside.
    """
    low, high = index << level, (index + 1) << level
    if not 0 <= low < high <= len(hashes):
        raise WireError("the subtree is not in this tile", rule="tile.subtree")
    return complete_root(hashes[low:high])


def open_bundle(bundle: Bundle, data: bytes, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the entries of a bundle after checking each against its leaf hash.

    ``leaves`` are the hashes of the level 0 tile beside it, as ``TreeTiles.check`` returned them.

    Raises:
        LogInconsistent: an entry does not hash to its leaf.
        StateError: ``leaves`` are of a tile of another width.
        WireError: the bytes are no bundle of that width.
    """
    entries = decode_bundle(bundle, data)
    if len(leaves) != len(entries):
        raise StateError("the leaves are of another tile", rule="bundle.leaves")
    for place, (entry, leaf) in enumerate(zip(entries, leaves, strict=True)):
        if leaf_hash(entry) != leaf:
            at = bundle.index * TILE_WIDTH + place
            raise LogInconsistent(f"entry {at} is not what was logged", rule="bundle.entry")
    return entries


class TreeTiles:
    """The tiles of one tree, each believed only after its check. Mutable: it keeps what it took.

    Made from the partial tiles of ``edge(size)``, whose hashes must give the root. Full tiles are
    then taken from the top down, each against its entry in the tile above. It is a ``HashReader``
    over what it has taken.
    """

    def __init__(self, size: int, root: bytes, partial: Mapping[Tile, bytes]) -> None:
        """Check and keep the right edge of the tree ``(size, root)``.

        Raises:
            LogInconsistent: the edge does not hash to the root.
            StateError: a tile of ``edge(size)`` is missing.
            WireError: a tile has the wrong length.
        """
        self.size = size
        self._taken: dict[tuple[int, int], tuple[bytes, ...]] = {}
        nodes: list[bytes] = []
        for tile in edge(size):
            if tile not in partial:
                raise StateError("a partial tile is missing", rule="tile.missing")
            hashes = split_tile(tile, partial[tile])
            self._taken[tile.level, tile.index] = hashes
            # Widths are the base-256 digits of the size: their frontiers side by side, the
            # highest level first, are the frontier of the tree.
            frontier = Frontier()
            frontier.extend(hashes)
            nodes = [*frontier.nodes, *nodes]
        if (Frontier(size, nodes).root() if size else EMPTY_ROOT) != root:
            raise LogInconsistent("the tiles do not hash to the root", rule="tile.root")

    def check(self, tile: Tile, data: bytes) -> tuple[bytes, ...]:
        """Return the hashes of a tile of this tree after checking it, without keeping it.

        Raises:
            LogInconsistent: it contradicts the tile above it, or the kept right edge.
            StateError: the tile above has not been taken yet, or this tree has no such tile.
            WireError: the bytes have the wrong length.
        """
        if width_at(tile.level, tile.index, self.size) != tile.width:
            raise StateError("this tree has no such tile", rule="tile.width")
        hashes = split_tile(tile, data)
        if tile.width < TILE_WIDTH:
            expected, found = self._taken[tile.level, tile.index], hashes
            if expected != found:
                raise LogInconsistent("a partial tile differs", rule="tile.partial")
            return hashes
        level, index, place = tile.parent
        above = self._taken.get((level, index))
        if above is None:
            raise StateError("the tile above has not been read", rule="tile.order")
        if complete_root(hashes) != above[place]:
            raise LogInconsistent("a tile contradicts the one above it", rule="tile.parent")
        return hashes

    def take(self, tile: Tile, data: bytes) -> tuple[bytes, ...]:
        """Check a tile as ``check`` does and keep it for reading."""
        hashes = self.check(tile, data)
        self._taken[tile.level, tile.index] = hashes
        return hashes

    def hash(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree, as ``merkle.HashReader``.

        Raises:
            StateError: the tile that holds it has not been taken.
        """
        tile_level, low_bits = divmod(level, TILE_HEIGHT)
        start = index << low_bits
        hashes = self._taken.get((tile_level, start >> TILE_HEIGHT))
        if hashes is None:
            raise StateError("the tile has not been read", rule="tile.missing")
        return subtree_root(hashes, low_bits, (start % TILE_WIDTH) >> low_bits)
