"""What a device's work costs against the size of its group and of its history.

The device is the real one of ``client_scene``: loop, session and encrypted store.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

from glasslock.client.changes import Effects, NewMessage
from glasslock.client.running import Running
from glasslock.mls import SUITE_CLASSIC
from glasslock.wire import api
from tests.bench.client_scene import (
    GROUP,
    KEY,
    NOW,
    AtWork,
    Member,
    Stopped,
    Writer,
    found,
    found_store,
    handshake,
    opened,
)
from tests.bench.curve import Curve, Growth, Sample, cpu_seconds
from tests.bench.references import MESSAGE

MEMBERS = (16, 64, 256, 1_024)
HISTORY = (1_600, 6_400, 25_600, 102_400)
ROUNDS = 20
PAGE = 100


def _old(number: int, sender: Member) -> NewMessage:
    account, device = sender.device.account, sender.device.device
    return NewMessage(number, GROUP, "received", account, device, MESSAGE, NOW, -number)


def _remember(path: FilePath, reader: Member, count: int) -> None:
    """Put ``count`` messages of long ago into a store."""
    store = opened(path)
    for first in range(1, count + 1, 10_000):
        numbers = range(first, min(first + 10_000, count + 1))
        store.apply(Effects(messages=[_old(number, reader) for number in numbers]))
    store.close()


@contextmanager
def _receiving(members: int, history: int) -> Iterator[Sample]:
    founder, reader = found(members, SUITE_CLASSIC)
    with TemporaryDirectory() as folder:
        path = FilePath(folder) / "device.db"
        found_store(path, reader)
        _remember(path, reader, history)
        work, writer = AtWork(path), Writer(founder)

        def sample() -> float:
            items = [writer.batch(1, MESSAGE)[0] for _ in range(ROUNDS)]
            frames = [api.encode_frame(api.Deliver(GROUP, [i], i.position)) for i in items]

            def one_by_one() -> None:
                for frame, item in zip(frames, items, strict=True):
                    work.deliver([frame], item.position)

            cost = cpu_seconds(one_by_one, ROUNDS)
            if work.store.records(GROUP):
                raise RuntimeError("a message was refused")
            return cost

        try:
            yield sample
        finally:
            work.close()


@contextmanager
def _in_a_group(members: int) -> Iterator[Sample]:
    with _receiving(members, 0) as sample:
        yield sample


@contextmanager
def _after_many(history: int) -> Iterator[Sample]:
    with _receiving(2, history) as sample:
        yield sample


@contextmanager
def _commit(members: int) -> Iterator[Sample]:
    founder, reader = found(members, SUITE_CLASSIC)
    newcomer = Member.make("newcomer", SUITE_CLASSIC)
    commit, *_ = founder.members.commit(add=[newcomer.package], remove=[], policy=None)
    items = handshake(commit)
    frame = api.encode_frame(api.Deliver(GROUP, items, items[-1].position))
    with TemporaryDirectory() as folder:

        def sample() -> float:
            path = FilePath(folder) / "device.db"
            for old in path.parent.glob("device.db*"):
                old.unlink()
            found_store(path, reader)
            work = AtWork(path)
            try:
                return cpu_seconds(lambda: work.deliver([frame], items[-1].position), 1)
            finally:
                work.close()

        yield sample


@contextmanager
def _opening(history: int) -> Iterator[Sample]:
    _, reader = found(2, SUITE_CLASSIC)
    with TemporaryDirectory() as folder:
        path = FilePath(folder) / "device.db"
        found_store(path, reader)
        _remember(path, reader, history)

        def work() -> None:
            store = opened(path)
            Running(store, KEY, Stopped())
            page = store.messages(GROUP, after=history - PAGE, limit=PAGE)
            store.close()
            if len(page) != PAGE:
                raise RuntimeError("the newest page is not whole")

        yield lambda: cpu_seconds(work, 1)


CURVES = (
    Curve(
        "client: receive a message, members",
        "message",
        "members",
        MEMBERS,
        Growth.LINEAR,
        "the state that is stored with it has a few bytes of each member; all else is constant",
        _in_a_group,
    ),
    Curve(
        "client: receive a message, history",
        "message",
        "messages kept",
        HISTORY,
        Growth.LOGARITHMIC,
        "one row, and its places in three indexes",
        _after_many,
    ),
    Curve(
        "client: process a Commit",
        "commit",
        "members",
        MEMBERS,
        Growth.LINEAR,
        "the engine keeps the tree as one value, which every Commit writes anew",
        _commit,
    ),
    Curve(
        "client: start, newest page",
        "start",
        "messages kept",
        HISTORY,
        Growth.LOGARITHMIC,
        "what waits and what is shown is looked up; nothing else is read",
        _opening,
    ),
)
