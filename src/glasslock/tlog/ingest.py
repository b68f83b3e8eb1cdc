"""What a provider had stored by a time: heads under logged ingest roots (section 4). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from glasslock.errors import LogInconsistent
from glasslock.tlog.merkle import leaf_hash, node_hash, prove_inclusion, verify_inclusion
from glasslock.wire.leaf import IngestLeaf
from glasslock.wire.manifest import HeadProof

Roots: TypeAlias = Mapping[int, IngestLeaf]


def verify_heads(proofs: Iterable[HeadProof], roots: Roots) -> frozenset[HeadProof]:
    """Return the proofs once each holds under the logged root of its interval.

    Raises:
        LogInconsistent: an interval was not logged, or the head is not under its root.
    """
    found = frozenset(proofs)
    for proof in found:
        root = roots.get(proof.interval)
        if root is None or root.count != proof.count:
            raise LogInconsistent("this ingest interval was not logged", rule="ingest.interval")
        verify_inclusion(leaf_hash(proof.leaf), proof.index, proof.count, proof.path, root.root)
    return found


class IntervalTree:
    """The tree over an interval's leaves, for who keeps them and must prove heads."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """Hash ``leaves`` (each ``H("ingest", ...)``) in their order."""
        self._levels = [[leaf_hash(leaf) for leaf in leaves]]
        while len(self._levels[-1]) > 1:
            row = self._levels[-1]
            pairs = range(0, len(row) - 1, 2)
            self._levels.append([node_hash(row[at], row[at + 1]) for at in pairs])

    def hash(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree; see ``merkle.HashReader``."""
        return self._levels[level][index]

    def path(self, index: int) -> tuple[bytes, ...]:
        """Return the inclusion path of leaf ``index``."""
        return tuple(prove_inclusion(self, index, len(self._levels[0])))
