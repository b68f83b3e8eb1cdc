"""What a device keeps of one conversation beside MLS (protocol section 2); knows no bytes on wire.

Immutable values: a step works on copies and the whole state is stored in the step's transaction,
so that keys, erasures, head and messages never disagree. The stored form carries a version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from glasslock.errors import StorageError, WireError
from glasslock.sealing.seal import SeatKeys
from glasslock.sealing.slots import SlotErased, SlotTree, leaf_secret
from glasslock.wire.codec import encode
from glasslock.wire.entry import Head
from glasslock.wire.envelope import Close
from glasslock.wire.shape import DIGEST, U32, Fields

FORMAT: Final = 2
MAX_STATE: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class Chain:
    """An open slot of one leaf: its header digest, the next key, the next number, the last D."""

    tau: int
    slot: bytes
    key: bytes = field(repr=False)
    m: int
    last: bytes | None
    mute: bool = False


@dataclass(frozen=True, slots=True)
class Sending:
    """This device's own open slot, as far as it has made messages for it."""

    tau: int
    slot: bytes
    key: bytes = field(repr=False)
    m: int
    last: bytes | None


@dataclass(frozen=True, slots=True)
class Tier:
    """A leaf's tier 1 in force: its header as bytes, its digest, and the seat keys still needed.

    ``keys`` are those of the slot after the last one accepted: nothing older can be had from them.
    """

    day: int
    header: bytes
    digest: bytes
    keys: SeatKeys = field(repr=False)


@dataclass(frozen=True)
class GroupState:
    """A conversation in its current epoch.

    ``secrets`` holds S(i, tau) of leaves that are silent in a slot already used by others;
    ``closes`` the last slot of each leaf that had an accepted message (None: not known, because
    this device joined later). ``since`` is the epoch that brought the policy, 0 if not known:
    slots before it are counted by other clocks.
    """

    group_id: bytes
    policy: bytes
    epoch: int
    began: int
    head: Head
    tree: SlotTree = field(repr=False)
    secrets: Mapping[tuple[int, int], bytes] = field(default_factory=dict, repr=False)
    chains: Mapping[int, Chain] = field(default_factory=dict)
    closes: Mapping[int, Close | None] = field(default_factory=dict)
    tiers: Mapping[int, Tier] = field(default_factory=dict)
    sending: Sending | None = None
    own_position: int = 0
    refreshed: int = 0
    since: int = 0

    def secret(
        self, tau: int, leaf: int, leaves: Iterable[tuple[int, bytes]]
    ) -> tuple[bytes, GroupState]:
        """Return S(leaf, tau) and the state without it; ``leaves`` are (index, credential).

        On first use of a slot the secrets of all leaves are derived and its node is erased.

        Raises:
            SlotErased: the secret was used or the slot has passed.
        """
        secrets = dict(self.secrets)
        state = self
        if not any(known == tau for known, _ in secrets):
            node, tree = self.tree.use(tau)
            secrets.update({(tau, index): leaf_secret(node, index, cred) for index, cred in leaves})
            state = replace(self, tree=tree)
        if (tau, leaf) not in secrets:
            raise SlotErased("this leaf has had its header in the slot", rule="slots.second")
        found = secrets.pop((tau, leaf))
        # A marker keeps the slot known as used even when every leaf has spoken.
        secrets[tau, USED] = b""
        return found, replace(state, secrets=secrets)

    def erase_below(self, low: int) -> GroupState:
        """Return the state without anything of a slot below ``low``."""
        sending = self.sending
        return replace(
            self,
            tree=self.tree.advance(low),
            secrets={key: value for key, value in self.secrets.items() if key[0] >= low},
            chains={leaf: chain for leaf, chain in self.chains.items() if chain.tau >= low},
            sending=None if sending is not None and sending.tau < low else sending,
        )

    def encode(self) -> bytes:
        """Return the stored form."""
        sending = self.sending
        return encode(
            (
                FORMAT,
                self.group_id,
                self.policy,
                self.epoch,
                self.began,
                (self.head.position, self.head.time, self.head.head),
                self.tree.value(),
                [(tau, leaf, value) for (tau, leaf), value in sorted(self.secrets.items())],
                [
                    (leaf, c.tau, c.slot, c.key, c.m, c.last, int(c.mute))
                    for leaf, c in sorted(self.chains.items())
                ],
                [
                    (leaf, None if c is None else (c.epoch, c.tau, c.count, c.last))
                    for leaf, c in sorted(self.closes.items())
                ],
                [
                    (leaf, t.day, t.header, t.digest, t.keys.value())
                    for leaf, t in sorted(self.tiers.items())
                ],
                None
                if sending is None
                else (sending.tau, sending.slot, sending.key, sending.m, sending.last),
                self.own_position,
                self.refreshed,
                self.since,
            )
        )


USED: Final = U32


def decode_state(data: bytes) -> GroupState:
    """Read a stored state; raises ``StorageError`` when it is damaged or of another version."""
    try:
        return _read(Fields.of(data, "group state", 15, limit=MAX_STATE))
    except WireError as error:
        raise StorageError("a stored conversation is damaged", rule="state.format") from error


def _read(fields: Fields) -> GroupState:
    fields.uint(FORMAT, FORMAT)
    return GroupState(
        group_id=fields.bytes(64, 1),
        policy=fields.digest(),
        epoch=fields.uint(),
        began=fields.uint(),
        head=_head(fields.nested("head", 3)),
        tree=SlotTree.read(fields.nested("tree")),
        secrets=dict(_secrets(fields.nested("secrets"))),
        chains=dict(_chains(fields.nested("chains"))),
        closes=dict(_closes(fields.nested("closes"))),
        tiers=dict(_tiers(fields.nested("tiers"))),
        sending=fields.maybe(lambda: _sending(fields.nested("sending", 5))),
        own_position=fields.uint(),
        refreshed=fields.uint(),
        since=fields.uint(),
    )


def _head(fields: Fields) -> Head:
    return Head(fields.uint(), fields.uint(), fields.digest())


def _secrets(fields: Fields) -> Iterable[tuple[tuple[int, int], bytes]]:
    while not fields.done:
        item = fields.nested("secret", 3)
        yield (item.uint(U32), item.uint(U32)), item.bytes(DIGEST)


def _chains(fields: Fields) -> Iterable[tuple[int, Chain]]:
    while not fields.done:
        item = fields.nested("chain", 7)
        yield (
            item.uint(U32),
            Chain(
                item.uint(U32),
                item.digest(),
                item.digest(),
                item.uint(U32),
                item.maybe(item.digest),
                item.flag(),
            ),
        )


def _closes(fields: Fields) -> Iterable[tuple[int, Close | None]]:
    while not fields.done:
        item = fields.nested("close", 2)
        yield item.uint(U32), item.maybe(partial(_close, item))


def _close(item: Fields) -> Close:
    fields = item.nested("close", 4)
    return Close(fields.uint(), fields.uint(U32), fields.uint(U32), fields.digest())


def _tiers(fields: Fields) -> Iterable[tuple[int, Tier]]:
    while not fields.done:
        item = fields.nested("tier", 5)
        leaf = item.uint(U32)
        yield (
            leaf,
            Tier(
                item.uint(U32),
                item.bytes(4_096),
                item.digest(),
                SeatKeys.read(item.nested("seat keys", 2)),
            ),
        )


def _sending(fields: Fields) -> Sending:
    return Sending(
        fields.uint(U32),
        fields.digest(),
        fields.digest(),
        fields.uint(U32),
        fields.maybe(fields.digest),
    )
