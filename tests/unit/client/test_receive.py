"""What a reader refuses of a line and of its messages: each lie alone, by its rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from glasslock.client.receive import (
    Facts,
    ForkedStream,
    Muted,
    Placed,
    Received,
    place,
    receive,
    refused,
)
from glasslock.client.sending import OpenedSlot, Self, open_slot, write
from glasslock.client.state import GroupState
from glasslock.errors import BadSignature, VerificationError
from glasslock.ids import account_id, device_id
from glasslock.mls import Device, Leaf, Roster, credential_digest
from glasslock.sealing.body import BodyCommitment
from glasslock.sealing.slots import SlotErased, SlotTree
from glasslock.signing import SigningKey
from glasslock.tlog.receipt import SignedBatches, make_receipts
from glasslock.wire.api import EntryItem
from glasslock.wire.entry import Head, ReceiptLeaf
from glasslock.wire.envelope import Close, Envelope, Opening, Seen, SlotHeader, decode_slot_header
from glasslock.wire.policy import Clocks, Policy

CLOCKS = Clocks()
GROUP, CONTEXT = b"a group", bytes((7,)) * 32
PROVIDER, MALLORY = (SigningKey.from_seed(bytes((n,)) * 32) for n in (1, 2))
KEYS = [SigningKey.from_seed(bytes((n,)) * 32) for n in (3, 4)]
POLICY = Policy("none", "none", PROVIDER.public, CLOCKS, None)
FIRST = 96 * 20_553 + 8
START = FIRST * CLOCKS.slot_seconds + 200
ROOT = SlotTree.from_root(bytes((5,)) * 32).advance(FIRST)


def leaf(index: int) -> Leaf:
    device = Device(account_id(("alice", "bob")[index]), device_id(bytes((index,)) * 16))
    credential = device.identity()
    signer = KEYS[index].public
    return Leaf(index, device, signer, credential, credential_digest(credential))


def placed_at(state: GroupState, item: EntryItem) -> Placed:
    return place(state, SignedBatches(POLICY.provider_key), item)


ROSTER = Roster((leaf(0), leaf(1)))
Lie = Callable[[SlotHeader], SlotHeader]


def begin() -> GroupState:
    return GroupState(GROUP, POLICY.digest, 4, START - 60, Head(3, START - 60, bytes(32)), ROOT)


@dataclass
class Line:
    """Alice writes, Bob reads; what is on the line was receipted by the provider."""

    alice: GroupState = field(default_factory=begin)
    bob: GroupState = field(default_factory=begin)
    time: int = START
    heads: dict[int, bytes] = field(default_factory=lambda: {3: bytes(32)})
    sent: list[EntryItem] = field(default_factory=list)

    @property
    def facts(self) -> Facts:
        return Facts(self.bob, POLICY, CONTEXT, ROSTER, self.heads.get)

    def envelope(self, content: bytes = b"hello", lie: Lie | None = None) -> Envelope:
        """Alice's next message; ``lie`` changes the header of the slot that it opens."""
        me = Self(POLICY, CONTEXT, ROSTER, 0, KEYS[0].sign)
        tau, opened = self.time // CLOCKS.slot_seconds, None
        if self.alice.sending is None or self.alice.sending.tau != tau:
            self.alice, opened = open_slot(me, self.alice, tau, self.time)
            if lie is not None:
                opened = OpenedSlot(lie(opened.header))
                assert self.alice.sending is not None
                sending = replace(self.alice.sending, slot=opened.header.digest)
                self.alice = replace(self.alice, sending=sending)
        envelope, self.alice, (epoch, tau, m) = write(me, self.alice, content, bytes(32), opened)
        closes = {0: Close(epoch, tau, m + 1, envelope.digest)}
        self.alice = replace(self.alice, closes=closes)
        return envelope

    def item(self, envelope: Envelope, signer: SigningKey = PROVIDER) -> EntryItem:
        head = self.bob.head.next(self.time, envelope.digest)
        stated = ReceiptLeaf(GROUP, head.position, head.time, envelope.digest, head.head)
        (receipt,) = make_receipts([stated], signer.sign)
        data = envelope.encode()
        return EntryItem(head.position, head.time, "envelope", data, receipt.encode())

    def read(self, item: EntryItem) -> Received:
        """Bob takes an entry in, as a session does."""
        placed = placed_at(self.bob, item)
        found, head = receive(self.facts, placed), placed.head
        self.bob = replace(found.state, head=head)
        self.alice = replace(self.alice, head=head)
        self.heads[head.position] = head.head
        self.sent.append(item)
        return found

    def say(self, content: bytes) -> bytes:
        found = self.read(self.item(self.envelope(content)))
        assert found.failure is None
        assert found.opened is not None
        return found.opened.content

    def rule(self, envelope: Envelope) -> str | None:
        """The rule by which Bob refuses an envelope; he has changed nothing then."""
        item, before = self.item(envelope), self.bob
        with pytest.raises(VerificationError) as caught:
            self.read(item)
        assert self.bob is before
        return caught.value.rule


def test_what_is_written_is_read_in_order_and_over_slots() -> None:
    line = Line()
    assert [line.say(b"one"), line.say(b"two")] == [b"one", b"two"]
    line.time += CLOCKS.slot_seconds
    assert line.say(b"three") == b"three"


# -- the line ---------------------------------------------------------------------------------


@pytest.mark.parametrize("away", [-1, 1, 7])
def test_an_entry_at_another_place_is_a_gap(away: int) -> None:
    line = Line()
    good = line.item(line.envelope())
    item = EntryItem(good.position + away, good.time, good.kind, good.data, good.receipt)
    with pytest.raises(VerificationError) as caught:
        placed_at(line.bob, item)
    assert caught.value.rule == "receive.position"


def test_a_receipt_is_the_providers_and_of_this_entry() -> None:
    line = Line()
    one = line.envelope(b"one")
    with pytest.raises(BadSignature):
        placed_at(line.bob, line.item(one, MALLORY))
    good, other = line.item(one), line.item(line.envelope(b"two"))
    for changed in (
        EntryItem(good.position, good.time, good.kind, good.data, other.receipt),
        EntryItem(good.position, good.time + 1, good.kind, good.data, good.receipt),
        EntryItem(good.position, good.time, good.kind, other.data, good.receipt),
    ):
        with pytest.raises(VerificationError) as caught:
            placed_at(line.bob, changed)
        assert caught.value.rule == "receive.receipt"
    elsewhere = replace(line.bob, group_id=b"another group")
    with pytest.raises(VerificationError) as caught:
        placed_at(elsewhere, good)
    assert caught.value.rule == "receive.receipt"


@pytest.mark.parametrize(("seal", "tier1"), [(bytes(32), None), (None, bytes(32))])
def test_a_receipt_names_the_seal_of_its_slot(seal: bytes | None, tier1: bytes | None) -> None:
    line = Line()
    placed = placed_at(line.bob, line.item(line.envelope()))
    stated = replace(placed.receipt, seal=seal, tier1=tier1)
    with pytest.raises(VerificationError) as caught:
        receive(line.facts, replace(placed, receipt=stated))
    assert caught.value.rule == "receive.seal"


# -- the opening of a slot --------------------------------------------------------------------

LIES: list[tuple[str, Lie]] = [
    ("receive.opening", lambda h: replace(h, group_id=b"another group")),
    ("receive.epoch", lambda h: replace(h, epoch=h.epoch - 1)),
    ("receive.epoch", lambda h: replace(h, epoch=h.epoch + 1)),
    ("receive.epoch", lambda h: replace(h, context=bytes(32))),
    ("receive.leaf", lambda h: replace(h, leaf=1)),
    ("receive.leaf", lambda h: replace(h, credential=bytes(32))),
    ("receive.leaf", lambda h: replace(h, signer=KEYS[1].public)),
    ("roster.leaf", lambda h: replace(h, leaf=9)),
    ("receive.policy", lambda h: replace(h, policy=bytes(32))),
    ("receive.tau", lambda h: replace(h, tau=h.tau - 1)),
    ("receive.tau", lambda h: replace(h, tau=h.tau + 1)),
    ("receive.seen", lambda h: replace(h, seen=Seen(4, bytes(32)))),
    ("receive.fork", lambda h: replace(h, seen=Seen(3, bytes((1,)) * 32))),
    ("receive.close", lambda h: replace(h, close=Close(4, FIRST - 1, 1, bytes(32)))),
]


@pytest.mark.parametrize(("rule", "lie"), LIES)
def test_a_header_that_says_what_is_not_the_case_is_refused(rule: str, lie: Lie) -> None:
    line = Line()
    assert line.rule(line.envelope(lie=lie)) == rule


def test_an_opening_of_another_slot_is_refused() -> None:
    line = Line()
    envelope = line.envelope()
    assert envelope.opening is not None
    header = replace(decode_slot_header(envelope.opening.slot_header), tau=FIRST + 1)
    assert line.rule(replace(envelope, opening=Opening(header.encoded))) == "receive.opening"


def test_a_member_that_was_shown_another_line_is_told() -> None:
    line = Line()
    line.say(b"one")
    line.time += CLOCKS.slot_seconds
    forked = line.envelope(lie=lambda h: replace(h, seen=Seen(h.seen.position, bytes(32))))
    with pytest.raises(ForkedStream):
        line.read(line.item(forked))


# -- the end of a slot ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "close",
    [
        None,
        Close(4, FIRST, 1, bytes(32)),
        Close(4, FIRST, 3, bytes(32)),
        Close(4, FIRST - 1, 2, bytes(32)),
        Close(3, FIRST, 2, bytes(32)),
    ],
)
def test_a_next_slot_names_how_the_last_one_ended(close: Close | None) -> None:
    line = Line()
    line.say(b"one")
    line.say(b"two")
    line.time += CLOCKS.slot_seconds
    known = line.alice.closes[0]
    assert known is not None
    false = None if close is None else replace(close, last=known.last)
    assert line.rule(line.envelope(lie=lambda h: replace(h, close=false))) == "receive.close"


def test_a_slot_cannot_be_opened_twice() -> None:
    """By a clone of the device: other content in the same slot, and it closes the first."""
    line = Line()
    clone = line.alice
    line.say(b"one")
    ours, line.alice = line.alice, replace(clone, closes=line.alice.closes, head=line.bob.head)
    assert line.rule(line.envelope(b"another one")) == "receive.second-header"
    # Its secret is gone at the reader too, so that it could not be read either.
    line.alice = ours
    with pytest.raises(SlotErased):
        line.bob.secret(FIRST, 0, [])


def test_a_leaf_does_not_go_back_to_an_earlier_slot() -> None:
    line = Line()
    line.time = FIRST * CLOCKS.slot_seconds + CLOCKS.slot_seconds - 60
    clone = line.alice
    line.alice = replace(line.alice, sending=None)
    line.time += 90
    line.say(b"in the second")
    line.alice = replace(clone, closes=line.alice.closes, head=line.bob.head)
    early = line.time - 90
    line.time, now = early, line.time
    envelope = line.envelope(b"in the first")
    line.time = now
    assert line.rule(envelope) == "receive.second-header"


# -- the messages of a slot -------------------------------------------------------------------


def test_a_message_left_out_stops_those_after_it() -> None:
    line = Line()
    line.say(b"one")
    line.envelope(b"two, which the provider keeps")
    assert line.rule(line.envelope(b"three")) == "receive.chain"


def test_a_message_played_again_is_refused() -> None:
    line = Line()
    line.say(b"one")
    two = line.envelope(b"two")
    line.read(line.item(two))
    assert line.rule(two) == "receive.chain"


def test_a_message_of_a_slot_that_nobody_opened_is_refused() -> None:
    line = Line()
    line.envelope(b"one, which the provider keeps")
    assert line.rule(line.envelope(b"two")) == "receive.slot"


def test_a_message_after_its_slot_is_refused() -> None:
    line = Line()
    line.say(b"one")
    late = line.envelope(b"kept back")
    line.time += CLOCKS.slot_seconds + CLOCKS.skew_seconds
    assert line.rule(late) == "receive.tau"


def test_after_a_refused_body_a_sender_is_mute_until_its_next_slot() -> None:
    line = Line()
    line.say(b"one")
    two = line.envelope(b"two")
    damaged = replace(two, body=bytes(32) + two.body[32:])
    found = line.read(line.item(damaged))
    assert found.opened is None
    assert isinstance(found.failure, BodyCommitment)
    with pytest.raises(Muted):
        line.read(line.item(line.envelope(b"three")))
    line.time += CLOCKS.slot_seconds
    assert line.say(b"four") == b"four"


def test_after_a_refused_envelope_a_sender_is_mute_too() -> None:
    line = Line()
    line.say(b"one")
    kept = line.item(line.envelope(b"two"))
    line.bob = refused(line.bob, placed_at(line.bob, kept))
    with pytest.raises(Muted):
        line.read(kept)


def test_what_was_read_can_not_be_derived_again() -> None:
    line = Line()
    line.say(b"one")
    chain = line.bob.chains[0]
    line.say(b"two")
    assert line.bob.chains[0].key != chain.key
    assert line.bob.chains[0].m == chain.m + 1
    with pytest.raises(SlotErased):
        line.bob.secret(FIRST, 0, [])
