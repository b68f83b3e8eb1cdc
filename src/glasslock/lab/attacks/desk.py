"""The desk with everything it was given: more than one case key opens, more than was granted."""

from __future__ import annotations

from random import Random
from typing import Final

from glasslock import hpke
from glasslock.errors import VerificationError
from glasslock.lab.evidence import Evidence
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import copied, opened_by_release, opened_with, seeds_of, stolen_slots
from glasslock.lab.theft import locks
from glasslock.lab.world import World
from glasslock.sealing.releasing import take_share, unlock
from glasslock.sealing.shares import combine, verify_slot
from glasslock.wire.release import Release


async def opened_order(world: World, group: bytes, account: str) -> list[Release]:
    """Have an order over what ``account`` wrote lately admitted and released by everybody."""
    world.clock.offset += 2 * world.policy.clocks.slot_seconds
    order = world.order(world.grant(group, account))
    await world.ask(world.issue(order))
    world.open_keyholders()
    return await world.released(world.plan.seats)


async def alone(world: World, rng: Random) -> Evidence:
    """The agency has every release and no key of the court registry, and the other way round."""
    found = Evidence()
    word = found.plant(rng, "content")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, word, bob)
    releases = await opened_order(world, group, "alice")
    slots = stolen_slots(copied(world.database, world.folder / "copy"))
    agency, court = world.bodies.agency, world.bodies.court
    others = [hpke.DecryptionKey.from_seed(rng.randbytes(32)), agency, court]
    for pair in [(agency, x) for x in others[:2]] + [(x, court) for x in (others[0], court)]:
        opened, _ = opened_by_release(slots, world.policy, releases, *pair)
        found.take("one case key", *opened)
    both, _ = opened_by_release(slots, world.policy, releases, agency, court)
    found.control("both case keys open it", "content", both)
    return found


async def reads_on(world: World, rng: Random) -> Evidence:
    """Everything that a regular opening gave is tried on the slots beside it."""
    found = Evidence()
    granted = found.sample(rng, "granted")
    before, beside = found.plant(rng, "before"), found.plant(rng, "by another person")
    after = found.plant(rng, "after")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, before, bob)
    world.clock.offset += 80 * world.policy.clocks.slot_seconds
    await world.write(group, bob, beside, alice)
    await world.write(group, alice, granted, bob)
    releases = await opened_order(world, group, "alice")
    await world.write(group, alice, after, bob)
    database = copied(world.database, world.folder / "copy")
    slots = stolen_slots(database)
    keys = (world.bodies.agency, world.bodies.court)
    opened, _ = opened_by_release(slots, world.policy, releases, *keys)
    found.take("what was released", *opened)
    found.control("the granted slot opens", "granted", opened)
    secrets: set[bytes] = set()
    for stolen in slots:
        slot = verify_slot(stolen.facts, world.policy)
        shares = {}
        for release in releases:
            unlocked = unlock(release, *keys)
            for part in release.slots:
                if part.slot == slot.header.digest:
                    shares[release.seat] = take_share(release, unlocked, part)
        if shares:
            secrets |= {combine(slot, shares), *(each.share for each in shares.values())}
            secrets |= {each.blind for each in shares.values()}
    for lock in locks(database):
        found.take("keys of the granted slot, tried elsewhere", *lock.opened(secrets))
    everything = opened_with(slots, world.policy, seeds_of(world.daemons, range(world.plan.seats)))
    for label in ("before", "by another person", "after"):
        found.control(f"it was written, and keyholders could open it: {label}", label, everything)
    return found


async def second_case(world: World, rng: Random) -> Evidence:
    """Releases of one case are put in as those of another, signed anew by nobody and by a thief."""
    found = Evidence()
    word = found.plant(rng, "content")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, word, bob)
    releases = await opened_order(world, group, "alice")
    slots = stolen_slots(copied(world.database, world.folder / "copy"))
    keys = (world.bodies.agency, world.bodies.court)
    other = rng.randbytes(32)
    moved = [
        Release(other, each.seat, each.agency_key, each.registry_key, each.slots)
        for each in releases
    ]
    try:
        found.take("as of another case", *opened_by_release(slots, world.policy, moved, *keys)[0])
    except VerificationError:
        found.fact("an error stopped the reading")
    own, _ = opened_by_release(slots, world.policy, releases, *keys)
    found.control("they open in their own case", "content", own)
    return found


SCENARIOS: Final = (
    Scenario(
        "desk-alone",
        30,
        Actor.DESK,
        "every release of an order, and one of the two case keys",
        "to open without the other body",
        Expected(Outcome.NOTHING, "neither the agency nor the court registry opens anything alone"),
        alone,
    ),
    Scenario(
        "desk-reads-on",
        24,
        Actor.DESK,
        "everything a regular opening gave, both case keys, and the provider's whole database",
        "to read the slots before, beside and after those the order names",
        Expected(Outcome.NOTHING, "the granted slot opens; no key of it leads to another"),
        reads_on,
    ),
    Scenario(
        "desk-second-case",
        25,
        Actor.DESK,
        "every release of one case, and both case keys",
        "to use them as the releases of another case",
        Expected(
            Outcome.NOTHING, "releases are bound to their order: as another's they open nothing"
        ),
        second_case,
    ),
)
