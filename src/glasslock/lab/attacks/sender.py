"""A member with a changed client, who writes so that an order would find less, or another thing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, Final

from glasslock.client import Client
from glasslock.errors import VerificationError
from glasslock.lab import modified
from glasslock.lab.between import entry_after, head_of, kept_back, show
from glasslock.lab.evidence import Evidence
from glasslock.lab.modified import Maker
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import (
    copied,
    noted_by,
    opened_with,
    read_by,
    rows,
    seeds_of,
    stolen_slots,
)
from glasslock.lab.theft import locks
from glasslock.lab.world import World, state_is, until
from glasslock.sealing import body
from glasslock.wire.envelope import MessageHeader, Opening
from glasslock.wire.seal import SEALED_SIZE

ENC: Final = 1_120


def _wrong_seals(rng: Random, seats: int) -> list[Maker]:
    makers = [modified.commitment(rng.randrange(32))]
    for seat in range(seats):
        makers.append(modified.share(seat, rng.randrange(SEALED_SIZE)))
        makers.append(modified.share(seat, rng.randrange(32), "commit"))
        makers.append(modified.encapsulation(seat, rng.randrange(ENC)))
    return makers


def _all_judged(readers: list[Client], group: bytes, count: int) -> bool:
    """Say whether each reader has shown or refused as many entries."""
    return all(len(each.records(group)) + len(read_by(each, group)) >= count for each in readers)


async def wrong_seal(world: World, rng: Random) -> Evidence:
    """Random bits of every part of a seal are wrong, one slot each, all of it well signed."""
    found = Evidence()
    honest, hidden = found.sample(rng, "honest"), found.plant(rng, "unsealed")
    group, (mallory, *readers) = await world.talk("mallory", "bob", "carol")
    makers = _wrong_seals(rng, world.plan.seats)
    for number, make in enumerate(makers, 1):
        modified.modified(mallory, group, make=make)
        await mallory.send(group, hidden)
        await until(partial(_all_judged, readers, group, number))
        world.clock.offset += world.policy.clocks.slot_seconds
    modified.modified(mallory, group)
    await world.write(group, mallory, honest, *readers)
    for reader in readers:
        found.take(f"{reader.account}'s disk", *read_by(reader, group))
        found.control(f"{reader.account} reads the honest slot", "honest", read_by(reader, group))
        found.named |= {
            f"mallory, on {reader.account}'s disk: {rule}" for rule in noted_by(reader, group)
        }
    found.fact(f"{len(makers)} wrong seals, each read by nobody")
    return found


async def other_key(world: World, rng: Random) -> Evidence:
    """The seal is right and the body is under another key, which only an accomplice knows."""
    found = Evidence()
    honest, hidden = found.sample(rng, "honest"), found.plant(rng, "under another key")
    group, (mallory, bob) = await world.talk("mallory", "bob")
    other = rng.randbytes(32)

    def make_message(_key: bytes, *facts: Any) -> tuple[MessageHeader, bytes]:  # noqa: ANN401
        return body.make_message(other, *facts)

    modified.modified(mallory, group, make_message=make_message)
    await mallory.send(group, hidden)
    await until(partial(_all_judged, [bob], group, 1))
    modified.modified(mallory, group)
    world.clock.offset += world.policy.clocks.slot_seconds
    await world.write(group, mallory, honest, bob)
    world.open_keyholders()
    slots = stolen_slots(copied(world.database, world.folder / "copy"))
    seeds = seeds_of(world.daemons, range(world.plan.seats))
    for stolen in slots:
        with contextlib.suppress(VerificationError):
            found.take("what all keyholders open", *opened_with([stolen], world.policy, seeds))
    found.take("bob's disk", *read_by(bob, group))
    found.control("the honest slot opens", "honest", opened_with(slots[1:], world.policy, seeds))
    (lock, _) = locks(copied(world.database, world.folder / "again"))
    found.control("the accomplice's key opens it", "under another key", lock.opened([other]))
    found.named = {f"mallory, on bob's disk: {rule}" for rule in noted_by(bob, group)}
    return found


async def encrypts_inside(world: World, rng: Random) -> Evidence:
    """Two people use a cipher of their own inside their messages; nobody can stop them."""
    found = Evidence()
    word = found.plant(rng, "inner text, for the accomplice alone")
    pad = rng.randbytes(len(word))
    inner = bytes(one ^ other for one, other in zip(word.encode(), pad, strict=True)).hex()
    found.words["outer text"] = inner
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, inner, bob)
    world.open_keyholders()
    slots = stolen_slots(copied(world.database, world.folder / "copy"))
    law = opened_with(slots, world.policy, seeds_of(world.daemons, range(world.plan.seats)))
    found.control("every keyholder together opens the outer text", "outer text", law)
    (received,) = read_by(bob, group)
    if not any(word.encode() in each for each in law):
        text = bytes.fromhex(received.decode())
        found.take("bob, who knows the pad", bytes(a ^ b for a, b in zip(text, pad, strict=True)))
    return found


async def omits_seal(world: World, rng: Random) -> Evidence:
    """A slot is opened without its seal, its signature or its tier 1, or with nothing at all."""
    found = Evidence()
    honest, hidden = found.sample(rng, "honest"), found.plant(rng, "without a seal")
    group, (mallory, bob) = await world.talk("mallory", "bob")
    changes: tuple[Callable[[Opening], Opening], ...] = (
        lambda opening: replace(opening, seal_digest=None),
        lambda opening: replace(opening, signature=None),
        lambda opening: replace(opening, tier1_header=None),
        lambda opening: Opening(opening.slot_header),
    )
    for change in changes:
        modified.modified(mallory, group, OpenedSlot=modified.opening(change))
        number = await mallory.send(group, hidden)
        await until(partial(_answered, mallory, number))
        world.clock.offset += world.policy.clocks.slot_seconds
    modified.modified(mallory, group)
    await world.write(group, mallory, honest, bob)
    found.take("bob's disk", *read_by(bob, group))
    found.control("bob reads the honest slot", "honest", read_by(bob, group))
    refusals = rows(copied(world.database, world.folder / "copy"), "SELECT rule FROM refusals")
    found.refused = {f"the provider's disk: {rule}" for (rule,) in refusals}
    found.fact(f"{len(refusals)} of {len(changes)} openings are on the provider's disk as refused")
    return found


def _answered(sender: Client, number: int) -> bool:
    return any(state_is(sender, number, state) for state in ("refused", "accepted"))


async def wrong_slot(world: World, rng: Random) -> Evidence:
    """Messages of slots ahead and behind, to be in time that no order names; the provider helps."""
    found = Evidence()
    honest, hidden = found.sample(rng, "honest"), found.plant(rng, "of another slot")
    group, (mallory, bob) = await world.talk("mallory", "bob")
    await world.write(group, mallory, honest, bob)
    skew = world.policy.clocks.skew_seconds
    late = await kept_back(mallory, group, hidden)
    world.clock.offset += skew + 2 * world.policy.clocks.slot_seconds
    item, _ = entry_after(world, group, head_of(bob, group), late)
    await show(world, bob, group, item)
    dora = await world.person("dora")
    ahead = await dora.create_conversation(["bob"], world.policy)
    await world.accept(ahead, bob)
    modified.modified(dora, ahead, seconds=skew + rng.randrange(10, 600))
    early = await kept_back(dora, ahead, hidden)
    item, _ = entry_after(world, ahead, head_of(bob, ahead), early)
    await show(world, bob, ahead, item)
    for where, place in (("behind", group), ("ahead", ahead)):
        found.take("bob's disk", *read_by(bob, place))
        found.named |= {f"a slot {where}, on bob's disk: {rule}" for rule in noted_by(bob, place)}
    found.control("bob reads the slot of its time", "honest", read_by(bob, group))
    return found


SCENARIOS: Final = (
    Scenario(
        "sender-wrong-seal",
        9,
        Actor.SENDER,
        "a member's device with a changed client",
        "to be read by members with a message that no order opens: wrong bits in the commitment "
        "and in every keyholder's share, commitment and encapsulation",
        Expected(
            Outcome.NAMED,
            "no member is shown the message; every member has the sender's signed slot on record",
            gains=(),
            marks=tuple(
                f"mallory, on {who}'s disk: {rule}"
                for who in ("bob", "carol")
                for rule in ("seal.digest", "seal.tier1")
            ),
        ),
        wrong_seal,
    ),
    Scenario(
        "sender-other-key",
        10,
        Actor.SENDER,
        "a member's device with a changed client, and an accomplice who knows another key",
        "to have a body that members, or the law, open as nothing, and the accomplice as a message",
        Expected(
            Outcome.NAMED,
            "members are not shown it and have it on record; no order opens it; the accomplice "
            "opens only what a letter could have carried",
            marks=("mallory, on bob's disk: body.commitment",),
        ),
        other_key,
    ),
    Scenario(
        "sender-omits-seal",
        11,
        Actor.SENDER,
        "a member's device with a changed client",
        "to open a slot without its seal, its signature or its tier 1, or with none of them",
        Expected(
            Outcome.REFUSED,
            "the provider takes none of them, and nobody is shown the message",
            marks=("the provider's disk: slot.tier1-parts", "the provider's disk: slot.unsealed"),
        ),
        omits_seal,
    ),
    Scenario(
        "sender-wrong-slot",
        12,
        Actor.SENDER,
        "a member's device with a changed clock, and the provider's signing key",
        "to write in a slot that is over, or one that has not begun, where no order looks",
        Expected(
            Outcome.NAMED,
            "members are shown neither, and have both on record",
            marks=(
                "a slot ahead, on bob's disk: receive.tau",
                "a slot behind, on bob's disk: receive.tau",
            ),
        ),
        wrong_slot,
    ),
    Scenario(
        "sender-encrypts-inside",
        13,
        Actor.SENDER,
        "two members with an agreed cipher of their own",
        "to write something that no order opens",
        Expected(
            Outcome.SUCCEEDS,
            "an order opens what was sent, which is the inner ciphertext; the accomplice reads on",
            gains=("inner text, for the accomplice alone",),
        ),
        encrypts_inside,
    ),
)
