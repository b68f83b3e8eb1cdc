"""Logs of ours before readers that we did not write.

Each refusal is asked of all readers alike: what one lets pass, none may.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from glasslock.tlog.note import format_note, parse_note
from tests.outside.readers import READERS, Public, Record, accepts
from tests.village.logs import ORIGIN, log_village

ENTRIES = 66_000
SEED = 7


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Public:
    """A log that has tiles of three levels, as our server wrote and our witnesses cosigned it."""
    folder = tmp_path_factory.mktemp("outside")

    async def write() -> Public:
        async with log_village(folder) as place:
            assert place.server is not None
            place.server.append([b"entry %d" % n for n in range(ENTRIES)])
            await place.add(b"the last")
            return Public(folder / "log" / "public", place.server.quorum, ORIGIN)

    return asyncio.run(write())


@pytest.mark.parametrize("reader", READERS)
def test_a_log_of_ours_is_accepted(published: Public, reader: str, record_property: Record) -> None:
    assert accepts(reader, published, record_property) in (True, None)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1
    path.write_bytes(data)


def copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


def edited(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"\n".join(change(path.read_bytes().split(b"\n"))))


def cosigned_by(public: Public, count: int) -> None:
    """Leave ``count`` of the witnesses' lines in the checkpoint."""
    path = public.folder / "checkpoint"
    note = parse_note(path.read_bytes())
    lines = [line for line in note.signatures if line.name == ORIGIN]
    lines += [line for line in note.signatures if line.name != ORIGIN][:count]
    path.write_bytes(format_note(note.body, lines))


def partial(public: Public, level: str) -> Path:
    """The partial tile of a level, or bundle: the right edge of the tree."""
    (found,) = (public.folder / "tile" / level).rglob("*.p/*")
    return found


LIES: dict[str, Callable[[Public, Random], None]] = {
    "entry": lambda p, r: flip(p.folder / "tile/entries/005", r.randrange(2, 9)),
    "last-entry": lambda p, _: flip(partial(p, "entries"), -1),
    "entry-length": lambda p, _: flip(p.folder / "tile/entries/100", 1),
    "bundle-withheld": lambda p, _: (p.folder / "tile/entries/007").unlink(),
    "bundle-cut": lambda p, _: partial(p, "entries").write_bytes(b""),
    "bundle-swapped": lambda p, _: copy(
        p.folder / "tile/entries/008", p.folder / "tile/entries/009"
    ),
    "size-smaller": lambda p, _: edited(
        p.folder / "checkpoint", lambda lines: [lines[0], b"66000", *lines[2:]]
    ),
    "size-padded": lambda p, _: edited(
        p.folder / "checkpoint", lambda lines: [lines[0], b"0" + lines[1], *lines[2:]]
    ),
    "root": lambda p, _: edited(
        p.folder / "checkpoint", lambda lines: [*lines[:2], b"A" + lines[2][1:], *lines[3:]]
    ),
    "origin": lambda p, _: edited(
        p.folder / "checkpoint", lambda lines: [lines[0] + b"x", *lines[1:]]
    ),
    "below-quorum": lambda p, _: cosigned_by(p, p.quorum.needed - 1),
    "no-witness": lambda p, _: cosigned_by(p, 0),
}


# Our reader recomputes every hash from the entries and reads no tile of hashes.
TILE_LIES: dict[str, Callable[[Public, Random], None]] = {
    "leaf-tile": lambda p, r: flip(p.folder / "tile/0/007", r.randrange(8_192)),
    "right-tile": lambda p, _: flip(partial(p, "0"), 0),
    "inner-tile": lambda p, r: flip(p.folder / "tile/1/000", r.randrange(8_192)),
    "top-tile": lambda p, _: flip(partial(p, "2"), 5),
}
CASES = [(lie, reader) for lie in LIES for reader in READERS]
CASES += [(lie, reader) for lie in TILE_LIES for reader in ("go", "python")]


@pytest.mark.parametrize(("lie", "reader"), CASES)
def test_no_reader_accepts_a_lie(
    published: Public, tmp_path: Path, lie: str, reader: str, record_property: Record
) -> None:
    folder = tmp_path / "public"
    shutil.copytree(published.folder, folder)
    told = replace(published, folder=folder)
    (LIES | TILE_LIES)[lie](told, Random(SEED))
    assert accepts(reader, told, record_property) in (False, None)
