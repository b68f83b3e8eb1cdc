"""Slot secrets and message chains (protocol section 2); knows no group, clock or store.

The tree is binary, of depth 32 over tau, most significant bit first. A device keeps only the nodes
that cover what it may still need, so that a slot it has passed cannot be derived again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from glasslock.errors import StateError, WireError
from glasslock.wire.codec import Encodable, Value, encode
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label
from glasslock.wire.policy import Clocks
from glasslock.wire.shape import Fields

DEPTH: Final = 32
END: Final = 1 << DEPTH


class SlotErased(StateError):
    """The keys of this time slot have been erased."""

    slug = "slot-erased"


def root_secret(
    exported: bytes, policy: bytes, group_id: bytes, epoch: int, context: bytes
) -> bytes:
    """Return the root of an epoch's slot tree from the exported secret R.

    ``policy`` and ``context`` are digests; ``exported`` is as long as the suite's hash.
    """
    return derive(exported, Label.SLOT_TREE, policy, group_id, epoch, context)


Node: TypeAlias = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class SlotTree:
    """What is left of an epoch's slot tree: nodes ``(depth, prefix, secret)`` in slot order.

    Values are immutable; ``use`` and ``advance`` return the tree that remains. After ``advance``
    alone there are at most 33 nodes; every slot used ahead of others adds at most 31.
    """

    nodes: tuple[Node, ...] = field(repr=False)

    @classmethod
    def from_root(cls, root: bytes) -> SlotTree:
        """Return the whole tree; ``root`` is what ``root_secret`` gave."""
        return cls(((0, 0, root),))

    def use(self, tau: int) -> tuple[bytes, SlotTree]:
        """Return the slot node T of ``tau`` and the tree without it.

        Raises:
            SlotErased: T was used or passed before.
        """
        for at, node in enumerate(self.nodes):
            if _first(node) <= tau <= _last(node):
                before, found, after = _descend(node, tau)
                rest = (*self.nodes[:at], *before, *after, *self.nodes[at + 1 :])
                return found, SlotTree(rest)
        raise SlotErased("the keys of this time slot have been erased", rule="slots.erased")

    def advance(self, low: int) -> SlotTree:
        """Return the tree that covers no slot below ``low``, with the fewest nodes."""
        kept: list[Node] = []
        for node in self.nodes:
            if _first(node) >= low:
                kept.append(node)
            elif _last(node) >= low:
                kept.extend(_cover(node, low))
        return SlotTree(tuple(kept))

    def value(self) -> Encodable:
        """Return the stored form: an array of the nodes."""
        return self.nodes

    @classmethod
    def read(cls, fields: Fields) -> SlotTree:
        """Read the stored form; raises ``WireError`` unless the nodes are disjoint, in order."""
        nodes: list[Node] = []
        while not fields.done:
            node = _node(fields.any())
            if nodes and _last(nodes[-1]) >= _first(node):
                raise WireError("nodes of a slot tree overlap", rule="slots.order")
            nodes.append(node)
        return cls(tuple(nodes))

    def encode(self) -> bytes:
        """Return the stored form as bytes."""
        return encode(self.value())


def decode_slot_tree(data: bytes) -> SlotTree:
    """Decode the stored form; raises ``WireError``."""
    return SlotTree.read(Fields.of(data, "slot tree"))


def _node(value: Value) -> Node:
    fields = Fields(value, "tree node", 3)
    depth = fields.uint(DEPTH)
    return depth, fields.uint((1 << depth) - 1), fields.digest()


def _first(node: Node) -> int:
    return node[1] << (DEPTH - node[0])


def _last(node: Node) -> int:
    return ((node[1] + 1) << (DEPTH - node[0])) - 1


def _children(node: Node) -> tuple[Node, Node]:
    depth, prefix, secret = node
    left, right = derive(secret, Label.TREE_LEFT), derive(secret, Label.TREE_RIGHT)
    return (depth + 1, prefix << 1, left), (depth + 1, prefix << 1 | 1, right)


def _descend(node: Node, tau: int) -> tuple[list[Node], bytes, list[Node]]:
    """Walk from ``node`` to slot ``tau``; returns what lies before it, its T, what lies after."""
    before: list[Node] = []
    after: list[Node] = []
    while node[0] < DEPTH:
        left, right = _children(node)
        if tau < _first(right):
            node = left
            after.append(right)
        else:
            node = right
            before.append(left)
    return before, node[2], after[::-1]


def _cover(node: Node, low: int) -> list[Node]:
    """Return the fewest nodes below ``node`` that cover its slots from ``low`` on, in order."""
    after: list[Node] = []
    while _first(node) < low:
        left, right = _children(node)
        if low < _first(right):
            node = left
            after.append(right)
        else:
            node = right
    return [node, *after[::-1]]


def leaf_secret(node: bytes, leaf: int, credential: bytes) -> bytes:
    """Return ``S(i, tau)`` from the slot node T; ``credential`` is the leaf's credential digest."""
    return derive(node, Label.LEAF, leaf, credential)


def slot_key(secret: bytes, slot: bytes) -> bytes:
    """Return W for the slot header digest ``slot`` (Hh)."""
    return derive(secret, Label.SLOT_KEY, slot)


def chain_start(key: bytes) -> bytes:
    """Return chain_0 from W."""
    return derive(key, Label.CHAIN)


def chain_step(chain: bytes, m: int) -> tuple[bytes, bytes]:
    """Return ``(k_m, chain_{m+1})``."""
    return derive(chain, Label.MESSAGE_KEY, m), derive(chain, Label.CHAIN_NEXT)


def tau_at(clocks: Clocks, time: int) -> int:
    """Return the slot of a time in unix seconds.

    Raises:
        WireError: the time is before 1970 or past the last slot.
    """
    tau = time // clocks.slot_seconds
    if not 0 <= tau < END:
        raise WireError("a time is outside all slots", rule="slots.time")
    return tau


def day_of(clocks: Clocks, tau: int) -> int:
    """Return the policy day of a slot."""
    return tau // clocks.slots_per_day


def window(clocks: Clocks, time: int) -> tuple[int, int]:
    """Return the first and last slot that may be used in an entry at ``time``."""
    first = max(0, time - clocks.skew_seconds) // clocks.slot_seconds
    return first, (time + clocks.skew_seconds) // clocks.slot_seconds


def low_after(clocks: Clocks, time: int) -> int:
    """Return the lowest slot still needed once an entry at ``time`` is processed."""
    return window(clocks, time)[0]
