"""However requests fall into batches, lines, receipts and verdicts are what they are one by one."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from glasslock.client.enrolment import make_entry
from glasslock.errors import StorageError
from glasslock.mls import Group, context_digest, credential_digest
from glasslock.provider.archive import Archive
from glasslock.provider.batch import Batcher, Outcome, Request
from glasslock.provider.schema import MIGRATIONS
from glasslock.provider.store import FRAME_BYTES, Store
from glasslock.runtime.sqlite import Database, no_point
from glasslock.sealing.slots import tau_at
from glasslock.tlog.receipt import verify_receipt
from glasslock.wire import api
from glasslock.wire.entry import Head, decode_receipt
from glasslock.wire.envelope import (
    COMMITMENT_SIZE,
    TAG_SIZE,
    Close,
    Envelope,
    MessageHeader,
    Opening,
    Seen,
    SlotHeader,
    decode_envelope,
)
from glasslock.wire.policy import Policy, PolicyExtension
from tests.unit.provider.test_batch import GROUP, KEY, NOW, POLICY, Person

# All but receipts: they tell of the batch that an entry came in.
ENTRY = "group_id, position, time, kind, digest, head, data, account, device, q, device_head"
TABLES = {
    "entries": f"{ENTRY}, opened, m",
    **dict.fromkeys(
        ("groups", "members", "slots", "slot_starts", "devices", "refusals", "inbox"), "*"
    ),
}
SIZE = 256


@dataclass
class Writer:
    """A member's messages, as far as the provider looks into them: the bodies are noise."""

    person: Person
    group: Group
    chance: random.Random
    policy: Policy = POLICY
    seen: Head = field(default_factory=lambda: Head.start(GROUP))
    slot: SlotHeader | None = None
    count: int = 0
    last: bytes | None = None
    stale: bool = True

    def merge(self, commit: bytes) -> None:
        """Enter the epoch that ``commit`` leads to; the next message opens a slot in it."""
        self.person.merge(self.group, commit)
        self.stale = True

    def _opening(self) -> Opening:
        view = self.group.view
        own = next(each for each in view.members if each.leaf == view.own_leaf)
        before = self.slot
        close = None
        if before is not None and self.last is not None:
            close = Close(before.epoch, before.tau, self.count, self.last)
        self.slot = SlotHeader(
            policy=self.policy.digest,
            group_id=GROUP,
            epoch=view.epoch,
            context=context_digest(view.context),
            leaf=view.own_leaf,
            credential=credential_digest(own.credential),
            signer=own.signature_key,
            tau=tau_at(self.policy.clocks, NOW),
            tier1=None,
            close=close,
            seen=Seen(self.seen.position, self.seen.head),
        )
        self.count, self.last, self.stale = 0, None, False
        return Opening(self.slot.encoded)

    def write(self, *, size: int = SIZE) -> api.SubmitEnvelope:
        opening = self._opening() if self.stale else None
        assert self.slot is not None
        header = MessageHeader(
            self.slot.digest, self.count, self.chance.randbytes(16), self.last, size
        )
        body = self.chance.randbytes(COMMITMENT_SIZE + size + TAG_SIZE)
        envelope = Envelope(header.encoded, body, opening)
        self.count, self.last = self.count + 1, envelope.digest
        return api.SubmitEnvelope(self.count, GROUP, envelope.encode())


@dataclass
class Desk:
    """A provider's batches over a folder."""

    folder: Path
    point: Callable[[str], None] = no_point

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.db = Database.open(self.folder / "provider.db", MIGRATIONS, point=self.at)
        self.store = Store(self.db)
        self.batcher = Batcher(self.db, self.store, Archive(self.db), KEY)
        with self.db.transaction("start"):
            self.store.put_policy(POLICY)

    def at(self, name: str) -> None:
        self.point(name)

    def know(self, *people: Person) -> None:
        with self.db.transaction("register"):
            for each in people:
                self.store.register(
                    each.device, make_entry(KEY.public, each.device, each.engine, None), NOW
                )

    def ask(self, *asked: tuple[Person, api.DeviceFrame], now: int = NOW) -> Outcome:
        return self.batcher.run([Request(by.device, frame, now) for by, frame in asked])

    def close(self) -> dict[str, list[tuple[object, ...]]]:
        """Close, and return what is stored."""
        self.db.close()
        kept = sqlite3.connect(self.folder / "provider.db")
        try:
            return {name: sorted(_all(kept, name), key=repr) for name in TABLES}
        finally:
            kept.close()


def _all(kept: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    query = f"SELECT {TABLES[table]} FROM {table}"  # noqa: S608 - names from above
    return kept.execute(query).fetchall()


@dataclass
class Story:
    """Alice, Bob and Carol in a group, before anybody has written."""

    people: tuple[Person, Person, Person]
    groups: list[Group]
    frames: list[tuple[Person, api.DeviceFrame]]
    policy: Policy

    @classmethod
    def begin(cls, policy: Policy = POLICY) -> Story:
        alice, bob, carol = (Person(name) for name in ("alice", "bob", "carol"))
        group, info = alice.create(policy=PolicyExtension(policy.digest, 0).encode())
        commit = alice.commit(group, [bob.package(), carol.package()])
        alice.merge(group, commit.commit)
        groups = [group]
        for each in (bob, carol):
            assert commit.welcome is not None
            joined, _, written = each.engine.stage_welcome(commit.welcome).accept(each.engine)
            each.keep(written)
            groups.append(joined)
        frames = [(alice, api.CreateGroup(1, GROUP, info)), (alice, commit)]
        return cls((alice, bob, carol), groups, frames, policy)

    def writers(self, seed: int = 1) -> list[Writer]:
        chance = random.Random(seed)
        return [
            Writer(each, group, chance, self.policy)
            for each, group in zip(self.people, self.groups, strict=True)
        ]


@pytest.fixture
def story() -> Story:
    return Story.begin()


@pytest.fixture
def desk(tmp_path: Path, story: Story) -> Iterator[Desk]:
    made = Desk(tmp_path / "desk")
    made.know(*story.people)
    made.ask(*story.frames)
    yield made
    made.db.close()


def accepted(outcome: Outcome) -> list[api.Accepted]:
    found = [each for each in outcome.answers if isinstance(each, api.Accepted)]
    assert len(found) == len(outcome.answers), outcome.answers
    return found


def rules(outcome: Outcome) -> list[str | None]:
    return [each.rule if isinstance(each, api.Refused) else None for each in outcome.answers]


def told(story: Story) -> list[tuple[Person, api.DeviceFrame]]:
    """Three members write, acknowledge, move the group on, write again, and send things twice."""
    chance = random.Random(7)
    alice, bob, carol = writers = story.writers()
    frames: list[tuple[Person, api.DeviceFrame]] = []
    for number in range(40):
        one = chance.choice(writers)
        frames.append((one.person, one.write()))
        if number % 7 == 0:
            frames.append(frames[-1])
        if number % 5 == 0:
            frames.append((bob.person, api.Ack(GROUP, number)))
    commit = alice.person.commit(alice.group)
    frames += [(alice.person, commit), (alice.person, commit), (carol.person, carol.write())]
    for each in (alice, bob):
        each.merge(commit.commit)
        frames += [(each.person, each.write()), (each.person, each.write(size=512))]
    frames += [(bob.person, api.AckInbox(1)), (bob.person, api.Follow(3, GROUP, 0))]
    frames += [(carol.person, api.Ack(GROUP, 30)), (carol.person, api.GetGroupInfo(4, GROUP))]
    return frames


@pytest.mark.parametrize("seed", range(6))
def test_batches_do_not_show(tmp_path: Path, story: Story, seed: int) -> None:
    """The same requests one by one, all at once and in random batches leave the same store."""
    frames = [*story.frames, *told(story)]
    chance = random.Random(seed)
    cuts: dict[str, Sequence[int]] = {
        "one": range(len(frames) + 1),
        "all": (0, len(frames)),
        "some": sorted({0, len(frames), *chance.sample(range(len(frames)), 5)}),
    }
    kept, verdicts = {}, {}
    for name, at in cuts.items():
        desk = Desk(tmp_path / name)
        desk.know(*story.people)
        answers: list[api.ProviderFrame | None] = []
        for first, last in pairwise(at):
            answers += desk.ask(*frames[first:last]).answers
        verdicts[name] = [
            (each.id, each.position, each.head, each.device_q, each.device_head)
            if isinstance(each, api.Accepted)
            else each
            for each in answers
        ]
        kept[name] = desk.close()
    assert verdicts["all"] == verdicts["one"]
    assert verdicts["some"] == verdicts["one"]
    assert kept["all"] == kept["one"]
    assert kept["some"] == kept["one"]
    assert len(kept["one"]["entries"]) > 40


def test_every_entry_of_a_batch_has_its_receipt_and_goes_out_with_it(
    story: Story, desk: Desk
) -> None:
    alice, bob, _ = story.writers()
    outcome = desk.ask(*((each.person, each.write()) for each in (alice, bob, alice, alice, bob)))
    answers = accepted(outcome)
    assert [each.position for each in answers] == [2, 3, 4, 5, 6]
    assert [each.device_q for each in answers] == [2, 1, 3, 4, 2]
    items = outcome.entries[GROUP]
    assert [(each.position, each.receipt) for each in items] == [
        (each.position, each.receipt) for each in answers
    ]
    assert desk.store.unread(GROUP, bob.person.device, 0).entries == items
    assert outcome.changed == set()
    for answer in answers:
        receipt = decode_receipt(answer.receipt)
        verify_receipt(receipt, KEY.public)
        assert (receipt.leaf.position, receipt.leaf.head) == (answer.position, answer.head)


def test_the_same_bytes_get_the_same_yes(tmp_path: Path, story: Story, desk: Desk) -> None:
    alice, bob, _ = story.writers()
    frames = [(each.person, each.write()) for each in (alice, bob, alice)]
    outcome = desk.ask(*frames, *frames)
    first, again = accepted(outcome)[:3], accepted(outcome)[3:]
    assert again == first
    assert len(outcome.entries[GROUP]) == 3
    assert accepted(desk.ask(*frames)) == first
    stolen = desk.ask((bob.person, frames[0][1]))
    assert rules(stolen) == ["delivery.duplicate"]
    desk.db.close()
    reopened = Desk(tmp_path / "desk")
    assert accepted(reopened.ask(*frames)) == first
    reopened.db.close()


@pytest.mark.parametrize("together", [True, False])
def test_the_same_bytes_get_the_same_no(
    tmp_path: Path, story: Story, desk: Desk, *, together: bool
) -> None:
    alice, bob, _ = story.writers()
    opening, second, third = ((alice.person, alice.write()) for _ in range(3))
    early = [opening, third, second, third]
    found = (
        rules(desk.ask(*early))
        if together
        else [rule for each in early for rule in rules(desk.ask(each))]
    )
    # It would fit now: but a verdict is final.
    assert found == [None, "delivery.chain", None, "delivery.chain"]
    assert rules(desk.ask((bob.person, bob.write()))) == [None]
    desk.db.close()
    reopened = Desk(tmp_path / "desk")
    assert rules(reopened.ask(third)) == ["delivery.chain"]
    reopened.db.close()


def test_a_slot_may_have_seen_what_came_just_before_it(story: Story, desk: Desk) -> None:
    alice, bob, carol = story.writers()
    probe = accepted(desk.ask((alice.person, alice.write())))[0]
    frames = [alice.write(), alice.write()]
    heads = [Head(probe.position, probe.time, probe.head)]
    for frame in frames:
        heads.append(heads[-1].next(NOW, decode_envelope(frame.envelope).digest))
    bob.seen, carol.seen = heads[2], heads[1]
    asked = [(alice.person, frame) for frame in frames]
    asked += [(bob.person, bob.write()), (carol.person, carol.write())]
    assert [each.position for each in accepted(desk.ask(*asked))] == [3, 4, 5, 6]


@pytest.mark.parametrize("moment", ["begin", "commit"])
def test_a_batch_that_could_not_be_stored_leaves_nothing(
    story: Story, desk: Desk, moment: str
) -> None:
    alice, bob, _ = story.writers()
    before = accepted(desk.ask((alice.person, alice.write())))

    def fail(name: str) -> None:
        if name == f"deliver.{moment}":
            raise StorageError("the disk is full", rule="storage.full")

    frames = [(each.person, each.write()) for each in (alice, bob, alice)]
    commit = (alice.person, alice.person.commit(alice.group))
    desk.point = fail
    for asked in ([*frames, commit], [commit, *frames]):
        with pytest.raises(StorageError):
            desk.ask(*asked)
    desk.point = no_point
    answers = accepted(desk.ask(*frames, commit))
    assert [each.position for each in answers] == [3, 4, 5, 6]
    assert before[0].position == 2


def test_pages_are_cut_by_what_a_frame_may_hold(story: Story, desk: Desk) -> None:
    alice, bob, _ = story.writers()
    size = 65_536
    count = 2 * FRAME_BYTES // size
    for _ in range(2):
        desk.ask(*((alice.person, alice.write(size=size)) for _ in range(count // 2)))
    at, pages = 1, 0
    while entries := desk.store.unread(GROUP, bob.person.device, at).entries:
        frame = api.encode_frame(api.Deliver(GROUP, entries, entries[-1].position))
        assert len(frame) <= api.MAX_FRAME
        assert entries[0].position == at + 1
        at, pages = entries[-1].position, pages + 1
    assert (at, pages) == (1 + count, 3)


def test_who_was_removed_reads_no_further(story: Story, desk: Desk) -> None:
    alice, _, carol = story.writers()
    asked: list[tuple[Person, api.DeviceFrame]] = [(alice.person, alice.write())]
    leaf = carol.group.view.own_leaf
    commit, welcome, info, written = alice.group.commit(add=[], remove=[leaf], policy=None)
    alice.person.keep(written)
    asked.append((alice.person, api.SubmitHandshake(9, GROUP, commit, info, welcome)))
    alice.merge(commit)
    outcome = desk.ask(*asked, (alice.person, alice.write()))
    assert rules(outcome) == [None, None, None]
    assert outcome.changed == {GROUP}
    unread = desk.store.unread(GROUP, carol.person.device, 0)
    assert [each.position for each in unread.entries] == [2, 3]
    assert unread.limit == 3
