"""Sections 2 and 4 a second time: lines of groups and devices, receipts; knows no envelope."""

from __future__ import annotations

import hashlib

from tests.vectors.oracle.cbor import Item, encode
from tests.vectors.oracle.digests import h


def start(group_id: bytes) -> bytes:
    return h("stream", group_id)


def step(head: bytes, position: int, time: int, entry: bytes) -> bytes:
    return h("stream next", head, position, time, entry)


def handshake_digest(commit: bytes) -> bytes:
    return h("handshake", commit)


def device_next(previous: bytes, q: int, entry: bytes) -> bytes:
    return h("device next", previous, q, entry)


def receipt_leaf(*fields: Item) -> bytes:
    """[group_id, position, time, D, head, seal_digest?, tier1?]."""
    return encode(list(fields))


def receipt_content(count: int, root: bytes) -> bytes:
    return encode([count, root])


def tree_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 2.1.1."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    both = tree_root(leaves[:half]) + tree_root(leaves[half:])
    return hashlib.sha256(b"\1" + both).digest()


def tree_path(leaves: list[bytes], index: int) -> list[bytes]:
    """PATH of RFC 9162 2.1.3.1."""
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return [*tree_path(leaves[:half], index), tree_root(leaves[half:])]
    return [*tree_path(leaves[half:], index - half), tree_root(leaves[:half])]
