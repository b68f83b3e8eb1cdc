"""The provider is killed at every write point while people work; nothing is lost or doubled.

The story is told under ``none``, and under a policy with keyholders, whose log the provider reads.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from glasslock.client import Client, Invited
from glasslock.errors import TransportError
from glasslock.mls import SUITE_CLASSIC
from glasslock.provider.config import PolicyLogSettings
from glasslock.runtime.files import private_folder
from glasslock.runtime.keys import load_or_create_seed
from glasslock.signing import SigningKey
from tests.journeys.points import order_points, write_points
from tests.journeys.process import Gone, Process
from tests.village.access import SETTINGS as VILLAGE
from tests.village.access import SMALL, PolicyLog, clocks_of
from tests.village.logs import LogVillage
from tests.village.village import event, until

LOG_POINTS = sorted(p for p in write_points("provider") if p.startswith("log."))
POINTS = sorted(write_points("provider") - set(LOG_POINTS) - order_points())
LATE = [("deliver.begin", 6), ("deliver.commit", 9), ("deliver.done", 12), ("deliver.done", 15)]
# With seals in flight: the group, the commits, envelopes with seals, other's seals.
SEALED = [
    ("deliver.begin", 4),
    ("deliver.commit", 7),
    ("deliver.commit", 10),
    ("deliver.done", 8),
    ("deliver.done", 11),
    ("deliver.begin", 13),
    ("deliver.commit", 14),
    ("ingest.commit", 1),
]
SETTINGS = """\
data = "{data}"
port = {port}

[clocks]
slot_seconds = 2
skew_seconds = 4
ingest_seconds = 1
"""
LOG = """
[policy_log]
origin = "{origin}"
url = "{url}"
quorum = "{quorum}"
interval_seconds = 0.5
"""


class Place:
    """A provider process that dies once and is started again."""

    def __init__(self, folder: Path, log: PolicyLogSettings | None) -> None:
        self.folder = folder
        self.log = log
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
        if self.log is not None:
            log = self.log
            text += LOG.format(origin=log.origin, url=log.url, quorum=log.quorum)
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


async def create(alice: Client, policy: str) -> bytes:
    """Create a conversation under a policy, as soon as the provider serves it."""
    chosen = None
    while chosen is None:
        served = await alice.learn_policies()
        chosen = next((each for each in served if each.name == policy), None)
    return await alice.create_conversation((), chosen)


async def enter(bob: Client, group: bytes, policy: str) -> None:
    """Have Bob in it; under a policy with keyholders he is asked first."""
    if policy != "none":
        await event(bob, Invited, group_id=group)
        await bob.accept(group)
    await until(lambda: any(c.group_id == group for c in bob.conversations()))


async def tell_the_story(place: Place, policy: str) -> None:
    """Register, create, invite, write, refresh: every kind of request."""
    alice, bob = await join(place, "alice"), await join(place, "bob")
    people = [alice, bob]
    try:
        made: list[bytes] = []

        async def found() -> None:
            made.append(await create(alice, policy))

        await patiently(found)
        group = made[-1]
        await patiently(lambda: alice.invite(group, "bob"))
        await enter(bob, group, policy)
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


def check_store(folder: Path, policy: str) -> None:
    """Every line is whole, every entry stands once, with a receipt, every seal with a tier 1."""
    db = sqlite3.connect(folder / "data" / "provider.db")
    try:
        gaps = db.execute(
            "SELECT COUNT(*) - MAX(position) FROM entries GROUP BY group_id"
        ).fetchall()
        assert all(gap == (0,) for gap in gaps)
        bare = "SELECT COUNT(*) FROM entries WHERE receipt IS NULL"
        assert db.execute(bare).fetchone() == (0,)
        doubled = "SELECT digest FROM entries GROUP BY group_id, digest HAVING COUNT(*) > 1"
        assert db.execute(doubled).fetchall() == []
        torn = "SELECT COUNT(*) FROM seals s LEFT JOIN tier1s t ON t.digest = s.tier1"
        assert db.execute(torn + " WHERE t.digest IS NULL").fetchone() == (0,)
        (seals,) = db.execute("SELECT COUNT(*) FROM seals").fetchone()
        assert (seals > 0) == (policy != "none")
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        db.close()


@asynccontextmanager
async def stage(folder: Path, policy: str) -> AsyncIterator[Place]:
    """Open a place whose provider serves ``policy``; it is not started yet."""
    if policy == "none":
        yield Place(folder, None)
        return
    seed = load_or_create_seed(private_folder(folder / "data") / "provider.key")
    key = SigningKey.from_seed(seed).public
    log = PolicyLog(folder, LogVillage(folder / "logs"), clocks_of(VILLAGE))
    settings = await log.open()
    try:
        await log.publish(log.policy(policy, key, SMALL))
        await log.publish_keys(sum(count for _, count in SMALL))
        yield Place(folder, settings)
    finally:
        await log.logs.close()


@pytest.mark.parametrize(
    ("policy", "point", "count"),
    [
        *(("none", point, 1) for point in POINTS),
        *(("none", *late) for late in LATE),
        *(("sealed", point, 1) for point in LOG_POINTS),
        *(("sealed", *late) for late in SEALED),
    ],
)
async def test_a_provider_killed_at_any_write_loses_nothing(
    tmp_path: Path, policy: str, point: str, count: int
) -> None:
    async with stage(tmp_path, policy) as place:
        await place.open(point, count)
        try:
            await tell_the_story(place, policy)
        finally:
            await place.close()
        assert place.deaths == 1, f"{point} was not passed {count} times"
        check_store(tmp_path, policy)
