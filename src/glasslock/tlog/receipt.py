"""Receipts: one signature of the provider over the Merkle root of a batch (protocol section 4).

Knows trees and signatures; does not know what an entry holds or whether its claims are true.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from glasslock import signing
from glasslock.tlog.merkle import leaf_hash, node_hash, verify_inclusion
from glasslock.wire.entry import Receipt, ReceiptLeaf, receipt_content
from glasslock.wire.labels import Label

REMEMBERED: Final = 1_024


def make_receipts(
    leaves: Sequence[ReceiptLeaf], sign: Callable[[str, bytes], bytes]
) -> list[Receipt]:
    """Return one receipt per leaf under one signature made by ``sign(label, content)``."""
    if not leaves:
        return []
    levels = [[leaf_hash(leaf.encode()) for leaf in leaves]]
    while len(levels[-1]) > 1:
        levels.append(_parents(levels[-1]))
    root = levels[-1][0]
    signature = sign(Label.SIGN_RECEIPT, receipt_content(len(leaves), root))
    return [
        Receipt(leaf, index, len(leaves), root, path, signature)
        for index, (leaf, path) in enumerate(zip(leaves, _paths(levels), strict=True))
    ]


class SignedBatches:
    """A provider's receipts, many of few batches: what it signed is verified once per batch.

    What was verified is remembered of one provider only, and of at most ``REMEMBERED`` batches.
    """

    def __init__(self, provider_key: bytes) -> None:
        """Begin with no batch known of the provider of ``provider_key`` (raw Ed25519)."""
        self._key = provider_key
        self._signed: set[tuple[int, bytes, bytes]] = set()

    def verify(self, receipt: Receipt) -> None:
        """Check that the provider acknowledged the leaf; raises as ``verify_receipt``."""
        hashed = leaf_hash(receipt.leaf.encode())
        verify_inclusion(hashed, receipt.index, receipt.count, receipt.path, receipt.root)
        batch = (receipt.count, receipt.root, receipt.signature)
        if batch not in self._signed:
            content = receipt_content(receipt.count, receipt.root)
            signing.verify(self._key, Label.SIGN_RECEIPT, content, receipt.signature)
            if len(self._signed) >= REMEMBERED:
                self._signed.clear()
            self._signed.add(batch)


def verify_receipt(receipt: Receipt, provider_key: bytes) -> None:
    """Check that the provider of ``provider_key`` (raw Ed25519) acknowledged the leaf.

    Raises:
        LogInconsistent: the leaf is not in the signed batch.
        BadSignature: the batch is not signed by the provider.
    """
    SignedBatches(provider_key).verify(receipt)


def _parents(row: list[bytes]) -> list[bytes]:
    paired = [node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
    # An unpaired node rises as it is: that is the tree of RFC 9162.
    return paired + row[len(row) - len(row) % 2 :]


def _paths(levels: list[list[bytes]]) -> list[tuple[bytes, ...]]:
    """Return the path of every leaf: a node's sibling, if it has one, then its parent's path."""
    paths: list[tuple[bytes, ...]] = [()]
    for row in reversed(levels[:-1]):
        last = len(row) - 1
        paths = [
            paths[at >> 1] if at == last and not at & 1 else (row[at ^ 1], *paths[at >> 1])
            for at in range(len(row))
        ]
    return paths
