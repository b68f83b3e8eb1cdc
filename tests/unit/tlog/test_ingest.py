"""Heads proven under an interval's root, for trees of every small size."""

from dataclasses import replace

import pytest

from glasslock.errors import LogInconsistent
from glasslock.tlog.ingest import IntervalTree, verify_heads
from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.wire.leaf import IngestLeaf
from glasslock.wire.manifest import HeadProof


def heads(count: int) -> list[HeadProof]:
    bare = [
        HeadProof(7, index, count, bytes([index]) * 32, index + 1, bytes([index]) * 32, ())
        for index in range(count)
    ]
    tree = IntervalTree([head.leaf for head in bare])
    return [
        HeadProof(h.interval, h.index, h.count, h.blind, h.position, h.head, tree.path(h.index))
        for h in bare
    ]


def root(proofs: list[HeadProof]) -> IngestLeaf:
    return IngestLeaf(7, 0, len(proofs), root_of(leaf_hash(proof.leaf) for proof in proofs))


@pytest.mark.parametrize("count", range(1, 20))
def test_every_head_is_proven(count: int) -> None:
    proofs = heads(count)
    assert verify_heads(proofs, {7: root(proofs)}) == frozenset(proofs)


def test_a_head_of_another_interval_is_not() -> None:
    proofs = heads(5)
    with pytest.raises(LogInconsistent):
        verify_heads(proofs, {})
    with pytest.raises(LogInconsistent):
        verify_heads(proofs, {7: root(heads(6))})
    with pytest.raises(LogInconsistent):
        verify_heads(proofs, {7: IngestLeaf(7, 0, 5, bytes(32))})


def test_a_head_that_was_not_fixed_is_not() -> None:
    proofs = heads(5)
    for false in (
        replace(proofs[2], head=bytes(32)),
        replace(proofs[2], position=proofs[2].position + 1),
        replace(proofs[2], index=3),
    ):
        with pytest.raises(LogInconsistent):
            verify_heads([false], {7: root(proofs)})
