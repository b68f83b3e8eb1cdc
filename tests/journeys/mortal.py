"""A daemon that is killed as often as it is told to, and comes back on the port that it had."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from glasslock.errors import QuorumNotMet, TransportError
from tests.journeys.process import PATIENCE, Gone, Process

T = TypeVar("T")
Deaths = tuple[tuple[str, int], ...]
_PAUSE = 0.02


class Mortal:
    """One daemon by its settings; ``to_come`` are the deaths that it still has before it."""

    def __init__(
        self,
        role: str,
        settings: Path,
        text: Callable[[int], str],
        deaths: Deaths,
    ) -> None:
        self.to_come = list(deaths)
        self.port = 0
        self._role, self._settings, self._text = role, settings, text
        self._ready = asyncio.Event()
        self._process: Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.process.pid

    async def open(self) -> None:
        """Start it, and wait until it answers for the first time."""
        self._keeping = asyncio.create_task(self._keep_alive())
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait((ready, self._keeping), return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.is_set():
            ready.cancel()
            await self._keeping

    async def _keep_alive(self) -> None:
        while True:
            point, count = self.to_come[0] if self.to_come else ("none", 1)
            self._settings.write_text(self._text(self.port), encoding="utf-8")
            self._process = await Process.launch(self._role, self._settings, point, count)
            with contextlib.suppress(Gone):
                self.port = (await self._process.expect("ready"))["port"]
                self._ready.set()
            await self._process.process.wait()
            assert self.to_come, "it ended without being told to"
            self.to_come.pop(0)

    async def close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._process is not None:
            await self._process.stop()


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` gives; do it again while the daemon is away or without its witnesses."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            return await work()
        except (TransportError, QuorumNotMet):
            assert asyncio.get_running_loop().time() < deadline, "it did not come back"
            await asyncio.sleep(_PAUSE)
