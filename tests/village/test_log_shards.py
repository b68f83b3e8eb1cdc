"""A log over the end of a year: one address, one count, one set-once rule, and witnesses first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from glasslock.errors import (
    BadSignature,
    ConfigError,
    Denied,
    GlasslockError,
    LogInconsistent,
    NotFound,
    QuorumNotMet,
)
from glasslock.logserver import shards
from glasslock.logserver.app import LogServer
from glasslock.logserver.plan import PLAN_FILE, Plan, ShardPlace, put_plan, read_plan
from glasslock.logserver.shards import ShardedLog
from glasslock.monitor.app import look
from glasslock.monitor.audit import audit
from glasslock.monitor.store import Store
from glasslock.runtime.files import private_folder
from glasslock.runtime.http import HttpClient, fetch_parts
from glasslock.runtime.server import build_app
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.quorum import LogKey, QuorumFile
from glasslock.tlog.reader import catch_up
from glasslock.tlog.submission import submit
from glasslock.wire.api import LOG_ADD, Added
from glasslock.wire.shard import Genesis, ShardEnd, decode_shard_leaf
from glasslock.witness.app import Witness
from glasslock.witness.config import LogSettings, WitnessConfig
from tests.village.logs import ORIGIN, SUBMITTER, LogVillage
from tests.village.village import until

NEXT = Plan(ORIGIN + "/2027", "2027")
AFTER = Plan(ORIGIN + "/2028", "2028")


class Years(LogVillage):
    """A log village whose log has shards."""

    known: dict[str, list[str]]
    failures: list[GlasslockError]

    def _make_server(self) -> None:
        super()._make_server()
        made = self.server
        assert isinstance(made, LogServer)
        config = made._config
        made._store.db.close()
        made._lock.release()
        self.failures = []
        self.server = ShardedLog(config, self.clock)  # type: ignore[assignment]

    async def _work(self, server: LogServer) -> None:
        while True:
            try:
                await server.work()
            except GlasslockError as error:
                self.failures.append(error)
            await asyncio.sleep(0.01)

    @property
    def config(self) -> shards.LogConfig:
        return self.sharded._config

    @property
    def sharded(self) -> ShardedLog:
        assert isinstance(self.server, ShardedLog)
        return self.server

    async def teach(self, number: int, *plans: Plan) -> None:
        """Start a witness again with more logs in its settings."""
        folder = self.folder / "log"
        logs = [LogSettings(ORIGIN, (folder / "vkey").read_text().split())]
        for plan in plans:
            vkeys = (folder / "shards" / plan.place / "vkey").read_text().split()
            logs.append(LogSettings(plan.origin, vkeys))
        await self.witnesses[number].stop()
        config = WitnessConfig(self.folder / f"w{number}", f"w{number}.test", logs)
        witness = Witness(config, self.clock)
        await self.witnesses[number].start(build_app(witness.routes(), witness.close))

    async def end(self, *plans: Plan) -> None:
        """End the year: all witnesses learn of the last plan's keys, and the log goes over."""
        put_plan(self.config, plans[-1])
        for number in range(4):
            await self.teach(number, *plans)
        await until(lambda: len(self.sharded._shards) > len(plans))
        await until(lambda: self.sharded._newest.server.note != b"")


@contextlib.asynccontextmanager
async def years(folder: Path) -> AsyncIterator[Years]:
    place = Years(folder)
    try:
        await place.open()
        yield place
    finally:
        await place.close()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PLAN_SECONDS", 0.02)


async def test_a_log_goes_over_the_years(tmp_path: Path) -> None:
    async with years(tmp_path) as place:
        assert await place.add(b"one", b"two") == [0, 1]
        halfway, _ = await place.read(place.replica())
        await place.end(NEXT)
        assert await place.add(b"three", b"two") == [4, 1]
        on, found = await place.read(halfway)
        assert [each.index for each in found] == [2, 3, 4]
        assert isinstance(decode_shard_leaf(found[0].entry), ShardEnd)
        genesis = decode_shard_leaf(found[1].entry)
        assert isinstance(genesis, Genesis)
        assert (genesis.base, genesis.origin) == (3, ORIGIN)
        await place.end(NEXT, AFTER)
        assert await place.add(b"four", b"three") == [7, 4]
        again, found = await place.read(on)
        assert [each.index for each in found] == [5, 6, 7]
        fresh, whole = await place.read(place.replica())
        assert [each.index for each in whole] == list(range(8))
        assert (fresh.size, fresh.nodes) == (again.size, again.nodes)
        assert place.failures == [] or all(f.rule == "log.successor" for f in place.failures)


async def test_a_stopped_log_has_its_shards_again(tmp_path: Path) -> None:
    async with years(tmp_path) as place:
        await place.add(b"one")
        await place.end(NEXT)
        await place.add(b"two")
        await place.stop_log()
        await place.start_log()
        assert await place.add(b"one", b"two", b"three") == [0, 3, 4]
        _, whole = await place.read(place.replica())
        assert len(whole) == 5


async def test_the_shard_goes_on_until_a_quorum_follows_its_successor(tmp_path: Path) -> None:
    async with years(tmp_path) as place:
        await place.add(b"one")
        put_plan(place.config, NEXT)
        await place.teach(0, NEXT)
        await place.teach(1, NEXT)
        await until(lambda: bool(place.failures))
        failure = place.failures[0]
        assert isinstance(failure, QuorumNotMet)
        assert failure.rule == "log.successor"
        assert await place.add(b"two") == [1]
        assert len(place.sharded._shards) == 1
        assert read_plan(place.config) == NEXT
        await place.teach(2, NEXT)
        await until(lambda: len(place.sharded._shards) == 2)
        await until(lambda: not (place.folder / "log" / PLAN_FILE).exists())
        assert await place.add(b"three") == [4]


async def test_what_waits_at_the_end_is_taken_once(tmp_path: Path) -> None:
    async with years(tmp_path) as place:
        await place.add(b"one")
        put_plan(place.config, NEXT)
        for number in range(4):
            await place.teach(number, NEXT)
        many = [b"entry %d" % n for n in range(40)]
        found: list[int] = []
        for first in range(0, 40, 8):
            found += await place.add(*many[first : first + 8])
        await until(lambda: len(place.sharded._shards) == 2)
        assert await place.add(*many) == found
        _, whole = await place.read(place.replica())
        where = {each.entry: each.index for each in whole}
        assert [where[entry] for entry in many] == found
        assert len(where) == len(whole) == 43


async def test_nobody_else_ends_or_begins_a_shard(tmp_path: Path) -> None:
    async with years(tmp_path) as place:
        await place.add(b"one")
        note = place.sharded._newest.server.note
        for entry in (
            ShardEnd("evil.test", ("key",), "2027").encode(),
            Genesis(1, ORIGIN, note).encode(),
            b"glasslock/1 genesis\n",
        ):
            with pytest.raises(Denied) as caught:
                await place.add(entry)
            assert caught.value.rule == "log.reserved"


async def test_an_entry_is_meant_for_a_shard_of_this_chain(tmp_path: Path) -> None:
    async with years(tmp_path) as place:
        await place.add(b"one")
        await place.end(NEXT)
        client = HttpClient(place.url)
        try:
            for path in (LOG_ADD, "/shards/2027" + LOG_ADD):
                body = submit(SUBMITTER, NEXT.origin, path.encode()).encode()
                added = msgspec.msgpack.decode(await client.post(path, body), type=Added)
                assert added.index > 2
            with pytest.raises(BadSignature):
                await client.post(LOG_ADD, submit(SUBMITTER, AFTER.origin, b"x").encode())
            with pytest.raises(NotFound):
                await client.post("/shards/2028/add", body)
            with pytest.raises(NotFound):
                await client.get("/shards/2028/checkpoint")
        finally:
            await client.close()


async def test_a_reader_who_begins_at_a_later_shard_follows_the_next(tmp_path: Path) -> None:
    async with years(tmp_path) as place:
        await place.add(b"one")
        await place.end(NEXT)
        server = place.sharded._newest.server
        logs = [LogKey(log.verifier) for log in server.quorum.logs]
        quorum = QuorumFile.of(logs, server.quorum.witnesses, 3)
        await place.add(b"two")
        await place.end(NEXT, AFTER)
        await place.add(b"three")
        client = HttpClient(place.url + "/shards/2027")
        start = Replica(TrustedLog(quorum, NEXT.origin))
        try:
            parts = [part async for part in fetch_parts(client, start, catch_up, place.clock)]
        finally:
            await client.close()
        found = [each for part in parts for each in part.entries]
        assert [each.index for each in found] == [2, 3, 4, 5, 6]
        assert [found[1].entry, found[4].entry] == [b"two", b"three"]


async def test_a_shard_whose_genesis_lies_is_refused(tmp_path: Path) -> None:
    async with years(tmp_path) as place:
        await place.add(b"one")
        halfway, _ = await place.read(place.replica())
        put_plan(place.config, NEXT)
        await place.stop_log()
        for number in range(4):
            await place.teach(number, NEXT)
        await liar(place)
        await place.start_log()
        for start in (halfway, place.replica()):
            with pytest.raises(LogInconsistent) as caught:
                await place.read(start)
            assert caught.value.rule == "log.genesis"


async def liar(place: Years) -> None:
    """Begin the successor with the genesis of another past, and have witnesses sign it."""
    place._make_server()
    config, first = place.config, place.sharded._newest.server
    server = LogServer(config, place.clock, place=ShardPlace.later(config, NEXT, [ORIGIN]))
    first.end(ShardEnd(NEXT.origin, server.vkeys, NEXT.place))
    server.append([Genesis(2, ORIGIN, first.note).encode()])
    await first.publish()
    await server.publish()
    await server.close()
    await place.sharded.close()
    place.server = None


async def test_a_plan_is_refused_that_cannot_be(tmp_path: Path) -> None:
    async with years(tmp_path) as place:
        for plan, rule in (
            (Plan(ORIGIN, "2027"), "log.place"),
            (Plan("two words", "2027"), "shard.origin"),
            (Plan(NEXT.origin, "../2027"), "shard.place"),
        ):
            with pytest.raises(ConfigError) as caught:
                put_plan(place.config, plan)
            assert caught.value.rule == rule
        await place.add(b"one")
        await place.end(NEXT)
        with pytest.raises(ConfigError) as caught:
            put_plan(place.config, NEXT)
        assert caught.value.rule == "log.place"
        for text in (b"{", b'{"origin":"a"}', b'{"origin":"a b","place":"2028"}'):
            (place.folder / "log" / PLAN_FILE).write_bytes(text)
            with pytest.raises(ConfigError):
                read_plan(place.config)
        place.failures.clear()
        (place.folder / "log" / PLAN_FILE).write_bytes(msgspec.json.encode(Plan(ORIGIN, "2028")))
        await until(lambda: bool(place.failures))
        assert await place.add(b"two") == [3]


async def test_a_monitor_follows_the_chain_and_looks_at_each_shards_witnesses(
    tmp_path: Path,
) -> None:
    async with years(tmp_path) as place:
        await place.add(b"one")
        store = Store(private_folder(tmp_path / "monitor"))
        quorum = place.sharded.quorum
        [before] = await look(quorum, place.url, store, place.clock)
        await place.end(NEXT)
        await place.add(b"two")
        server = place.sharded._newest.server
        both = QuorumFile.parse(quorum.text + "".join(f"log {key}\n" for key in server.vkeys))
        for known in (quorum, both):
            [seen] = await look(known, place.url, store, place.clock)
            assert seen.failure is None
            assert seen.contradictions == ()
            assert [(each.base, each.size) for each in seen.shards] == [(0, 2), (2, 2)]
            assert [entry for _, _, entry in seen.entries][3] == b"two"
            assert len(seen.views) == 8
            assert {view.verdict for view in seen.views} == {"agrees"}
            [facts] = audit([seen], place.clock.now(), 600).logs
            assert facts["size"] == 4
            assert [each["first"] for each in facts["shards"]] == [0, 2]
        assert [(each.base, each.size) for each in before.shards] == [(0, 1)]
        store.db.close()
