"""A device at work beside a provider that a test plays: real loop, session and encrypted store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from glasslock.client.events import Event
from glasslock.errors import StorageError
from glasslock.mls import SUITE_CLASSIC, Engine
from glasslock.runtime.sqlite import WritePoint, no_point
from glasslock.wire import api
from glasslock.wire.entry import decode_receipt, device_next, handshake_digest
from glasslock.wire.envelope import decode_envelope
from tests.bench.client_scene import (
    GROUP,
    KEY,
    NOW,
    AtWork,
    Member,
    found,
    found_store,
    receipted,
)

# Of the loop; far more than a frame takes from the wire into the store.
TURNS = 200


class Disk:
    """The write points of a store: what passes them is noted, and one of them may fail."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.fails: Callable[[str], bool] = lambda _name: False

    def __call__(self, name: str) -> None:
        if self.fails(name):
            raise StorageError("the disk is full", rule="storage.full")
        self.passed.append(name)


@contextmanager
def device(folder: Path, point: WritePoint = no_point) -> Iterator[tuple[AtWork, Member]]:
    """A device in a group with the member that is given with it."""
    founder, reader = found(2, SUITE_CLASSIC)
    path = folder / "device.db"
    found_store(path, reader)
    work = AtWork(path, point)
    try:
        yield work, founder
    finally:
        work.close()


def send(work: AtWork, content: bytes) -> asyncio.Task[int]:
    """Give the device a message; the task is its command."""
    running = work.running
    command = running.carry_out(lambda: running.session.send(GROUP, content, NOW))
    return work.loop.create_task(command)


def outcomes(work: AtWork, *tasks: asyncio.Task[int]) -> list[int | BaseException]:
    """Let commands end; returns what their callers were told."""
    return work.loop.run_until_complete(asyncio.wait_for(_all(tasks), 10.0))


async def _all(tasks: tuple[asyncio.Task[int], ...]) -> list[int | BaseException]:
    return await asyncio.gather(*tasks, return_exceptions=True)


def submitted(work: AtWork) -> list[api.SubmitEnvelope]:
    """Return the envelopes that have left."""
    frames = [api.decode_device_frame(frame) for frame in work.wire.sent]
    return [frame for frame in frames if isinstance(frame, api.SubmitEnvelope)]


def accepted(work: AtWork, frame: api.SubmitEnvelope) -> tuple[api.Accepted, api.EntryItem]:
    """The provider's yes to an envelope, as the next entry of the line, and that entry."""
    digest = decode_envelope(frame.envelope).digest
    (item,), work.head = receipted(work.head, [(digest, frame.envelope)], "envelope")
    q, line = work._line
    work._line = (q + 1, device_next(line, q + 1, digest))
    head = decode_receipt(item.receipt).leaf.head
    verdict = api.Accepted(frame.id, item.position, item.time, head, item.receipt, *work._line)
    return verdict, item


def arrive(work: AtWork, *frames: api.ProviderFrame | bytes) -> None:
    """Let frames arrive, all at once, and the device take them in."""
    work.wire.put(each if isinstance(each, bytes) else api.encode_frame(each) for each in frames)
    settle(work)


def settle(work: AtWork) -> None:
    """Let the device go on as far as it can: nothing here waits for time or threads."""

    async def turns() -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    work.loop.run_until_complete(turns())


def deliver(*items: api.EntryItem) -> api.Deliver:
    """Entries as the provider sends them."""
    return api.Deliver(GROUP, list(items), items[-1].position)


def removal(founder: Member, work: AtWork) -> api.Deliver:
    """A commit of the founder that removes the device, as the line's next entry."""
    mine = work.running.device.identity()
    (leaf,) = [each.leaf for each in founder.members.view.members if each.identity == mine]
    commit, *_ = founder.members.commit(add=[], remove=[leaf], policy=None)
    items, work.head = receipted(work.head, [(handshake_digest(commit), commit)], "handshake")
    return deliver(*items)


def strangers_package() -> bytes:
    """A KeyPackage whose identity is none of ours."""
    engine, written = Engine.create(KEY, SUITE_CLASSIC, b"not an identity")
    written.confirm()
    package, written = engine.key_package(NOW, last_resort=False)
    written.confirm()
    return package


def told(work: AtWork) -> list[Event]:
    """Return what the device has told its person since the last time."""
    events, found_events = work.running._events, list[Event]()
    while not events.empty():
        found_events.append(events.get_nowait())
    return found_events


def states(work: AtWork) -> list[tuple[str, bytes]]:
    """Return state and content of the stored messages."""
    return [(message.state, message.content) for message in work.store.messages(GROUP)]
