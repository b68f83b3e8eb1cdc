"""What the Delivery Service refuses of an envelope: each lie alone, by its rule."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from glasslock.errors import Conflict, Denied, GlasslockError, StaleEpoch, StaleSlot
from glasslock.ids import account_id, device_id
from glasslock.mls import Device
from glasslock.provider.delivery import Entry, LeafSlot, Line, Lookups, append_envelope
from glasslock.wire.entry import Head
from glasslock.wire.envelope import Close, Envelope, Opening, Seen, decode_slot_header
from tests.unit.client.test_receive import (
    CLOCKS,
    CONTEXT,
    FIRST,
    GROUP,
    KEYS,
    POLICY,
    ROSTER,
    START,
    Lie,
)
from tests.unit.client.test_receive import Line as Members

ALICE, BOB = (leaf.device for leaf in ROSTER.leaves)


@dataclass
class Desk:
    """A provider's view of the line on which Alice writes."""

    members: Members = field(default_factory=Members)
    line: Line = field(
        default_factory=lambda: Line(
            GROUP, POLICY, 4, CONTEXT, ROSTER, Head(3, START - 60, bytes(32))
        )
    )

    def judge(
        self, envelope: Envelope, sender: Device = ALICE, upload: bytes | None = None
    ) -> Entry:
        lookups = Lookups(self.members.heads.get, lambda _: None)
        return append_envelope(self.line, sender, envelope, upload, self.members.time, lookups)

    def take(self, content: bytes = b"hello") -> Envelope:
        """Have Alice's next message accepted, and read by Bob."""
        envelope = self.members.envelope(content)
        entry = self.judge(envelope)
        assert entry.digest == envelope.digest
        self.line = entry.line
        self.members.read(self.members.item(envelope))
        assert entry.head == self.members.bob.head
        return envelope

    def rule(self, envelope: Envelope, kind: type[GlasslockError] = GlasslockError) -> str | None:
        with pytest.raises(kind) as caught:
            self.judge(envelope)
        return caught.value.rule


def test_what_members_write_is_accepted_over_slots() -> None:
    desk = Desk()
    desk.take(b"one")
    desk.take(b"two")
    desk.members.time += CLOCKS.slot_seconds
    desk.take(b"three")
    assert desk.line.slots[0].count == 1


LIES: list[tuple[str, Lie]] = [
    ("delivery.header", lambda h: replace(h, policy=bytes(32))),
    ("delivery.header", lambda h: replace(h, group_id=b"another group")),
    ("delivery.header", lambda h: replace(h, context=bytes(32))),
    ("delivery.header", lambda h: replace(h, leaf=1)),
    ("delivery.leaf", lambda h: replace(h, credential=bytes(32))),
    ("delivery.leaf", lambda h: replace(h, signer=KEYS[1].public)),
    ("delivery.slot", lambda h: replace(h, tau=h.tau - 1)),
    ("delivery.slot", lambda h: replace(h, tau=h.tau + 1)),
    ("delivery.close", lambda h: replace(h, close=Close(4, FIRST - 1, 1, bytes(32)))),
    ("delivery.seen", lambda h: replace(h, seen=Seen(4, bytes(32)))),
    ("delivery.seen", lambda h: replace(h, seen=Seen(3, bytes((1,)) * 32))),
]


@pytest.mark.parametrize(("rule", "lie"), LIES)
def test_a_header_that_says_what_is_not_the_case_is_refused(rule: str, lie: Lie) -> None:
    desk = Desk()
    assert desk.rule(desk.members.envelope(lie=lie)) == rule


def test_who_has_no_leaf_writes_nothing() -> None:
    desk = Desk()
    mallory = Device(account_id("mallory"), device_id(bytes((9,)) * 16))
    with pytest.raises(Denied) as caught:
        desk.judge(desk.members.envelope(), mallory)
    assert caught.value.rule == "roster.device"


def test_nobody_writes_in_the_name_of_another() -> None:
    desk = Desk()
    with pytest.raises(GlasslockError) as caught:
        desk.judge(desk.members.envelope(), BOB)
    assert caught.value.rule == "delivery.header"


def test_a_seal_goes_with_an_opening_only() -> None:
    desk = Desk()
    desk.take()
    with pytest.raises(GlasslockError) as caught:
        desk.judge(desk.members.envelope(), upload=b"seal")
    assert caught.value.rule == "delivery.upload"


def test_an_opening_of_another_slot_is_refused() -> None:
    desk = Desk()
    envelope = desk.members.envelope()
    assert envelope.opening is not None
    header = replace(decode_slot_header(envelope.opening.slot_header), tau=FIRST + 1)
    assert desk.rule(replace(envelope, opening=Opening(header.encoded))) == "delivery.opening"


def test_a_slot_of_another_epoch_is_stale() -> None:
    desk = Desk()
    desk.rule(desk.members.envelope(lie=lambda h: replace(h, epoch=5)), StaleEpoch)
    desk = Desk()
    desk.take()
    desk.line = replace(desk.line, epoch=5)
    desk.rule(desk.members.envelope(), StaleEpoch)


def test_a_message_of_a_slot_that_is_not_open_is_stale() -> None:
    desk = Desk()
    desk.members.envelope(b"one, which did not come")
    desk.rule(desk.members.envelope(b"two"), StaleEpoch)


def test_a_message_twice_or_after_one_that_did_not_come_is_a_conflict() -> None:
    desk = Desk()
    desk.take(b"one")
    two = desk.take(b"two")
    assert desk.rule(two, Conflict) == "delivery.chain"
    desk.members.envelope(b"three, which did not come")
    assert desk.rule(desk.members.envelope(b"four"), Conflict) == "delivery.chain"


def test_a_message_after_its_slot_is_stale() -> None:
    desk = Desk()
    desk.take()
    late = desk.members.envelope()
    desk.members.time += CLOCKS.slot_seconds + CLOCKS.skew_seconds
    assert desk.rule(late, StaleSlot) == "delivery.slot"


def test_a_leaf_has_one_header_in_a_slot() -> None:
    desk = Desk()
    used = LeafSlot(4, FIRST, bytes(32), 1, bytes((1,)) * 32)
    desk.line = replace(desk.line, slots={0: used})
    closing = Close(4, FIRST, 1, used.last)
    again = desk.members.envelope(lie=lambda h: replace(h, close=closing))
    assert desk.rule(again, Conflict) == "delivery.second-header"


@pytest.mark.parametrize(
    "close",
    [
        None,
        Close(3, FIRST - 1, 1, bytes((1,)) * 32),
        Close(4, FIRST - 2, 1, bytes((1,)) * 32),
        Close(4, FIRST - 1, 2, bytes((1,)) * 32),
        Close(4, FIRST - 1, 1, bytes((2,)) * 32),
    ],
)
def test_a_close_is_that_of_the_last_slot(close: Close | None) -> None:
    desk = Desk()
    used = LeafSlot(4, FIRST - 1, bytes(32), 1, bytes((1,)) * 32)
    desk.line = replace(desk.line, slots={0: used})
    wrong = desk.members.envelope(lie=lambda h: replace(h, close=close))
    assert desk.rule(wrong) == "delivery.close"


def test_time_does_not_run_back_on_a_line() -> None:
    desk = Desk()
    desk.take()
    before = desk.line.head.time
    desk.members.time -= 30
    assert desk.judge(desk.members.envelope()).head.time == before
