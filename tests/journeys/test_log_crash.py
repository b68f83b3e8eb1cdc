"""A log is killed at every write point; it keeps what it acknowledged and signs one history.

Its witnesses are real and note every head that the log shows them: what it signed before a death
is held against what it published after it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from glasslock.logserver.keys import load_signers
from glasslock.logserver.sequencer import Tree, files
from glasslock.runtime.files import private_folder
from glasslock.runtime.http import HttpClient, fetch
from glasslock.runtime.server import Handler, HttpRequest, HttpRoute, Reply, build_app
from glasslock.runtime.service import bind
from glasslock.signing import SigningKey
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.merkle import root_of
from glasslock.tlog.note import Verifier
from glasslock.tlog.proof import LoggedEntry
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.tlog.reader import catch_up
from glasslock.tlog.submission import submit
from glasslock.tlog.tile import TILE_WIDTH
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import ADD_CHECKPOINT, parse_witness_request
from glasslock.wire.api import LOG_ADD, Added
from glasslock.witness.app import Witness
from glasslock.witness.config import LogSettings, WitnessConfig
from tests.journeys.mortal import Deaths, Mortal, patiently
from tests.journeys.points import write_points
from tests.outside.readers import Public, Record, accepts
from tests.village.serving import Serving
from tests.village.village import Clock, until

ORIGIN = "log.test/crash"
SUBMITTER = SigningKey.from_seed(b"\x06" * 32)
WITNESSES = 3
POINTS = sorted(write_points("logserver"))
NAMES = sorted({point.rpartition(".")[0] for point in POINTS})
# One story for each name: it dies at every point of that name, one after the other.
FIRST: list[Deaths] = [tuple((p, 1) for p in POINTS if p.startswith(f"{n}.")) for n in NAMES]
# Rounds beyond a full tile, and rounds that only beat. The counts begin anew with each life.
LATE: list[Deaths] = [
    (("sequence.commit", 3), ("head.commit", 2), ("files.commit", 2)),
    (("files.commit", 4), ("publish.commit", 3), ("checkpoint.done", 2)),
    (("head.done", 3), ("publish.begin", 2), ("publish.done", 3)),
]
SETTINGS = """\
data = "{data}"
origin = "{origin}"
needed = 3
submitters = ["{submitter}"]
batch_seconds = 0.02
heartbeat_seconds = 0.2
port = {port}
"""
WITNESS = """
[[witnesses]]
name = "{name}"
key = "{key}"
url = "{url}"
"""


@dataclass
class Place:
    """A log's process, its witnesses, and what was seen of it."""

    folder: Path
    deaths: Deaths
    signed: list[TreeHead] = field(default_factory=list)
    acknowledged: dict[bytes, int] = field(default_factory=dict)
    _witnesses: list[tuple[WitnessKey, Serving]] = field(default_factory=list)

    async def found(self) -> None:
        """Make the log's keys and its witnesses."""
        data = private_folder(self.folder / "log")
        signers = load_signers(data, ORIGIN)
        keys = [each.vkey for each in signers]
        for number in range(WITNESSES):
            await self._add_witness(f"w{number}.test", keys)
        self.quorum = QuorumFile.of(
            [LogKey(each.verifier) for each in signers],
            [each for each, _ in self._witnesses],
            WITNESSES,
        )

    async def open(self) -> None:
        await self.found()
        self.log = Mortal("log", self.folder / "log.toml", self._settings, self.deaths)
        await self.log.open()
        self._client = HttpClient(self.log.url)

    async def _add_witness(self, name: str, log_keys: list[str]) -> None:
        config = WitnessConfig(self.folder / name, name, [LogSettings(ORIGIN, log_keys)])
        witness = Witness(config, Clock())
        routes = [self._noting(route) for route in witness.routes()]
        serving = Serving(bind("127.0.0.1", 0))
        await serving.start(build_app(routes, witness.close))
        self._witnesses.append(
            (WitnessKey(name, Verifier.parse(witness.vkey), serving.url), serving)
        )

    def _noting(self, route: HttpRoute) -> HttpRoute:
        if route.path != ADD_CHECKPOINT:
            return route
        handler: Handler = route.handler

        async def note(request: HttpRequest) -> Reply:
            self.signed.append(parse_witness_request(request.body).head)
            return await handler(request)

        return replace(route, handler=note)

    def _settings(self, port: int) -> str:
        head = SETTINGS.format(
            data=self.folder / "log", origin=ORIGIN, submitter=SUBMITTER.public.hex(), port=port
        )
        return head + "".join(
            WITNESS.format(name=key.name, key=key.verifier.vkey, url=key.url)
            for key, _ in self._witnesses
        )

    async def close(self) -> None:
        await self._client.close()
        await self.log.close()
        await asyncio.gather(*(serving.stop() for _, serving in self._witnesses))

    async def add(self, entry: bytes, *, immediate: bool = False) -> None:
        """Submit until it is acknowledged; the place that was told once is the place for ever."""
        body = submit(SUBMITTER, ORIGIN, entry, immediate=immediate).encode()
        answer = await patiently(lambda: self._client.post(LOG_ADD, body))
        index = msgspec.msgpack.decode(answer, type=Added).index
        assert self.acknowledged.setdefault(entry, index) == index

    async def read(self, replica: Replica) -> tuple[Replica, list[LoggedEntry]]:
        replica, found, newest = await patiently(
            lambda: fetch(self._client, catch_up(replica, None))
        )
        assert newest
        return replica, found

    def reader(self) -> Replica:
        return Replica(TrustedLog(self.quorum, ORIGIN))

    async def tell(self) -> list[bytes]:
        """One entry, a crowd beyond a tile, some alone, some again; a reader goes along."""
        await self.add(b"first", immediate=True)
        replica, logged = await self.read(self.reader())
        await asyncio.gather(*(self.add(b"crowd %d" % n) for n in range(TILE_WIDTH + 20)))
        replica, more = await self.read(replica)
        logged += more
        for number in range(4):
            await self.add(b"alone %d" % number, immediate=number % 2 == 0)
        # A round without entries: the newest head is cosigned anew.
        beaten = len(self.signed) + 2 * WITNESSES
        await until(lambda: len(self.signed) >= beaten)
        for entry in list(self.acknowledged)[::20]:
            await self.add(entry)
        replica, more = await self.read(replica)
        _, fresh = await self.read(self.reader())
        assert [e.entry for e in [*logged, *more]] == [e.entry for e in fresh]
        return [each.entry for each in fresh]

    def check(self, entries: list[bytes]) -> None:
        """Nothing acknowledged is lost or doubled; every head ever signed is of this history."""
        assert {entry: at for at, entry in enumerate(entries)} == self.acknowledged
        assert len(entries) == len(self.acknowledged)
        tree = Tree(entries)
        assert {head.root for head in self.signed} == {
            tree.root(size) for size in {head.size for head in self.signed}
        }
        assert all(head.root == tree.root(head.size) for head in self.signed)
        assert tree.root(tree.size) == root_of(tree.hash(0, at) for at in range(tree.size))
        public = self.folder / "log" / "public"
        for path, data in files(tree, 0, tree.size, entries):
            assert (public / path).read_bytes() == data


@contextlib.asynccontextmanager
async def place(folder: Path, deaths: Deaths) -> AsyncIterator[Place]:
    made = Place(folder, deaths)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("deaths", FIRST + LATE, ids=lambda d: f"{d[0][0]}-{d[0][1]}")
async def test_a_log_killed_at_any_write_signs_one_history(
    tmp_path: Path, deaths: Deaths, record_property: Record
) -> None:
    async with place(tmp_path, deaths) as here:
        entries = await here.tell()
        assert here.log.to_come == [], "not all of these points were passed"
        here.check(entries)
        # And somebody who knows nothing of ours accepts what is left.
        public = Public(tmp_path / "log" / "public", here.quorum, ORIGIN)
        assert accepts("go", public, record_property) in (True, None)
