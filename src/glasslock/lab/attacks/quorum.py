"""Keyholders together: below their thresholds, and at them, where Glasslock loses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from itertools import chain, combinations
from random import Random
from typing import Final

from glasslock.errors import VerificationError
from glasslock.lab.evidence import Evidence
from glasslock.lab.founding import CLOCKS, TWO_LOCKS, Plan
from glasslock.lab.interpolate import at_zero
from glasslock.lab.logs import ORDERS
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import KEY, StolenSlot, copied, opened_with, seeds_of, stolen_slots
from glasslock.lab.world import World
from glasslock.sealing.seal import xor
from glasslock.sealing.shares import SharesMissing, VerifiedSlot, verify_slot

Shape = tuple[tuple[int, int], ...]


def reaches(seats: Iterable[int], shape: Shape) -> bool:
    """Say whether ``seats`` have the threshold of every class."""
    chosen, first = set(seats), 0
    for threshold, count in shape:
        if len(chosen & {*range(first, first + count)}) < threshold:
            return False
        first += count
    return True


def subsets(shape: Shape) -> list[tuple[int, ...]]:
    """Return every set of seats."""
    count = sum(seats for _, seats in shape)
    return [*chain.from_iterable(combinations(range(count), size) for size in range(count + 1))]


def guesses(slot: VerifiedSlot, stolen: StolenSlot, seeds: Mapping[bytes, bytes]) -> list[bytes]:
    """Return what keyholders might take for the slot key: first what their shares interpolate to.

    A class that nobody is of counts as zero; shares and pairs of them are tried as they are, too.
    """
    shares = {seat: share.share for seat, share in stolen.shares(slot, seeds).items()}
    key, first = bytes(KEY), 0
    for _, count in slot.shape:
        here = range(first, first + count)
        own = {1 + seat - first: shares[seat] for seat in here if seat in shares}
        key, first = xor(key, at_zero(own)), first + count
    pairs = [xor(one, other) for one, other in combinations(shares.values(), 2)]
    return [key, *shares.values(), *pairs]


async def below(world: World, rng: Random) -> Evidence:
    """Every set of keyholders short of a threshold, with the provider's whole database."""
    found = Evidence()
    word = found.plant(rng, "content")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, word, bob)
    world.open_keyholders()
    (stolen,) = stolen_slots(copied(world.database, world.folder / "copy"))
    slot, shape = verify_slot(stolen.facts, world.policy), world.plan.shape
    short, enough = 0, 0
    for seats in subsets(shape):
        seeds = seeds_of(world.daemons, seats)
        if reaches(seats, shape):
            enough += 1
            opened = stolen.contents(guesses(slot, stolen, seeds)[0])
            found.control(f"seats {seats} open it", "content", opened)
            continue
        short += 1
        for key in guesses(slot, stolen, seeds):
            with contextlib.suppress(VerificationError):
                found.take(f"seats {seats}", *stolen.contents(key))
    found.fact(f"{short} sets below a threshold tried with every key they could make")
    found.fact(f"{enough} sets at the thresholds opened the word")
    return found


async def colluding(world: World, rng: Random) -> Evidence:
    """The smallest quorum with the provider's database opens one period, and nobody hears of it."""
    found = Evidence()
    words = [found.plant(rng, label) for label in ("this period", "next period")]
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, words[0], bob)
    before = (await world.logs.read(ORDERS))[0].size
    world.clock.offset += CLOCKS.day_seconds
    await world.logs.tick()
    await world.write(group, alice, words[1], bob)
    world.open_keyholders()
    slots = stolen_slots(copied(world.database, world.folder / "copy"))
    quorum = [*range(2), *range(3, 6)]
    first, both = seeds_of(world.daemons, quorum, slice(1)), seeds_of(world.daemons, quorum)
    for stolen in slots:
        try:
            found.take("the quorum's own table", *opened_with([stolen], world.policy, first))
        except SharesMissing:
            continue
    found.control(
        "with both periods' keys both open", "next period", opened_with(slots, world.policy, both)
    )
    ledger = await world.ledger()
    after = (await world.logs.read(ORDERS))[0].size
    # One entry is the tick by which the witnesses sign the next day.
    found.fact(f"orders in the log: {len(ledger.orders)}; entries since: {after - before - 1}")
    return found


SCENARIOS: Final = (
    Scenario(
        "quorum-below",
        22,
        Actor.QUORUM,
        "period keys of any keyholders short of a threshold (all of one class, none of the other, "
        "and everything between), and the provider's whole database",
        "to open one sealed message: every set of keyholders is tried",
        Expected(Outcome.NOTHING, "no set below the thresholds opens it; every set at them does"),
        below,
        Plan(TWO_LOCKS),
    ),
    Scenario(
        "quorum-colluding",
        23,
        Actor.QUORUM,
        "one period's keys of two of three and three of five keyholders, and the provider's "
        "whole database",
        "to read in silence, without an order, a log entry or a notice",
        Expected(
            Outcome.SUCCEEDS,
            "everything sealed to that period opens and nobody hears of it; the next period stays "
            "closed",
            gains=("this period",),
        ),
        colluding,
        Plan(TWO_LOCKS, periods=2),
    ),
)
