"""What comes out of a provider's streams: every entry once, in order, and only while one may read.

Devices here are bare streams, so that they can be slow, rude or gone when a client would not be.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from glasslock.client.enrolment import registration
from glasslock.errors import TransportError
from glasslock.provider.config import ClockSettings
from glasslock.runtime.http import HttpClient
from glasslock.runtime.stream import ClientStream
from glasslock.wire import api
from glasslock.wire.labels import Label
from tests.unit.provider.test_batch import GROUP, NOW, Person
from tests.unit.provider.test_batch_entries import Story, Writer
from tests.village.village import PATIENCE, Village, until, village

LARGE = 65_536


@dataclass
class Wire:
    """A device's stream; answers and entries are told apart as they are read."""

    stream: ClientStream
    positions: list[int]

    async def read(self) -> api.ProviderFrame:
        frame = api.decode_provider_frame(await asyncio.wait_for(self.stream.receive(), PATIENCE))
        if isinstance(frame, api.Deliver):
            self.positions += [item.position for item in frame.entries]
        return frame

    async def send(self, *frames: api.Frame) -> None:
        for frame in frames:
            await self.stream.send(api.encode_frame(frame))

    async def ask(self, frame: api.Frame) -> api.ProviderFrame:
        await self.send(frame)
        while isinstance(answer := await self.read(), api.Deliver | api.InboxItem):
            pass
        return answer

    async def ended(self) -> None:
        """Read on until the provider closes."""
        with contextlib.suppress(TransportError):
            while True:
                await self.read()

    async def read_to(self, position: int) -> None:
        while not self.positions or self.positions[-1] < position:
            await self.read()


@dataclass
class Town:
    """A provider with a group of three whose devices are bare streams."""

    place: Village
    story: Story

    @property
    def key(self) -> bytes:
        assert self.place.provider is not None
        return self.place.provider.key

    async def wire(self, person: Person) -> Wire:
        stream = await ClientStream.connect(self.place.url, api.STREAM)
        wire = Wire(stream, [])
        device = person.device
        challenge = await wire.ask(api.Hello(device.account, device.device))
        assert isinstance(challenge, api.Challenge)
        content = api.login_content(self.key, device.account, device.device, challenge.nonce)
        answer = await wire.ask(api.Login(person.engine.sign(Label.SIGN_LOGIN, content)))
        assert isinstance(answer, api.LoggedIn)
        return wire

    async def reader(self, person: Person, after: int = 1) -> Wire:
        wire = await self.wire(person)
        assert isinstance(await wire.ask(api.Follow(9, GROUP, after)), api.Following)
        return wire

    def followers(self) -> int:
        assert self.place.provider is not None
        return len(self.place.provider._followers.get(GROUP, ()))


@contextlib.asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    async with village(folder, ClockSettings()) as place:
        assert place.provider is not None
        # The story's slots are those of when it was imported, however long ago that is.
        place.clock.offset = NOW - int(time.time())
        here = Town(place, Story.begin(place.provider._policy))
        http = HttpClient(place.url)
        for person in here.story.people:
            body = registration(here.key, person.device, person.engine, None)
            await http.post(api.DEVICES, body)
        await http.close()
        wire = await here.wire(here.story.people[0])
        for _, frame in here.story.frames:
            assert not isinstance(await wire.ask(frame), api.Refused)
        await wire.stream.close()
        yield here


async def write(wire: Wire, writer: Writer, count: int, size: int = 256) -> None:
    """Have ``count`` messages accepted, all on their way at once."""
    await wire.send(*(writer.write(size=size) for _ in range(count)))
    accepted = 0
    while accepted < count:
        frame = await wire.read()
        assert not isinstance(frame, api.Refused), frame
        accepted += isinstance(frame, api.Accepted)


async def test_who_is_up_to_date_and_who_is_behind_get_every_entry_once(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        alice, bob, carol = here.story.writers()
        one, two = await here.wire(alice.person), await here.reader(bob.person)
        await write(one, alice, 30)
        late = await here.reader(carol.person, 0)
        await asyncio.gather(write(one, alice, 200), write(two, bob, 200))
        # Whoever asks from the very beginning begins where it joined.
        for wire in (two, late):
            await wire.read_to(431)
            assert wire.positions == list(range(2, 432))


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
async def test_who_was_removed_gets_nothing_more_on_an_open_stream(
    tmp_path: Path, *, together: bool
) -> None:
    async with town(tmp_path) as here:
        alice, bob, carol = here.story.writers()
        one = await here.wire(alice.person)
        stays, leaves = await here.reader(bob.person), await here.reader(carol.person)
        await write(one, alice, 2)
        await leaves.read_to(3)
        removed = [carol.group.view.own_leaf]
        commit, welcome, info, written = alice.group.commit(add=[], remove=removed, policy=None)
        alice.person.keep(written)
        frame = api.SubmitHandshake(1, GROUP, commit, info, welcome)
        alice.merge(commit)
        # In the same batch, or just after it was told of its end.
        await one.send(frame)
        if not together:
            await leaves.read_to(4)
        await write(one, alice, 20)
        await write(one, alice, 20)
        await stays.read_to(44)
        assert stays.positions == list(range(2, 45))
        refused = await leaves.ask(carol.write())
        assert isinstance(refused, api.Refused)
        assert leaves.positions == [2, 3, 4]


async def test_who_reads_slowly_misses_nothing_and_holds_nobody_up(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        alice, bob, carol = here.story.writers()
        one = await here.wire(alice.person)
        quick, slow = await here.reader(bob.person), await here.reader(carol.person)
        for _ in range(4):
            # Together much more than any buffer between the two holds.
            await write(one, alice, 100, LARGE)
            await quick.read_to(quick.positions[-1] + 1 if quick.positions else 2)
        await quick.read_to(401)
        assert slow.positions == []
        await slow.read_to(401)
        assert slow.positions == quick.positions == list(range(2, 402))


async def test_what_a_device_sent_before_it_left_reaches_the_others(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        alice, bob, _ = here.story.writers()
        one, two = await here.wire(alice.person), await here.reader(bob.person)
        await one.send(*(alice.write() for _ in range(5)))
        await one.stream.close()
        await two.read_to(6)
        assert two.positions == [2, 3, 4, 5, 6]


async def test_a_malformed_frame_ends_a_stream_after_what_came_before_it(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        alice, bob, _ = here.story.writers()
        one, two = await here.wire(alice.person), await here.reader(bob.person)
        await one.send(alice.write(), alice.write())
        await one.stream.send(b"\xc1 no frame")
        await two.read_to(3)
        await one.ended()
        assert here.followers() == 1
        await two.stream.close()
        await until(lambda: here.followers() == 0)


@pytest.mark.parametrize("number", [-1, 1 << 63, (1 << 64) - 1])
async def test_a_number_that_no_store_keeps_harms_nobody_else(tmp_path: Path, number: int) -> None:
    async with town(tmp_path) as here:
        alice, bob, carol = here.story.writers()
        one, two = await here.wire(alice.person), await here.reader(bob.person)
        for frame in (
            api.Ack(GROUP, number),
            api.AckInbox(number),
            api.Follow(1, GROUP, number),
        ):
            rude = await here.wire(carol.person)
            await asyncio.gather(rude.send(frame), write(one, alice, 3))
            await rude.ended()
        await two.read_to(10)
        assert two.positions == list(range(2, 11))
