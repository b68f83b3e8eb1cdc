"""One log, killed again and again on its way to a checkpoint; after each death everything is held.

Six steps lead from an entry to what readers see: it is sequenced, its head is bound, its files are
written, witnesses cosign, the note is recorded, the checkpoint file is put in its place. The log is
a process that SIGKILL ends in one of them; its witnesses are real and live on. After every death:
no head that any witness was ever shown contradicts what is published, no acknowledged entry is lost
or moved, our own reader goes on from what it held, and Go's verifier accepts the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from glasslock.logserver.sequencer import Tree
from glasslock.runtime.server import Handler, HttpRequest, HttpRoute, Reply
from glasslock.tlog.reader import catch_up
from glasslock.tlog.witnessing import ADD_CHECKPOINT
from tests.journeys.test_log_crash import ORIGIN, WITNESSES, Place
from tests.outside.readers import Public, Record, accepts, part_of

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE: Final = 60.0
MOMENTS: Final = ("begin", "commit", "done")
COSIGN: Final = "cosign"
# Each step with the points of it; in that of the witnesses the log dies while one of them answers.
STEPS: Final[dict[str, tuple[str, ...]]] = {
    **{name: tuple(f"{name}.{at}" for at in MOMENTS) for name in ("sequence", "head", "files")},
    COSIGN: (COSIGN,),
    "publish": tuple(f"publish.{at}" for at in MOMENTS),
    "checkpoint": ("checkpoint.done",),
}
ROUNDS: Final = 3
# Mostly a few entries a round, sometimes more than fill a tile.
CROWDS: Final = (1, 1, 2, 3, 5, 8, 13, 21, 300)


@dataclass
class Kills(Place):
    """The log's folder, its witnesses, and whoever watches."""

    chance: Random = field(default_factory=lambda: Random(1))
    record: Record = lambda _name, _value: None
    made: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    places: dict[bytes, int] = field(default_factory=dict)
    _die_at: int = 0
    _asked: int = 0
    _process: int = 0

    async def open(self) -> None:
        """Start the witnesses, and the process that forks the log."""
        await self.found()
        settings = self.folder / "log.toml"
        settings.write_text(self._settings(0), encoding="utf-8")
        self._forking = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.soak.forked",
            str(settings),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        self._public = Public(self.folder / "log" / "public", self.quorum, ORIGIN)
        self._replica, self._published = self.reader(), Tree()
        self._unsent: list[bytes] = []

    async def close(self) -> None:
        """Stop everything."""
        assert self._forking.stdin is not None
        self._forking.stdin.close()
        await self._forking.wait()
        self._forking._transport.close()  # type: ignore[attr-defined]
        await asyncio.gather(*(serving.stop() for _, serving in self._witnesses))

    def _noting(self, route: HttpRoute) -> HttpRoute:
        if route.path != ADD_CHECKPOINT:
            return route
        handler: Handler = super()._noting(route).handler

        async def sign(request: HttpRequest) -> Reply:
            reply = await handler(request)
            self._asked += 1
            if self._asked == self._die_at:
                os.kill(self._process, signal.SIGKILL)
            return reply

        return replace(route, handler=sign)

    async def life(self, step: str | None) -> bool:
        """Live once, to a death in ``step``; says whether it came to that. None dies of nothing."""
        rounds = [self._entries() for _ in range(ROUNDS)]
        count = self.chance.randint(1, ROUNDS)
        point = "none" if step is None else self.chance.choice(STEPS[step])
        self._asked = 0
        self._die_at = self.chance.randint(1, WITNESSES * count) if step == COSIGN else 0
        await self._tell(point, count, rounds)
        ended = await self._end()
        assert ended in (0, -signal.SIGKILL), f"it ended with {ended}"
        self._unsent = [each for each in self._unsent if each not in self.acknowledged]
        self.hold()
        if ended and step is not None:
            self.kills[step] += 1
        return ended != 0

    def _entries(self) -> list[bytes]:
        # What was not acknowledged is given again; now and then something that was, too.
        again, self._unsent = (self._unsent, []) if self._unsent else ([], [])
        known = [self.chance.choice([*self.acknowledged])] if self.acknowledged else []
        count = self.chance.choice(CROWDS)
        new = [b"entry %d" % number for number in range(self.made, self.made + count)]
        self.made += count
        return [*again, *known, *new]

    async def _tell(self, point: str, count: int, rounds: list[list[bytes]]) -> None:
        self._unsent = list(dict.fromkeys(each for entries in rounds for each in entries))
        life = {
            "point": point,
            "count": count,
            "rounds": [[each.hex() for each in entries] for entries in rounds],
        }
        assert self._forking.stdin is not None
        self._forking.stdin.write(json.dumps(life).encode() + b"\n")
        await self._forking.stdin.drain()

    async def _end(self) -> int:
        """Note what the log says until its process has ended; returns how it did."""
        assert self._forking.stdout is not None
        while True:
            line = await asyncio.wait_for(self._forking.stdout.readline(), PATIENCE)
            told: dict[str, Any] = json.loads(line)
            assert "refused" not in told, told
            if "process" in told:
                self._process = told["process"]
            elif "ended" in told:
                return int(told["ended"])
            else:
                entry, index = bytes.fromhex(told["entry"]), told["acknowledged"]
                assert self.acknowledged.setdefault(entry, index) == index, "it has moved"

    # -- what must hold -------------------------------------------------------------------------

    def hold(self) -> None:
        """Read on what is published, and hold all that was seen of this log against it."""
        public = self._public.folder
        if not (public / "checkpoint").exists():
            assert not self.acknowledged
            return
        for entry in self._read():
            assert self.places.setdefault(entry, len(self.places)) == len(self.places) - 1
            self._published.extend([entry])
        assert self.acknowledged.items() <= self.places.items(), "an acknowledged entry is lost"
        tree = self._published
        for head in self.signed:
            if head.size <= tree.size:
                assert tree.root(head.size) == head.root, "a fork"
        self.signed[:] = [head for head in self.signed if head.size > tree.size]
        assert accepts("go", self._public, self.record) in (True, None)

    def _read(self) -> list[bytes]:
        found: list[bytes] = []
        newest = False
        while not newest:
            self._replica, logged, newest = part_of(self._public, catch_up(self._replica, None))
            found += [each.entry for each in logged]
        return found

    async def end(self) -> None:
        """Live to the end once, after which nothing is left that could not be compared."""
        assert not await self.life(None)
        assert not self.signed
        assert not self._unsent
        assert self.places == self.acknowledged


@contextlib.asynccontextmanager
async def kills(folder: Path, seed: int, record: Record) -> AsyncIterator[Kills]:
    """Open a log to be killed, and close everything."""
    made = Kills(folder, (), chance=Random(seed), record=record)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def kill(here: Kills, times: int, tell: Callable[[int], None]) -> None:
    """Kill the log ``times`` times, in one step after the other; ``tell`` is given the count."""
    steps = [*STEPS]
    done = 0
    while done < times:
        done += await here.life(steps[done % len(steps)])
        tell(done)
    await here.end()
