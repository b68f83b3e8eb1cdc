"""Slot secrets and message chains (protocol section 2); knows no group, clock or store.

The tree is binary, of depth 32 over tau, most significant bit first. A device keeps only the nodes
that cover what it may still need, so that a slot it has passed cannot be derived again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from glasslock.errors import StateError, WireError
from glasslock.wire.codec import Encodable
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label
from glasslock.wire.policy import Clocks
from glasslock.wire.shape import DIGEST, U32, Fields

DEPTH: Final = 32
END: Final = 1 << DEPTH
MAX_NODES: Final = 2 * DEPTH


class SlotErased(StateError):
    """The keys of this time slot have been erased."""

    slug = "slot-erased"


def root_secret(exported: bytes, policy: bytes, group_id: bytes, epoch: int, context: bytes) -> bytes:
    """Return the root of an epoch's slot tree from the exported secret R.

    ``policy`` and ``context`` are digests; ``exported`` is as long as the suite's hash.
    """
    return derive(exported, Label.SLOT_TREE, policy, group_id, epoch, context)


@dataclass(frozen=True)
class SlotTree:
    """What is left of an epoch's slot tree: nodes ``(depth, prefix, secret)`` in slot order.

    Values are immutable; ``use`` and ``advance`` return the tree that remains.
    """

    nodes: tuple[tuple[int, int, bytes], ...] = field(repr=False)

    @classmethod
    def from_root(cls, root: bytes) -> SlotTree:
        """Return the whole tree."""
        return cls(((0, 0, root),))

    def use(self, tau: int) -> tuple[bytes, SlotTree]:
        """Return the slot node T of ``tau`` and the tree without it.

        Raises:
            SlotErased: T was used or passed before.
        """
        for at, (depth, prefix, secret) in enumerate(self.nodes):
            if prefix == tau >> (DEPTH - depth):
                node, siblings = _descend(depth, prefix, secret, tau)
                rest = (*self.nodes[:at], *siblings, *self.nodes[at + 1 :])
                return node, SlotTree(tuple(sorted(rest, key=_first)))
        raise SlotErased("the keys of this time slot have been erased", rule="slots.erased")

    def advance(self, low: int) -> SlotTree:
        """Return the tree that covers no slot below ``low``."""
        kept: list[tuple[int, int, bytes]] = []
        for depth, prefix, secret in self.nodes:
            width = DEPTH - depth
            first, last = prefix << width, ((prefix + 1) << width) - 1
            if first >= low:
                kept.append((depth, prefix, secret))
            elif last >= low:
                node, siblings = _descend(depth, prefix, secret, low)
                kept.append((DEPTH, low, node))
                kept.extend(item for item in siblings if _first(item) > low)
        return SlotTree(tuple(sorted(kept, key=_first)))

    def value(self) -> Encodable:
        """Return the stored form."""
        return self.nodes

    @classmethod
    def read(cls, fields: Fields) -> SlotTree:
        """Read the stored form; raises ``WireError``."""
        nodes = []
        while not fields.done:
            item = fields.nested("tree node", 3)
            nodes.append((item.uint(DEPTH), item.uint(U32), item.exactly(DIGEST)))
        return cls(tuple(nodes))


def _first(node: tuple[int, int, bytes]) -> int:
    depth, prefix, _ = node
    return prefix << (DEPTH - depth)


def _descend(
    depth: int, prefix: int, secret: bytes, tau: int
) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """Walk from a node to slot ``tau``; returns T and the siblings left beside the path."""
    siblings = []
    for level in range(depth + 1, DEPTH + 1):
        left, right = derive(secret, Label.TREE_LEFT), derive(secret, Label.TREE_RIGHT)
        bit = tau >> (DEPTH - level) & 1
        secret, other = (right, left) if bit else (left, right)
        prefix = prefix << 1 | bit
        siblings.append((level, prefix ^ 1, other))
    return secret, siblings


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

