"""A log and its witnesses in one process, over loopback sockets, with one settable clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from glasslock.errors import GlasslockError
from glasslock.logserver.app import ROUND_SECONDS, LogServer
from glasslock.logserver.config import LogConfig, WitnessSettings
from glasslock.runtime.http import HttpClient, fetch_parts
from glasslock.runtime.server import build_app
from glasslock.runtime.service import bind
from glasslock.signing import SigningKey
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.proof import LoggedEntry
from glasslock.tlog.reader import catch_up
from glasslock.tlog.submission import submit
from glasslock.wire.api import LOG_ADD, Added
from glasslock.witness.app import Witness
from glasslock.witness.config import LogSettings, WitnessConfig
from tests.village.serving import Serving
from tests.village.village import Clock

ORIGIN = "log.test/policy"
SUBMITTER = SigningKey.from_seed(b"\x05" * 32)


@dataclass
class LogVillage:
    """One log, four witnesses, three of them its quorum."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    origin: str = ORIGIN
    witnesses: list[Serving] = field(default_factory=list)
    log: Serving | None = None
    server: LogServer | None = None
    also: list[Path] = field(default_factory=list)
    retired: list[Serving] = field(default_factory=list)
    _keys: list[str] = field(default_factory=list)
    _rounds: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start everything: witnesses first learn the log's key from its folder."""
        for number in range(4):
            listener = bind("127.0.0.1", 0)
            self.witnesses.append(Serving(listener))
            config = WitnessConfig(self.folder / f"w{number}", f"w{number}.test")
            self._keys.append(Witness(config, self.clock).vkey)
        self._make_server()
        assert self.server is not None
        for number in range(4):
            await self.start_witness(number)
        await self.start_log()

    def _make_server(self) -> None:
        witnesses = [
            WitnessSettings(f"w{n}", key, self.witnesses[n].url) for n, key in enumerate(self._keys)
        ]
        config = LogConfig(
            self.folder / "log",
            self.origin,
            witnesses,
            3,
            [SUBMITTER.public.hex()],
            self.also,
            batch_seconds=0.02,
            heartbeat_seconds=3_600,
        )
        self.server = LogServer(config, self.clock)

    async def start_witness(self, number: int) -> None:
        """Start a witness on the port that the log knows."""
        keys = (self.folder / "log" / "vkey").read_text(encoding="ascii").split()
        name = f"w{number}" + ("new" if (self.folder / f"w{number}new").exists() else "")
        config = WitnessConfig(self.folder / name, f"{name}.test", [LogSettings(self.origin, keys)])
        witness = Witness(config, self.clock)
        await self.witnesses[number].start(build_app(witness.routes(), witness.close))

    def replace_witness(self, number: int) -> None:
        """Put a new witness in one's place, to be started; the old one goes on at its address."""
        self.retired.append(self.witnesses[number])
        self.witnesses[number] = Serving(bind("127.0.0.1", 0))
        config = WitnessConfig(self.folder / f"w{number}new", f"w{number}new.test")
        self._keys[number] = Witness(config, self.clock).vkey

    async def start_log(self) -> None:
        """Start the log, which answers on one port for life."""
        if self.server is None:
            self._make_server()
        assert self.server is not None
        if self.log is None:
            self.log = Serving(bind("127.0.0.1", 0))
        await self.log.start(build_app(self.server.routes(), self.server.close))
        self._rounds = asyncio.create_task(self._work(self.server))

    async def _work(self, server: LogServer) -> None:
        while True:
            with contextlib.suppress(GlasslockError):
                await server.work()
            await asyncio.sleep(ROUND_SECONDS / 5)

    async def stop_log(self) -> None:
        """Stop the log; its folder stays."""
        assert self.log is not None
        assert self._rounds is not None
        self._rounds.cancel()
        await asyncio.gather(self._rounds, return_exceptions=True)
        await self.log.stop()
        self.server = None

    async def close(self) -> None:
        """Stop everything."""
        if self.server is not None:
            await self.stop_log()
        await asyncio.gather(*(each.stop() for each in (*self.witnesses, *self.retired)))

    @property
    def url(self) -> str:
        """Where the log answers."""
        assert self.log is not None
        return self.log.url

    async def add(self, *entries: bytes, key: SigningKey = SUBMITTER) -> list[int]:
        """Submit entries and wait until each is published."""
        client = HttpClient(self.url)
        try:
            answers = await asyncio.gather(
                *(client.post(LOG_ADD, submit(key, self.origin, e).encode()) for e in entries)
            )
        finally:
            await client.close()
        return [msgspec.msgpack.decode(answer, type=Added).index for answer in answers]

    def replica(self, max_age: int | None = None) -> Replica:
        """Return a reader that has read nothing."""
        assert self.server is not None
        return Replica(TrustedLog(self.server.quorum, self.origin, max_age))

    async def read(self, replica: Replica) -> tuple[Replica, list[LoggedEntry]]:
        """Read on."""
        client = HttpClient(self.url)
        found: list[LoggedEntry] = []
        try:
            async for part in fetch_parts(client, replica, catch_up, self.clock):
                replica = part.replica
                found += part.entries
        finally:
            await client.close()
        return replica, found


@contextlib.asynccontextmanager
async def log_village(folder: Path) -> AsyncIterator[LogVillage]:
    """Open a log village and close everything in it."""
    place = LogVillage(folder)
    try:
        await place.open()
        yield place
    finally:
        await place.close()
