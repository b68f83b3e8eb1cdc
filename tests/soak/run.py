"""``make soak``: daemons killed at chance places, life after life, and memory that must stay flat.

Bounded by ``--seconds`` (for the lives) and a fixed number of messages (for memory). Prints one
line per life and what each process held; ends with 1 if something did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from tests.soak.kills import Kills, kill, kills
from tests.soak.lives import LIVES
from tests.soak.memory import soak

MESSAGES: Final = 6_000
LIFE_SECONDS: Final = 300
PROGRESS: Final = 25


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def live(name: str, seed: int) -> int | None:
    """Live one life; returns how often it ended early, or None when something did not hold."""
    with TemporaryDirectory() as folder:
        try:
            lived = asyncio.run(
                asyncio.wait_for(LIVES[name](Path(folder), Random(seed)), LIFE_SECONDS)
            )
        except Exception:  # noqa: BLE001 - whatever it is, the soak goes on and tells
            say(f"FAILED {name}, seed {seed}")
            traceback.print_exc(file=sys.stdout)
            return None
    say(f"{name:10} seed {seed:<6} died {lived.deaths} times of: {lived.plan}")
    return lived.deaths


def crashes(seconds: float, seed: int, clock: Callable[[], float] = time.monotonic) -> bool:
    """Let daemons live and die in turns for ``seconds``; says whether everything held."""
    end = clock() + seconds
    lives, deaths, failed = Counter[str](), Counter[str](), 0
    at = seed
    while clock() < end:
        for name in LIVES:
            if clock() >= end:
                break
            died = live(name, at)
            failed += died is None
            lives[name] += 1
            deaths[name] += died or 0
        at += 1
    for name in lives:
        say(f"{name:10} {lives[name]:5} lives, {deaths[name]:5} deaths")
    say(f"{sum(lives.values())} lives, {sum(deaths.values())} deaths, {failed} did not hold")
    return not failed


def memory(messages: int) -> bool:
    """Measure memory before and after ``messages``; says whether it stayed flat everywhere."""
    with TemporaryDirectory() as folder:
        held = asyncio.run(soak(Path(folder), messages))
    for each in held:
        verdict = "flat" if each.flat else "GREW"
        before, after = each.before / 1e6, each.after / 1e6
        say(f"{each.process:16} {before:7.1f} MB, {after:7.1f} MB, {each.growth:+.1%}  {verdict}")
    return all(each.flat for each in held)


def killed_log(kills_: int, seed: int) -> bool:
    """Kill one log ``kills_`` times; says whether everything held after every death."""
    # Who dies in the middle of a question leaves a witness's server with much to say about it.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    start = time.monotonic()
    missing: set[object] = set()

    def tell(done: int) -> None:
        if done % PROGRESS == 0 or done == kills_:
            say(f"log: {done:5} of {kills_} kills, {time.monotonic() - start:6.0f} s")

    async def run(folder: Path) -> Kills:
        async with kills(folder, seed, lambda _name, what: missing.add(what)) as here:
            await kill(here, kills_, tell)
            return here

    with TemporaryDirectory() as folder:
        try:
            here = asyncio.run(run(Path(folder)))
        except Exception:  # noqa: BLE001 - whatever it is, it is told as what did not hold
            say(f"FAILED log, seed {seed}")
            traceback.print_exc(file=sys.stdout)
            return False
    counts = ", ".join(f"{step} {count}" for step, count in here.kills.items())
    say(f"killed {sum(here.kills.values())} times: {counts}")
    say(f"{len(here.places)} entries, one history, {time.monotonic() - start:.0f} s")
    for each in missing:
        say(f"NOT CHECKED: {each}")
    return True


def main() -> int:
    """Soak, and say what did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--log", type=int, default=0, help="kill a log so often, and nothing else")
    options = parser.parse_args()
    if options.log:
        return 0 if killed_log(options.log, options.seed) else 1
    flat = memory(options.messages)
    held = crashes(options.seconds, options.seed)
    return 0 if flat and held else 1


if __name__ == "__main__":
    sys.exit(main())
