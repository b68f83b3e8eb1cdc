"""What a device's work costs against the size of its group and of its history.

The device is the real one of ``client_scene``: loop, session and encrypted store.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

from glasslock.client.changes import Effects, NewMessage
from glasslock.client.conversation import tree_of
from glasslock.client.running import Running
from glasslock.client.state import GroupState
from glasslock.mls import SUITE_CLASSIC, context_digest
from glasslock.wire import api
from glasslock.wire.entry import Head
from glasslock.wire.policy import PolicyExtension
from tests.bench.client_scene import (
    GROUP,
    KEY,
    NOW,
    POLICY,
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


def _found_others(path: FilePath, member: Member, count: int) -> None:
    """Put ``count`` conversations of one into a store."""
    store = opened(path)
    for number in range(count):
        group_id = b"another group %d" % number
        extension = PolicyExtension(POLICY.digest, 0).encode()
        group, _, root, written = member.engine.create_group(group_id, extension)
        view, head = group.view, Head.start(group_id)
        context = context_digest(view.context)
        tree = tree_of(root, POLICY, group_id, view.epoch, context, NOW)
        state = GroupState(group_id, POLICY.digest, view.epoch, NOW, head, tree, refreshed=NOW)
        effects = Effects(states={group_id: state})
        effects.take(written)
        store.apply(effects)
    store.close()


@contextmanager
def _receiving(members: int, history: int, others: int = 0) -> Iterator[Sample]:
    founder, reader = found(members, SUITE_CLASSIC)
    with TemporaryDirectory() as folder:
        path = FilePath(folder) / "device.db"
        found_store(path, reader)
        _remember(path, reader, history)
        _found_others(path, reader, others)
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
def _among(conversations: int) -> Iterator[Sample]:
    with _receiving(2, 0, conversations - 1) as sample:
        yield sample


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
        "client: receive a message, conversations",
        "message",
        "conversations",
        (16, 64, 256, 1_024),
        Growth.CONSTANT,
        "only conversations in which something happened are looked at",
        _among,
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
