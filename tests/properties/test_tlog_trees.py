"""Random trees: every proof holds, and no proof holds for anything else."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasslock.errors import LogInconsistent
from glasslock.tlog import merkle
from glasslock.tlog.tile import TreeTiles, edge, tiles


class _Reader:
    """Complete subtrees straight from the leaves, by the definition."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._rows = [leaves]

    def hash(self, level: int, index: int) -> bytes:
        while len(self._rows) <= level:
            row = self._rows[-1]
            pairs = zip(row[::2], row[1::2], strict=False)
            self._rows.append([hashlib.sha256(b"\x01" + a + b).digest() for a, b in pairs])
        return self._rows[level][index]


def _leaves(size: int) -> list[bytes]:
    return [hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(size)]


LEAVES = _leaves(1_200)
READER = _Reader(LEAVES)
sizes = st.integers(1, len(LEAVES))


@given(sizes, st.data())
def test_inclusion_holds_at_its_index_only(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = merkle.range_root(READER, 0, size)
    proof = merkle.prove_inclusion(READER, index, size)
    merkle.verify_inclusion(LEAVES[index], index, size, proof, root)
    assert len(proof) <= (size - 1).bit_length()
    other = data.draw(st.integers(-3, size + 3).filter(lambda n: n != index))
    with pytest.raises(LogInconsistent):
        merkle.verify_inclusion(LEAVES[index], other, size, proof, root)


@given(sizes, sizes, st.data())
def test_consistency_holds_between_prefixes_only(a: int, b: int, data: st.DataObject) -> None:
    old, new = sorted((a, b))
    old_root, new_root = (merkle.range_root(READER, 0, size) for size in (old, new))
    proof = merkle.prove_consistency(READER, old, new)
    merkle.verify_consistency(old, old_root, new, new_root, proof)
    wrong = data.draw(sizes.filter(lambda n: n != old))
    with pytest.raises(LogInconsistent):
        merkle.verify_consistency(old, merkle.range_root(READER, 0, wrong), new, new_root, proof)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        changed = [*proof]
        changed[place] = hashlib.sha256(changed[place]).digest()
        with pytest.raises(LogInconsistent):
            merkle.verify_consistency(old, old_root, new, new_root, changed)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=40), sizes, sizes)
def test_made_up_proofs_never_hold(proof: list[bytes], a: int, b: int) -> None:
    old, new = sorted((a, b))
    old_root, new_root = hashlib.sha256(b"x").digest(), merkle.range_root(READER, 0, new)
    with pytest.raises(LogInconsistent):
        merkle.verify_consistency(old, old_root, new, new_root, proof)


@given(st.lists(st.integers(1, 40), max_size=20))
def test_frontier_grows_by_any_steps(steps: list[int]) -> None:
    frontier, size = merkle.Frontier(), 0
    for step in steps:
        frontier.extend(LEAVES[size : size + step])
        size += step
        assert frontier.root() == merkle.range_root(READER, 0, size)
    assert merkle.frontier_at(READER, size).nodes == frontier.nodes


@settings(max_examples=30, deadline=None)
@given(sizes)
def test_tiles_carry_every_proof(size: int) -> None:
    def data(tile: object) -> bytes:
        level, index, width = tile.level, tile.index, tile.width  # type: ignore[attr-defined]
        return b"".join(READER.hash(8 * level, index * 256 + at) for at in range(width))

    root = merkle.range_root(READER, 0, size)
    tree = TreeTiles(size, root, {tile: data(tile) for tile in edge(size)})
    for tile in sorted(tiles(0, size), key=lambda tile: -tile.level):
        tree.take(tile, data(tile))
    for index in {0, size // 3, size - 1}:
        assert merkle.prove_inclusion(tree, index, size) == merkle.prove_inclusion(
            READER, index, size
        )
