"""The loop under a device: stored before sent before told, and what a failing disk leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasslock.client.events import MembersChanged, MessageReceived, MessageSent
from glasslock.client.running import FRAMES, _arrived
from glasslock.errors import GlasslockError, StateError, StorageError, TransportError, WireError
from glasslock.wire import api
from tests.bench.client_scene import GROUP, AtWork, Member, Writer
from tests.unit.client.scene import (
    Disk,
    accepted,
    arrive,
    deliver,
    device,
    outcomes,
    send,
    settle,
    states,
    submitted,
    told,
)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def scene(tmp_path: Path, disk: Disk) -> Iterator[tuple[AtWork, Member]]:
    with device(tmp_path, disk) as made:
        yield made


@pytest.fixture
def work(scene: tuple[AtWork, Member]) -> AtWork:
    return scene[0]


def failing_once(disk: Disk, wanted: str, after: int = 0) -> None:
    """Let the disk fail at a write point, when it was passed ``after`` times."""
    left = [after]

    def fails(name: str) -> bool:
        if name == wanted:
            left[0] -= 1
        return name == wanted and left[0] == -1

    disk.fails = fails


def test_a_step_is_stored_then_sent_then_told(scene: tuple[AtWork, Member], disk: Disk) -> None:
    work, founder = scene
    frames = [api.encode_frame(deliver(*Writer(founder).batch(3, b"hello")))]
    seen: list[tuple[int, int]] = []

    class Watched(list[bytes]):
        def append(self, frame: bytes) -> None:
            seen.append((disk.passed.count("step.done"), work.running._events.qsize()))
            super().append(frame)

    work.wire.sent = Watched()
    before = disk.passed.count("step.done")
    arrive(work, *frames)
    # Three messages in one step: one transaction, then one frame, and only then the events.
    assert seen == [(before + 1, 0)]
    assert [type(event) for event in told(work)] == [MessageReceived] * 3


def test_commands_given_together_are_stored_together(work: AtWork, disk: Disk) -> None:
    before = disk.passed.count("step.done")
    assert outcomes(work, *(send(work, b"%d" % n) for n in range(20))) == list(range(1, 21))
    assert disk.passed.count("step.done") == before + 1
    assert states(work) == [("sent", b"%d" % n) for n in range(20)]
    assert len(submitted(work)) == 20


def test_what_could_not_be_stored_was_never_there(work: AtWork, disk: Disk) -> None:
    failing_once(disk, "step.commit")
    found = outcomes(work, *(send(work, b"lost") for _ in range(3)))
    assert [type(each) for each in found] == [StorageError] * 3
    assert (submitted(work), told(work), states(work)) == ([], [], [])
    settle(work)
    # The stream is left, to log in anew; the next command finds a session loaded from disk.
    assert work._serving.done()
    assert outcomes(work, send(work, b"kept")) == [1]
    assert states(work) == [("queued", b"kept")]


def test_what_came_in_and_could_not_be_stored_comes_again(
    scene: tuple[AtWork, Member], disk: Disk
) -> None:
    work, founder = scene
    entries = deliver(*Writer(founder).batch(2, b"hello"))
    failing_once(disk, "step.commit")
    arrive(work, entries)
    assert isinstance(work._serving.exception(), StorageError)
    assert (work.wire.sent, told(work), states(work)) == ([], [], [])
    assert work.running.session.conversations[GROUP].state.head.position == 1
    work.running.session.received(entries, 0)


def test_a_command_is_told_of_its_own_step_and_of_no_later_one(work: AtWork, disk: Disk) -> None:
    running = work.running
    failing_once(disk, "step.commit", after=1)
    first = send(work, b"stored")
    change = work.loop.create_task(
        running.carry_out(lambda: running.session.membership.refresh(GROUP))
    )
    assert isinstance(outcomes(work, change)[0], StorageError)
    assert outcomes(work, first) == [1]
    assert states(work) == [("queued", b"stored")]


def test_an_operation_ends_with_the_failure_that_lost_it(work: AtWork, disk: Disk) -> None:
    running = work.running
    refresh = lambda: running.session.membership.refresh(GROUP)  # noqa: E731
    failing_once(disk, "step.commit")
    with pytest.raises(StorageError):
        work.loop.run_until_complete(running.operate(refresh))
    waiting = work.loop.create_task(running.operate(refresh))
    settle(work)
    assert not waiting.done()
    work.loop.run_until_complete(running.stop())
    settle(work)
    assert isinstance(waiting.exception(), TransportError)


def test_a_command_that_fails_takes_no_other_down(work: AtWork) -> None:
    running = work.running

    def wrong() -> int:
        raise StateError("no")

    good = send(work, b"one")
    bad = work.loop.create_task(running.carry_out(wrong))
    also = send(work, b"two")
    found = outcomes(work, good, bad, also)
    assert (found[0], type(found[1]), found[2]) == (1, StateError, 2)
    too_long = send(work, bytes(70_000))
    assert isinstance(outcomes(work, too_long, send(work, b"three"))[0], WireError)
    assert [content for _, content in states(work)] == [b"one", b"two", b"three"]


def test_a_caller_that_gave_up_has_sent_nothing(work: AtWork) -> None:
    given_up = send(work, b"never")
    kept = send(work, b"kept")
    work.loop.call_soon(given_up.cancel)
    assert outcomes(work, kept) == [1]
    assert given_up.cancelled()
    assert states(work) == [("sent", b"kept")]


def test_while_the_disk_cannot_be_read_callers_are_told_and_it_is_tried_again(
    work: AtWork,
) -> None:
    database = work.store._db
    database.execute("ALTER TABLE groups RENAME TO gone")
    for _ in range(3):
        found = outcomes(work, *(send(work, b"lost") for _ in range(2)))
        assert [type(each) for each in found] == [StorageError] * 2
        assert submitted(work) == []
    database.execute("ALTER TABLE gone RENAME TO groups")
    assert outcomes(work, send(work, b"kept")) == [1]
    assert states(work) == [("queued", b"kept")]


def test_what_came_before_a_bad_frame_stands(scene: tuple[AtWork, Member]) -> None:
    work, founder = scene
    arrive(work, deliver(*Writer(founder).batch(2, b"good")), b"no frame at all")
    assert isinstance(work._serving.exception(), WireError)
    assert states(work) == [("received", b"good")] * 2
    assert [type(event) for event in told(work)] == [MessageReceived] * 2


def test_what_is_stored_is_told_even_when_the_device_stops_while_it_sends(
    scene: tuple[AtWork, Member],
) -> None:
    work, founder = scene

    async def never(_frame: bytes) -> None:
        await asyncio.get_running_loop().create_future()

    work.wire.send = never  # type: ignore[method-assign]
    arrive(work, deliver(*Writer(founder).batch(1, b"hello")))
    assert (states(work), told(work)) == ([("received", b"hello")], [])
    work._serving.cancel()
    settle(work)
    assert [type(event) for event in told(work)] == [MessageReceived]


def test_a_verdict_and_what_follows_from_it_are_one_step(work: AtWork, disk: Disk) -> None:
    outcomes(work, *(send(work, b"first") for _ in range(3)))
    verdicts = [accepted(work, frame)[0] for frame in submitted(work)]
    before = disk.passed.count("step.done")
    arrive(work, *verdicts)
    assert disk.passed.count("step.done") == before + 1
    assert [type(event) for event in told(work)] == [MessageSent] * 3
    assert states(work) == [("accepted", b"first")] * 3


def test_a_number_that_no_database_holds_is_a_failure_of_storing(work: AtWork) -> None:
    outcomes(work, send(work, b"mine"))
    (frame,) = submitted(work)
    work.head = type(work.head)((1 << 63) - 1, work.head.time, work.head.head)
    verdict, _ = accepted(work, frame)
    arrive(work, verdict)
    error = work._serving.exception()
    assert isinstance(error, StorageError)
    assert error.rule == "store.number"
    assert states(work) == [("sent", b"mine")]


def test_a_commit_is_stored_alone_before_anything_is_built_on_it(
    scene: tuple[AtWork, Member], disk: Disk
) -> None:
    work, _ = scene
    running = work.running
    before = disk.passed.count("step.done")
    tasks = [send(work, b"%d" % n) for n in range(3)]
    change = work.loop.create_task(
        running.carry_out(lambda: running.session.membership.refresh(GROUP))
    )
    tasks += [send(work, b"later")]
    outcomes(work, *tasks, change)
    assert disk.passed.count("step.done") > before + 1
    assert not any(isinstance(event, MembersChanged) for event in told(work))


# -- what has arrived -------------------------------------------------------------------------


def taken(frames: asyncio.Queue[bytes | GlasslockError]) -> list[bytes]:
    return asyncio.run(asyncio.wait_for(_arrived(frames), 5.0))


def test_everything_that_has_arrived_comes_at_once_and_in_order() -> None:
    frames: asyncio.Queue[bytes | GlasslockError] = asyncio.Queue(FRAMES)
    for number in range(FRAMES):
        frames.put_nowait(b"%d" % number)
    assert taken(frames) == [b"%d" % number for number in range(FRAMES)]
    assert frames.empty()


def test_why_a_stream_ended_comes_after_what_it_brought() -> None:
    frames: asyncio.Queue[bytes | GlasslockError] = asyncio.Queue(2)
    frames.put_nowait(b"last")
    frames.put_nowait(TransportError("the stream was closed"))
    assert taken(frames) == [b"last"]
    with pytest.raises(TransportError):
        taken(frames)


def test_nothing_arrives_before_something_does() -> None:
    async def late() -> list[bytes]:
        frames: asyncio.Queue[bytes | GlasslockError] = asyncio.Queue(2)
        waiting = asyncio.create_task(_arrived(frames))
        await asyncio.sleep(0)
        assert not waiting.done()
        frames.put_nowait(b"one")
        return await waiting

    assert asyncio.run(late()) == [b"one"]
