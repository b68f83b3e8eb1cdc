"""What a message costs the provider: against its readers, others who are connected, its history.

The provider is the real one over a real folder, with every stream that is open; what is left out
is the socket: a stream here keeps nothing of what it is given.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import cast

from glasslock.client.conversation import tree_of
from glasslock.client.enrolment import registration
from glasslock.client.sending import Self, open_slot, write
from glasslock.client.state import GroupState
from glasslock.errors import TransportError
from glasslock.mls import SUITE_CLASSIC, Roster, context_digest
from glasslock.provider.app import Provider
from glasslock.provider.config import ProviderConfig
from glasslock.runtime.server import HttpRequest, Stream
from glasslock.sealing.slots import tau_at
from glasslock.wire import api
from glasslock.wire.entry import Head
from glasslock.wire.policy import Policy, PolicyExtension
from tests.bench.client_scene import GROUP, NOW, Member, Stopped
from tests.bench.curve import Curve, Growth, Sample, cpu_seconds
from tests.bench.references import MESSAGE

MESSAGES = 50
FEW = 4
PAGE = 100
AHEAD = 500


@dataclass
class Reader:
    """A device's stream without a socket: what the device says, and what it was given."""

    device: Member
    provider_key: bytes
    given: int = 0
    _says: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    async def receive(self) -> bytes:
        """Return what the device says next."""
        return await self._says.get()

    async def receive_all(self) -> list[bytes]:
        """Return the same as a list; raises ``TransportError`` at the end."""
        if not (frame := await self._says.get()):
            raise TransportError("the stream was closed", rule="stream.closed")
        return [frame]

    async def send(self, frame: bytes) -> None:
        """Answer a challenge; pass over everything else."""
        told = api.decode_provider_frame(frame)
        if isinstance(told, api.Challenge):
            who = self.device.device
            content = api.login_content(self.provider_key, who.account, who.device, told.nonce)
            self.say(api.Login(self.device.engine.sign("login", content)))

    async def send_framed(self, _frames: bytes) -> None:
        """Take what was read for this device alone."""
        self.given += 1

    def offer(self, _frames: bytes) -> bool:
        """Take what all readers are given."""
        self.given += 1
        return True

    async def close(self) -> None:
        """Close."""
        self._says.put_nowait(b"")

    def say(self, frame: api.DeviceFrame) -> None:
        """Have the device say something."""
        self._says.put_nowait(api.encode_frame(frame))


class Place:
    """A provider, a group of which the first member writes, and everybody who is connected."""

    def __init__(self, folder: FilePath) -> None:
        """Open a fresh provider."""
        self.loop = asyncio.new_event_loop()
        self.provider = Provider(ProviderConfig(folder / "data"), Stopped())
        self.readers: list[Reader] = []
        self._serving: list[asyncio.Task[None]] = []
        self._sent = 0

    def close(self) -> None:
        """Close everything."""
        self.loop.run_until_complete(self._close())
        self.loop.close()

    async def _close(self) -> None:
        await self.provider.close()
        for each in self._serving:
            each.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def enter(self, count: int) -> list[Member]:
        """Register ``count`` devices and log them in."""
        made = [Member.make(f"reader-{os.urandom(6).hex()}", SUITE_CLASSIC) for _ in range(count)]
        self.loop.run_until_complete(self._enter(made))
        return made

    async def _enter(self, made: Sequence[Member]) -> None:
        for each in made:
            body = registration(self.provider.key, each.device, each.engine, None)
            await self.provider._post_device(HttpRequest("POST", "", {}, {}, {}, body))
            reader = Reader(each, self.provider.key)
            self.readers.append(reader)
            stream = self.provider._serve_stream(cast(Stream, reader))
            self._serving.append(asyncio.create_task(stream))
            reader.say(api.Hello(each.device.account, each.device.device))
        await self._until(lambda: len(self.provider._connections) == len(self.readers))

    async def _until(self, holds: Callable[[], bool]) -> None:
        for _ in range(100_000):
            if holds():
                return
            await asyncio.sleep(0.0005)
        raise RuntimeError("the provider does not come to an end")

    def found(self, members: Sequence[Member]) -> None:
        """Make a group of ``members``; all but the first follow it."""
        self.loop.run_until_complete(self._found(members))

    async def _ask(self, device: Member, frame: api.DeviceFrame) -> api.ProviderFrame:
        (answer,) = await self.provider.carry_out(device.device, [frame])
        if answer is None or isinstance(answer, api.Refused):
            raise RuntimeError(f"refused: {answer}")
        return answer

    async def _found(self, members: Sequence[Member]) -> None:
        founder = members[0]
        policy = self.policy
        extension = PolicyExtension(policy.digest, 0).encode()
        group, info, root, written = founder.engine.create_group(GROUP, extension)
        written.confirm()
        await self._ask(founder, api.CreateGroup(1, GROUP, info))
        packages = [each.package for each in members[1:]]
        commit, welcome, info, written = group.commit(add=packages, remove=[], policy=None)
        written.confirm()
        frame = api.SubmitHandshake(2, GROUP, commit, info, welcome)
        verdict = await self._ask(founder, frame)
        assert isinstance(verdict, api.Accepted)
        merged, written = group.stage(commit).accept()
        written.confirm()
        founder.group = group
        view = group.view
        context = context_digest(view.context)
        head = Head(verdict.position, verdict.time, verdict.head)
        tree = tree_of(merged or root, policy, GROUP, view.epoch, context, NOW)
        self._state = GroupState(GROUP, policy.digest, view.epoch, NOW, head, tree)
        self._me = Self(policy, context, Roster.of(view.members), 0, founder.engine.sign)
        self._writer = founder
        inside = {each.device for each in members[1:]}
        self._following = [each for each in self.readers if each.device.device in inside]
        for reader in self._following:
            reader.say(api.Follow(3, GROUP, verdict.position))
        office = self.provider._followers
        await self._until(lambda: len(office.get(GROUP, ())) == len(self._following))
        await self._until(self._settled)

    def _settled(self) -> bool:
        """Whether no stream reads from the store any more."""
        return all(each._catching_up is None for each in self.provider._connections.values())

    @property
    def policy(self) -> Policy:
        """The provider's policy without keyholders."""
        return self.provider._policy

    def messages(self, count: int) -> list[api.SubmitEnvelope]:
        """Write the next messages."""
        frames = []
        for _ in range(count):
            opened = None
            if self._state.sending is None:
                tau = tau_at(self.policy.clocks, NOW)
                self._state, opened = open_slot(self._me, self._state, tau, NOW)
            envelope, self._state, _ = write(self._me, self._state, MESSAGE, os.urandom(32), opened)
            self._sent += 1
            frames.append(api.SubmitEnvelope(self._sent, GROUP, envelope.encode()))
        return frames

    def send(self, frames: Sequence[api.SubmitEnvelope], at_once: int = 1) -> None:
        """Have the provider take messages, ``at_once`` in a batch, and give them to all readers."""
        before = [each.given for each in self._following]
        batches = 0

        async def work() -> None:
            nonlocal batches
            for at in range(0, len(frames), at_once):
                batch = frames[at : at + at_once]
                answers = await self.provider.carry_out(self._writer.device, batch)
                batches += 1
                if not all(isinstance(each, api.Accepted) for each in answers):
                    raise RuntimeError(f"refused: {answers}")
            await self._until(
                lambda: all(
                    reader.given >= count + batches
                    for reader, count in zip(self._following, before, strict=True)
                )
            )

        self.loop.run_until_complete(work())


@contextmanager
def _place(members: int, *, beside: int = 0, stored: int = 0) -> Iterator[Place]:
    with TemporaryDirectory() as folder:
        place = Place(FilePath(folder))
        try:
            inside = place.enter(members)
            place.enter(beside)
            place.found(inside)
            for at in range(0, stored, AHEAD):
                place.send(place.messages(min(AHEAD, stored - at)), AHEAD)
            yield place
        finally:
            place.close()


def _sending(place: Place) -> Sample:
    def sample() -> float:
        frames = place.messages(MESSAGES)
        return cpu_seconds(lambda: place.send(frames), MESSAGES)

    return sample


@contextmanager
def _fan_out(members: int) -> Iterator[Sample]:
    with _place(members) as place:
        yield _sending(place)


@contextmanager
def _beside(connected: int) -> Iterator[Sample]:
    with _place(FEW, beside=connected) as place:
        yield _sending(place)


@contextmanager
def _after_many(stored: int) -> Iterator[Sample]:
    with _place(FEW, stored=stored) as place:
        yield _sending(place)


@contextmanager
def _catch_up(stored: int) -> Iterator[Sample]:
    with _place(FEW, stored=stored) as place:
        reader = place._following[0].device.device

        async def read() -> None:
            unread = await place.provider.unread(GROUP, reader, 1 + stored - PAGE)
            if len(unread.entries) != PAGE:
                raise RuntimeError(f"{len(unread.entries)} entries of {PAGE} were read")

        yield lambda: cpu_seconds(lambda: place.loop.run_until_complete(read()), 1)


CURVES = (
    Curve(
        "delivery: a message to everybody online",
        "message",
        "members",
        (8, 32, 128, 512),
        Growth.LINEAR,
        "one frame is made and given to every reader",
        _fan_out,
    ),
    Curve(
        "delivery: a message beside other devices",
        "message",
        "devices connected",
        (8, 64, 256, 1_024),
        Growth.CONSTANT,
        "nobody is looked at who does not follow the conversation",
        _beside,
    ),
    Curve(
        "delivery: a message after others",
        "message",
        "entries stored",
        (250, 1_000, 4_000, 16_000),
        Growth.LOGARITHMIC,
        "rows at the end of a table, and their places in its indexes",
        _after_many,
    ),
    Curve(
        "delivery: the newest hundred entries",
        "read",
        "entries stored",
        (250, 1_000, 4_000, 16_000),
        Growth.LOGARITHMIC,
        "a range of one index",
        _catch_up,
    ),
)
