"""A member with a changed client, who writes so that an order would find less, or another thing."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Final

from glasslock.client import Client
from glasslock.lab import modified
from glasslock.lab.evidence import Evidence
from glasslock.lab.modified import Maker
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import noted_by, read_by
from glasslock.lab.world import World, until
from glasslock.wire.seal import SEALED_SIZE

ENC: Final = 1_120


def _wrong_seals(rng: Random, seats: int) -> list[Maker]:
    makers = [modified.commitment(rng.randrange(32))]
    for seat in range(seats):
        makers.append(modified.share(seat, rng.randrange(SEALED_SIZE)))
        makers.append(modified.share(seat, rng.randrange(32), "commit"))
        makers.append(modified.encapsulation(seat, rng.randrange(ENC)))
    return makers


def _all_noted(readers: list[Client], group: bytes, count: int) -> bool:
    return all(len(reader.records(group)) >= count for reader in readers)


async def wrong_seal(world: World, rng: Random) -> Evidence:
    """Random bits of every part of a seal are wrong, one slot each, all of it well signed."""
    found = Evidence()
    honest, hidden = found.sample(rng, "honest"), found.plant(rng, "unsealed")
    group, (mallory, *readers) = await world.talk("mallory", "bob", "carol")
    makers = _wrong_seals(rng, world.plan.seats)
    for number, make in enumerate(makers, 1):
        modified.modified(mallory, group, make=make)
        await mallory.send(group, hidden)
        await until(partial(_all_noted, readers, group, number))
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
)
