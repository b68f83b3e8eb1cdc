"""The provider, whole: its disk, its keys, and the order in which it shows things."""

from __future__ import annotations

from random import Random
from typing import Final

from glasslock.lab.evidence import Evidence
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import copied, everything, read_by, state_of
from glasslock.lab.theft import locks, strings
from glasslock.lab.world import World


async def copies_all(world: World, rng: Random) -> Evidence:
    """Every byte in the provider's folder, and everything in it that could be a key."""
    found = Evidence()
    unread, word = found.plant(rng, "unread"), found.plant(rng, "content")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, word, bob)
    # Bob's device before it reads holds what leads to the next message: there the search must hit.
    before = strings(state_of(bob, group))
    await world.write(group, alice, unread, bob)
    database = copied(world.database, world.folder / "copy")
    for path in sorted(world.database.parent.iterdir()):
        found.take("the provider's folder", path.read_bytes())
    keys = strings(everything(database))
    keys.add((world.database.parent / "provider.key").read_bytes()[-32:])
    targets = locks(database)
    for lock in targets:
        found.take("opened with what the provider has", *lock.opened(keys))
    found.control(
        "a reader's state opens what it has not read", "unread", targets[1].opened(before)
    )
    found.control("the words were written", "content", read_by(bob, group))
    found.fact(f"{len(targets)} slots, tried with every 32-byte value of all tables and keys")
    return found


SCENARIOS: Final = (
    Scenario(
        "server-copies-all",
        1,
        Actor.SERVER,
        "the provider's whole folder: database, journal, keys, ciphertext and seals",
        "to read one sealed message",
        Expected(Outcome.NOTHING, "no word in any file, and nothing on the disk leads to a body"),
        copies_all,
    ),
)
