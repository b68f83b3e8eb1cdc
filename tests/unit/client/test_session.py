"""A device and its provider's verdicts, lies and leavings; every end is looked at on disk too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glasslock.client.changes import Effects
from glasslock.client.events import Failed, MembersChanged, MessageSent, Warned
from glasslock.client.session import KEY_PACKAGES, Session
from glasslock.errors import VerificationError, WireError
from glasslock.signing import SigningKey
from glasslock.tlog.receipt import make_receipts
from glasslock.wire import api
from glasslock.wire.entry import decode_receipt
from tests.bench.client_scene import (
    GROUP,
    KEY,
    NOW,
    POLICY,
    AtWork,
    Member,
    Writer,
    handshake,
)
from tests.unit.client.scene import (
    accepted,
    arrive,
    deliver,
    device,
    outcomes,
    removal,
    send,
    settle,
    states,
    strangers_package,
    submitted,
    told,
)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[AtWork, Member]]:
    with device(tmp_path) as made:
        yield made


@pytest.fixture
def work(scene: tuple[AtWork, Member]) -> AtWork:
    return scene[0]


def loaded_again(work: AtWork) -> Session:
    """What this device would be after a restart."""
    running = work.running
    engine = work.store.load_engine(KEY)
    return Session(work.store.load(running.device, engine, running.provider_key), bytes)


def position(work: AtWork) -> int:
    return work.running.session.conversations[GROUP].state.head.position


def stopped(work: AtWork) -> str:
    return work.running.session.conversations[GROUP].stopped


# -- steps ------------------------------------------------------------------------------------


def steps(session: Session) -> list[Effects]:
    """All that is to do now."""
    found = []
    while (effects := session.poll(NOW)) is not None:
        found.append(effects)
        for written in effects.written:
            written.confirm()
    return found


def test_steps_that_can_be_stored_together_are_one(work: AtWork) -> None:
    session = work.running.session
    for number in range(5):
        session.enqueue(Effects(settled=[number]))
        session.send(GROUP, b"hello", NOW)
    assert not session.full
    (step,) = steps(session)
    assert step.settled == [0, 1, 2, 3, 4]
    assert len(step.messages) == len(step.outgoing) == len(step.frames) == 5
    assert steps(session) == []


def test_a_step_that_stands_alone_meets_nothing_before_or_after_it(work: AtWork) -> None:
    session = work.running.session
    session.enqueue(Effects(settled=[1]))
    session.enqueue(Effects(states={b"left": None}, settled=[2]))
    assert session.full
    session.enqueue(Effects(settled=[3]))
    session.enqueue(Effects(settled=[4]))
    found = steps(session)
    assert [step.settled for step in found] == [[1], [2], [3, 4]]
    assert not session.full


def test_a_commit_ends_the_step_it_is_in(scene: tuple[AtWork, Member]) -> None:
    work, founder = scene
    session = work.running.session
    number = session.membership.refresh(GROUP)
    assert session.full
    session.send(GROUP, b"later", NOW)
    first, *rest = steps(session)
    assert (bool(first.written), first.messages) == (True, [])
    assert [len(step.messages) for step in rest] == [1]
    # Nothing is written under the old epoch while the commit is on its way.
    assert rest[0].outgoing == []
    assert number == 1
    del founder


def test_a_command_is_over_with_the_last_step_that_waits(work: AtWork) -> None:
    session = work.running.session
    session.close_command(1)
    session.enqueue(Effects(settled=[1]))
    session.enqueue(Effects(states={b"left": None}))
    session.close_command(2)
    session.enqueue(Effects(settled=[2]))
    assert [step.commands for step in steps(session)] == [[1], [2], []]


def test_only_conversations_in_which_something_happened_are_looked_at(
    scene: tuple[AtWork, Member],
) -> None:
    work, founder = scene
    running, session = work.running, work.running.session
    work.loop.run_until_complete(
        running.carry_out(lambda: session.membership.create(b"another", POLICY, NOW))
    )
    assert session.awake() == []

    def woken() -> set[bytes]:
        return {group_id for group_id, _ in session.awake()}

    (items,) = [Writer(founder).batch(1, b"hello")]
    for happens, wanted in (
        (lambda: session.received(deliver(*items), NOW), {GROUP}),
        (lambda: session.send(GROUP, b"hello", NOW), {GROUP}),
        (lambda: session.log_read(bytes(32), [], NOW), {GROUP, b"another"}),
        (lambda: session.tick(NOW), {GROUP, b"another"}),
    ):
        happens()
        assert woken() == wanted
        steps(session)
        assert woken() == set()
    assert position(work) == 2
    assert session.wants_log is False


def test_what_is_too_long_is_refused_before_it_is_kept(work: AtWork) -> None:
    session = work.running.session
    with pytest.raises(WireError) as caught:
        session.send(GROUP, bytes(70_000), NOW)
    assert caught.value.rule == "body.length"
    assert session.send(GROUP, b"short", NOW) == 1
    (step,) = steps(session)
    assert [message.content for message in step.messages] == [b"short"]


def test_a_provider_does_not_make_a_device_work_without_end(work: AtWork) -> None:
    session = work.running.session
    session.received(api.LoggedIn(NOW, 0, bytes(32), -(10**12)), NOW)
    made = [step for step in steps(session) if step.written]
    assert len(made) == KEY_PACKAGES


# -- verdicts ---------------------------------------------------------------------------------


def test_a_yes_and_the_line_agree(work: AtWork) -> None:
    outcomes(work, send(work, b"one"), send(work, b"two"))
    first, second = (accepted(work, frame) for frame in submitted(work))
    # One verdict comes before its entry is read, the other after.
    arrive(work, first[0], deliver(first[1], second[1]), second[0])
    assert states(work) == [("accepted", b"one"), ("accepted", b"two")]
    assert (stopped(work), position(work), len(work.running.session._outbox)) == ("", 3, 0)
    assert [type(event) for event in told(work)] == [MessageSent, MessageSent]
    assert loaded_again(work).conversations[GROUP].state.head.position == 3


Lie = Callable[[api.Accepted], api.Accepted]


def changed(**facts: object) -> Lie:
    def lie(verdict: api.Accepted) -> api.Accepted:
        named = {name: getattr(verdict, name) for name in verdict.__struct_fields__}
        return api.Accepted(**{**named, **facts})

    return lie


def receipt_of_another_key(verdict: api.Accepted) -> api.Accepted:
    leaf = decode_receipt(verdict.receipt).leaf
    (receipt,) = make_receipts([leaf], SigningKey.from_seed(bytes((9,)) * 32).sign)
    return changed(receipt=receipt.encode())(verdict)


@pytest.mark.parametrize(
    ("lie", "rule"),
    [
        (changed(position=7), "session.receipt"),
        (changed(time=NOW + 1), "session.receipt"),
        (changed(head=bytes(32)), "session.receipt"),
        (changed(device_q=2), "session.line"),
        (changed(device_head=bytes(32)), "session.line"),
        (receipt_of_another_key, "signature"),
    ],
)
def test_a_yes_that_does_not_hold_changes_nothing(work: AtWork, lie: Lie, rule: str) -> None:
    outcomes(work, send(work, b"mine"))
    verdict, _ = accepted(work, submitted(work)[0])
    arrive(work, lie(verdict))
    assert work._serving.done()
    error = work._serving.exception()
    assert isinstance(error, VerificationError)
    assert error.rule == rule
    assert (states(work), told(work)) == ([("sent", b"mine")], [])
    assert len(loaded_again(work)._outbox) == 1


# -- a line that forks ------------------------------------------------------------------------


def test_a_provider_that_promised_another_entry_has_forked_the_line(
    scene: tuple[AtWork, Member],
) -> None:
    work, founder = scene
    theirs = Writer(founder).batch(1, b"theirs")
    outcomes(work, send(work, b"mine"))
    verdict, _ = accepted(work, submitted(work)[0])
    arrive(work, verdict, deliver(*theirs))
    assert (stopped(work), position(work)) == ("receive.promise", 1)
    assert states(work) == [("accepted", b"mine")]
    assert work.store.records(GROUP) == [(2, "receive.promise")]
    # What it promised is known after a restart too.
    again = loaded_again(work)
    again.received(deliver(*theirs), NOW)
    assert [event for step in steps(again) for event in step.events][-1] == Warned(
        GROUP, "receive.promise", 2, "the provider said that another entry stands there"
    )


def test_a_provider_that_showed_another_entry_has_forked_the_line(
    scene: tuple[AtWork, Member],
) -> None:
    work, founder = scene
    outcomes(work, send(work, b"mine"))
    verdict, _ = accepted(work, submitted(work)[0])
    arrive(work, deliver(*Writer(founder).batch(1, b"theirs")))
    arrive(work, verdict)
    assert stopped(work) == "receive.promise"
    assert states(work) == [("sent", b"mine"), ("received", b"theirs")]
    assert not any(isinstance(event, MessageSent) for event in told(work))
    # It waits for its verdict still: the provider has to say it again, and is found out again.
    again = loaded_again(work)
    assert len(again._outbox) == 1
    again.received(verdict, NOW)
    assert again.conversations[GROUP].stopped == "receive.promise"


def test_two_own_entries_cannot_stand_at_one_place(work: AtWork) -> None:
    outcomes(work, send(work, b"one"), send(work, b"two"))
    one, two = submitted(work)
    start = work.head
    first, _ = accepted(work, one)
    work.head = start
    second, _ = accepted(work, two)
    arrive(work, first, second)
    assert stopped(work) == "receive.promise"
    assert states(work) == [("accepted", b"one"), ("sent", b"two")]


def test_an_entry_of_no_known_kind_stops_the_line(scene: tuple[AtWork, Member]) -> None:
    work, founder = scene
    (item,) = Writer(founder).batch(1, b"hello")
    strange = api.EntryItem(item.position, item.time, "novelty", item.data, item.receipt)
    arrive(work, deliver(strange))
    assert (stopped(work), position(work)) == ("receive.kind", 1)
    assert not work._serving.done()


def test_a_commit_to_a_member_that_is_nobody_is_not_entered(scene: tuple[AtWork, Member]) -> None:
    work, founder = scene
    before = work.store._db.all("SELECT * FROM mls_rows ORDER BY scope, key")
    commit, *_ = founder.members.commit(add=[strangers_package()], remove=[], policy=None)
    outcomes(work, send(work, b"on its way"))
    arrive(work, deliver(*handshake(commit)))
    assert (stopped(work), position(work)) == ("shape.array", 1)
    assert work.store._db.all("SELECT * FROM mls_rows ORDER BY scope, key") == before
    assert work.store.records(GROUP) == [(2, "shape.array")]
    # The device lives on: the verdict on what was on its way is taken, and all is loaded again.
    arrive(work, api.Refused(submitted(work)[0].id, "stale-epoch", None, "too late"))
    assert states(work) == [("refused", b"on its way")]
    assert not work._serving.done()
    assert loaded_again(work).conversations[GROUP].state.epoch == 1


# -- leaving ----------------------------------------------------------------------------------


def test_a_no_after_leaving_is_told_and_brings_nothing_back(scene: tuple[AtWork, Member]) -> None:
    work, founder = scene
    outcomes(work, send(work, b"on its way"))
    (frame,) = submitted(work)
    arrive(work, removal(founder, work))
    assert any(isinstance(event, MembersChanged) and event.removed for event in told(work))
    assert states(work) == [("sent", b"on its way")]
    assert len(loaded_again(work)._outbox) == 1
    arrive(work, api.Refused(frame.id, "stale-epoch", None, "the group moved on"))
    assert states(work) == [("refused", b"on its way")]
    assert told(work) == [Failed(GROUP, "stale-epoch", "the group moved on", 1)]
    after = loaded_again(work)
    assert (after.conversations, len(after._outbox)) == ({}, 0)
    assert work.store._db.all("SELECT * FROM heads") == []
    assert work.store._db.all("SELECT * FROM mls_rows WHERE scope = ?", (GROUP,)) == []


def test_a_yes_after_leaving_moves_the_own_line(scene: tuple[AtWork, Member]) -> None:
    work, founder = scene
    outcomes(work, send(work, b"in time"))
    verdict, item = accepted(work, submitted(work)[0])
    arrive(work, deliver(item), removal(founder, work))
    assert work.running.session.conversations[GROUP].over
    arrive(work, verdict)
    assert states(work) == [("accepted", b"in time")]
    after = loaded_again(work)
    assert (after.conversations, len(after._outbox), after._outbox._line[0]) == ({}, 0, 1)


def test_what_waits_when_a_device_is_removed_is_not_sent(scene: tuple[AtWork, Member]) -> None:
    work, founder = scene
    running = work.running
    work.loop.run_until_complete(
        running.carry_out(lambda: running.session.membership.refresh(GROUP))
    )
    outcomes(work, send(work, b"waits"))
    assert states(work) == [("queued", b"waits")]
    arrive(work, removal(founder, work))
    assert states(work) == [("refused", b"waits")]
    (frame,) = [
        each
        for each in map(api.decode_device_frame, work.wire.sent)
        if isinstance(each, api.SubmitHandshake)
    ]
    arrive(work, api.Refused(frame.id, "stale-epoch", None, "another commit came first"))
    assert (loaded_again(work).conversations, len(running.session._outbox)) == ({}, 0)
    assert not work._serving.done()


def test_a_group_that_was_not_taken_takes_its_messages_along(work: AtWork) -> None:
    running, group = work.running, b"a new group"

    async def create() -> None:
        await running.operate(lambda: running.session.membership.create(group, POLICY, NOW))

    creating = work.loop.create_task(create())
    settle(work)
    sending = work.loop.create_task(
        running.carry_out(lambda: running.session.send(group, b"too early", NOW))
    )
    outcomes(work, sending)
    created, sent = [api.decode_device_frame(frame) for frame in work.wire.sent]
    assert isinstance(created, api.CreateGroup)
    assert isinstance(sent, api.SubmitEnvelope)
    arrive(work, api.Refused(created.id, "denied", "create.policy", "no"))
    arrive(work, api.Refused(sent.id, "denied", "delivery.group", "no such group"))
    assert str(creating.exception()) == "no"
    assert [m.state for m in work.store.messages(group)] == ["refused"]
    assert group not in loaded_again(work).conversations
    assert not work._serving.done()


def test_what_is_asked_for_while_offline_is_asked_after_the_log_in(work: AtWork) -> None:
    session = work.running.session
    session.disconnected()
    steps(session)
    session.membership.invite(GROUP, "carol")
    session.connected()

    def asked() -> list[str]:
        frames = [frame for step in steps(session) for frame in step.frames]
        return [frame.account for frame in frames if isinstance(frame, api.ClaimKeyPackages)]

    # Before the log-in nobody would answer.
    assert asked() == []
    session.received(api.LoggedIn(NOW, 0, bytes(32), KEY_PACKAGES), NOW)
    assert asked() == ["carol"]
    session.disconnected()
    session.received(api.LoggedIn(NOW, 0, bytes(32), KEY_PACKAGES), NOW)
    assert asked() == []
