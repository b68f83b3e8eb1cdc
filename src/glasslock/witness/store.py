"""What a witness has cosigned, one row per log, and the forks it was shown; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from glasslock.runtime.sqlite import Database, WritePoint
from glasslock.tlog.treehead import TreeHead

_MIGRATIONS: Final = (
    """
    CREATE TABLE heads (
        origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL
    ) STRICT;
    CREATE TABLE notes (origin TEXT PRIMARY KEY, note BLOB NOT NULL) STRICT;
    CREATE TABLE forks (
        origin TEXT NOT NULL, time INTEGER NOT NULL, held_size INTEGER NOT NULL,
        held_root BLOB NOT NULL, request BLOB NOT NULL
    ) STRICT;
    """,
    """
    ALTER TABLE forks ADD COLUMN head BLOB;
    CREATE UNIQUE INDEX forks_by_head ON forks (origin, head);
    """,
)


class Store:
    """The witness's tables."""

    def __init__(self, path: Path, point: WritePoint) -> None:
        """Open the database at ``path``; raises ``StorageError``."""
        self.db = Database.open(path, _MIGRATIONS, point=point)

    def head(self, origin: str) -> TreeHead | None:
        """Return what was cosigned last of a log."""
        row = self.db.one("SELECT size, root FROM heads WHERE origin = ?", (origin,))
        return None if row is None else TreeHead(origin, row[0], row[1])

    def put(self, head: TreeHead, note: bytes) -> None:
        """Remember a head, and for monitors the note that was cosigned.

        To be called inside the transaction that decided on the head.
        """
        self.db.execute(
            "INSERT OR REPLACE INTO heads VALUES (?, ?, ?)", (head.origin, head.size, head.root)
        )
        self.db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (head.origin, note))

    def notes(self) -> dict[str, bytes]:
        """Return the newest cosigned note of every log."""
        return dict(self.db.all("SELECT origin, note FROM notes"))

    def put_fork(self, held: TreeHead, shown: TreeHead, request: bytes, time: int) -> None:
        """Keep the evidence of a fork: what was seen before, and the request that contradicts.

        Only the first that shows a head is kept: anybody can show it again, in other words.
        """
        with self.db.transaction("fork"):
            self.db.execute(
                "INSERT OR IGNORE INTO forks VALUES (?, ?, ?, ?, ?, ?)",
                (held.origin, time, held.size, held.root, request, shown.body),
            )
