"""One launched process with JSON lines, for journeys that kill and restart it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

LAUNCH = Path(__file__).with_name("launch.py")
PATIENCE = 30.0


class Gone(Exception):
    """The process has ended."""


class Process:
    """A role at a write point."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._asked = 0

    @classmethod
    async def launch(cls, role: str, target: Path, point: str = "none", count: int = 1) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(LAUNCH),
            role,
            str(target),
            point,
            str(count),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        return cls(process)

    async def line(self) -> dict[str, Any]:
        """Return the next line; raises ``Gone`` when there is none."""
        assert self.process.stdout is not None
        data = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
        if not data:
            await self.process.wait()
            raise Gone
        value: dict[str, Any] = json.loads(data)
        self.lines.append(value)
        return value

    async def expect(self, event: str, **facts: object) -> dict[str, Any]:
        """Return the first line of this event with these facts, old or new."""
        wanted = {"event": event, **facts}
        for value in self.lines:
            if wanted.items() <= value.items():
                return value
        while True:
            value = await self.line()
            if wanted.items() <= value.items():
                return value

    async def ask(self, do: str, **command: object) -> dict[str, Any]:
        """Send a command and return its answer; raises ``Gone``."""
        assert self.process.stdin is not None
        self._asked += 1
        try:
            text = json.dumps({"do": do, "id": self._asked, **command})
            self.process.stdin.write(text.encode() + b"\n")
            await self.process.stdin.drain()
        except OSError:
            raise Gone from None
        while True:
            value = await self.line()
            if value.get("id") == self._asked:
                return value

    async def stop(self) -> None:
        """End it politely, or at once when it does not listen."""
        if self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 5)
            except TimeoutError:
                self.process.kill()
        await self.process.wait()
        self.process._transport.close()  # type: ignore[attr-defined]
