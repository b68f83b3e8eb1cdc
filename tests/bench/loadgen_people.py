"""Devices and conversations of the load generator: real keys, real groups, bodies really sealed.

Everything a device would send is made and masked before the clock starts. Knows no scenario.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from glasslock.client.conversation import tree_of
from glasslock.client.enrolment import read_provider, registration
from glasslock.client.sending import Self, open_slot, write
from glasslock.client.state import GroupState
from glasslock.ids import account_id, device_id
from glasslock.mls import SUITE_CLASSIC, Device, Engine, Group, Roster, context_digest
from glasslock.runtime.http import HttpClient
from glasslock.sealing.slots import tau_at
from glasslock.wire import api
from glasslock.wire.entry import Head
from glasslock.wire.policy import Policy, PolicyExtension
from tests.bench.loadgen_wire import Wire, masked

LENGTHS: Final = (400, 500)
AT_ONCE: Final = 32


@dataclass(frozen=True)
class Place:
    """The provider under load: address, key and its policy without keyholders."""

    url: str
    key: bytes
    policy: Policy

    @classmethod
    async def at(cls, url: str) -> Place:
        """Ask the provider at ``url`` who it is."""
        http = HttpClient(url)
        try:
            key, served = read_provider(await http.get(api.HEALTH), await http.get(api.POLICIES))
        finally:
            await http.close()
        return cls(url, key, next(policy for policy in served if policy.access is None))


@dataclass(frozen=True)
class Person:
    """One registered device."""

    device: Device
    engine: Engine
    package: bytes

    async def connect(self, place: Place) -> Wire:
        """Open a stream and log in."""
        wire = await Wire.open(place.url)
        await wire.log_in(self.device, self.engine, place.key)
        return wire


async def people(place: Place, count: int, now: int) -> list[Person]:
    """Make and register ``count`` devices, each of its own account."""
    http = HttpClient(place.url)
    room = asyncio.Semaphore(AT_ONCE)
    made = [_person(now) for _ in range(count)]

    async def enter(each: Person) -> None:
        async with room:
            body = registration(place.key, each.device, each.engine, None)
            await http.post(api.DEVICES, body)

    try:
        await asyncio.gather(*(enter(each) for each in made))
    finally:
        await http.close()
    return made


def _person(now: int) -> Person:
    device = Device(account_id(f"load-{os.urandom(8).hex()}"), device_id(os.urandom(16)))
    engine, written = Engine.create(os.urandom(32), SUITE_CLASSIC, device.identity())
    written.confirm()
    package, written = engine.key_package(now, last_resort=False)
    written.confirm()
    return Person(device, engine, package)


@dataclass
class Talk:
    """A conversation as its one writer knows it."""

    writer: Person
    policy: Policy
    group: Group
    state: GroupState

    @property
    def group_id(self) -> bytes:
        """Its group id."""
        return self.state.group_id

    def messages(self, count: int, now: int, seed: int) -> Iterator[bytes]:
        """Make the next ``count`` messages as encoded frames, ids from 1."""
        dice = random.Random(seed)
        view = self.group.view
        me = Self(
            self.policy,
            context_digest(view.context),
            Roster.of(view.members),
            view.own_leaf,
            self.writer.engine.sign,
        )
        state = self.state
        opened = None
        if state.sending is None:
            state, opened = open_slot(me, state, tau_at(self.policy.clocks, now), now)
        for number in range(1, count + 1):
            content = dice.randbytes(dice.randint(*LENGTHS))
            envelope, state, _ = write(me, state, content, os.urandom(32), opened)
            opened = None
            yield api.encode_frame(api.SubmitEnvelope(number, self.group_id, envelope.encode()))
        self.state = state

    def frames(self, count: int, now: int, seed: int) -> list[bytes]:
        """Make the next ``count`` messages, masked for the wire."""
        return [masked(frame) for frame in self.messages(count, now, seed)]


async def talk(
    place: Place, writer: Person, others: Sequence[Person], wire: Wire, now: int
) -> Talk:
    """Create a group over ``wire``, the writer's stream, and add ``others`` by one commit."""
    group_id = os.urandom(16)
    extension = PolicyExtension(place.policy.digest, 0).encode()
    group, info, root, written = writer.engine.create_group(group_id, extension)
    written.confirm()
    await wire.ask(api.CreateGroup(1, group_id, info))
    packages = [each.package for each in others]
    commit, welcome, info, written = group.commit(add=packages, remove=[], policy=None)
    written.confirm()
    verdict = await wire.ask(api.SubmitHandshake(2, group_id, commit, info, welcome))
    assert isinstance(verdict, api.Accepted)
    merged, written = group.stage(commit).accept()
    written.confirm()
    root = merged or root
    view = group.view
    state = GroupState(
        group_id=group_id,
        policy=place.policy.digest,
        epoch=view.epoch,
        began=now,
        head=Head(verdict.position, verdict.time, verdict.head),
        tree=tree_of(root, place.policy, group_id, view.epoch, context_digest(view.context), now),
    )
    return Talk(writer, place.policy, group, state)
