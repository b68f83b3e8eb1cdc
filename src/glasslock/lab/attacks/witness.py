"""Witnesses who sign for the log's operator: as many as a quorum bears, and one more."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from random import Random
from typing import Final

from glasslock.errors import TransportError
from glasslock.lab.attacks.log import FORK, stranger, witnessed_forks
from glasslock.lab.evidence import Evidence
from glasslock.lab.logs import NEEDED, ORDERS, WITNESSES
from glasslock.lab.rogue import Rogue, served
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import copied, opened_by_release, read_by, stolen_slots
from glasslock.lab.world import World
from glasslock.orders.ledger import Ledger
from glasslock.runtime.keys import load_seed
from glasslock.wire.release import decode_release

LAST: Final = WITNESSES - 1
UNSEEN_ROUNDS: Final = 3


async def hide_order(world: World, rng: Random, stolen: Collection[int]) -> Evidence:
    """Have an order carried out, and show everybody else a log in which it never was.

    One honest witness is cut off from the log in the meantime, and then shown the other present.
    """
    found = Evidence()
    content, other = found.sample(rng, "content"), found.plant(rng, "a log without the order")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, content, bob)
    world.clock.offset += 2 * world.policy.clocks.slot_seconds
    _, before = await world.logs.read(ORDERS)
    await world.logs.witnesses[LAST].stop()
    await world.ask(world.issue(world.order(world.grant(group, "alice"))))
    world.open_keyholders()
    releases = await world.released(world.plan.seats)
    slots = stolen_slots(copied(world.database, world.folder / "copy"))
    keys = (world.bodies.agency, world.bodies.court)
    opened, _ = opened_by_release(slots, world.policy, releases, *keys)
    found.control("the order opened what it named", "content", opened)
    _, real = await world.logs.read(ORDERS)
    await world.logs.start_witness(LAST)
    past = [each.entry for each in before]
    filler = [b"nothing"] * (len(real) - len(past) - 1)
    rogue = Rogue(world.logs.logs[ORDERS], world.logs, [*past, *filler, other.encode()])
    seeds = {n: load_seed(world.folder / "logs" / f"w{n}" / "witness.key") for n in stolen}
    honest = [number for number in range(WITNESSES) if number not in stolen]
    signed = await rogue.publish(honest, seeds, [len(real), len(past)])
    port = await served(rogue)
    public = await stranger(world.logs, port.url)
    await port.stop()
    found.take("what a stranger takes for the log", *public)
    found.named = witnessed_forks(world) | _orders_in(public)
    found.fact(f"the other present has {signed} cosignatures, of which {NEEDED} are needed")
    found.control("the same stranger reads the real log", "real", await _real(world, found, rng))
    return found


async def _real(world: World, found: Evidence, rng: Random) -> list[bytes]:
    word = found.sample(rng, "real")
    await world.logs.add(ORDERS, word.encode())
    return await stranger(world.logs, world.logs.logs[ORDERS].port.url)


def _orders_in(entries: list[bytes]) -> set[str]:
    ledger = Ledger()
    for index, entry in enumerate(entries):
        ledger.add(entry, index, 0)
    return {"an order, in what a stranger reads" for _ in ledger.orders}


async def silent(world: World, rng: Random) -> Evidence:
    """Too few witnesses sign: an order with every right signature waits for the rest of them."""
    found = Evidence()
    content, later = found.plant(rng, "content"), found.sample(rng, "later")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, content, bob)
    world.clock.offset += 2 * world.policy.clocks.slot_seconds
    for number in range(NEEDED - 1, WITNESSES):
        await world.logs.witnesses[number].stop()
    issued = world.issue(world.order(world.grant(group, "alice")))
    # The provider answers when the order stands in its log, and that may be never.
    with contextlib.suppress(TransportError):
        await world.submit(issued)
    world.open_keyholders()
    for _ in range(UNSEEN_ROUNDS):
        for daemon in world.daemons:
            await daemon.round()
    keys = (world.bodies.agency, world.bodies.court)
    slots = stolen_slots(copied(world.database, world.folder / "copy"))
    early = [decode_release(body) for body in world.inbox.bodies]
    found.take("opened without a quorum", *opened_by_release(slots, world.policy, early, *keys)[0])
    found.fact(f"releases without a quorum: {len(early)}")
    await world.write(group, alice, later, bob)
    found.control("people write on in the meantime", "later", read_by(bob, group))
    for number in range(NEEDED - 1, WITNESSES):
        await world.logs.start_witness(number)
    await world.ask(issued)
    releases = await world.released(world.plan.seats)
    now, _ = opened_by_release(slots, world.policy, releases, *keys)
    found.control("with the quorum back, the same order opens it", "content", now)
    return found


async def below(world: World, rng: Random) -> Evidence:
    """As many witnesses as a quorum bears sign two presents."""
    return await hide_order(world, rng, range(WITNESSES - NEEDED))


async def quorum(world: World, rng: Random) -> Evidence:
    """One more witness than a quorum bears signs two presents."""
    return await hide_order(world, rng, range(WITNESSES - NEEDED + 1))


TRIES: Final = "to have an order carried out, and show everybody else a log without it"

SCENARIOS: Final = (
    Scenario(
        "witness-below",
        35,
        Actor.WITNESS,
        "the orders log's key and address, and one of four witnesses' keys, where three must sign",
        TRIES,
        Expected(
            Outcome.NAMED,
            "the other present gets two cosignatures and nobody takes it; honest witnesses that "
            "saw the real one keep the log's signature under both",
            marks=tuple(f"the log, on w{number}'s disk: {FORK}" for number in (1, 2)),
        ),
        below,
    ),
    Scenario(
        "witness-quorum",
        35,
        Actor.WITNESS,
        "the orders log's key and address, and two of four witnesses' keys, where three must sign",
        TRIES,
        Expected(
            Outcome.SUCCEEDS,
            "the order is carried out, and a stranger takes a log without it for the whole truth; "
            "the one honest witness that saw the real log keeps the log's signature under both",
            gains=("a log without the order",),
            marks=(f"the log, on w2's disk: {FORK}",),
        ),
        quorum,
    ),
    Scenario(
        "witness-silent",
        36,
        Actor.WITNESS,
        "all keys of those who order, both case keys, and two of four witnesses switched off",
        "to have an order carried out that no quorum has signed into the log",
        Expected(
            Outcome.NOTHING,
            "no keyholder releases anything until the quorum is back; people write on",
        ),
        silent,
    ),
)
