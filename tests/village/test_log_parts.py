"""A long log in parts: what its writer publishes in one step, and what a reader holds at once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from glasslock.client import running as client
from glasslock.errors import LogInconsistent
from glasslock.keyholder import running as keyholder
from glasslock.logserver import app
from glasslock.monitor import app as monitor
from glasslock.tlog.reader import catch_up
from tests.village.lies import Lie, LyingServer, failing
from tests.village.test_log_folder import MANY, again, flip, shown, still
from tests.village.test_log_lies import grown, readers


async def test_each_part_is_stored_before_the_next_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that is cut off between two parts keeps the first, and goes on from there."""
    for room in (client, keyholder, monitor):
        monkeypatch.setattr(room, "catch_up", partial(catch_up, most=1))
    async with readers(tmp_path) as (logs, all_):
        await grown(logs, "first")
        honest = dict.fromkeys(await all_.verdicts())
        assert all_.sizes == logs.sizes
        before = all_.sizes
        for name in ("second", "third", "fourth"):
            await grown(logs, name)

        def cut(log: LyingServer) -> Lie:
            return failing(f"history/{len(log.entries) - 4}", 500)

        logs.tell(cut)
        assert None not in (await all_.verdicts()).values()
        assert all_.sizes == {who: size + 2 for who, size in before.items()}
        logs.tell(None)
        assert await all_.verdicts() == honest
        assert all_.sizes == logs.sizes


async def test_no_two_published_sizes_lie_further_apart_than_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever has gathered while witnesses were away: a reader holds one step at once."""
    monkeypatch.setattr(app, "LARGEST_STEP", 300)
    async with still(tmp_path) as (place, server):
        server.append([b"entry %d" % number for number in range(250)])
        server.append([b"more %d" % number for number in range(500)])
        await server.publish()
        sizes = [row[0] for row in server._store.db.all("SELECT size FROM published")]
        assert sizes == [300, 600, 750]
        replica, logged = await place.read(place.replica())
        assert (replica.size, len(logged)) == (750, 750)


async def test_a_tile_that_was_damaged_is_proven_to_nobody(tmp_path: Path) -> None:
    """For a witness that comes back from behind a log reads what it let go, and checks it."""
    async with still(tmp_path) as (place, server):
        server.append(MANY[:100])
        await server.publish()
        await place.witnesses[3].stop()
        server.append(MANY[100:590])
        await server.publish()
        await place.stop_log()
        later = await again(place)
        await place.start_witness(3)
        later.append(MANY[590:])
        tile, note = (later._store.public / path for path in ("tile/0/000", "checkpoint"))
        before = note.read_bytes()
        flip(tile)
        with pytest.raises(LogInconsistent) as caught:
            await later.publish()
        assert caught.value.rule == "log.tile"
        assert note.read_bytes() == before
        flip(tile)
        await later.publish()
        assert shown(later, size=600) == MANY
        replica, _ = await place.read(place.replica())
        assert replica.log.checkpoint is not None
        assert [name for name, _ in replica.log.checkpoint.times] == ["w0", "w1", "w2", "w3"]
