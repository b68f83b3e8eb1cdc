"""A history that many orders are made on, in one provider's real store, and what was said in it.

Conversations under two sealed policies, one that went from the first to the second, and one that is
under none; everything that its Delivery Service takes. What was said stands beside it in plain, for
a rule of two lines to say what an order may open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from glasslock.ids import account_id, device_id
from glasslock.keyholder.check import Logs
from glasslock.keyholder.release import Facts, Verdict, decide
from glasslock.keyholder.seat import Seated
from glasslock.keyholder.watch import Bundle, Case
from glasslock.mls import Device, Leaf, Roster
from glasslock.orders.ledger import Ledger
from glasslock.provider.archive import Archive
from glasslock.provider.cases import OrdersLog
from glasslock.provider.delivery import Entry, Line, Lookups, append_envelope
from glasslock.provider.orders_app import OrdersApp
from glasslock.provider.schema import MIGRATIONS
from glasslock.provider.store import Store
from glasslock.provider.unwritten import Fresh, Unwritten
from glasslock.runtime.sqlite import Database
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.slots import chain_start, slot_key
from glasslock.wire import api
from glasslock.wire.digest import digest
from glasslock.wire.entry import EntryKind, Head, device_next
from glasslock.wire.envelope import Close, Seen, SlotHeader, decode_envelope
from glasslock.wire.envelope import Opening as SlotOpening
from glasslock.wire.labels import Label
from glasslock.wire.order import Order, preview_content
from glasslock.wire.policy import Limits, Policy
from glasslock.wire.preview import Preview, decode_preview
from glasslock.wire.record import encode_record
from glasslock.wire.seal import SealUpload
from tests.unit.desk.cases import ISSUER, records_of, sign_order
from tests.unit.desk.world import (
    CLOCKS,
    PROVIDER,
    QUORUM,
    START,
    Sender,
    Sent,
    Slot,
    World,
    make_policy,
    seat_key,
    secret,
)
from tests.unit.keyholder.bench import ORIGINS, own_key

SHAPE = ((2, 3), (2, 3))
OTHER_SHAPE = ((2, 2), (3, 4))
LIMITS = Limits(granularity_seconds=3_600, orders_per_period=1 << 20, slots=400, accounts=6)
FIRST = START // CLOCKS.slot_seconds
STEPS = 110

CHAT, PAIR, TEAM = b"chat", b"pair", b"team"
MOVED, ELSEWHERE, OPEN = b"moved", b"elsewhere", b"open"
MEMBERS = {
    CHAT: ("alice", "alice", "bob", "carol"),
    PAIR: ("alice", "dave"),
    TEAM: ("bob", "carol", "dave", "erin"),
    MOVED: ("alice", "bob"),
    ELSEWHERE: ("alice", "erin"),
    OPEN: ("alice", "bob", "erin"),
}


@dataclass(frozen=True)
class Said:
    """One message, as everybody in the conversation knows it; ``policy`` is that of its time."""

    group_id: bytes
    account: str
    policy: bytes
    tau: int
    position: int
    content: bytes
    device: bytes


class _Now:
    """The provider's clock."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return self.time


async def _never(*_: object) -> None:
    raise AssertionError("nothing here waits")


class History(World):
    """What was written, by whom, under which policy, and the provider that took it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.sealed = make_policy(SHAPE, LIMITS)
        self.other = replace(make_policy(OTHER_SHAPE, LIMITS), name="two other locks")
        self.none = Policy("none", "none", PROVIDER.public, CLOCKS)
        super().__init__(self.sealed, seed)
        self.said: list[Said] = []
        self.removed: set[tuple[bytes, int]] = set()
        self.under = dict.fromkeys(MEMBERS, self.sealed)
        self.under |= {ELSEWHERE: self.other, OPEN: self.none}
        self.ever: dict[bytes, set[bytes]] = {g: {p.digest} for g, p in self.under.items()}
        self.provider = Taking(folder, self)
        self._write_all()

    def write(self, group_id: bytes, sender: Sender, content: bytes) -> Sent:
        """Have somebody write under the conversation's policy, and the provider take it."""
        self.policy = self.under[group_id]
        sent = super().write(group_id, sender, content)
        assert sent.slot is not None
        tau = sent.slot.header.tau
        of = (group_id, sender.account, self.policy.digest, tau, sent.position, content)
        self.said.append(Said(*of, sender.device))
        self.provider.take(sent)
        return sent

    def move(self, group_id: bytes, policy: Policy) -> None:
        """Put a conversation under another policy, which a commit does."""
        self.epochs[group_id] = self.epochs.get(group_id, 1) + 1
        self.under[group_id] = policy
        self.ever[group_id].add(policy.digest)
        self.handshake(group_id)
        self.provider.commit(group_id, since=self.epochs[group_id])

    def remove(self, message: Said) -> None:
        """Have the provider put a tombstone in place of a message."""
        self.removed.add((message.group_id, message.position))
        self.provider.remove(message.group_id, message.position)

    def _write_all(self) -> None:
        """Six conversations over more than two days, with roots in between."""
        for group_id in MEMBERS:
            self.handshake(group_id)
            self.provider.commit(group_id)
        for number in range(STEPS):
            self.time += self.chance.choice((20, 200, 900, 2_700, 5_400))
            group_id = self.chance.choice(list(MEMBERS))
            if number == STEPS // 2:
                self.move(MOVED, self.other)
            for part in range(self.chance.choice((1, 1, 2, 4))):
                leaf = self.chance.randrange(len(MEMBERS[group_id]))
                self.write(group_id, sender_of(group_id, leaf), b"%d.%d" % (number, part))
            if self.chance.random() < 0.2:
                self.provider.ingest(self.time)
        for message in self.chance.sample([s for s in self.said if s.group_id == CHAT], 2):
            self.remove(message)
        self.time += 2 * CLOCKS.slot_seconds
        self.provider.clock.time = self.time

    def _new_slot(
        self, group_id: bytes, sender: Sender, tau: int, last: Slot | None
    ) -> tuple[Slot, SlotOpening]:
        if self.policy.access is not None:
            return super()._new_slot(group_id, sender, tau, last)
        close = None
        if last is not None:
            epoch, count = last.header.epoch, len(last.digests)
            close = Close(epoch, last.header.tau, count, last.digests[-1])
        line = self.lines[group_id]
        header = SlotHeader(
            self.policy.digest,
            group_id,
            1,
            secret("context", group_id),
            sender.leaf,
            digest(Label.CREDENTIAL, sender.credential),
            sender.key.public,
            tau,
            None,
            close,
            Seen(len(line), line[-1].head),
        )
        chain = chain_start(slot_key(self._secret(group_id, sender, tau), header.digest))
        # A slot of the world has a seal; this one's sender makes none, and nobody is given it.
        like = self.slots[0]
        slot = Slot(header, like.seal, like.tier1, sender, len(line) + 1, chain)
        self._open[group_id, sender.device] = slot
        return slot, SlotOpening(header.encoded)


def sender_of(group_id: bytes, leaf: int) -> Sender:
    """Return the device behind a leaf; of an account that is there twice, another one."""
    account = MEMBERS[group_id][leaf]
    second = account in MEMBERS[group_id][:leaf]
    return Sender(account_id(account), secret("device id", account, int(second))[:16], leaf)


class Taking:
    """A provider's store and what it does about messages and orders, without its network."""

    def __init__(self, folder: Path, history: History) -> None:
        self.history = history
        self.clock = _Now()
        self.db = Database.open(folder / "provider.db", MIGRATIONS)
        self.store, self.archive = Store(self.db), Archive(self.db)
        call: Callable[..., Awaitable[None]] = _never
        self.orders = OrdersApp(
            self.db, self.store, self.archive, PROVIDER, self.clock, call, lambda _: None, _never
        )
        self.ledger = Ledger()
        self._lines: dict[bytes, Line] = {}
        with self.db.transaction("setup"):
            self.orders._cases.put_log(OrdersLog(ORIGINS[1], "http://nobody.test", 86_400))
            for policy in (history.sealed, history.other, history.none):
                self.store.put_policy(policy)
            for policy in (history.sealed, history.other):
                for record in records_of(policy).values():
                    self.orders._cases.put_authority(record)
            for group_id, members in MEMBERS.items():
                for leaf in range(len(members)):
                    sender = sender_of(group_id, leaf)
                    entry = api.DeviceEntry(sender.device, sender.key.public, b"")
                    self.store.register(_device(sender), entry, START)

    # -- messages -----------------------------------------------------------------------------

    def commit(self, group_id: bytes, since: int = 0) -> None:
        """Put the newest handshake of a conversation on its line."""
        sent = self.history.lines[group_id][-1]
        line = self._lines.get(group_id) or _line(group_id, self.history.under[group_id])
        epoch = self.history.epochs.get(group_id, 1)
        head = line.head.next(sent.time, sent.entry)
        assert head.head == sent.head
        policy = self.history.under[group_id]
        after = replace(line, policy=policy, epoch=epoch, since=since, head=head)
        self._lines[group_id] = after
        entry = Entry(EntryKind.HANDSHAKE, sent.entry, b"a commit", head, after)
        with self.db.transaction("batch"):
            self.store.put_group(after, b"context", b"info")
            self._write(entry, sender_of(group_id, 0))

    def take(self, sent: Sent) -> None:
        """Judge and keep a message as the Delivery Service does."""
        assert sent.envelope is not None
        assert sent.slot is not None
        slot, line = sent.slot, self._lines[sent.slot.header.group_id]
        upload, opening = None, sent.envelope.opening
        if opening is not None and opening.seal_digest is not None:
            encs = None if opening.tier1_header is None else slot.tier1.encs
            upload = SealUpload(slot.seal.encoded, encs).encode()
        group_id = line.group_id
        lookups = Lookups(
            lambda position: self.store.head_at(group_id, position),
            lambda name: self.archive.tier1(group_id, name),
        )
        device = _device(slot.sender)
        entry = append_envelope(line, device, sent.envelope, upload, sent.time, lookups)
        assert (entry.head.position, entry.head.head) == (sent.position, sent.head)
        self._lines[group_id] = entry.line
        with self.db.transaction("batch"):
            if entry.seal is not None:
                self.archive.put_seal(group_id, entry.head.position, entry.seal)
                leaf = entry.line.roster.of_device(device)
                self.archive.put_opening(entry.line, leaf, entry.seal)
            self._write(entry, slot.sender)

    def _write(self, entry: Entry, sender: Sender) -> None:
        device = _device(sender)
        q, head = self.store.device_line(device)
        unwritten = Unwritten(self.store)
        after = device_next(head, q + 1, entry.digest)
        unwritten.add(Fresh(0, 0, entry, device, q + 1, after))
        unwritten.write(PROVIDER.sign)

    def remove(self, group_id: bytes, position: int) -> None:
        """Put a tombstone in place of a stored message."""
        place = (group_id, position)
        with self.db.transaction("remove"):
            row = self.db.one("SELECT data FROM entries WHERE group_id = ? AND position = ?", place)
            assert row is not None
            tombstone = decode_envelope(row[0]).tombstone().encode()
            self.db.execute(
                "UPDATE entries SET kind = 'tombstone', data = ? WHERE group_id = ?"
                " AND position = ?",
                (tombstone, *place),
            )

    def ingest(self, now: int) -> None:
        """End an interval and have its root logged."""
        with self.db.transaction("ingest"):
            self.orders.close_interval(now)
        self.flush()

    # -- orders -------------------------------------------------------------------------------

    def preview(self, order: Order) -> Preview:
        """Ask for numbers as the issuing authority."""
        now = self.clock.now()
        signature = ISSUER.sign(Label.SIGN_PREVIEW, preview_content(order.document, now))
        wanted = api.RequestPreview(order.document, now, signature)
        return decode_preview(self.orders._count_reach(wanted, now).encode())

    def submit(self, order: Order, r: bytes) -> api.OrderVerdict:
        """Hand an order in; its leaf goes into the log with all that waits before it."""
        wanted = api.SubmitOrder(sign_order(order).encode(), r)
        taken = self.orders._take(wanted, self.clock.now())
        assert isinstance(taken, tuple), taken
        self.flush()
        return self.orders._cases.verdict(taken[0])

    def flush(self) -> None:
        """Be the log: take what waits, in its order."""
        while (item := self.orders._cases.waiting(ORIGINS[1])) is not None:
            self.ledger.add(item.entry, self.ledger.size, self.clock.now())
            self.orders._logged(item, self.ledger.size - 1, late=False)


def _device(sender: Sender) -> Device:
    return Device(account_id(sender.account), device_id(sender.device))


def _line(group_id: bytes, policy: Policy) -> Line:
    leaves = []
    for leaf in range(len(MEMBERS[group_id])):
        sender = sender_of(group_id, leaf)
        credential = sender.credential
        name = digest(Label.CREDENTIAL, credential)
        leaves.append(Leaf(leaf, _device(sender), sender.key.public, credential, name))
    context = secret("context", group_id)
    return Line(group_id, policy, 1, context, Roster(tuple(leaves)), Head.start(group_id))


class Keyholders:
    """Everybody who holds a key under one policy, with the log as the provider filled it."""

    def __init__(self, policy: Policy, ledger: Ledger, now: int) -> None:
        self.policy, self.ledger, self.now = policy, ledger, now
        assert policy.access is not None
        self.seats = tuple(range(len(policy.access.seats)))
        self._keys = {seat: own_key(policy, seat) for seat in self.seats}
        self._book = PolicyBook()
        for number, record in enumerate(records_of(policy).values()):
            self._book.add(encode_record(record), number, now)

    def decide(self, seat: int, index: int, order: Order, bundle: Bundle) -> Verdict:
        """Judge an order as one keyholder, whose person leaves it to the rules."""
        key, case = self._keys[seat], Case(index, bundle, order.digest, "the issuing")
        facts = Facts(
            seated=self.seated(seat),
            logs=Logs(QUORUM, ORIGINS, self._book, self.ledger, 1 << 30),
            record=self.ledger.orders[index],
            case=case,
            cases={index: case},
            keys={key.key_id: key},
            answer=None,
            standing=True,
        )
        return decide(facts, self.now)

    def seated(self, seat: int) -> Seated:
        """Return a keyholder in its seat."""
        return Seated.of(self.policy, f"keyholder-{seat}", seat_key(seat))
