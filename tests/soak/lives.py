"""One life of each daemon that ends early at chance: the crash journeys, at other places each time.

``make test`` kills once at every write point, where the story passes it first. Here the place is
drawn: any point, at its first, third or tenth pass, several times in a life. What must hold
afterwards is what the journeys check; a place that a story does not reach kills nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tests.journeys import (
    test_client_crash,
    test_intake_crash,
    test_keyholder_crash,
    test_log_crash,
    test_provider_crash,
    test_witness_crash,
)
from tests.journeys.mortal import Deaths
from tests.journeys.points import MOMENTS
from tests.village import test_desk_crash

# A pass far into a story is as likely as its beginning.
PASSES: Final = (1, 1, 2, 3, 4, 6, 8, 12, 16, 24)
DEATHS_IN_A_LIFE: Final = 4
POLICIES: Final = ("none", "sealed")


@dataclass(frozen=True, slots=True)
class Lived:
    """How often a life ended early, and where it was to."""

    deaths: int
    plan: str


def _drawn(chance: Random, points: Sequence[str], most: int = DEATHS_IN_A_LIFE) -> Deaths:
    count = chance.randint(1, most)
    return tuple((chance.choice(points), chance.choice(PASSES)) for _ in range(count))


async def client(folder: Path, chance: Random) -> Lived:
    """A device: conversation, messages, a renewal, several devices' views compared."""
    journey = test_client_crash
    policy = chance.choice(POLICIES)
    points = [*journey.POINTS, *(journey.LOG_POINTS if policy != "none" else ())]
    point, count = chance.choice(points), chance.choice(PASSES)
    async with journey.stage(folder / "village", policy) as place:
        bob = await place.person("bob")
        (folder / "who").write_text(f"{place.url} alice", encoding="utf-8")
        device = journey.Device(folder / "alice", point, count)
        saying_yes = asyncio.create_task(journey.say_yes(bob))
        try:
            await journey.tell_the_story(device, bob, policy)
        finally:
            saying_yes.cancel()
            await device.stop()
    return Lived(device.deaths, f"{policy} {point} {count}")


async def provider(folder: Path, chance: Random) -> Lived:
    """A provider: people, groups, commits, messages."""
    journey = test_provider_crash
    policy = chance.choice(POLICIES)
    points = [*journey.POINTS, *(journey.LOG_POINTS if policy != "none" else ())]
    point, count = chance.choice(points), chance.choice(PASSES)
    async with journey.stage(folder, policy) as place:
        await place.open(point, count)
        try:
            await journey.tell_the_story(place, policy)
        finally:
            await place.close()
    journey.check_store(folder, policy)
    return Lived(place.deaths, f"{policy} {point} {count}")


async def intake(folder: Path, chance: Random) -> Lived:
    """A provider in the life of an order: admitted, logged, handed over, disclosed."""
    journey = test_intake_crash
    point, count = chance.choice(journey.POINTS), chance.choice(PASSES[:6])
    async with journey.stage(folder) as (place, law, policy):
        await place.open(point, count)
        try:
            story = await journey.tell_the_story(place, law, policy)
            await journey.check_log(law, policy, story)
        finally:
            await place.close()
    return Lived(place.deaths, f"{point} {count}")


async def keyholder(folder: Path, chance: Random) -> Lived:
    """A keyholder: keys, proofs, an order released and one refused, notices, destruction."""
    journey = test_keyholder_crash
    points = [f"{name}.{moment}" for name in journey.NAMES for moment in MOMENTS]
    deaths = _drawn(chance, points)
    async with journey.place(folder, deaths) as here:
        await here.tell()
        here.check()
        left = len(here.to_come)
    return Lived(len(deaths) - left, _told(deaths))


async def log(folder: Path, chance: Random) -> Lived:
    """A log: a crowd beyond a tile, rounds alone and without entries."""
    journey = test_log_crash
    deaths = _drawn(chance, journey.POINTS)
    async with journey.place(folder, deaths) as here:
        here.check(await here.tell())
        left = len(here.log.to_come)
    return Lived(len(deaths) - left, _told(deaths))


async def witness(folder: Path, chance: Random) -> Lived:
    """A witness: heads that grow, forks that it is shown."""
    journey = test_witness_crash
    deaths = _drawn(chance, journey.POINTS)
    async with journey.place(folder, deaths) as here:
        await here.tell()
        await here.check()
        left = len(here.witness.to_come)
    return Lived(len(deaths) - left, _told(deaths))


async def desk(folder: Path, chance: Random) -> Lived:
    """A desk: an order from its draft to its end, stopped at every point of one moment."""
    journey = test_desk_crash
    moment = chance.choice(MOMENTS)
    async with journey.scene(folder) as here:
        points = journey.Points(moment)
        life = journey.Life(here, points)
        planned = len(points.left)
        try:
            await life.live()
        finally:
            life.office.close()
    return Lived(planned - len(points.left), moment)


def _told(deaths: Deaths) -> str:
    return ", ".join(f"{point} {count}" for point, count in deaths)


LIVES: Final[dict[str, Callable[[Path, Random], Awaitable[Lived]]]] = {
    "client": client,
    "provider": provider,
    "intake": intake,
    "keyholder": keyholder,
    "log": log,
    "witness": witness,
    "desk": desk,
}
