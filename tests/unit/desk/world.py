"""A provider's history made with real parts: conversations, senders, slots, seals, ingest roots."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from glasslock import _core
from glasslock.ids import account_id, keyholder_id
from glasslock.sealing.body import make_message
from glasslock.sealing.roster import DayRoster, SeatKey
from glasslock.sealing.seal import SeatKeys, Tier1, make_seal, make_tier1
from glasslock.sealing.shares import slot_signed_content
from glasslock.sealing.slots import chain_start, chain_step, day_of, leaf_secret, slot_key
from glasslock.signing import SigningKey
from glasslock.tlog.merkle import leaf_hash, node_hash
from glasslock.tlog.receipt import make_receipts
from glasslock.wire.codec import encode
from glasslock.wire.digest import digest
from glasslock.wire.entry import Head, ReceiptLeaf, device_next
from glasslock.wire.envelope import Close, Envelope, Opening, Seen, SlotHeader
from glasslock.wire.labels import Label
from glasslock.wire.leaf import IngestLeaf
from glasslock.wire.manifest import HeadProof
from glasslock.wire.policy import Access, Clocks, KeyholderClass, Limits, Policy, Seat
from glasslock.wire.record import period_key_id
from glasslock.wire.seal import Seal, Tier1Header

CLOCKS = Clocks(slot_seconds=900, slots_per_day=96, skew_seconds=120)
START = 96 * 900 * 20_553 + 3_600
PROVIDER = SigningKey.from_seed(b"\x01" * 32)
REGISTRY_KEY = SigningKey.from_seed(b"\x02" * 32)
QUORUM = "quorum 1"


def secret(*parts: str | int | bytes) -> bytes:
    return digest(Label.PROOF, "a test's secret", *parts)


def seat_key(seat: int) -> SigningKey:
    return SigningKey.from_seed(secret("seat", seat))


def make_policy(
    shape: tuple[tuple[int, int], ...], limits: Limits | None = None, quorum: str = QUORUM
) -> Policy:
    classes, number = [], 0
    for c, (threshold, count) in enumerate(shape):
        seats = []
        for _ in range(count):
            name = keyholder_id(f"keyholder-{number}")
            seats.append(Seat(name, f"Person {number}", seat_key(number).public))
            number += 1
        classes.append(KeyholderClass(f"class {c}", threshold, tuple(seats)))
    access = Access(
        tuple(classes),
        REGISTRY_KEY.public,
        quorum,
        "log.test/policy",
        "log.test/orders",
        limits or Limits(granularity_seconds=3_600),
    )
    return Policy("two locks", "family", PROVIDER.public, CLOCKS, access)


def make_roster(policy: Policy, tau: int) -> DayRoster:
    assert policy.access is not None
    keys = []
    for number, seat in enumerate(policy.access.seats):
        public = _core.xwing_public_key(secret("period", number))
        keys.append(SeatKey(period_key_id(seat.keyholder, 20_553, 20_559, public), public))
    return DayRoster(policy.digest, day_of(CLOCKS, tau), policy.access.shape, tuple(keys))


@dataclass(frozen=True)
class Sender:
    account: str
    device: bytes
    leaf: int

    @property
    def credential(self) -> bytes:
        identity = encode((self.account, self.device))
        return b"\x00\x01" + bytes((len(identity),)) + identity

    @property
    def key(self) -> SigningKey:
        return SigningKey.from_seed(secret("device", self.device))


@dataclass
class Slot:
    """A slot as its sender made it, and how far its chain is."""

    header: SlotHeader
    seal: Seal
    tier1: Tier1
    sender: Sender
    position: int
    chain: bytes
    first: Envelope | None = None
    digests: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class Sent:
    """An entry of a line, with all that is known of it."""

    position: int
    time: int
    kind: str
    entry: bytes
    head: bytes
    envelope: Envelope | None = None
    slot: Slot | None = None
    content: bytes = b""
    receipt: bytes = b""


@dataclass
class Proven:
    """What one ingest interval fixed: heads by line, under one root."""

    leaf: IngestLeaf
    proofs: dict[bytes, HeadProof]


class World:
    """One provider's whole history."""

    def __init__(self, policy: Policy, seed: int | str) -> None:
        self.policy = policy
        self.chance = random.Random(seed)
        self.time = START
        # What a liar turns: how late entries are stored, and whether slots are signed.
        self.late = 0
        self.signed = True
        self.lines: dict[bytes, list[Sent]] = {}
        self.own: dict[tuple[str, bytes], list[bytes]] = {}
        self.own_heads: dict[tuple[str, bytes], bytes] = {}
        self.slots: list[Slot] = []
        self.intervals: list[Proven] = []
        self._open: dict[tuple[bytes, bytes], Slot] = {}
        self._tier1s: dict[tuple[bytes, bytes, int, int], tuple[Tier1, SeatKeys]] = {}
        self._touched: set[bytes] = set()
        self._rosters: dict[tuple[bytes, int], DayRoster] = {}
        # Conversations that a commit has taken on: the others are in epoch 1.
        self.epochs: dict[bytes, int] = {}

    # -- writing ------------------------------------------------------------------------------

    def handshake(self, group_id: bytes) -> None:
        self._append(group_id, "handshake", secret("commit", self.time, len(self.slots)))

    def write(self, group_id: bytes, sender: Sender, content: bytes) -> Sent:
        tau = self.time // CLOCKS.slot_seconds
        slot = self._open.get((group_id, sender.device))
        opening = None
        now = (tau, self.epochs.get(group_id, 1))
        if slot is None or (slot.header.tau, slot.header.epoch) != now:
            slot, opening = self._new_slot(group_id, sender, tau, slot)
        m = len(slot.digests)
        key, slot.chain = chain_step(slot.chain, m)
        place = (slot.header.digest, m, slot.digests[-1] if slot.digests else None)
        header, body = make_message(key, place, content, self._fresh(), sender.key.sign)
        envelope = Envelope(header.encoded, body, opening)
        if opening is not None:
            slot.first = envelope
        slot.digests.append(envelope.digest)
        return self._append(group_id, "envelope", envelope.digest, envelope, slot, content)

    def _new_slot(
        self, group_id: bytes, sender: Sender, tau: int, last: Slot | None
    ) -> tuple[Slot, Opening]:
        tier1, keys, new = self._tier1(group_id, sender, tau)
        close = None
        if last is not None:
            close = Close(last.header.epoch, last.header.tau, len(last.digests), last.digests[-1])
        line = self.lines.get(group_id, [])
        seen = Seen(len(line), line[-1].head if line else Head.start(group_id).head)
        header = SlotHeader(
            self.policy.digest,
            group_id,
            self.epochs.get(group_id, 1),
            secret("context", group_id),
            sender.leaf,
            digest(Label.CREDENTIAL, sender.credential),
            sender.key.public,
            tau,
            tier1.digest,
            close,
            seen,
        )
        assert self.policy.access is not None
        s = self._secret(group_id, sender, tau)
        seal = make_seal(s, header, self.policy.access.shape, keys.at(tau))
        signature = sender.key.sign(
            Label.SIGN_SLOT, slot_signed_content(header.digest, seal.digest)
        )
        if not self.signed:
            signature = bytes(64)
        opening = Opening(
            header.encoded, seal.digest, signature, tier1.header.encoded if new else None
        )
        chain = chain_start(slot_key(s, header.digest))
        slot = Slot(header, seal, tier1, sender, len(line) + 1, chain)
        self._open[group_id, sender.device] = slot
        self.slots.append(slot)
        return slot, opening

    def _tier1(self, group_id: bytes, sender: Sender, tau: int) -> tuple[Tier1, SeatKeys, bool]:
        day = day_of(CLOCKS, tau)
        epoch = self.epochs.get(group_id, 1)
        place = (group_id, sender.device, day, epoch)
        new = place not in self._tier1s
        if new:
            roster = self._rosters.setdefault(
                (self.policy.digest, day), make_roster(self.policy, tau)
            )
            header = Tier1Header(
                self.policy.digest,
                group_id,
                epoch,
                secret("context", group_id),
                sender.leaf,
                digest(Label.CREDENTIAL, sender.credential),
                day,
                tau,
                roster.key_ids,
            )
            self._tier1s[place] = make_tier1(self._secret(group_id, sender, tau), header, roster)
        return (*self._tier1s[place], new)

    def _secret(self, group_id: bytes, sender: Sender, tau: int) -> bytes:
        node = secret("slot", group_id, tau)
        return leaf_secret(node, sender.leaf, digest(Label.CREDENTIAL, sender.credential))

    def _append(
        self,
        group_id: bytes,
        kind: str,
        entry: bytes,
        envelope: Envelope | None = None,
        slot: Slot | None = None,
        content: bytes = b"",
    ) -> Sent:
        line, time = self.lines.setdefault(group_id, []), self.time + self.late
        last = Head(len(line), line[-1].time, line[-1].head) if line else Head.start(group_id)
        head = last.next(time, entry)
        opening = None if envelope is None else envelope.opening
        leaf = ReceiptLeaf(
            group_id,
            head.position,
            time,
            entry,
            head.head,
            None if opening is None else opening.seal_digest,
            None if opening is None or slot is None else slot.header.tier1,
        )
        receipt = make_receipts([leaf], PROVIDER.sign)[0].encode()
        sent = Sent(head.position, time, kind, entry, head.head, envelope, slot, content, receipt)
        line.append(sent)
        self._touched.add(group_id)
        if slot is not None:
            own = (slot.sender.account, slot.sender.device)
            entries = self.own.setdefault(own, [])
            entries.append(entry)
            before = self.own_heads.get(own, bytes(32))
            self.own_heads[own] = device_next(before, len(entries), entry)
            self._touched.add(slot.sender.device)
        return sent

    def _fresh(self) -> bytes:
        return self.chance.randbytes(32)

    # -- fixing -------------------------------------------------------------------------------

    def ingest(self) -> None:
        """End an interval: fix the heads of all lines that grew."""
        number = len(self.intervals)
        heads = {}
        for (account, device), entries in self.own.items():
            heads[device] = (len(entries), self.own_heads[account, device])
        for group_id, line in self.lines.items():
            heads[group_id] = (line[-1].position, line[-1].head)
        names = sorted(self._touched)
        if not names:
            return
        blinds = [self._fresh() for _ in names]
        leaves = [
            leaf_hash(digest(Label.INGEST, blind, *heads[name]))
            for name, blind in zip(names, blinds, strict=True)
        ]
        levels = [leaves]
        while len(levels[-1]) > 1:
            row = levels[-1]
            pairs = [node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
            levels.append(pairs + row[len(row) - len(row) % 2 :])
        proofs = {}
        for index, (name, blind) in enumerate(zip(names, blinds, strict=True)):
            path, at = [], index
            for row in levels[:-1]:
                if at ^ 1 < len(row):
                    path.append(row[at ^ 1])
                at >>= 1
            proofs[name] = HeadProof(number, index, len(names), blind, *heads[name], tuple(path))
        leaf = IngestLeaf(number, self.time, len(names), levels[-1][0])
        self.intervals.append(Proven(leaf, proofs))
        self._touched.clear()

    def proofs(self, name: bytes) -> list[HeadProof]:
        """Return every proof of one line, oldest first."""
        return [each.proofs[name] for each in self.intervals if name in each.proofs]


def random_world(policy: Policy, seed: int | str) -> World:
    """Some people, some conversations, some hours."""
    world = World(policy, seed)
    chance = world.chance
    accounts = ["alice", "bob", "carol", "dave"][: chance.randint(2, 4)]
    devices = [
        (account_id(name), secret("device id", name, number)[:16])
        for name in accounts
        for number in range(chance.choice((1, 1, 2)))
    ]
    groups = [f"group {number}".encode() for number in range(chance.randint(1, 3))]
    for group in groups:
        world.handshake(group)
    for number in range(chance.randint(8, 28)):
        world.time += chance.choice((1, 30, 200, 600, 1_000))
        group, leaf = chance.choice(groups), chance.randrange(len(devices))
        if chance.random() < 0.1:
            world.handshake(group)
        sender = Sender(*devices[leaf], leaf)
        world.write(group, sender, f"{sender.account} says {number}".encode())
        if chance.random() < 0.2:
            world.ingest()
    world.ingest()
    world.time += 1_800
    return world
