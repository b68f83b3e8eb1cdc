"""Letters about orders as a device keeps them, and how far it read the logs that judge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from glasslock.client.changes import LetterState, OrdersRead
from glasslock.runtime.sqlite import Database
from glasslock.tlog.follow import Replica
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A stored letter; ``state`` is pending, verified or refused, with the rule that failed."""

    number: int
    data: bytes = field(repr=False)
    state: str
    rule: str


class Letters:
    """The tables of letters over an open database; callers hold the transaction."""

    def __init__(self, db: Database) -> None:
        """Take over ``db``, opened with ``glasslock.client.schema.MIGRATIONS``."""
        self._db = db

    def put(self, letters: Sequence[bytes], states: Sequence[LetterState]) -> None:
        """Keep new letters, each once, and what became of others."""
        self._db.executemany(
            "INSERT INTO letters (digest, letter, state, rule) VALUES (?, ?, 'pending', '')"
            " ON CONFLICT DO NOTHING",
            [(digest(Label.CONTENT, letter), letter) for letter in letters],
        )
        self._db.executemany(
            "UPDATE letters SET state = ?, rule = ? WHERE number = ?",
            [(each.state, each.rule, each.number) for each in states],
        )

    def put_read(self, read: OrdersRead) -> None:
        """Keep how far the orders log of a policy was read, with the entries that matter."""
        checkpoint = read.replica.log.checkpoint
        if checkpoint is None:
            return
        self._db.executemany(
            "INSERT INTO orders_entries VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(read.policy, index, time, entry) for index, time, entry in read.entries],
        )
        self._db.execute(
            "INSERT OR REPLACE INTO orders_state VALUES (?, ?, ?)",
            (read.policy, checkpoint.note, read.replica.state),
        )

    def all(self) -> list[KeptLetter]:
        """Return all letters, the oldest first."""
        rows = self._db.all("SELECT number, letter, state, rule FROM letters ORDER BY number")
        return [KeptLetter(*row) for row in rows]

    def pending(self) -> list[KeptLetter]:
        """Return the letters that wait for their log."""
        rows = self._db.all(
            "SELECT number, letter, state, rule FROM letters WHERE state = 'pending'"
            " ORDER BY number"
        )
        return [KeptLetter(*row) for row in rows]

    def replica(self, policy: bytes, start: Replica) -> Replica:
        """Return how far the orders log of a policy was read; ``start`` when it never was.

        Raises:
            VerificationError: what is stored does not hold under the policy's quorum.
        """
        row = self._db.one("SELECT note, nodes FROM orders_state WHERE policy = ?", (policy,))
        if row is None:
            return start
        return start.recall(row[0], row[1])

    def entries(self, policy: bytes) -> list[tuple[int, int, bytes]]:
        """Return index, witnessed time and bytes of the kept entries of an orders log."""
        rows = self._db.all(
            "SELECT idx, time, entry FROM orders_entries WHERE policy = ? ORDER BY idx", (policy,)
        )
        return [(index, time, entry) for index, time, entry in rows]
