"""Drills among real logs and keyholders: who lost a key is seen before an order needs it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from glasslock.cli.keyholder import app as commands
from glasslock.errors import StateError
from glasslock.keyholder import app
from glasslock.keyholder.keys import KEY_FILE
from glasslock.keyholder.period import make_key
from glasslock.keyholder.running import Keyholder
from glasslock.keyholder.store import DATABASE
from glasslock.sealing.drill import Making, Result, State
from glasslock.wire.leaf import IntentLeaf
from glasslock.wire.policy import Policy
from tests.village.keyholders import KeyholderVillage, keyholder_village

SHAPE = ((2, 3), (2, 3))


def results(place: KeyholderVillage, policy: Policy, reader: int = 0) -> list[Result]:
    """Return how each drill stands, as one keyholder reads the log."""
    daemon = place.daemons[reader]
    now = max(place.clock.now(), daemon.book.time)
    return [daemon.drills.result(each, now) for each in daemon.drills.of(policy, daemon.book)]


async def finish(place: KeyholderVillage, policy: Policy, count: int) -> list[Result]:
    """Have everybody answer, and the makers show what their drills were made from."""
    awake = [d for d in place.daemons if isinstance(d, Keyholder)]

    def over() -> bool:
        found = results(place, policy)
        return len(found) == count and all(r.making is not Making.OPEN for r in found)

    await place.rounds(over, awake)
    return results(place, policy)


async def test_every_seat_proves_its_share_in_two_drills(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path, shape=SHAPE) as (place, policy):
        await place.fill_roster(policy)
        office = app.open_office(place.daemons[1].config, place.clock)
        app.start_drill(place.daemons[0], None, None)
        # A person's verb beside the daemon.
        made = app.start_drill(office, None, None)
        office.close()
        first, second = sorted(await finish(place, policy, 2), key=lambda r: r.seats)
        passed = [State.PASSED] * 4
        assert first == Result((State.MAKER, State.PASSED, *passed), Making.RIGHT)
        assert second == Result((State.PASSED, State.MAKER, *passed), Making.RIGHT)
        # What one reads in the log all do, and after a restart as before.
        again = await place.restart(5, policy)
        await again.round()
        assert results(place, policy, 5) == results(place, policy)
        rows = app.drill_rows(again)
        assert {row.state for row in rows if row.drill == made.hex()} == {"maker", "passed"}


async def test_a_lost_key_is_seen_at_the_drill_and_sealed_to_no_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with keyholder_village(tmp_path, shape=SHAPE) as (place, policy):
        await place.fill_roster(policy)
        # Its disk is gone; its signing key was kept elsewhere.
        lost = place.daemons[4]
        await lost.stop()
        for file in lost.config.data.iterdir():
            if file.name != KEY_FILE:
                file.unlink()
        assert not (lost.config.data / DATABASE).exists()
        place.daemons[4] = place.keyholder(4, policy)
        app.start_drill(place.daemons[0], None, None)
        (found,) = await finish(place, policy, 1)
        assert found.seats[4] is State.FAILED
        assert [s for s in found.seats if s is State.PASSED] == [State.PASSED] * 4
        (key,) = [k for k in lost.book.vetted(policy) if k.seat == 4]
        other = next(k for k in lost.book.vetted(policy) if k.seat == 3)
        with pytest.raises(StateError):
            app.revoke(place.daemons[4], other.record.key_id)
        app.revoke(place.daemons[4], key.record.key_id)
        await place.rounds(lambda: all(d.book.ends for d in place.daemons))
        assert place.seats_filled(policy) == 5
        with pytest.raises(StateError):
            app.revoke(place.daemons[4], key.record.key_id)
        # As a person sees it.
        path = tmp_path / "settings.toml"
        config = place.daemons[0].config
        path.write_text(
            f'data = "{config.data}"\nname = "{config.name}"\nquorum = "{config.quorum}"\n'
            f'policy_origin = "{config.policy_origin}"\norders_origin = "{config.orders_origin}"\n'
            f'provider = "{config.provider}"\npolicy = "{config.policy}"\n',
            encoding="utf-8",
        )
        capsys.readouterr()
        words = ["drill", str(path), "status", "--json"]
        await asyncio.to_thread(commands, words, standalone_mode=False)
        rows = json.loads(capsys.readouterr().out)
        states = {row["keyholder"]: row["state"] for row in rows}
        assert (states["keyholder-4"], states["keyholder-5"]) == ("failed", "passed")


async def test_who_is_away_is_silent_and_a_key_of_the_wrong_seed_fails(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path, shape=SHAPE) as (place, policy):
        await place.fill_roster(policy)
        away = place.daemons[5]
        # A backup of another machine: the record is right, the seed is not.
        broken = place.daemons[3]
        (own,) = broken.keys.values()
        seated = broken.seated
        assert seated is not None
        wrong = make_key(seated, os.urandom(32), own.record.first_day, 7)
        with broken.store.db.transaction("period"):
            broken.store.db.execute("UPDATE keys SET seed = ?", (wrong.seed,))
        app.start_drill(place.daemons[0], None, None)
        there = [d for d in place.daemons if d is not away]
        await place.rounds(lambda: len(results(place, policy)) == 1, there)
        await place.rounds(lambda: State.FAILED in results(place, policy)[0].seats, there)
        assert results(place, policy)[0].making is Making.OPEN
        place.clock.offset += policy.clocks.day_seconds + 60
        await place.tick_both()
        await place.rounds(lambda: results(place, policy)[0].making is Making.RIGHT, there)
        # It comes back after the date: what it could say is worth nothing, and it says nothing.
        await away.round()
        await away.round()
        (found,) = results(place, policy, 5)
        assert found.seats == (
            State.MAKER,
            State.PASSED,
            State.PASSED,
            State.FAILED,
            State.PASSED,
            State.SILENT,
        )


async def test_a_drill_stands_beside_an_order_and_touches_nothing_of_it(tmp_path: Path) -> None:
    """A drill while an order is open: each gets what is its own, and no budget is used."""
    async with keyholder_village(tmp_path, shape=SHAPE) as (place, policy):
        await place.fill_roster(policy)
        group, _ = await place.talk(policy, 1)
        app.start_drill(place.daemons[2], None, None)
        verdict = await place.ask(policy, group)
        await place.rounds(lambda: len(place.desk.releases) == 6)
        (found,) = await finish(place, policy, 1)
        assert found.making is Making.RIGHT
        assert found.seats.count(State.PASSED) == 5
        ledger, _ = await place.read_orders()
        said = ledger.orders[verdict.index or 0].said
        assert sum(isinstance(s.leaf, IntentLeaf) for s in said) == 6
