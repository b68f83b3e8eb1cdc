"""A member with everything members have: words in somebody's mouth, and time outside its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Final

from glasslock.client import Client
from glasslock.client.sending import Self, open_slot, write
from glasslock.client.state import Sending
from glasslock.lab.between import entry_after, head_of, kept_back, show
from glasslock.lab.evidence import Evidence
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import copied, noted_by, read_by, state_of
from glasslock.lab.theft import locks, strings
from glasslock.lab.world import World, until
from glasslock.sealing.slots import tau_at
from glasslock.wire.envelope import Envelope

NAMES: Final = ("alice", "bob", "mallory")
FRESH: Final = 32
Forgery = Callable[[World, Client, bytes, str], Envelope]


def _as_alice(mallory: Client, group: bytes) -> Self:
    """Return mallory at alice's place: every key but the one she signs with."""
    talk, session = mallory._session.conversations[group], mallory._session
    (leaf,) = talk.roster.of_account("alice")
    book = session.policies.book(talk.policy)
    return Self(talk.policy, talk.context, talk.roster, leaf.index, session.engine.sign, book)


def in_her_slot(_world: World, mallory: Client, group: bytes, text: str) -> Envelope:
    """Make the next message of alice's open slot, under the key that all members have next."""
    me, state = _as_alice(mallory, group), mallory._session.conversations[group].state
    chain = state.chains[me.leaf]
    sending = Sending(chain.tau, chain.slot, chain.key, chain.m, chain.last)
    ahead = replace(state, sending=sending)
    return write(me, ahead, text.encode(), os.urandom(FRESH), None)[0]


def in_a_new_slot(world: World, mallory: Client, group: bytes, text: str) -> Envelope:
    """Open a slot of alice's, with the secret that all members derive for her, and write in it."""
    me, state = _as_alice(mallory, group), mallory._session.conversations[group].state
    now = world.clock.now()
    state, opened = open_slot(me, state, tau_at(me.policy.clocks, now), now)
    return write(me, state, text.encode(), os.urandom(FRESH), opened)[0]


async def together(world: World, people: list[Client]) -> bytes:
    """Have the first open a conversation with the others; return it once all are at one place."""
    group = await people[0].create_conversation(NAMES[1:], world.policy)
    await world.accept(group, *people[1:])
    await until(lambda: len({head_of(each, group) for each in people}) == 1)
    return group


def _all_read(people: tuple[Client, ...], group: bytes) -> bool:
    return all(read_by(each, group) for each in people)


async def frames(world: World, rng: Random) -> Evidence:
    """Mallory and the provider show bob what alice never wrote, right in all but her signature."""
    found = Evidence()
    alice, bob, mallory = people = [await world.person(name) for name in NAMES]
    forgeries: dict[str, Forgery] = {"her open slot": in_her_slot, "a new slot": in_a_new_slot}
    for place, forge in forgeries.items():
        word = found.plant(rng, f"in {place}")
        group = await together(world, people)
        if forge is in_her_slot:
            await alice.send(group, "her own words")
            await until(partial(_all_read, (bob, mallory), group))
        before = head_of(bob, group)
        item, _ = entry_after(world, group, before, forge(world, mallory, group, word))
        await show(world, bob, group, item)
        found.take(f"bob's disk, {place}", *read_by(bob, group))
        found.refused |= {f"bob's disk, {place}: {rule}" for rule in noted_by(bob, group)}
    own = found.sample(rng, "in her own name")
    group = await together(world, people)
    envelope = await kept_back(mallory, group, own)
    item, _ = entry_after(world, group, head_of(bob, group), envelope)
    await show(world, bob, group, item)
    found.control("in mallory's own name bob reads it", "in her own name", read_by(bob, group))
    return found


async def joins(world: World, rng: Random) -> Evidence:
    """Carol joins a running conversation, with the provider's whole database."""
    found = Evidence()
    early = found.plant(rng, "an epoch before"), found.plant(rng, "just before")
    own = found.sample(rng, "while she is in")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, early[0], bob)
    await alice.refresh(group)
    await until(lambda: head_of(bob, group) == head_of(alice, group))
    unread = strings(state_of(bob, group))
    await world.write(group, alice, early[1], bob)
    carol = await world.person("carol")
    await alice.invite(group, "carol")
    await world.accept(group, carol)
    secrets = strings(state_of(carol, group))
    await world.write(group, alice, own, bob, carol)
    secrets |= strings(state_of(carol, group))
    targets = locks(copied(world.database, world.folder / "copy"))
    for lock in targets:
        found.take("opened with what she has", *lock.opened(secrets))
    found.take("her messages", *read_by(carol, group))
    # Bob's state from before opens the one that carol must not: the search is able to.
    found.control("she reads what is hers", "while she is in", read_by(carol, group))
    opened = [content for lock in targets for content in lock.opened(unread)]
    found.control("a member of that time opens it", "just before", opened)
    return found


SCENARIOS: Final = (
    Scenario(
        "member-joins",
        14,
        Actor.MEMBER,
        "an invited person's device, and the provider's whole database",
        "to read what was written before",
        Expected(Outcome.NOTHING, "nothing of the epochs before leads to anything the joiner has"),
        joins,
    ),
    Scenario(
        "member-frames",
        16,
        Actor.MEMBER,
        "a member's device with all keys that members share, and the provider's signing key",
        "to have another member read words as alice's that she never wrote",
        Expected(
            Outcome.REFUSED,
            "right in every key and not signed by her, they are shown to nobody",
            marks=(
                "bob's disk, a new slot: slot.signature",
                "bob's disk, her open slot: body.signature",
            ),
        ),
        frames,
    ),
)
