"""Starts a daemon that ends itself with SIGKILL at a named write point, or notes all it passes.

    launch.py ROLE TARGET POINT COUNT

ROLE is provider, log, witness or keyholder (TARGET: its settings), answer (a person who says yes
to orders about fraud only, to the keyholder with these settings), drill (a person who starts one
there), or client (TARGET: its folder).
At the COUNT-th visit of POINT the process is gone, without a chance to tidy up. POINT ``record``
kills nothing and appends the names of all points passed to TARGET.points.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from glasslock.cli.agent import Agent
from glasslock.client import Client
from glasslock.errors import ConfigError
from glasslock.keyholder import app as keyholder
from glasslock.keyholder.config import KeyholderConfig
from glasslock.keyholder.release import Answer
from glasslock.logserver import shards as log
from glasslock.logserver.config import LogConfig
from glasslock.mls import SUITE_CLASSIC
from glasslock.provider.app import run
from glasslock.provider.config import ProviderConfig
from glasslock.runtime.config import load_config
from glasslock.runtime.files import write_atomic
from glasslock.witness import app as witness
from glasslock.witness.config import WitnessConfig

# For a refusal, and for one under duress.
CODES = ("north wind", "south wind")


class Killer:
    """A write point that ends the process."""

    def __init__(self, point: str, count: int, notes: Path) -> None:
        self._point = point
        self._left = count
        self._notes = notes
        self._seen: set[str] = set()

    def __call__(self, name: str) -> None:
        if self._point == "record" and name not in self._seen:
            self._seen.add(name)
            with self._notes.open("a", encoding="utf-8") as file:
                file.write(name + "\n")
        if name == self._point:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


async def client(folder: Path, point: Killer) -> None:
    """Make the device if there is none, register it, and serve commands."""
    try:
        device = Client.open(folder, point=point)
    except ConfigError:
        url, account = (folder.parent / "who").read_text(encoding="utf-8").split()
        device = await Client.create(folder, url, account, suite=SUITE_CLASSIC, point=point)
    await device.register()
    await device.start()
    try:
        await Agent(device).run()
    finally:
        await device.close()


class FileClock:
    """Real time, moved by what a test writes beside the settings."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> int:
        return int(time.time()) + int(self._file.read_text(encoding="ascii"))


def answer(config: KeyholderConfig, clock: FileClock, point: Killer) -> None:
    """Answer every pending order as a person does, beside the daemon."""
    office = keyholder.open_office(config, clock, point)
    file = config.data / "contact"
    try:
        if not file.exists():
            write_atomic(file, keyholder.agree(office, *CODES).encode())
        for each in keyholder.pending(office):
            said = Answer(yes=each.offence == "fraud", ground="not for that")
            keyholder.answer(office, bytes.fromhex(each.commitment), said, CODES[1])
    finally:
        office.close()


def drill(config: KeyholderConfig, clock: FileClock, point: Killer) -> None:
    """Start a drill as a person does, beside the daemon."""
    office = keyholder.open_office(config, clock, point)
    try:
        keyholder.start_drill(office, None, None)
    finally:
        office.close()


def main() -> None:
    role, target, point, count = sys.argv[1:5]
    killer = Killer(point, int(count), Path(f"{target}.points"))
    if role == "provider":
        run(load_config(Path(target), ProviderConfig), point=killer)
    elif role == "log":
        log.run(load_config(Path(target), LogConfig), point=killer)
    elif role == "witness":
        witness.run(load_config(Path(target), WitnessConfig), point=killer)
    elif role in ("keyholder", "answer", "drill"):
        config = load_config(Path(target), KeyholderConfig)
        clock = FileClock(Path(f"{target}.offset"))
        verbs = {"keyholder": keyholder.run, "answer": answer, "drill": drill}
        verbs[role](config, clock, killer)
    else:
        asyncio.run(client(Path(target), killer))


if __name__ == "__main__":
    main()
