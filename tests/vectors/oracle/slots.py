"""Section 2 a second time: roots, slot tree, leaf secrets, chains, clocks; knows no group."""

from __future__ import annotations

from tests.vectors.oracle.cbor import Invalid
from tests.vectors.oracle.digests import h, kdf

Node = tuple[int, int, bytes]
DEPTH = 32


def root(exported: bytes, policy: bytes, group_id: bytes, epoch: int, context: bytes) -> bytes:
    return kdf(exported, "slot tree", policy, group_id, epoch, context)


def _span(node: Node) -> tuple[int, int]:
    depth, prefix, _ = node
    width = 2 ** (DEPTH - depth)
    return prefix * width, (prefix + 1) * width


def _split(node: Node) -> tuple[Node, Node]:
    depth, prefix, secret = node
    return (
        (depth + 1, 2 * prefix, kdf(secret, "tree left")),
        (depth + 1, 2 * prefix + 1, kdf(secret, "tree right")),
    )


def cover(node: Node, low: int) -> list[Node]:
    """The fewest nodes under ``node`` for [low, its end)."""
    first, end = _span(node)
    if low <= first:
        return [node]
    if low >= end:
        return []
    left, right = _split(node)
    return cover(left, low) + cover(right, low)


def whole(secret: bytes) -> list[Node]:
    return [(0, 0, secret)]


def advance(nodes: list[Node], low: int) -> list[Node]:
    return [kept for node in nodes for kept in cover(node, low)]


def use(nodes: list[Node], tau: int) -> tuple[bytes, list[Node]]:
    """T of ``tau``, and the nodes that are left without it."""
    holding = [node for node in nodes if _span(node)[0] <= tau < _span(node)[1]]
    if not holding:
        raise Invalid("an erased slot")
    (node,) = holding
    if node[0] == DEPTH:
        return node[2], [each for each in nodes if each != node]
    at = nodes.index(node)
    return use([*nodes[:at], *_split(node), *nodes[at + 1 :]], tau)


def node_at(secret: bytes, tau: int) -> bytes:
    """T of ``tau`` straight from the root, bit by bit."""
    for bit in f"{tau:032b}":
        secret = kdf(secret, "tree right" if bit == "1" else "tree left")
    return secret


def leaf_secret(t: bytes, leaf: int, credential: bytes) -> bytes:
    return kdf(t, "leaf", leaf, credential)


def header_digest(header: bytes) -> bytes:
    return h("slot header", header)


def slot_key(s: bytes, hh: bytes) -> bytes:
    return kdf(s, "slot key", hh)


def message_key(w: bytes, m: int) -> bytes:
    chain = kdf(w, "chain")
    for _ in range(m):
        chain = kdf(chain, "chain next")
    return kdf(chain, "message key", m)


def allowed(time: int, slot_seconds: int, skew: int) -> range:
    """The slots that an entry at ``time`` may use."""
    return range(max(0, time - skew) // slot_seconds, (time + skew) // slot_seconds + 1)
