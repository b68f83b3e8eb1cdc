"""RFC 9162 Merkle trees over SHA-256: roots, proofs and their verification. Knows no storage.

Everything is addressed by the complete subtree ``(level, index)``, which covers leaves
``index * 2**level`` up to ``(index + 1) * 2**level``. A ``HashReader`` hands those hashes out, be
it from a database, from authenticated tiles or from a list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from glasslock.errors import LogInconsistent, WireError
from glasslock.tlog.encoding import HASH_SIZE, MAX_UINT

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
MAX_PROOF: Final = 63


class HashReader(Protocol):
    """Something that knows the hash of every complete subtree below some tree size."""

    def hash(self, level: int, index: int) -> bytes:
        """Return the 32-byte hash of leaves ``index * 2**level`` to ``(index + 1) * 2**level``."""
        ...


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry: SHA-256(0x00 || entry) (RFC 9162 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 || left || right) (RFC 9162 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over a power of two of sibling hashes: what a full tile hashes to.

    Raises:
        WireError: the count is no power of two.
    """
    row = list(hashes)
    if not row or len(row) & (len(row) - 1):
        raise WireError("a complete subtree has a power of two of hashes", rule="merkle.count")
    sha256 = hashlib.sha256
    while len(row) > 1:
        row = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root over ``leaf_hashes``; the empty tree has ``EMPTY_ROOT``."""
    frontier = Frontier()
    frontier.extend(leaf_hashes)
    return frontier.root()


class Frontier:
    """The right edge of a growing tree: enough to append and to know every root. Mutable."""

    __slots__ = ("_nodes", "_size")

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        """Start from the complete subtrees of a tree of ``size`` leaves, largest first.

        Raises:
            WireError: not one hash per bit set in ``size``.
        """
        if not 0 <= size <= MAX_UINT or len(nodes) != size.bit_count():
            raise WireError("a frontier has one hash per bit of its size", rule="merkle.frontier")
        if any(len(node) != HASH_SIZE for node in nodes):
            raise WireError("a hash has 32 bytes", rule="merkle.frontier")
        self._size = size
        self._nodes = list(nodes)

    @property
    def size(self) -> int:
        """The number of leaves so far."""
        return self._size

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """The complete subtrees, largest first: what ``__init__`` takes back."""
        return tuple(self._nodes)

    def copy(self) -> Frontier:
        """Return an independent frontier at the same place."""
        return Frontier(self._size, self._nodes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order."""
        sha256, nodes, size = hashlib.sha256, self._nodes, self._size
        for leaf in leaves:
            node, bits = leaf, size
            while bits & 1:
                node = sha256(b"\x01" + nodes.pop() + node).digest()
                bits >>= 1
            nodes.append(node)
            size += 1
        self._size = size

    def root(self) -> bytes:
        """Return the root at the present size."""
        return _fold(self._nodes)


def _fold(nodes: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees of falling size."""
    if not nodes:
        return EMPTY_ROOT
    root = nodes[-1]
    for node in reversed(nodes[:-1]):
        root = node_hash(node, root)
    return root


def subtrees(low: int, high: int) -> Iterator[tuple[int, int]]:
    """Yield the complete subtrees ``(level, index)`` that cover leaves ``low`` to ``high``.

    ``low`` must lie on a boundary of the first one, as it does for every range that a proof
    names; sizes fall from left to right.
    """
    while low < high:
        level = (high - low).bit_length() - 1
        yield level, low >> level
        low += 1 << level


def range_root(reader: HashReader, low: int, high: int) -> bytes:
    """Return MTH(D[low:high]) (RFC 9162 2.1.1) for a range that occurs in the tree."""
    return _fold([reader.hash(level, index) for level, index in subtrees(low, high)])


def frontier_at(reader: HashReader, size: int) -> Frontier:
    """Return the frontier of the tree at ``size``, read from ``reader``."""
    return Frontier(size, [reader.hash(level, index) for level, index in subtrees(0, size)])


def prove_inclusion(reader: HashReader, index: int, size: int) -> list[bytes]:
    """Return PATH(index, D[size]), the leaf's sibling first (RFC 9162 2.1.3.1).

    Raises:
        WireError: ``index`` is not in a tree of ``size`` leaves.
    """
    if not 0 <= index < size <= MAX_UINT:
        raise WireError("the index is not in this tree", rule="merkle.range")
    path, low, high = [], 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(range_root(reader, middle, high))
            high = middle
        else:
            path.append(range_root(reader, low, middle))
            low = middle
    path.reverse()
    return path


def prove_consistency(reader: HashReader, old: int, new: int) -> list[bytes]:
    """Return PROOF(old, D[new]) (RFC 9162 2.1.4.1); empty when ``old`` is 0 or ``new``.

    Raises:
        WireError: the sizes are negative or out of order.
    """
    if not 0 <= old <= new <= MAX_UINT:
        raise WireError("the sizes are out of order", rule="merkle.range")
    if old in (0, new):
        return []
    path, low, high, whole = [], 0, new, True
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(range_root(reader, middle, high))
            high = middle
        else:
            path.append(range_root(reader, low, middle))
            low, whole = middle, False
    # The old tree itself is known to the verifier; any other last subtree has to be told.
    if not whole:
        path.append(range_root(reader, low, high))
    path.reverse()
    return path


def _split(count: int) -> int:
    """Return the largest power of two smaller than ``count``."""
    return 1 << ((count - 1).bit_length() - 1)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that ``leaf`` (a leaf hash) is entry ``index`` of the tree (RFC 9162 2.1.3.2).

    Raises:
        LogInconsistent: it is not, or the index or proof cannot be of this tree.
    """
    # A negative index would walk the loop as if it were the last leaf: shape comes first.
    if not 0 <= index < size <= MAX_UINT:
        raise LogInconsistent("the index is not in this tree", rule="merkle.range")
    _check_hashes(leaf, *proof, root)
    fn, sn, result = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise LogInconsistent("the inclusion proof is too long", rule="merkle.inclusion")
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn or result != root:
        raise LogInconsistent("the entry is not in the tree", rule="merkle.inclusion")


def verify_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of ``new`` leaves begins with the tree of ``old`` (RFC 9162 2.1.4.2).

    Raises:
        LogInconsistent: it does not, or sizes or proof cannot be of these trees.
    """
    if not 0 <= old <= new <= MAX_UINT:
        raise LogInconsistent("the sizes are out of order", rule="merkle.range")
    _check_hashes(old_root, new_root, *proof)
    if old in (0, new):
        _verify_trivial(old, old_root, new, new_root, proof)
        return
    if not proof:
        raise LogInconsistent("the consistency proof is empty", rule="merkle.consistency")
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old_result = new_result = path[0]
    for node in path[1:]:
        if sn == 0:
            raise LogInconsistent("the consistency proof is too long", rule="merkle.consistency")
        if fn & 1 or fn == sn:
            old_result = node_hash(node, old_result)
            new_result = node_hash(node, new_result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new_result = node_hash(new_result, node)
        fn, sn = fn >> 1, sn >> 1
    if sn or old_result != old_root or new_result != new_root:
        raise LogInconsistent("the log has rewritten its past", rule="merkle.consistency")


def _verify_trivial(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    # RFC 9162 leaves sizes 0 and equal to the caller; both take an empty proof and nothing else.
    if proof:
        raise LogInconsistent("these sizes take no proof", rule="merkle.consistency")
    if old == new and old_root != new_root:
        raise LogInconsistent("one size has two roots", rule="merkle.fork")
    for size, root in ((old, old_root), (new, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise LogInconsistent("the empty tree has another root", rule="merkle.empty")


def _check_hashes(*hashes: bytes) -> None:
    if len(hashes) > MAX_PROOF + 2 or any(len(item) != HASH_SIZE for item in hashes):
        raise LogInconsistent("a proof has at most 63 hashes of 32 bytes", rule="merkle.shape")
