"""A log is killed at every write point while it goes over a year's end, and signs one history.

Each death falls in the rollover itself: the first life does nothing else before it but to open the
log and write what stands there. Whoever reads meanwhile, and an outsider, take both shards.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from glasslock.logserver.config import LogConfig
from glasslock.logserver.keys import load_signers
from glasslock.logserver.plan import Plan, put_plan
from glasslock.logserver.sequencer import Tree, files
from glasslock.runtime.files import private_folder
from glasslock.runtime.http import fetch
from glasslock.tlog.chain import extended
from glasslock.tlog.follow import Replica
from glasslock.tlog.reader import catch_up
from glasslock.wire.shard import Genesis, ShardEnd, decode_shard_leaf
from glasslock.witness.config import LogSettings
from tests.journeys import test_log_crash as one
from tests.journeys.mortal import Deaths, patiently
from tests.journeys.test_log_crash import ORIGIN, POINTS, Place
from tests.outside.readers import Public, Record, accepts

NEXT = Plan(ORIGIN + "/2027", "2027")
PASSED = [point for point in POINTS if not point.startswith("migrate.")]
# The first time is that of the shard-end, the second that of the genesis: of the files, each
# shard writes one bundle and one tile.
DEATHS: list[Deaths] = [
    *(((point, 1), (point, 1)) for point in PASSED),
    *(((point, 2),) for point in PASSED),
    (("migrate.begin", 1), ("migrate.commit", 1), ("migrate.done", 1)),
]


class Years(Place):
    """A log whose witnesses know its next shard from the start, and whose plan lies there."""

    async def open(self) -> None:
        data = private_folder(self.folder / "log")
        load_signers(data, ORIGIN)
        self.successor = load_signers(private_folder(data / "shards" / "2027"), NEXT.origin)
        to_come, self.deaths = self.deaths, ()
        await super().open()
        self.deaths = to_come

    async def _add_witness(self, name: str, log_keys: list[str]) -> None:
        later = LogSettings(NEXT.origin, [each.vkey for each in self.successor])
        with pytest.MonkeyPatch.context() as patch:
            real = one.WitnessConfig

            def both(folder: Path, called: str, logs: list[LogSettings]) -> one.WitnessConfig:
                return real(folder, called, [*logs, later])

            patch.setattr(one, "WitnessConfig", both)
            await super()._add_witness(name, log_keys)

    async def tell_years(self) -> list[bytes]:
        """Entries before, during and after the rollover, in which the log dies."""
        for number in range(3):
            await self.add(b"before %d" % number, immediate=True)
        replica, logged = await self.read(self.reader())
        config = LogConfig(self.folder / "log", ORIGIN, [], 3)
        await asyncio.to_thread(put_plan, config, NEXT)
        await self.die()
        for number in range(4):
            await self.add(b"after %d" % number, immediate=True)
        for entry in list(self.acknowledged):
            await self.add(entry)
        parts = await self.parts(replica)
        fresh = await self.parts(self.reader())
        assert [*(e.entry for e in logged), *parts] == fresh
        return fresh

    async def die(self) -> None:
        """Start the log anew with its deaths before it; its plan lies there."""
        url = self.log.url
        self.log.to_come[:] = [("none", 1), *self.deaths]
        process = self.log._process
        assert process is not None
        process.process.kill()
        await process.process.wait()
        assert url == self.log.url

    async def parts(self, replica: Replica) -> list[bytes]:
        found: list[bytes] = []
        newest = False
        while not newest:
            start = replica
            replica, entries, newest = await patiently(
                lambda start=start: fetch(self._client, catch_up(start, None))  # type: ignore[misc]
            )
            found += [each.entry for each in entries]
        return found

    def check_years(self, entries: list[bytes]) -> None:
        """One chain, with one end; every head ever signed is of one of its shards."""
        [at] = [n for n, entry in enumerate(entries) if b"shard-end\n" in entry[:24]]
        assert isinstance(decode_shard_leaf(entries[at]), ShardEnd)
        genesis = decode_shard_leaf(entries[at + 1])
        assert isinstance(genesis, Genesis)
        assert genesis.base == at + 1
        own = {entries[at], entries[at + 1]}
        told = {entry: n for n, entry in enumerate(entries) if entry not in own}
        assert told == self.acknowledged
        assert len(told) + 2 == len(entries)
        public = self.folder / "log" / "public"
        for origin, part, place in (
            (ORIGIN, entries[: at + 1], public),
            (NEXT.origin, entries[at + 1 :], public / "shards" / "2027"),
        ):
            tree = Tree(part)
            heads = [head for head in self.signed if head.origin == origin]
            assert {head.root for head in heads} == {tree.root(head.size) for head in heads}
            assert all(head.root == tree.root(head.size) for head in heads)
            for path, data in files(tree, 0, tree.size, part):
                assert (place / path).read_bytes() == data


@contextlib.asynccontextmanager
async def years(folder: Path, deaths: Deaths) -> AsyncIterator[Years]:
    made = Years(folder, deaths)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("deaths", DEATHS, ids=lambda d: f"{d[0][0]}-{d[0][1]}-{len(d)}")
async def test_a_log_killed_at_a_years_end_goes_over_once(
    tmp_path: Path, deaths: Deaths, record_property: Record
) -> None:
    async with years(tmp_path, deaths) as here:
        entries = await here.tell_years()
        assert here.log.to_come == [], "not all of these points were passed"
        here.check_years(entries)
        public = tmp_path / "log" / "public"
        vkeys = [each.vkey for each in here.successor]
        quorum = extended(here.quorum, NEXT.origin, vkeys)
        for folder, origin in ((public, ORIGIN), (public / "shards" / "2027", NEXT.origin)):
            shown = Public(folder, quorum, origin)
            assert accepts("go", shown, record_property) in (True, None)
