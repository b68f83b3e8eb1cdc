"""What waits to be read has a bound, and nothing of a line is lost by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from glasslock.client import incoming
from glasslock.client.incoming import Incoming
from glasslock.wire import api
from tests.bench.client_scene import GROUP, NOW, AtWork, Member, Writer
from tests.unit.client.scene import arrive, deliver, device, states


def entries(first: int, last: int, size: int = 1 << 20) -> list[api.EntryItem]:
    return [
        api.EntryItem(position, NOW, "envelope", bytes(size), b"")
        for position in range(first, last + 1)
    ]


def positions(waiting: Incoming) -> list[int]:
    """Read everything that waits."""
    found = []
    while waiting:
        found.append(waiting.first.position)
        waiting.drop_first()
    return found


def test_entries_wait_in_their_order() -> None:
    waiting = Incoming()
    waiting.take(entries(1, 3), 0)
    waiting.take(entries(4, 4), 0)
    assert (waiting.full, waiting.starved) == (False, False)
    assert positions(waiting) == [1, 2, 3, 4]
    assert not waiting.starved


def test_what_is_over_the_limit_is_asked_for_once_there_is_room() -> None:
    waiting = Incoming()
    waiting.take(entries(1, 40), 0)
    assert waiting.full
    assert not waiting.starved
    kept = positions(waiting)
    assert kept == list(range(1, 17))
    assert waiting.starved
    waiting.asked()
    assert not waiting.starved
    # Still from before: it would look like a gap.
    waiting.take(entries(41, 42), 16)
    assert not waiting
    waiting.take(entries(17, 20), 16)
    waiting.take(entries(21, 21), 16)
    assert positions(waiting) == [17, 18, 19, 20, 21]
    assert not waiting.starved


def test_a_line_may_be_cut_again_and_again() -> None:
    waiting, read, asked = Incoming(), 0, 0
    while read < 100:
        waiting.take(entries(read + 1, 100), read)
        for position in positions(waiting):
            assert position == read + 1
            read = position
        if waiting.starved:
            waiting.asked()
            asked += 1
    assert asked == 6


def test_a_gap_of_the_providers_is_not_hidden() -> None:
    waiting = Incoming()
    waiting.take([*entries(1, 1), *entries(5, 5)], 0)
    assert positions(waiting) == [1, 5]


def test_a_stream_that_ended_leaves_nothing() -> None:
    waiting = Incoming()
    waiting.take(entries(1, 40), 0)
    waiting.clear()
    assert (bool(waiting), waiting.full, waiting.starved) == (False, False, False)
    waiting.take(entries(7, 8), 6)
    assert positions(waiting) == [7, 8]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[AtWork, Member]]:
    with device(tmp_path) as made:
        yield made


def followed(work: AtWork) -> list[int]:
    """From where the line was asked for."""
    frames = [api.decode_device_frame(frame) for frame in work.wire.sent]
    return [frame.after for frame in frames if isinstance(frame, api.Follow)]


def test_a_device_that_is_flooded_reads_everything_in_the_end(
    scene: tuple[AtWork, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    work, founder = scene
    items = Writer(founder).batch(12, b"hello")
    size = len(items[1].data) + len(items[1].receipt)
    monkeypatch.setattr(incoming, "LIMIT", 4 * size)
    talk = work.running.session.conversations[GROUP]
    arrive(work, deliver(*items))
    asked = []
    while talk.state.head.position < 13:
        (after,) = followed(work)
        assert after == talk.state.head.position
        asked.append(after)
        work.wire.sent.clear()
        # What comes now, and what was on its way before.
        arrive(work, deliver(*items[-1:]), deliver(*items[after - 1 :]))
    assert len(asked) > 1
    assert followed(work) == []
    assert (talk.state.head.position, talk.stopped) == (13, "")
    assert states(work) == [("received", b"hello")] * 12


def test_many_frames_that_come_at_once_are_read_in_between(
    scene: tuple[AtWork, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    work, founder = scene
    items = Writer(founder).batch(12, b"hello")
    monkeypatch.setattr(incoming, "LIMIT", 1)
    arrive(work, *(deliver(item) for item in items))
    assert states(work) == [("received", b"hello")] * 12
    assert followed(work) == []


def test_nothing_waits_in_a_conversation_that_stopped_for_good(
    scene: tuple[AtWork, Member],
) -> None:
    work, founder = scene
    talk = work.running.session.conversations[GROUP]
    good = Writer(founder).batch(3, b"hello")
    arrive(work, deliver(*good[1:]))
    assert talk.stopped == "receive.position"
    assert not talk.incoming
    arrive(work, deliver(*good))
    assert not talk.incoming
    assert states(work) == []
