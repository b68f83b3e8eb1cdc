"""Two logs and their four witnesses, in one process over loopback; knows no entry's meaning."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from glasslock.errors import GlasslockError
from glasslock.lab.serving import Port
from glasslock.logserver.app import ROUND_SECONDS, LogServer
from glasslock.logserver.config import LogConfig, WitnessSettings
from glasslock.runtime.clock import Clock
from glasslock.runtime.http import HttpClient, fetch_parts
from glasslock.signing import SigningKey
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.proof import LoggedEntry
from glasslock.tlog.quorum import LogKey, QuorumFile
from glasslock.tlog.reader import catch_up
from glasslock.tlog.submission import submit
from glasslock.wire.api import LOG_ADD, Added
from glasslock.witness.app import Witness
from glasslock.witness.config import LogSettings, WitnessConfig

POLICY: Final = "log.lab/policy"
ORDERS: Final = "log.lab/orders"
ORIGINS: Final = (POLICY, ORDERS)
WITNESSES: Final = 4
NEEDED: Final = 3


@dataclass
class Log:
    """One log at work; anybody who signs may add to it."""

    folder: Path
    origin: str
    clock: Clock
    port: Port = field(default_factory=Port)
    server: LogServer | None = None
    _rounds: asyncio.Task[None] | None = None

    def config(self, witnesses: list[WitnessSettings]) -> LogConfig:
        """Return its settings."""
        return LogConfig(
            self.folder,
            self.origin,
            witnesses,
            NEEDED,
            batch_seconds=0.02,
            heartbeat_seconds=3_600,
        )

    async def start(self, server: LogServer) -> None:
        """Answer with ``server`` and have it publish."""
        self.server = server
        await self.port.start(server.routes(), server.close)
        self._rounds = asyncio.create_task(self._work(server))

    async def _work(self, server: LogServer) -> None:
        while True:
            with contextlib.suppress(GlasslockError):
                await server.work()
            await asyncio.sleep(ROUND_SECONDS / 5)

    async def stop(self) -> None:
        """Stop; the folder stays."""
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.gather(self._rounds, return_exceptions=True)
            self._rounds = None
        await self.port.stop()
        self.server = None

    @property
    def vkeys(self) -> list[str]:
        """Its keys as readers pin them."""
        return (self.folder / "vkey").read_text(encoding="ascii").split()


class Logs:
    """Both logs with their witnesses."""

    def __init__(self, folder: Path, clock: Clock, key: SigningKey) -> None:
        """Plan them under ``folder``; ``key`` signs what the lab itself adds."""
        self.folder, self.clock, self._key = folder, clock, key
        self.logs = {each: Log(folder / each.split("/")[1], each, clock) for each in ORIGINS}
        self.witnesses = [Port() for _ in range(WITNESSES)]
        self._keys: list[str] = []
        self.quorum: QuorumFile

    async def start(self) -> None:
        """Start everything: witnesses learn the logs' keys from their folders."""
        for number in range(WITNESSES):
            config = WitnessConfig(self.folder / f"w{number}", f"w{number}.lab")
            self._keys.append(Witness(config, self.clock).vkey)
        servers = {
            origin: LogServer(log.config(self.settings()), self.clock)
            for origin, log in self.logs.items()
        }
        known = [server.quorum for server in servers.values()]
        pairs = zip(known, self.logs.values(), strict=True)
        keys = [
            LogKey(key, log.port.url) for each, log in pairs for key in each.log_keys(log.origin)
        ]
        # Both logs with their addresses, as everybody pins them.
        self.quorum = QuorumFile.of(keys, known[0].witnesses, known[0].needed)
        for number in range(WITNESSES):
            await self.start_witness(number)
        for origin, log in self.logs.items():
            await log.start(servers[origin])

    def settings(self) -> list[WitnessSettings]:
        """Return how a log reaches its witnesses."""
        return [
            WitnessSettings(f"w{n}", key, self.witnesses[n].url) for n, key in enumerate(self._keys)
        ]

    def witness_config(self, number: int, name: str = "") -> WitnessConfig:
        """Return a witness's settings; ``name`` moves it to another folder with the same key."""
        logs = [LogSettings(origin, log.vkeys) for origin, log in self.logs.items()]
        return WitnessConfig(self.folder / (name or f"w{number}"), f"w{number}.lab", logs)

    async def start_witness(self, number: int) -> None:
        """Start a witness on the port that the logs know."""
        witness = Witness(self.witness_config(number), self.clock)
        await self.witnesses[number].start(witness.routes(), witness.close)

    async def stop(self) -> None:
        """Stop everything."""
        for log in self.logs.values():
            await log.stop()
        await asyncio.gather(*(witness.stop() for witness in self.witnesses))

    async def add(self, origin: str, *entries: bytes) -> list[int]:
        """Submit entries and wait until each is published; returns where they stand."""
        client = HttpClient(self.logs[origin].port.url)
        try:
            bodies = [submit(self._key, origin, entry).encode() for entry in entries]
            answers = await asyncio.gather(*(client.post(LOG_ADD, body) for body in bodies))
        finally:
            await client.close()
        return [msgspec.msgpack.decode(answer, type=Added).index for answer in answers]

    async def tick(self) -> None:
        """Have the witnesses sign both logs at the clock's present."""
        for origin in ORIGINS:
            await self.add(origin, b"nothing at %d" % self.clock.now())

    async def read(
        self, origin: str, replica: Replica | None = None, *, url: str = ""
    ) -> tuple[Replica, list[LoggedEntry]]:
        """Read a log as a stranger who has only the quorum file; raises what its checks raise."""
        reached = replica or Replica(TrustedLog(self.quorum, origin))
        found: list[LoggedEntry] = []
        client = HttpClient(url or self.logs[origin].port.url)
        try:
            async for part in fetch_parts(client, reached, catch_up, self.clock):
                reached = part.replica
                found += part.entries
        finally:
            await client.close()
        return reached, found
