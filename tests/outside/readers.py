"""Three readers of a log's folder: ours, one in Go and one in Python that we did not write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from glasslock.errors import GlasslockError
from glasslock.runtime.clock import SystemClock
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.reader import HISTORY, Part, Steps, catch_up
from tests.conftest import NOT_CHECKED
from tests.outside.tools import NotToBeHad, ends_well, go_verifier, python_tools

Record = Callable[[str, object], None]


@dataclass(frozen=True)
class Public:
    """What a log serves, and by what keys it is believed."""

    folder: Path
    quorum: QuorumFile
    origin: str

    @property
    def log_keys(self) -> list[str]:
        return [key.vkey for key in self.quorum.log_keys(self.origin)]

    @property
    def witness_keys(self) -> list[str]:
        return [each.verifier.vkey for each in self.quorum.witnesses]


def ours(public: Public) -> bool:
    """Whether our own reader, which client, keyholder and monitor share, accepts a folder."""
    replica, newest = Replica(TrustedLog(public.quorum, public.origin)), False
    try:
        while not newest:
            replica, _, newest = part_of(public, catch_up(replica, SystemClock().now()))
    except (GlasslockError, OSError):
        return False
    return True


def part_of(public: Public, steps: Steps) -> Part:
    """What our own reader finds in a folder, which has no history."""
    path = next(steps)
    try:
        while True:
            path = steps.send((public.folder / path).read_bytes() if HISTORY not in path else b"")
    except StopIteration as done:
        part: Part = done.value
        return part


def by_go(public: Public) -> bool:
    needed = public.quorum.needed
    keys = (*public.log_keys, "--", *public.witness_keys)
    return ends_well([go_verifier(), public.folder, needed, *keys])


AUDIT: Final = """
import sys
from aics_tlog.tiles import FileSystemTileReader
from aics_tlog.verified import audit_tiles
from aics_tlog.checkpoint import parse_checkpoint
reader = FileSystemTileReader(sys.argv[1])
body = open(sys.argv[1] + "/checkpoint", encoding="utf-8").read().split("\\n")
import base64
audit_tiles(reader, int(body[1]), base64.b64decode(body[2]))
"""


def by_python(public: Public) -> bool:
    """Two steps, as its command checks a note and its library all tiles and entries."""
    tools = python_tools()
    options: list[object] = ["--tiles", public.folder, "--origin", public.origin]
    # It knows Ed25519 only.
    options += ["--log-key", public.log_keys[0], "--quorum", public.quorum.needed]
    for key in public.witness_keys:
        options += ["--witness-key", key]
    noted = ends_well([tools / "aics-tlog", "verify-checkpoint", *options])
    return noted and ends_well([tools / "python", "-c", AUDIT, public.folder])


READERS: Final[dict[str, Callable[[Public], bool]]] = {
    "ours": ours,
    "go": by_go,
    "python": by_python,
}


def accepts(reader: str, public: Public, record: Record) -> bool | None:
    """Whether a reader accepts; None, on record, when it is not to be had here."""
    try:
        return READERS[reader](public)
    except NotToBeHad as missing:
        record(NOT_CHECKED, f"{reader}: {missing}")
        return None
