"""The same load against the bare relay: what the stack does with nothing of ours in it."""

from __future__ import annotations

import asyncio
import time
import urllib.parse
from array import array
from collections.abc import Callable
from typing import Final, cast

from tests.bench.loadgen_scenes import DEADLINE, Figures, Load, begin, percentiles, resident
from tests.bench.loadgen_wire import Lost
from tests.bench.relay import HELLO, SIZE

_MESSAGE: Final = bytes(SIZE)


class _Socket(asyncio.Protocol):
    """One connection to the relay; ``take`` gets the number of whole messages that came."""

    def __init__(self, hello: bytes) -> None:
        self._hello = hello
        self._bytes = 0
        self._missing = HELLO
        self.take: Callable[[int], None] | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
            if not self._missing:
                self.ready.set_result(None)
            return
        self._bytes += len(data)
        whole, self._bytes = divmod(self._bytes, SIZE)
        if whole and self.take is not None:
            self.take(whole)


async def _open(url: str, kind: bytes, room: int) -> _Socket:
    parts = urllib.parse.urlsplit(url)
    loop = asyncio.get_running_loop()
    host, port = parts.hostname or "", parts.port or 0
    _, made = await loop.create_connection(lambda: _Socket(kind + bytes((room,))), host, port)
    await made.ready
    return made


class _Room:
    """One conversation, as ``loadgen_scenes.Course`` plays it."""

    closed = True

    def __init__(self, load: Load, writer: _Socket, readers: list[_Socket]) -> None:
        self._left = load.messages
        self._writer = writer
        self._sent = array("d")
        self._settled = 0
        self._got = [0] * len(readers)
        self._total = load.messages
        self.latencies = array("d")
        for at, reader in enumerate(readers):
            reader.take = self._taker(at)

    def write(self, count: int, due: float | None = None) -> None:
        """Send the next ``count`` messages now; their clocks began when they were ``due``."""
        count = min(count, self._left)
        self._left -= count
        self._sent.extend([time.perf_counter() if due is None else due] * count)
        self._writer.transport.write(_MESSAGE * count)

    @property
    def done(self) -> bool:
        """Whether every reader has everything."""
        return min(self._got) == self._total

    def _taker(self, reader: int) -> Callable[[int], None]:
        def take(count: int) -> None:
            now, first = time.perf_counter(), self._got[reader]
            self.latencies.extend(now - self._sent[at] for at in range(first, first + count))
            self._got[reader] += count
            settled = min(self._got)
            fresh, self._settled = settled - self._settled, settled
            if fresh and self.closed:
                self.write(fresh)

        return take


async def relay(url: str, load: Load) -> Figures:
    """Play conversations with everybody online, closed loop, or open loop at ``load.rate``."""
    rooms, sockets = [], []
    for number in range(load.talks):
        readers = [await _open(url, b"R", number) for _ in range(load.readers)]
        writer = await _open(url, b"S", number)
        rooms.append(_Room(load, writer, readers))
        sockets += [*readers, writer]
    start = time.perf_counter()
    late = await begin(rooms, load, start)
    while not all(room.done for room in rooms):
        if time.perf_counter() - start > DEADLINE:
            raise Lost("the time was up")
        await asyncio.sleep(0.002)
    seconds = time.perf_counter() - start
    for socket in sockets:
        socket.transport.close()
    latencies = array("d")
    for room in rooms:
        latencies.extend(room.latencies)
    delivered = load.talks * load.messages * load.readers
    return {"deliveries_per_s": round(delivered / seconds), **percentiles(latencies), **late}


async def relay_idle(url: str, devices: int, pid: int) -> Figures:
    """Connect what does nothing, and read the relay's memory before and after."""
    before = resident(pid)
    sockets = [await _open(url, b"R", 0) for _ in range(devices)]
    after = resident(pid)
    for socket in sockets:
        socket.transport.close()
    return {"mb_at_10000": round((before + (after - before) / devices * 10_000) / 1e6, 1)}
