"""``make bench HELD=1``: the most memory that a log server and a reader ever hold, by log size.

One log grows in a folder from size to size. For each, a process of its own opens it (and so hashes
all of it anew), appends and publishes up to the size and proves; another reads and verifies all of
its files and history. The peak of resident memory of each is printed. Ends with 1 if a peak at some
size is above that at the first by more than the tolerance; a reader is held from the first size
that is longer than one part. Nothing here is asserted in tests.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from glasslock.logserver.store import Store
from glasslock.runtime.sqlite import no_point
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.reader import (
    HISTORY,
    MAX_HISTORY,
    PART_ENTRIES,
    Part,
    catch_up,
    encode_history,
)
from tests.bench.curves_log import ORIGIN, _Log
from tests.bench.machine import load, machine
from tests.unit.tlog.conftest import make_world

SIZES: Final = (10_000, 100_000, 1_000_000, 10_000_000)
BATCH: Final = 8_192
PROOFS: Final = 200
TOLERANCE: Final = 0.15


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def entry(number: int) -> bytes:
    """Return the entry at a place: as long as a short leaf."""
    return b"glasslock/1 held\n" + bytes(100) + number.to_bytes(8)


def write(folder: Path, size: int) -> None:
    """Open the log, have it grow to ``size``, and prove places and sizes of it."""
    log = _Log(folder, make_world())

    async def grow() -> None:
        while (first := log._tree.size) < size:
            log.append([entry(at) for at in range(first, min(first + BATCH, size))])
            await log.publish()

    asyncio.run(grow())
    tree, chance = log._tree, random.Random(size)
    root = tree.root(size)
    for _ in range(PROOFS):
        at, old = chance.randrange(size), chance.randrange(1, size)
        verify_inclusion(leaf_hash(entry(at)), at, size, tree.inclusion(at, size), root)
        verify_consistency(old, tree.root(old), size, root, tree.consistency(old, size))
    (folder / "quorum").write_text(log.quorum.text, encoding="ascii")
    asyncio.run(log.close())


def read(folder: Path, size: int) -> None:
    """Read and verify the whole of the log's files, part by part."""
    store, public = Store(folder, no_point), folder / "public"
    quorum = QuorumFile.parse((folder / "quorum").read_text(encoding="ascii"))

    def get(path: str) -> bytes:
        if path.startswith(HISTORY):
            return encode_history(store.history(int(path.partition("/")[2]), MAX_HISTORY))
        return (public / path).read_bytes()

    replica, newest, count = Replica(TrustedLog(quorum, ORIGIN)), False, 0
    while not newest:
        steps = catch_up(replica, None)
        path = next(steps)
        try:
            while True:
                path = steps.send(get(path))
        except StopIteration as done:
            part: Part = done.value
        replica, logged, newest = part
        count += len(logged)
    if count != size:
        raise RuntimeError("the log was not read whole")


def peak() -> int:
    """Return the most bytes that this process ever held."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = [each for each in lines if each.startswith("VmHWM:")]
    return int(line.split()[1]) * 1_024


def measured(what: str, folder: Path, size: int) -> int:
    """Do ``what`` in a process of its own; returns its peak. Raises ``CalledProcessError``."""
    command = [sys.executable, "-m", "tests.bench.held", "--do", what, str(folder), str(size)]
    return int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def main() -> int:
    """Measure, print, judge; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--do", nargs=3, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="the largest size")
    options = parser.parse_args()
    if options.do:
        what, folder, size = options.do
        {"write": write, "read": read}[what](Path(folder), int(size))
        sys.stdout.write(str(peak()))
        return 0
    say(f"{machine()}, load {load()}")
    first: dict[str, int] = {}
    flat = True
    with TemporaryDirectory(prefix="glasslock-held-") as name:
        for size in [each for each in SIZES if each <= options.most]:
            for what in ("write", "read"):
                start = time.monotonic()
                held = measured(what, Path(name) / "log", size)
                if what == "write" or size > PART_ENTRIES:
                    first.setdefault(what, held)
                grown = held / first.get(what, held) - 1
                flat = flat and grown <= TOLERANCE
                verdict = "GREW" if grown > TOLERANCE else "flat"
                verdict += f" {time.monotonic() - start:6.0f} s"
                say(f"{what:5} {size:10,} {held / 1e6:7.1f} MB {grown:+6.1%} {verdict}")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
