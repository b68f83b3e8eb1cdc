"""Merkle trees against the definition of RFC 9162, and against everything that is not one."""

from __future__ import annotations

import pytest

from glasslock.errors import LogInconsistent, WireError
from glasslock.tlog import merkle

from .conftest import ListReader, mth

SIZES = range(1, 34)


def test_leaf_and_node_hashes_are_the_known_ones() -> None:
    # RFC 6962 reference values: the empty leaf, and the tree of the first two certificate-
    # transparency test leaves ("" and 0x00).
    empty = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.leaf_hash(b"").hex() == empty
    both = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert merkle.root_of([merkle.leaf_hash(b""), merkle.leaf_hash(b"\x00")]).hex() == both


def test_root_of_the_empty_tree() -> None:
    assert merkle.root_of([]) == mth([]) == merkle.EMPTY_ROOT


def test_frontier_gives_every_root(leaves: list[bytes]) -> None:
    frontier = merkle.Frontier()
    for size in range(1, 300):
        frontier.append(leaves[size - 1])
        assert frontier.root() == mth(leaves[:size])
        again = merkle.Frontier(frontier.size, frontier.nodes)
        assert again.root() == frontier.root()
    reader = ListReader(leaves)
    assert merkle.frontier_at(reader, 299).nodes == frontier.nodes


def test_frontier_copies_do_not_share(leaves: list[bytes]) -> None:
    frontier = merkle.Frontier()
    frontier.extend(leaves[:5])
    other = frontier.copy()
    other.append(leaves[5])
    assert (frontier.size, other.size) == (5, 6)
    assert frontier.root() == mth(leaves[:5])


@pytest.mark.parametrize(("size", "count"), [(3, 1), (4, 2), (-1, 0), (1 << 63, 1)])
def test_frontier_refuses_nodes_that_do_not_fit(size: int, count: int) -> None:
    with pytest.raises(WireError):
        merkle.Frontier(size, [bytes(32)] * count)


def test_every_inclusion_holds_and_no_other(leaves: list[bytes]) -> None:
    reader = ListReader(leaves)
    for size in SIZES:
        root = mth(leaves[:size])
        for index in range(size):
            proof = merkle.prove_inclusion(reader, index, size)
            merkle.verify_inclusion(leaves[index], index, size, proof, root)
            for other in range(size):
                if other != index:
                    with pytest.raises(LogInconsistent):
                        merkle.verify_inclusion(leaves[index], other, size, proof, root)
            with pytest.raises(LogInconsistent):
                merkle.verify_inclusion(leaves[index], index, size, [*proof, root], root)
            if proof:
                with pytest.raises(LogInconsistent):
                    merkle.verify_inclusion(leaves[index], index, size, proof[:-1], root)


def test_every_consistency_holds(leaves: list[bytes]) -> None:
    reader = ListReader(leaves)
    roots = [mth(leaves[:size]) for size in range(34)]
    for new in SIZES:
        for old in range(new + 1):
            proof = merkle.prove_consistency(reader, old, new)
            merkle.verify_consistency(old, roots[old], new, roots[new], proof)
            with pytest.raises(LogInconsistent):
                merkle.verify_consistency(old, roots[old], new, roots[new], [*proof, roots[1]])
            if proof:
                with pytest.raises(LogInconsistent):
                    merkle.verify_consistency(old, roots[old], new, roots[new], proof[:-1])
                with pytest.raises(LogInconsistent):
                    merkle.verify_consistency(old, roots[old], new, roots[new], [])


def test_every_byte_of_a_consistency_proof_matters(leaves: list[bytes]) -> None:
    reader = ListReader(leaves)
    old, new = 21, 30
    proof = merkle.prove_consistency(reader, old, new)
    old_root, new_root = mth(leaves[:old]), mth(leaves[:new])
    for place, item in enumerate(proof):
        for at in range(32):
            bad = item[:at] + bytes((item[at] ^ 1,)) + item[at + 1 :]
            changed = [*proof[:place], bad, *proof[place + 1 :]]
            with pytest.raises(LogInconsistent):
                merkle.verify_consistency(old, old_root, new, new_root, changed)
    for other in (mth(leaves[1 : old + 1]), new_root):
        with pytest.raises(LogInconsistent):
            merkle.verify_consistency(old, other, new, new_root, proof)
    with pytest.raises(LogInconsistent):
        merkle.verify_consistency(old, old_root, new, mth(leaves[1 : new + 1]), proof)


def test_negative_index_is_not_the_last_leaf(leaves: list[bytes]) -> None:
    # In a tree of 2^k leaves the loop of RFC 9162 would take -1 for the last leaf.
    reader = ListReader(leaves)
    proof = merkle.prove_inclusion(reader, 3, 4)
    with pytest.raises(LogInconsistent) as caught:
        merkle.verify_inclusion(leaves[3], -1, 4, proof, mth(leaves[:4]))
    assert caught.value.rule == "merkle.range"


@pytest.mark.parametrize(("index", "size"), [(4, 4), (5, 4), (0, 0), (0, 1 << 63), (-1, 1)])
def test_index_outside_the_tree_is_refused(leaves: list[bytes], index: int, size: int) -> None:
    with pytest.raises(LogInconsistent):
        merkle.verify_inclusion(leaves[0], index, size, [], leaves[0])
    with pytest.raises(WireError):
        merkle.prove_inclusion(ListReader(leaves), index, size)


@pytest.mark.parametrize(("old", "new"), [(-1, 4), (5, 4), (0, 1 << 63)])
def test_sizes_out_of_order_are_refused(leaves: list[bytes], old: int, new: int) -> None:
    with pytest.raises(LogInconsistent):
        merkle.verify_consistency(old, leaves[0], new, leaves[1], [])
    with pytest.raises(WireError):
        merkle.prove_consistency(ListReader(leaves), old, new)


def test_trivial_sizes_have_their_own_rules(leaves: list[bytes]) -> None:
    four, other = mth(leaves[:4]), mth(leaves[1:5])
    merkle.verify_consistency(4, four, 4, four, [])
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 4, four, [])
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 0, merkle.EMPTY_ROOT, [])
    for old, old_root, new, new_root, rule in (
        (4, four, 4, other, "merkle.fork"),
        (0, four, 4, four, "merkle.empty"),
        (0, merkle.EMPTY_ROOT, 0, four, "merkle.fork"),
        (0, four, 0, four, "merkle.empty"),
    ):
        with pytest.raises(LogInconsistent) as caught:
            merkle.verify_consistency(old, old_root, new, new_root, [])
        assert caught.value.rule == rule


def test_hashes_of_another_length_are_refused(leaves: list[bytes]) -> None:
    with pytest.raises(LogInconsistent) as caught:
        merkle.verify_inclusion(leaves[0], 0, 2, [leaves[1][:31]], mth(leaves[:2]))
    assert caught.value.rule == "merkle.shape"
    with pytest.raises(LogInconsistent):
        merkle.verify_inclusion(leaves[0], 0, 2, [leaves[1]] * 64, mth(leaves[:2]))


def test_complete_root_takes_powers_of_two_only(leaves: list[bytes]) -> None:
    assert merkle.complete_root(leaves[:256]) == mth(leaves[:256])
    for count in (0, 3, 255):
        with pytest.raises(WireError):
            merkle.complete_root(leaves[:count])
