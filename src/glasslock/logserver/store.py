"""What a log must never forget: entries, heads, published notes; and its static files.

Decides nothing. A head is on disk before any signature over it leaves, and no published file is
ever replaced by other bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from glasslock.errors import LogInconsistent
from glasslock.runtime.files import sync_folder, write_atomic
from glasslock.runtime.sqlite import Database, WritePoint
from glasslock.tlog.tile import Tile

_PUBLIC: Final = 0o644
_PAGE: Final = 4_096
_MIGRATIONS: Final = (
    """
    CREATE TABLE entries (
        idx INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, entry BLOB NOT NULL
    ) STRICT;
    CREATE TABLE heads (size INTEGER PRIMARY KEY, root BLOB NOT NULL) STRICT;
    CREATE TABLE published (
        size INTEGER PRIMARY KEY, first_note BLOB NOT NULL, note BLOB NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE cosigned (witness BLOB PRIMARY KEY, size INTEGER NOT NULL) STRICT;
    """,
)


class Store:
    """The log's tables and its public folder."""

    def __init__(self, folder: Path, public: Path, point: WritePoint) -> None:
        """Open the log in ``folder``, with its files in ``public``; raises ``StorageError``."""
        self.db = Database.open(folder / "log.db", _MIGRATIONS, point=point)
        self._point = point
        self.public = public
        self.public.mkdir(parents=True, exist_ok=True)

    def entries(self, first: int, end: int) -> list[bytes]:
        """Return entries ``first`` to ``end`` (not included)."""
        rows = self.db.all(
            "SELECT entry FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx", (first, end)
        )
        return [row[0] for row in rows]

    def pages(self, end: int) -> Iterator[list[bytes]]:
        """Yield the entries below ``end``, some thousands at a time."""
        for first in range(0, end, _PAGE):
            yield self.entries(first, min(first + _PAGE, end))

    def size(self) -> int:
        """Return how many entries are sequenced; places have no gaps, so the last one tells."""
        row = self.db.one("SELECT idx + 1 FROM entries ORDER BY idx DESC LIMIT 1")
        return 0 if row is None else int(row[0])

    def index_of(self, entry: bytes) -> int | None:
        """Return where an entry stands, if it was sequenced before."""
        row = self.db.one("SELECT idx FROM entries WHERE digest = ?", (sha256(entry).digest(),))
        return None if row is None else int(row[0])

    def sequence(self, first: int, entries: Sequence[bytes]) -> None:
        """Give ``entries`` the places from ``first`` on, durably.

        Raises:
            StorageError: a place is taken, an entry is known, or they could not be written.
        """
        with self.db.transaction("sequence"):
            self.db.executemany(
                "INSERT INTO entries VALUES (?, ?, ?)",
                [(first + at, sha256(entry).digest(), entry) for at, entry in enumerate(entries)],
            )

    def put_head(self, size: int, root: bytes) -> None:
        """Bind ``size`` to ``root`` for ever, before anything signs it.

        Raises:
            LogInconsistent: another root was bound to this size.
        """
        with self.db.transaction("head"):
            row = self.db.one("SELECT root FROM heads WHERE size = ?", (size,))
            if row is not None and row[0] != root:
                raise LogInconsistent("one size would have two roots", rule="log.head")
            self.db.execute("INSERT INTO heads VALUES (?, ?) ON CONFLICT DO NOTHING", (size, root))

    def publish(self, size: int, note: bytes, witnesses: Iterable[bytes]) -> None:
        """Record a note that ``witnesses`` (by key) have cosigned; put it where readers look."""
        with self.db.transaction("publish"):
            self.db.execute(
                "INSERT INTO published VALUES (?, ?, ?)"
                " ON CONFLICT (size) DO UPDATE SET note = excluded.note",
                (size, note, note),
            )
            self.db.executemany(
                "INSERT OR REPLACE INTO cosigned VALUES (?, ?)",
                [(key, size) for key in witnesses],
            )
        self.put_checkpoint(note)

    def put_checkpoint(self, note: bytes) -> None:
        """Write the checkpoint file; a crash before it is repaired at boot."""
        write_atomic(self.public / "checkpoint", note, _PUBLIC)
        self._point("checkpoint.done")

    def cosigned(self) -> dict[bytes, int]:
        """Return the size of the newest published note with a line of each witness, by its key."""
        return dict(self.db.all("SELECT witness, size FROM cosigned"))

    def newest(self) -> tuple[int, bytes] | None:
        """Return size and note published last."""
        row = self.db.one("SELECT size, note FROM published ORDER BY size DESC LIMIT 1")
        return None if row is None else (row[0], row[1])

    def newest_size(self) -> int:
        """Return how many entries are published."""
        newest = self.newest()
        return 0 if newest is None else newest[0]

    def history(self, after: int, limit: int) -> list[bytes]:
        """Return the first published note of each size beyond ``after``, in order."""
        rows = self.db.all(
            "SELECT first_note FROM published WHERE size > ? ORDER BY size LIMIT ?", (after, limit)
        )
        return [row[0] for row in rows]

    def tile(self, tile: Tile) -> bytes:
        """Return a tile as it lies in the public folder; nothing when it is not there."""
        file = self.public / tile.path
        return file.read_bytes() if file.is_file() else b""

    def put_files(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Write tiles and bundles once, each whole or not at all; all durable on return.

        Raises:
            LogInconsistent: other bytes stand there.
            StorageError: one could not be written.
        """
        self._point("files.begin")
        for path, data in files:
            self._put_file(self.public / path, data)
            self._point("files.commit")
        self._point("files.done")

    def _put_file(self, target: Path, data: bytes) -> None:
        if target.exists():
            if target.read_bytes() != data:
                raise LogInconsistent("a published file would change", rule="log.file")
            return
        for folder in reversed([p for p in target.parents if p.is_relative_to(self.public)]):
            if not folder.exists():
                folder.mkdir()
                sync_folder(folder.parent)
        write_atomic(target, data, _PUBLIC)
