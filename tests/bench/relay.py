"""The raw reference of delivery: a bare relay that commits what comes before it passes it on.

    python -m tests.bench.relay FOLDER

Sockets, SQLite and nothing else: no accounts, no log-in, no checks, no receipts, no order beyond
that of arrival. What the same machine does here is what its stack can do at all. A connection
begins with ``S`` or ``R`` and the number of a room; what ``S`` sends in messages of ``SIZE`` bytes
goes to every ``R`` of the room. Prints its port as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, cast

import uvloop

SIZE: Final = 1_024
"""Bytes of a message: an entry of a 450-byte body with its receipt is about as long."""
HELLO: Final = 2
BATCH: Final = 500


class Relay:
    """The rooms, and one worker thread that commits in batches."""

    def __init__(self, folder: Path) -> None:
        self.rooms: dict[int, list[asyncio.Transport]] = {}
        self._db = sqlite3.connect(
            folder / "relay.sqlite", isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode = WAL").fetchall()
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE messages (position INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[int, bytes]] = []
        self._draining: asyncio.Task[None] | None = None

    def take(self, room: int, messages: Sequence[bytes]) -> None:
        """Have messages committed and passed on."""
        self._waiting += [(room, message) for message in messages]
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            await loop.run_in_executor(self._thread, self._commit, batch)
            grouped: dict[int, list[bytes]] = {}
            for room, message in batch:
                grouped.setdefault(room, []).append(message)
            for room, messages in grouped.items():
                data = b"".join(messages)
                for reader in self.rooms.get(room, ()):
                    reader.write(data)
        self._draining = None

    def _commit(self, batch: Sequence[tuple[int, bytes]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        rows = [(message,) for _, message in batch]
        self._db.executemany("INSERT INTO messages (body) VALUES (?)", rows)
        self._db.execute("COMMIT")


class End(asyncio.Protocol):
    """One connection."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._rest = b""
        self._room: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if self._room is None:
            if len(data) < HELLO:
                self._rest = data
                return
            self._room = data[1]
            if data[:1] == b"R":
                self._relay.rooms.setdefault(self._room, []).append(self._transport)
            self._transport.write(data[:HELLO])
            data = data[HELLO:]
        whole = len(data) - len(data) % SIZE
        if whole:
            self._relay.take(self._room, [data[at : at + SIZE] for at in range(0, whole, SIZE)])
        self._rest = data[whole:]

    def connection_lost(self, _error: Exception | None) -> None:
        if self._room is not None and self._transport in self._relay.rooms.get(self._room, ()):
            self._relay.rooms[self._room].remove(self._transport)


async def _serve(folder: Path) -> None:
    relay = Relay(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: End(relay), "127.0.0.1", 0, backlog=4_096)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
