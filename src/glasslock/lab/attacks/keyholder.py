"""One keyholder with its keys: it lies, or it is not there."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations
from random import Random
from typing import Final

from glasslock.lab.evidence import Evidence
from glasslock.lab.founding import TWO_LOCKS, Plan
from glasslock.lab.modified import flipped
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import copied, opened_by_release, seeds_of, stolen_slots
from glasslock.lab.world import World
from glasslock.sealing.releasing import FRESH, CaseKeys, make_release
from glasslock.sealing.shares import verify_slot
from glasslock.wire.release import Release

LIE: Final = "its share is not what the sender sealed to it"


def honest_releases(world: World, rng: Random, *lying: int) -> list[Release]:
    """Return a release of every keyholder, made with real keys; those ``lying`` change a bit."""
    slots = stolen_slots(copied(world.database, world.folder / f"copy-{rng.random()}"))
    order = rng.randbytes(32)
    keys = CaseKeys(world.bodies.agency.public, world.bodies.court.public)
    found = []
    for seat in range(world.plan.seats):
        seeds = seeds_of(world.daemons, [seat])
        shares = []
        for stolen in slots:
            slot = verify_slot(stolen.facts, world.policy)
            share = stolen.shares(slot, seeds)[seat]
            if seat in lying:
                share = replace(share, share=flipped(share.share, rng.randrange(32)))
            shares.append((slot, share))
        found.append(make_release(order, keys, shares, rng.randbytes(FRESH), world.keys[seat]))
    return found


async def lies(world: World, rng: Random) -> Evidence:
    """Each keyholder in turn releases a false share, well signed and well sealed to the desk."""
    found = Evidence()
    word = found.sample(rng, "content")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, word, bob)
    world.open_keyholders()
    slots = stolen_slots(copied(world.database, world.folder / "copy"))
    keys = (world.bodies.agency, world.bodies.court)
    for liar in range(world.plan.seats):
        releases = honest_releases(world, rng, liar)
        opened, false = opened_by_release(slots, world.policy, releases, *keys)
        found.named |= {f"keyholder-{seat}, when keyholder-{liar} lied: {LIE}" for seat in false}
        found.control(f"the others open it without keyholder-{liar}", "content", opened)
    return found


async def stays_away(world: World, rng: Random) -> Evidence:
    """Every set of keyholders that may be missing is missing: the rest must still open it."""
    found = Evidence()
    word = found.sample(rng, "content")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, word, bob)
    world.open_keyholders()
    slots = stolen_slots(copied(world.database, world.folder / "copy"))
    releases = honest_releases(world, rng)
    (few, few_seats), (many, many_seats) = world.plan.shape
    first = subsets_up_to(range(few_seats), few_seats - few)
    second = subsets_up_to(range(few_seats, few_seats + many_seats), many_seats - many)
    keys = (world.bodies.agency, world.bodies.court)
    for one in first:
        for other in second:
            left = [each for each in releases if each.seat not in {*one, *other}]
            opened, _ = opened_by_release(slots, world.policy, left, *keys)
            found.control(f"without {one} and {other}", "content", opened)
    found.fact(f"{len(found.controls)} sets of absent keyholders; the rest opened it each time")
    return found


def subsets_up_to(seats: range, most: int) -> list[tuple[int, ...]]:
    """Return every set of at most ``most`` of ``seats``."""
    return [*chain.from_iterable(combinations(seats, size) for size in range(most + 1))]


SCENARIOS: Final = (
    Scenario(
        "keyholder-lies",
        18,
        Actor.KEYHOLDER,
        "one keyholder's keys, each of the eight in turn",
        "to spoil an opening with a false share, unseen",
        Expected(
            Outcome.NAMED,
            "the sender's commitment names the liar and nobody else; the others open it",
            marks=tuple(f"keyholder-{n}, when keyholder-{n} lied: {LIE}" for n in range(8)),
        ),
        lies,
        Plan(TWO_LOCKS),
    ),
    Scenario(
        "keyholder-stays-away",
        19,
        Actor.KEYHOLDER,
        "as many keyholders of each class as are not needed",
        "to stop an opening by refusing, or by being destroyed",
        Expected(Outcome.NOTHING, "while each class has its threshold left, the order is opened"),
        stays_away,
        Plan(TWO_LOCKS),
    ),
)
