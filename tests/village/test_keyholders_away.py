"""Weeks in which keyholders stay away: the others' keys roll on, and who comes back catches up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from glasslock.keyholder.period import work_due
from glasslock.keyholder.running import Keyholder
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.roster import DayRoster, SeatsVacant
from glasslock.wire.leaf import IntentLeaf
from glasslock.wire.policy import Policy
from tests.village.keyholders import KeyholderVillage, keyholder_village

SHAPE = ((2, 3), (2, 3))


async def live(place: KeyholderVillage, days: int, there: Sequence[int]) -> None:
    """Let policy days go by, in each of which those who are there do whatever is due."""
    awake = [place.daemons[number] for number in there]
    for _ in range(days):
        place.clock.offset += place.clocks.day_seconds
        await place.tick_both()
        await place.rounds(lambda: all(idle(each, awake, place) for each in awake), awake)


def idle(daemon: Keyholder, others: Sequence[Keyholder], place: KeyholderVillage) -> bool:
    """Say whether all that a keyholder wrote is logged and read, and nothing more is due."""
    seated, now = daemon.seated, place.clock.now()
    if len({each.book.size for each in others}) != 1:
        return False
    if seated is None or daemon.store.outbox():
        return False
    return work_due(daemon.known(seated), now).nothing


def today(place: KeyholderVillage, policy: Policy, reader: int = 0) -> DayRoster:
    """Return the roster of today as one of the keyholders reads it."""
    book: PolicyBook = place.daemons[reader].book
    day = place.clock.now() // policy.clocks.day_seconds
    return book.rosters(policy, day, place.clock.now())[0]


def filled(roster: DayRoster) -> list[int]:
    return [number for number, seat in enumerate(roster.seats) if seat is not None]


async def test_away_for_three_periods_and_back(tmp_path: Path) -> None:
    everybody, others = [*range(6)], [0, 1, 2, 3, 5]
    async with keyholder_village(tmp_path, shape=SHAPE) as (place, policy):
        await live(place, 4, everybody)
        assert filled(today(place, policy)) == everybody
        # It stops in the middle of a proof of the others' next keys, and its process ends.
        await live(place, 21, others)
        roster = today(place, policy)
        assert filled(roster) == others
        roster.check_sendable()
        await place.restart(4, policy)
        await live(place, 4, everybody)
        assert filled(today(place, policy)) == everybody
        assert today(place, policy, 4) == today(place, policy)
        assert place.people.provider is not None
        await place.people.provider.read_log()
        group, _ = await place.talk(policy, 1)
        verdict = await place.ask(policy, group)
        await place.rounds(lambda: len(place.desk.releases) == 6)
        ledger, _ = await place.read_orders()
        said = ledger.orders[verdict.index or 0].said
        assert {s.leaf.seat for s in said if isinstance(s.leaf, IntentLeaf)} == set(everybody)


async def test_as_many_away_as_an_order_survives_and_then_one_more(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path, shape=SHAPE) as (place, policy):
        await live(place, 4, [*range(6)])
        some = [0, 1, 3, 4]
        await live(place, 15, some)
        assert filled(today(place, policy)) == some
        group, _ = await place.talk(policy, 1)
        await place.ask(policy, group)
        await place.rounds(lambda: len(place.desk.releases) == 4, [place.daemons[n] for n in some])
        # One more of the first class: it has one of the two that it needs, and all come to an end.
        await live(place, 12, [0, 3, 4])
        with pytest.raises(SeatsVacant):
            today(place, policy).check_sendable()
        # One who was away from the start is enough to have the class again.
        await live(place, 4, [0, 2, 3, 4])
        assert filled(today(place, policy)) == [0, 2, 3, 4]
        today(place, policy).check_sendable()
