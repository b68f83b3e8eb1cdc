"""What an admitted order freezes: manifest and evidence from the stored lines (section 4).

Decides which entries, heads, seals and slots belong in; reads through ``Stored`` and changes
nothing. Knows no database and no log: that every root stands there first is the shell's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from glasslock.errors import Denied, StateError
from glasslock.ids import account_id
from glasslock.orders.manifest import granted_window
from glasslock.orders.review import AdmittedOrder
from glasslock.provider.ingest import line_name
from glasslock.tlog.ingest import IntervalTree
from glasslock.wire.api import KeptEntry
from glasslock.wire.digest import digest
from glasslock.wire.entry import EntryKind
from glasslock.wire.envelope import Tombstone, decode_envelope, decode_slot_header, decode_tombstone
from glasslock.wire.labels import Label
from glasslock.wire.manifest import (
    DeviceLine,
    GroupLine,
    HeadProof,
    KeptSlot,
    KeptTier1,
    ListedEntry,
    Manifest,
    NextSlot,
)
from glasslock.wire.order import Grant, Order
from glasslock.wire.policy import Policy
from glasslock.wire.preview import Numbers
from glasslock.wire.seal import PerSeat

# A listed entry takes at least this many bytes in a manifest: what cannot fit is not even read.
_ENTRY_BYTES: Final = 34


@dataclass(frozen=True, slots=True)
class KeptOpening:
    """An entry that opened a slot under a policy with keyholders, and who made it."""

    group_id: bytes
    position: int
    account: str
    device: bytes
    leaf: int
    tau: int
    slot: bytes
    tier1: bytes
    credential: bytes


@dataclass(frozen=True, slots=True)
class SentEntry:
    """An envelope or tombstone of one sender, with its receipt and its place on the own line."""

    position: int
    kind: str
    data: bytes = field(repr=False)
    receipt: bytes = field(repr=False)
    q: int

    @property
    def tombstone(self) -> Tombstone:
        """It without its body; raises ``WireError``."""
        if self.kind == EntryKind.TOMBSTONE:
            return decode_tombstone(self.data)
        return decode_envelope(self.data).tombstone()


@dataclass(frozen=True, slots=True)
class KeptHead:
    """A line's head as an ingest leaf."""

    interval: int
    index: int
    position: int
    head: bytes
    blind: bytes


class Stored(Protocol):
    """What of the provider's store a freeze reads."""

    def openings(self, policy: bytes, grant: Grant) -> Sequence[KeptOpening]:
        """Return what opened the granted slots under ``policy``, in order of positions."""

    def sent(self, opening: KeptOpening) -> Iterable[SentEntry]:
        """Return the sender's envelopes in the group from ``opening`` on, one by one."""

    def counted(self, opening: KeptOpening) -> tuple[int, int] | None:
        """Return how many messages a slot has and how many were removed, if that is indexed."""

    def stretch(self, group_id: bytes, window: tuple[int, int]) -> tuple[int, int]:
        """Return the last position before ``window`` (0: none) and the first one after it.

        Where nothing came after it: the newest position.
        """

    def own_stretch(self, account: str, device: bytes, window: tuple[int, int]) -> tuple[int, int]:
        """Return the same of a device's own line, in q."""

    def head_before(self, line: bytes, position: int) -> KeptHead | None:
        """Return the last ingested head of a line below ``position``."""

    def head_from(self, line: bytes, position: int) -> KeptHead | None:
        """Return the first ingested head of a line at ``position`` or later."""

    def listed(self, group_id: bytes, after: int, last: int) -> Sequence[ListedEntry]:
        """Return a group's entries after ``after`` up to ``last``."""

    def own_listed(self, account: str, device: bytes, after: int, last: int) -> Sequence[bytes]:
        """Return the digests of a device's entries after ``after`` up to ``last``, by q."""

    def interval_leaves(self, interval: int) -> Sequence[bytes]:
        """Return an interval's leaves, each ``H("ingest", b, position, head)``."""

    def kept_tier1(self, group_id: bytes, tier1: bytes) -> tuple[bytes, PerSeat]:
        """Return header and encapsulations."""

    def kept_seal(self, group_id: bytes, slot: bytes) -> bytes:
        """Return a slot's seal."""

    def under(self, group_id: bytes, policy: bytes) -> bool:
        """Say whether a group has entries and is or was under ``policy``."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """What an order is given: nothing that happens later changes it."""

    manifest: Manifest
    evidence: tuple[KeptEntry, ...]


def freeze(stored: Stored, admitted: AdmittedOrder, policy: Policy, most: int) -> Frozen | None:
    """Return manifest and evidence of an order, of at most ``most`` bytes of evidence.

    None when a granted conversation is not here or was never under the policy.

    Raises:
        Denied: it reaches more than that: rule ``order.size``.
    """
    groups = dict.fromkeys(grant.group_id for grant in admitted.order.grants)
    if not all(stored.under(group_id, policy.digest) for group_id in groups):
        return None
    work = _Freezing(stored, policy, most)
    for grant in admitted.order.grants:
        work.take(grant)
    lines = tuple(work.group_line(admitted.order, group_id) for group_id in groups)
    devices = tuple(work.device_line(admitted.order, *own) for own in sorted(work.own))
    manifest = Manifest(
        admitted.digest,
        lines,
        devices,
        tuple(work.tier1s.values()),
        tuple(work.slots),
        tuple(work.nexts),
    )
    return Frozen(manifest, tuple(work.evidence))


def preview(stored: Stored, order: Order, policy: Policy) -> Numbers:
    """Return what freezing ``order`` would reach, counted without reading what was written."""
    found = [opening for grant in order.grants for opening in stored.openings(policy.digest, grant)]
    counts = [_counted(stored, opening) for opening in found]
    return Numbers(
        named=len(order.named),
        third_parties=len(order.third_parties),
        conversations=len({opening.group_id for opening in found}),
        slots=len(found),
        days=len({opening.tau // policy.clocks.slots_per_day for opening in found}),
        messages=sum(messages for messages, _ in counts),
        removed=sum(removed for _, removed in counts),
    )


def _counted(stored: Stored, opening: KeptOpening) -> tuple[int, int]:
    """Return how many messages a slot has, and how many of them were removed."""
    counted = stored.counted(opening)
    if counted is not None:
        return counted
    entries, _ = _of_slot(stored, opening)
    return len(entries), sum(entry.kind == EntryKind.TOMBSTONE for entry in entries)


def _of_slot(
    stored: Stored, opening: KeptOpening
) -> tuple[list[SentEntry], tuple[SentEntry, Tombstone] | None]:
    """Return a slot's entries, and what its sender opened next in the group."""
    found: list[SentEntry] = []
    for entry in stored.sent(opening):
        tombstone = entry.tombstone
        if tombstone.opening is not None and entry.position != opening.position:
            return found, (entry, tombstone)
        found.append(entry)
    return found, None


class _Freezing:
    """One freeze as it goes through the grants."""

    def __init__(self, stored: Stored, policy: Policy, most: int) -> None:
        self._stored = stored
        self._policy = policy
        self._left = most
        self._trees: dict[int, IntervalTree] = {}
        self._counts: dict[int, int] = {}
        # The furthest position (q) that a group's (device's) line must reach.
        self._reach: dict[bytes, int] = {}
        self.own: dict[tuple[str, bytes], tuple[int, int]] = {}
        self.tier1s: dict[tuple[bytes, bytes], KeptTier1] = {}
        self.slots: list[KeptSlot] = []
        self.nexts: list[NextSlot] = []
        self.evidence: list[KeptEntry] = []

    def take(self, grant: Grant) -> None:
        """Take all slots of a grant."""
        openings = self._stored.openings(self._policy.digest, grant)
        granted = {(each.device, each.position) for each in openings}
        for opening in openings:
            entries, following = _of_slot(self._stored, opening)
            self._keep(opening, entries)
            if following is None:
                continue
            entry, tombstone = following
            if (opening.device, entry.position) not in granted:
                self._follow(opening, entry, tombstone)

    def _keep(self, opening: KeptOpening, entries: Sequence[SentEntry]) -> None:
        group_id, key = opening.group_id, (opening.group_id, opening.tier1)
        if key not in self.tier1s:
            header, encs = self._stored.kept_tier1(group_id, opening.tier1)
            self.tier1s[key] = KeptTier1(header, encs, opening.credential)
        seal = self._stored.kept_seal(group_id, opening.slot)
        first = entries[0].tombstone.encode()
        number = list(self.tier1s).index(key)
        self.slots.append(KeptSlot(group_id, opening.position, first, seal, number))
        for entry in entries:
            self._left -= len(entry.data) + len(entry.receipt)
            if self._left < 0:
                raise _too_much()
            self.evidence.append(
                KeptEntry(group_id, entry.position, entry.kind, entry.data, entry.receipt)
            )
        self._extend(opening, entries[0].q, entries[-1])

    def _follow(self, opening: KeptOpening, entry: SentEntry, tombstone: Tombstone) -> None:
        """Keep the next slot of the same leaf: its header says how the granted one ended."""
        if tombstone.opening is None:
            return
        header = decode_slot_header(tombstone.opening.slot_header)
        same = (header.leaf, header.credential) == (
            opening.leaf,
            digest(Label.CREDENTIAL, opening.credential),
        )
        if same and header.close is not None:
            self.nexts.append(NextSlot(opening.group_id, entry.position, tombstone.encode()))
            self._extend(opening, entry.q, entry)

    def _extend(self, opening: KeptOpening, first: int, last: SentEntry) -> None:
        group_id, own = opening.group_id, (opening.account, opening.device)
        self._reach[group_id] = max(self._reach.get(group_id, 0), last.position)
        low, high = self.own.get(own, (first, last.q))
        self.own[own] = (min(low, first), max(high, last.q))

    def group_line(self, order: Order, group_id: bytes) -> GroupLine:
        """Return the group's entries in the granted time, one on each side, between two heads."""
        window = granted_window(order, group_id, self._policy.clocks)
        begin, end = self._stored.stretch(group_id, window)
        end = max(end, self._reach.get(group_id, 0))
        before, after = self._ends(line_name("group", group_id), begin, end)
        first = 0 if before is None else before.position
        self._room(after.position - first)
        entries = tuple(self._stored.listed(group_id, first, after.position))
        return GroupLine(group_id, before, entries, after)

    def device_line(self, order: Order, account: str, device: bytes) -> DeviceLine:
        """Return a granted device's own line over the granted time, over all its groups."""
        low, high = self.own[account, device]
        windows = [
            granted_window(order, grant.group_id, self._policy.clocks)
            for grant in order.grants
            if grant.account == account
        ]
        window = min(w[0] for w in windows), max(w[1] for w in windows)
        begin, end = self._stored.own_stretch(account, device, window)
        name = line_name("device", account, device)
        before, after = self._ends(name, min(begin, low), max(end, high))
        first = 0 if before is None else before.position
        self._room(after.position - first)
        entries = tuple(self._stored.own_listed(account, device, first, after.position))
        return DeviceLine(account_id(account), device, before, entries, after)

    def _room(self, count: int) -> None:
        self._left -= count * _ENTRY_BYTES
        if self._left < 0:
            raise _too_much()

    def _ends(self, line: bytes, begin: int, end: int) -> tuple[HeadProof | None, HeadProof]:
        """Return proofs of the last head before ``begin`` and the first from ``end`` on."""
        before = self._stored.head_before(line, begin)
        after = self._stored.head_from(line, end)
        if after is None:
            raise StateError("a line is not ingested", rule="freeze.ingest")
        return None if before is None else self._proof(before), self._proof(after)

    def _proof(self, head: KeptHead) -> HeadProof:
        tree = self._trees.get(head.interval)
        if tree is None:
            leaves = self._stored.interval_leaves(head.interval)
            tree = self._trees[head.interval] = IntervalTree(leaves)
            self._counts[head.interval] = len(leaves)
        return HeadProof(
            head.interval,
            head.index,
            self._counts[head.interval],
            head.blind,
            head.position,
            head.head,
            tree.path(head.index),
        )


def _too_much() -> Denied:
    return Denied("the order reaches more than a case can carry", rule="order.size")
