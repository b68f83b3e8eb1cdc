"""The provider is killed at every write point while people work; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from glasslock.client import Client
from glasslock.errors import TransportError
from glasslock.mls import SUITE_CLASSIC
from tests.journeys.points import write_points
from tests.journeys.process import Gone, Process
from tests.village.village import until

POINTS = sorted(write_points("provider"))
LATE = [("deliver.begin", 6), ("deliver.commit", 9), ("deliver.done", 12), ("deliver.done", 15)]
SETTINGS = """\
data = "{data}"
port = {port}

[clocks]
slot_seconds = 2
skew_seconds = 4
ingest_seconds = 1
"""


class Place:
    """A provider process that dies once and is started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "provider.toml"
        self.url = ""
        self.process: Process | None = None
        self.deaths = 0
        self._watch: asyncio.Task[None] | None = None

    async def open(self, point: str, count: int) -> None:
        while True:
            if not self.url:
                self._write(0)
            self.process = await Process.launch("provider", self.settings, point, count)
            try:
                port = (await self.process.expect("ready"))["port"]
            except Gone:
                self.deaths += 1
                point = "none"
                continue
            break
        self.url = f"http://127.0.0.1:{port}"
        self._write(port)
        self._watch = asyncio.create_task(self._revive())

    def _write(self, port: int) -> None:
        text = SETTINGS.format(data=self.folder / "data", port=port)
        self.settings.write_text(text, encoding="utf-8")

    async def _revive(self) -> None:
        assert self.process is not None
        await self.process.process.wait()
        self.deaths += 1
        self.process = await Process.launch("provider", self.settings)
        await self.process.expect("ready")

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        assert self.process is not None
        await self.process.stop()


async def patiently(work: Callable[[], Awaitable[object]]) -> None:
    """Do it again when the provider went away in the middle."""
    for _ in range(200):
        try:
            await work()
        except TransportError:
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("the provider did not come back")


async def join(place: Place, account: str) -> Client:
    made: list[Client] = []

    async def make() -> None:
        folder = place.folder / account
        made.append(await Client.create(folder, place.url, account, suite=SUITE_CLASSIC))

    await patiently(make)
    await patiently(made[0].register)
    await patiently(made[0].start)
    return made[0]


async def tell_the_story(place: Place) -> None:
    """Register, create, invite, write, refresh: every kind of request."""
    alice, bob = await join(place, "alice"), await join(place, "bob")
    people = [alice, bob]
    try:
        made: list[bytes] = []

        async def create() -> None:
            made.append(await alice.create_conversation())

        await patiently(create)
        group = made[-1]
        await patiently(lambda: alice.invite(group, "bob"))
        await until(lambda: any(c.group_id == group for c in bob.conversations()))
        wanted = []
        for number in range(4):
            for person in people:
                wanted.append(f"{person.account} {number}")
                await person.send(group, wanted[-1])
            await asyncio.sleep(0.02)
        await patiently(lambda: alice.refresh(group))
        wanted.append("alice last")
        await alice.send(group, "alice last")
        # The ingest interval of a second must have ended at least once.
        await asyncio.sleep(1.1)
        await until(lambda: all(len(p.messages(group)) == len(wanted) for p in people))
        await until(lambda: not any(p._session._outbox for p in people))
        for person in people:
            got = sorted(person.messages(group), key=lambda m: m.position or 0)
            texts = [m.content.decode() for m in got]
            assert sorted(texts) == sorted(wanted)
            for name in ("alice", "bob"):
                mine = [text for text in texts if text.startswith(name)]
                assert mine == [text for text in wanted if text.startswith(name)]
            assert person.records(group) == []
    finally:
        for person in people:
            await person.close()


def check_store(folder: Path) -> None:
    """Every line is whole, and every entry stands once, with a receipt."""
    db = sqlite3.connect(folder / "data" / "provider.db")
    try:
        gaps = db.execute(
            "SELECT COUNT(*) - MAX(position) FROM entries GROUP BY group_id"
        ).fetchall()
        assert all(gap == (0,) for gap in gaps)
        bare = "SELECT COUNT(*) FROM entries LEFT JOIN receipts r USING (group_id, position)"
        assert db.execute(bare + " WHERE r.receipt IS NULL").fetchone() == (0,)
        doubled = "SELECT digest FROM entries GROUP BY group_id, digest HAVING COUNT(*) > 1"
        assert db.execute(doubled).fetchall() == []
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        db.close()


@pytest.mark.parametrize(("point", "count"), [*((p, 1) for p in POINTS), *LATE])
async def test_a_provider_killed_at_any_write_loses_nothing(
    tmp_path: Path, point: str, count: int
) -> None:
    place = Place(tmp_path)
    await place.open(point, count)
    try:
        await tell_the_story(place)
    finally:
        await place.close()
    assert place.deaths == 1, f"{point} was not passed {count} times"
    check_store(tmp_path)
