"""What a monitor remembers of logs between two looks, and contradictions it was shown.

One database; decides nothing and talks to nobody. A log that is read on from what is stored here
cannot show this monitor another past.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from glasslock.monitor.replay import Entries, Entry
from glasslock.runtime.sqlite import Database, WritePoint, no_point
from glasslock.tlog.follow import Replica, decode_hashes, encode_hashes

DATABASE: Final = "monitor.db"
_PAGE: Final = 1_024
MIGRATIONS: Final = (
    """
    CREATE TABLE logs (origin TEXT PRIMARY KEY, note BLOB NOT NULL, nodes BLOB NOT NULL) STRICT;
    CREATE TABLE entries (
        origin TEXT NOT NULL, idx INTEGER NOT NULL, time INTEGER NOT NULL, entry BLOB NOT NULL,
        PRIMARY KEY (origin, idx)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE contradictions (
        origin TEXT NOT NULL, time INTEGER NOT NULL, held BLOB NOT NULL, shown BLOB NOT NULL,
        UNIQUE (origin, held, shown)
    ) STRICT;
    """,
    # Beside ``nodes``, which are a replica's frontier alone: all that it has to remember.
    "ALTER TABLE logs ADD COLUMN state BLOB;",
)

# No log has an entry of that number.
_ALL: Final = (1 << 63) - 1


class _Stored:
    """The entries of a log as they lie in the database, read anew each time."""

    def __init__(self, db: Database, origin: str, first: int, end: int) -> None:
        self._db, self._origin, self._first, self._end = db, origin, first, end

    def __iter__(self) -> Iterator[Entry]:
        # By pages: nothing is open between two of them, and a page is all that is in memory.
        sql = (
            "SELECT idx, time, entry FROM entries WHERE origin = ? AND idx > ? AND idx < ?"
            " ORDER BY idx LIMIT ?"
        )
        last = self._first - 1
        while rows := self._db.all(sql, (self._origin, last, self._end, _PAGE)):
            last = rows[-1][0]
            yield from ((index, time, entry) for index, time, entry in rows)

    def __len__(self) -> int:
        sql = "SELECT COUNT(*) FROM entries WHERE origin = ? AND idx >= ? AND idx < ?"
        row = self._db.one(sql, (self._origin, self._first, self._end))
        return 0 if row is None else int(row[0])


class Store:
    """The monitor's tables."""

    def __init__(self, folder: Path, point: WritePoint = no_point) -> None:
        """Open or make the database in ``folder``; raises ``StorageError``."""
        self.db = Database.open(folder / DATABASE, MIGRATIONS, point=point)

    def restore(self, empty: Replica) -> Replica:
        """Return the replica as it was stored, or ``empty``, which says which log.

        Raises:
            LogInconsistent: the stored frontier is another tree's.
            VerificationError: the stored checkpoint does not hold under today's quorum file.
        """
        sql = "SELECT note, nodes, state FROM logs WHERE origin = ?"
        row = self.db.one(sql, (empty.origin,))
        if row is None:
            return empty
        if row[2] is None:
            return empty.restore(row[0], decode_hashes(row[1]))
        return empty.recall(row[0], row[2])

    def put(self, replica: Replica, entries: Iterable[Entry]) -> None:
        """Remember a replica and what was read on the way to it, in one transaction."""
        origin, checkpoint = replica.origin, replica.log.checkpoint
        if checkpoint is None:
            return
        with self.db.transaction("read"):
            self.db.executemany(
                "INSERT INTO entries VALUES (?, ?, ?, ?)",
                ((origin, index, time, entry) for index, time, entry in entries),
            )
            self.db.execute(
                "INSERT OR REPLACE INTO logs VALUES (?, ?, ?, ?)",
                (origin, checkpoint.note, encode_hashes(replica.nodes), replica.state),
            )

    def entries(self, origin: str, first: int = 0, end: int | None = None) -> Entries:
        """Return entries of a log, as (index, witnessed time, bytes), while this is open.

        They are those from index ``first`` to ``end`` (not included), all if that is None.
        """
        return _Stored(self.db, origin, first, _ALL if end is None else end)

    def put_contradiction(self, origin: str, time: int, held: bytes, shown: bytes) -> None:
        """Keep two notes that cannot both be of one log; ``time`` is unix seconds."""
        with self.db.transaction("contradiction"):
            self.db.execute(
                "INSERT OR IGNORE INTO contradictions VALUES (?, ?, ?, ?)",
                (origin, time, held, shown),
            )

    def contradictions(self, origin: str) -> list[tuple[int, bytes, bytes]]:
        """Return every contradiction ever shown by a log: (time, held note, shown note)."""
        sql = "SELECT time, held, shown FROM contradictions WHERE origin = ? ORDER BY time"
        return [(time, held, shown) for time, held, shown in self.db.all(sql, (origin,))]
