"""What a provider had stored by a time: heads under logged ingest roots (section 4). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from glasslock.errors import LogInconsistent
from glasslock.tlog.merkle import leaf_hash, verify_inclusion
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
