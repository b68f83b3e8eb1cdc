"""A tree that has let go of its published tiles answers as one that holds every hash."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from glasslock.errors import LogInconsistent
from glasslock.logserver.sequencer import Tree
from glasslock.tlog.tile import Tile, tiles

# Two full tiles of level 1, and some of what comes after.
SIZE = 2 * 65_536 + 3 * 256 + 17
ENTRIES = [number.to_bytes(4) for number in range(SIZE)]
Change = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def whole() -> Tree:
    return Tree(ENTRIES)


def settled(whole: Tree, steps: list[int], read: Callable[[Tile], bytes] | None = None) -> Tree:
    """The same tree, settled at each size as it grew, which reads back from ``whole``."""
    tree = Tree(read=read or whole.tile)
    for before, size in zip([0, *steps], steps, strict=False):
        tree.extend(ENTRIES[before:size])
        tree.settle(size)
    return tree


def held(tree: Tree) -> int:
    return sum(map(len, tree._levels))


def test_what_a_settled_tree_says_is_what_the_whole_one_says(whole: Tree) -> None:
    rng = Random(7)
    tree = settled(whole, [1, 255, 256, 257, 600, 65_535, 65_537, 131_072, SIZE])
    sizes = [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 131_072, SIZE - 1, SIZE]
    for size in [*sizes, *(rng.randrange(1, SIZE) for _ in range(20))]:
        assert tree.root(size) == whole.root(size)
        old, index = rng.randrange(size + 1), rng.randrange(size)
        assert tree.consistency(old, size) == whole.consistency(old, size)
        assert tree.inclusion(index, size) == whole.inclusion(index, size)
    for tile in tiles(0, SIZE):
        assert tree.tile(tile) == whole.tile(tile)


def test_a_tree_settled_step_by_step_grows_as_one_that_never_was(whole: Tree) -> None:
    steps = [*range(100, 2_000, 100), *range(5_000, SIZE, 5_000), SIZE]
    tree = settled(whole, steps)
    assert (tree.size, tree.root(SIZE)) == (SIZE, whole.root(SIZE))


def test_a_settled_tree_holds_a_tile_a_level_however_long_it_is(whole: Tree) -> None:
    """All rows of hashes between two levels of tiles are less than 512, and three such levels."""
    most = [held(settled(whole, [*range(0, size, 4_096), size])) for size in (5_000, SIZE)]
    assert max(most) < 3 * 512
    unsettled = settled(whole, [1_000])
    unsettled.extend(ENTRIES[1_000:9_000])
    assert held(unsettled) > 2 * 8_000
    # Settled is what is in full tiles of a size; nothing is, of a tree that cannot read back.
    lone = Tree(ENTRIES[:1_000])
    lone.settle(1_000)
    assert held(lone) > 1_990


def test_what_is_not_published_yet_is_held(whole: Tree) -> None:
    def nothing(_tile: Tile) -> bytes:
        raise AssertionError

    tree = settled(whole, [1_000], nothing)
    tree.extend(ENTRIES[1_000:70_000])
    for size in (1_000, 1_001, 1_280, 65_536, 70_000):
        assert tree.root(size) == whole.root(size)
        assert tree.consistency(1_000, size) == whole.consistency(1_000, size)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:0],
        lambda data: data[:-32],
        lambda data: data + data[:32],
        lambda data: data[:-1] + bytes((data[-1] ^ 1,)),
        lambda data: data[32:64] + data[:32] + data[64:],
        lambda data: bytes(len(data)),
    ],
    ids=["gone", "short", "long", "flipped", "swapped", "zeros"],
)
@pytest.mark.parametrize("level", [0, 1])
def test_a_published_tile_is_believed_for_what_was_sequenced(
    whole: Tree, change: Change, level: int
) -> None:
    def read(tile: Tile) -> bytes:
        data = whole.tile(tile)
        return change(data) if tile == Tile(level, 0) else data

    tree = settled(whole, [SIZE], read)
    with pytest.raises(LogInconsistent) as caught:
        tree.root(129)
    assert caught.value.rule == "log.tile"
    # What does not rest on it stands.
    assert tree.root(SIZE) == whole.root(SIZE)
    assert tree.consistency(131_072, SIZE) == whole.consistency(131_072, SIZE)
