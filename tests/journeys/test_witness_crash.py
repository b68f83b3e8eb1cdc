"""A witness is killed at every write point while a log grows and forks; it never goes back.

The log is a key in this test, honest and dishonest by turns: after each honest head it shows
another history of the same size, a longer one that does not follow, and its own past.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from glasslock.logserver.sequencer import Tree
from glasslock.runtime.files import private_folder
from glasslock.runtime.http import HttpClient
from glasslock.runtime.keys import load_or_create_seed
from glasslock.tlog.checkpoint import add_signatures, read_head, sign_head
from glasslock.tlog.note import Signer, Verifier, open_note, parse_signatures
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import ADD_CHECKPOINT, format_witness_request, parse_size
from tests.journeys.mortal import Deaths, Mortal, patiently
from tests.journeys.points import write_points

ORIGIN = "log.test/crash"
NAME = "w.test"
SIZES = (1, 2, 5, 5, 7, 256, 300)
LOG = Signer.log(ORIGIN, b"\x07" * 32)
POINTS = sorted(write_points("witness"))
NAMES = sorted({point.rpartition(".")[0] for point in POINTS})
# One story for each name: it dies at every point of that name, one after the other.
FIRST: list[Deaths] = [tuple((p, 1) for p in POINTS if p.startswith(f"{n}.")) for n in NAMES]
# The counts begin anew with each life.
LATE: list[Deaths] = [
    (("cosign.commit", 3), ("fork.commit", 2), ("cosign.done", 2)),
    (("cosign.done", 5), ("cosign.begin", 2), ("fork.done", 2)),
]
SETTINGS = """\
data = "{data}"
name = "{name}"
port = {port}

[[logs]]
origin = "{origin}"
keys = ["{key}"]
"""


class Place:
    """A witness's process, and what it cosigned."""

    def __init__(self, folder: Path, deaths: Deaths) -> None:
        self.folder = folder
        data = private_folder(folder / "witness")
        signer = Signer.witness(NAME, load_or_create_seed(data / "witness.key"))
        self.key = Verifier.parse(signer.vkey)
        self.witness = Mortal("witness", folder / "witness.toml", self._settings, deaths)
        self.honest = Tree(b"entry %d" % at for at in range(max(SIZES)))
        self.other = Tree(b"another %d" % at for at in range(max(SIZES) + 1))
        self.cosigned = 0
        self.refused: set[tuple[int, bytes]] = set()

    def _settings(self, port: int) -> str:
        return SETTINGS.format(
            data=self.folder / "witness", name=NAME, port=port, origin=ORIGIN, key=LOG.vkey
        )

    async def open(self) -> None:
        await self.witness.open()
        self._client = HttpClient(self.witness.url)

    async def close(self) -> None:
        await self._client.close()
        await self.witness.close()

    async def ask(self, tree: Tree, old: int, size: int) -> tuple[int, bytes, bytes]:
        """Show a head of ``tree``; returns the note, the status and the answer's body."""
        note = sign_head(TreeHead(ORIGIN, size, tree.root(size)), [LOG])
        body = format_witness_request(old, tree.consistency(old, size), note)
        status, answer = await patiently(
            lambda: self._client.exchange("POST", ADD_CHECKPOINT, body)
        )
        return status, answer, note

    async def grow(self, size: int) -> None:
        """Have the honest head of ``size`` cosigned."""
        status, answer, note = await self.ask(self.honest, self.cosigned, size)
        if status == 409:
            # It died between remembering this head and answering: it may stand here, not behind.
            assert parse_size(answer) == size
            status, answer, note = await self.ask(self.honest, size, size)
        assert status == 200
        (line,) = parse_signatures(answer)
        assert self.key in open_note(read_head(add_signatures(note, [line]))[0], [self.key])
        self.cosigned = size

    async def betray(self, size: int) -> None:
        """Show it everything but the truth after ``size``."""
        for wanted in (size, size + 1):
            status, _, _ = await self.ask(self.other, size, wanted)
            assert status == 422
            self.refused.add((wanted, self.other.root(wanted)))
        for old in {0, size - 1} - {size}:
            for tree in (self.honest, self.other):
                status, answer, _ = await self.ask(tree, old, max(old, 1))
                assert (status, parse_size(answer)) == (409, size)

    async def tell(self) -> None:
        for size in SIZES:
            await self.grow(size)
            await self.betray(size)

    async def check(self) -> None:
        """What it remembers is the last honest head; each fork it refused is kept as evidence."""
        path = f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
        note, head = read_head(await patiently(lambda: self._client.get(path)))
        assert (head.size, head.root) == (max(SIZES), self.honest.root(max(SIZES)))
        assert self.key in open_note(note, [self.key])
        await self.witness.close()
        db = sqlite3.connect(self.folder / "witness" / "witness.db")
        try:
            held = db.execute("SELECT size, root FROM heads").fetchall()
            assert held == [(head.size, head.root)]
            (forks,) = db.execute("SELECT COUNT(*) FROM forks").fetchone()
            assert forks == len(self.refused)
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        finally:
            db.close()


@contextlib.asynccontextmanager
async def place(folder: Path, deaths: Deaths) -> AsyncIterator[Place]:
    made = Place(folder, deaths)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("deaths", FIRST + LATE, ids=lambda d: f"{d[0][0]}-{d[0][1]}")
async def test_a_witness_killed_at_any_write_never_goes_back(
    tmp_path: Path, deaths: Deaths
) -> None:
    async with place(tmp_path, deaths) as here:
        await here.tell()
        assert here.witness.to_come == [], "not all of these points were passed"
        await here.check()
