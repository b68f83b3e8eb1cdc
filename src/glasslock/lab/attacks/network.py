"""The network between, with TLS broken and the provider's key stolen: true words, false places."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Final

from glasslock.client import Client
from glasslock.lab.between import entry_after, head_of, kept_back, show
from glasslock.lab.evidence import Evidence
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import noted_by, read_by
from glasslock.lab.world import World, until


async def replays(world: World, rng: Random) -> Evidence:
    """Show a recorded message again: in another conversation, in its own, in a later epoch."""
    found = Evidence()
    here, word = found.sample(rng, "in its place"), found.plant(rng, "replayed")
    group, (alice, bob) = await world.talk("alice", "bob")
    other = await alice.create_conversation(["bob"], world.policy)
    await world.accept(other, bob)
    recorded = await kept_back(alice, group, word)
    places = {"another conversation": other, "its own conversation, in a later epoch": group}
    await alice.refresh(group)
    await until(partial(_same_head, alice, bob, group))
    for place, where in places.items():
        item, _ = entry_after(world, where, head_of(bob, where), recorded)
        await show(world, bob, where, item)
        found.take(place, *read_by(bob, where))
        found.refused |= {f"bob's disk, {place}: {rule}" for rule in noted_by(bob, where)}
    third = await alice.create_conversation(["bob"], world.policy)
    await world.accept(third, bob)
    once = await kept_back(alice, third, here)
    first, head = entry_after(world, third, head_of(bob, third), once)
    second, _ = entry_after(world, third, head, once)
    await show(world, bob, third, first, second)
    shown = read_by(bob, third)
    found.control("the same bytes are read in their place", "in its place", shown)
    found.refused |= {f"bob's disk, a second time: {rule}" for rule in noted_by(bob, third)}
    found.fact(f"shown twice, kept {len(shown)} time")
    return found


def _same_head(one: Client, other: Client, group: bytes) -> bool:
    return head_of(one, group) == head_of(other, group)


SCENARIOS: Final = (
    Scenario(
        "network-replays",
        7,
        Actor.NETWORK,
        "everything on the wire, and the provider's signing key",
        "to have a recorded message read where it was not written: in another conversation, in a "
        "later epoch, a second time",
        Expected(
            Outcome.REFUSED,
            "it is read once, in its place, and nowhere else",
            marks=(
                "bob's disk, a second time: receive.close",
                "bob's disk, another conversation: receive.opening",
                "bob's disk, its own conversation, in a later epoch: receive.epoch",
            ),
        ),
        replays,
    ),
)
