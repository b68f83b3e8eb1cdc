"""Processes for delivery: a fresh provider or bare relay, and the load generator beside it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

from tests.bench.harness import per_second
from tests.bench.references import Reference

SETTINGS = """\
data = "{data}"
port = 0
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address and process."""

    url: str
    pid: int


@contextmanager
def provider() -> Iterator[Server]:
    """Run a fresh provider as a person would."""
    with TemporaryDirectory() as name:
        settings = FilePath(name) / "provider.toml"
        settings.write_text(SETTINGS.format(data=FilePath(name) / "data"), encoding="utf-8")
        with _running("glasslock", "serve", "provider", str(settings)) as server:
            yield server


@contextmanager
def relay() -> Iterator[Server]:
    """Run a fresh bare relay."""
    with TemporaryDirectory() as name, _running("tests.bench.relay", name) as server:
        yield server


@contextmanager
def _running(*command: str) -> Iterator[Server]:
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        yield Server(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.communicate()


def play(server: Server, scene: str, options: Sequence[str | int]) -> dict[str, float]:
    """Have the load generator play ``scene`` and return its figures."""
    command = [sys.executable, "-m", "tests.bench.loadgen", scene, "--url", server.url]
    said = subprocess.run(
        [*command, "--pid", str(server.pid), *map(str, options)],
        stdout=subprocess.PIPE,
        check=True,
    )
    figures: dict[str, float] = json.loads(said.stdout)
    return figures


def sqlite_reads(folder: FilePath, rows: int = 10_000, page: int = 500) -> Reference:
    """Return the rows per second of Python's ``sqlite3`` reading 1 KiB rows in pages."""
    database = sqlite3.connect(folder / "read.sqlite")
    database.execute("CREATE TABLE messages (position INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    database.executemany("INSERT INTO messages (body) VALUES (?)", [(bytes(1_024),)] * rows)
    database.commit()
    query = "SELECT position, body FROM messages WHERE position > ? ORDER BY position LIMIT ?"

    def work() -> None:
        for at in range(0, rows, page):
            assert len(database.execute(query, (at, page)).fetchall()) == page

    return lambda: per_second(work, rows), f"bare SQLite rows read/s, pages of {page}"
