"""Files of a device as they lie on its disk, read by somebody who has the key of its database.

A write-ahead journal holds whole pages as they were after each transaction, until it is written
over. Cut off after any of them, it is a journal again, and the database is what it was then.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from glasslock.client.schema import MIGRATIONS
from glasslock.errors import GlasslockError
from glasslock.runtime.sqlite import Database
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label

DATABASE: Final = "device.db"
# The file format of SQLite, section 4.1: a header, then frames of a header and a page.
_HEADER: Final = 32
_FRAME: Final = 24


def opened(database: Path, seed: bytes) -> list[bytes]:
    """Return every binary value of a device's database; nothing when ``seed`` is not its key."""
    try:
        db = Database.open(database, MIGRATIONS, key=derive(seed, Label.STORE))
    except GlasslockError:
        return []
    try:
        tables = db.all("SELECT name FROM sqlite_master WHERE type = 'table'")
        return [
            value
            for (table,) in tables
            for row in db.all(f"SELECT * FROM {table}")  # noqa: S608 - from the schema
            for value in row
            if isinstance(value, bytes)
        ]
    finally:
        db.close()


def pasts(device: Path, place: Path) -> list[Path]:
    """Return a copy of a device's database for every transaction that its journal still has."""
    data = journal_of(device)
    found = []
    for number, end in enumerate(_transactions(data)):
        folder = place / str(number)
        folder.mkdir(parents=True)
        shutil.copy(device / DATABASE, folder / DATABASE)
        (folder / f"{DATABASE}-wal").write_bytes(data[:end])
        found.append(folder / DATABASE)
    return found


def journal_of(device: Path) -> bytes:
    """Return the write-ahead journal of a device's database, empty when there is none."""
    journal = device / f"{DATABASE}-wal"
    return journal.read_bytes() if journal.exists() else b""


def _transactions(journal: bytes) -> Iterator[int]:
    """Yield where each transaction of a journal ends; older ones behind its end are left out."""
    page, salt = int.from_bytes(journal[8:12]), journal[16:24]
    end = _HEADER
    while page and end + _FRAME + page <= len(journal) and journal[end + 8 : end + 16] == salt:
        commits = any(journal[end + 4 : end + 8])
        end += _FRAME + page
        if commits:
            yield end
