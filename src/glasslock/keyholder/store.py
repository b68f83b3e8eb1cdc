"""What a keyholder keeps, in one encrypted database; decides nothing and talks to nobody.

Both logs as read, period keys, coins, orders with their answers, and the outbox: every entry for a
log is written there in the transaction that makes it due, and leaves it in the transaction that
reads it back from the log. So a crash between the two sends the same bytes again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from glasslock.errors import StateError, StorageError
from glasslock.keyholder.duress import Code
from glasslock.keyholder.period import Coins, OwnKey
from glasslock.keyholder.release import Answer
from glasslock.keyholder.vault import PLAIN, Vault
from glasslock.keyholder.watch import Bundle, Case
from glasslock.runtime.sqlite import Database, WritePoint, no_point
from glasslock.tlog.follow import Replica
from glasslock.wire.order import entry_digest
from glasslock.wire.record import PeriodKeyRecord, decode_record, encode_record

DATABASE: Final = "keyholder.db"
MIGRATIONS: Final = (
    """
    CREATE TABLE logs (
        origin TEXT PRIMARY KEY, note BLOB NOT NULL, nodes BLOB NOT NULL, time INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE entries (
        origin TEXT NOT NULL, idx INTEGER NOT NULL, time INTEGER NOT NULL, entry BLOB NOT NULL,
        digest BLOB NOT NULL, PRIMARY KEY (origin, idx)
    ) STRICT;
    CREATE INDEX entries_by_digest ON entries (origin, digest);
    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY, origin TEXT NOT NULL, entry BLOB NOT NULL,
        digest BLOB NOT NULL, UNIQUE (origin, digest)
    ) STRICT;
    CREATE TABLE keys (key_id BLOB PRIMARY KEY, record BLOB NOT NULL, seed BLOB) STRICT;
    CREATE TABLE coins (key_id BLOB PRIMARY KEY, enc BLOB NOT NULL, coins BLOB NOT NULL) STRICT;
    CREATE TABLE orders (
        idx INTEGER PRIMARY KEY, issued BLOB NOT NULL, secret BLOB NOT NULL,
        manifest BLOB NOT NULL, digest BLOB NOT NULL, authority TEXT NOT NULL,
        release BLOB, rule TEXT, sent INTEGER NOT NULL DEFAULT 0,
        noticed INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE answers (
        idx INTEGER PRIMARY KEY, yes INTEGER NOT NULL, ground TEXT NOT NULL, time INTEGER NOT NULL
    ) STRICT;
    """,
    """
    ALTER TABLE answers ADD COLUMN mark BLOB NOT NULL DEFAULT x'';
    CREATE TABLE codes (
        place INTEGER PRIMARY KEY, salt BLOB NOT NULL, verifier BLOB NOT NULL, key BLOB NOT NULL
    ) STRICT;
    """,
    "CREATE TABLE gap (number INTEGER PRIMARY KEY, exchange BLOB NOT NULL, errands BLOB) STRICT;",
    """
    CREATE TABLE drills (
        context BLOB PRIMARY KEY, secret BLOB, answered INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An entry on its way to the log ``origin``."""

    origin: str
    entry: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Read:
    """An entry of a log as it was read: index, witnessed time, bytes."""

    index: int
    time: int
    entry: bytes = field(repr=False)


class Store:
    """A keyholder's tables. Several processes may have it open: the daemon, and a person's verb."""

    def __init__(
        self,
        folder: Path,
        key: bytes,
        point: WritePoint = no_point,
        vault: Vault = PLAIN,
    ) -> None:
        """Open the database in ``folder``; period seeds rest as ``vault`` wraps them.

        Raises:
            ConfigError: the key is not the database's.
            StorageError: it cannot be read or written.
        """
        self._vault = vault
        self.db = Database.open(folder / DATABASE, MIGRATIONS, key=key, point=point)

    def close(self) -> None:
        """Close the database."""
        self.db.close()

    # -- logs ---------------------------------------------------------------------------------

    def put_log(self, origin: str, replica: Replica, entries: Sequence[Read]) -> None:
        """Keep how far a log was read; what it holds now is no longer on its way."""
        checkpoint = replica.log.checkpoint
        if checkpoint is None:
            return
        with self.db.transaction("log"):
            for each in entries:
                digest = entry_digest(each.entry)
                self.db.execute(
                    "INSERT INTO entries VALUES (?, ?, ?, ?, ?)",
                    (origin, each.index, each.time, each.entry, digest),
                )
                self.db.execute(
                    "DELETE FROM outbox WHERE origin = ? AND digest = ?", (origin, digest)
                )
            self.db.execute(
                "INSERT OR REPLACE INTO logs VALUES (?, ?, ?, ?)",
                (origin, checkpoint.note, replica.state, checkpoint.median_time),
            )

    def replica(self, origin: str, start: Replica) -> Replica:
        """Return how far a log was read; ``start`` when it never was.

        Raises:
            VerificationError: what is stored does not hold under the pinned quorum.
        """
        row = self.db.one("SELECT note, nodes FROM logs WHERE origin = ?", (origin,))
        if row is None:
            return start
        return start.recall(row[0], row[1])

    def entries(self, origin: str, start: int = 0) -> list[Read]:
        """Return a log's entries as read, from index ``start``."""
        rows = self.db.all(
            "SELECT idx, time, entry FROM entries WHERE origin = ? AND idx >= ? ORDER BY idx",
            (origin, start),
        )
        return [Read(*row) for row in rows]

    def written(self, origin: str, entry: bytes) -> bool:
        """Say whether an entry stands in a log as read, or is on its way there."""
        place = (origin, entry_digest(entry))
        return any(
            self.db.one(f"SELECT 1 FROM {table} WHERE origin = ? AND digest = ?", place)  # noqa: S608 - two fixed names
            for table in ("entries", "outbox")
        )

    def outbox(self) -> list[Outgoing]:
        """Return what is on its way to a log, oldest first."""
        return [
            Outgoing(*row)
            for row in self.db.all("SELECT origin, entry FROM outbox ORDER BY number")
        ]

    def queue(self, entries: Iterable[Outgoing]) -> None:
        """Send entries to their logs."""
        with self.db.transaction("queue"):
            self._send(entries)

    def _send(self, entries: Iterable[Outgoing]) -> None:
        for each in entries:
            if not self.written(each.origin, each.entry):
                self.db.execute(
                    "INSERT INTO outbox (origin, entry, digest) VALUES (?, ?, ?)",
                    (each.origin, each.entry, entry_digest(each.entry)),
                )

    # -- period keys --------------------------------------------------------------------------

    def put_key(self, key: OwnKey, entry: Outgoing) -> OwnKey:
        """Keep a new period key, and announce it; returns it as it rests."""
        secret = key.secret
        seed = None if secret is None else self._vault.wrap(secret, key.key_id)
        with self.db.transaction("period"):
            row = (key.key_id, encode_record(key.record), seed)
            self.db.execute("INSERT INTO keys VALUES (?, ?, ?)", row)
            self._send([entry])
        return OwnKey(key.record, seed, self._vault)

    def put_coins(self, challenges: Iterable[tuple[Coins, Outgoing]]) -> None:
        """Keep the coins of challenges before the challenges leave."""
        with self.db.transaction("challenge"):
            for coins, entry in challenges:
                self.db.execute(
                    "INSERT INTO coins VALUES (?, ?, ?)", (coins.key_id, coins.enc, coins.coins)
                )
                self._send([entry])

    def end_keys(self, ends: Mapping[bytes, Outgoing | None]) -> None:
        """Destroy the seeds of keys; an entry that says so leaves with the same transaction.

        A key without an entry was never logged, and will not be.
        """
        with self.db.transaction("end"):
            for key_id, entry in ends.items():
                row = self.db.one(
                    "SELECT record FROM keys WHERE key_id = ? AND seed IS NOT NULL", (key_id,)
                )
                if row is None:
                    continue
                self.db.execute("UPDATE keys SET seed = NULL WHERE key_id = ?", (key_id,))
                if entry is None:
                    digest = entry_digest(bytes(row[0]))
                    self.db.execute("DELETE FROM outbox WHERE digest = ?", (digest,))
                else:
                    self._send([entry])
        self._empty_journal()

    def keys(self) -> dict[bytes, OwnKey]:
        """Return all own period keys by id; destroyed ones without their seed."""
        found = {}
        for key_id, entry, seed in self.db.all("SELECT key_id, record, seed FROM keys"):
            record = decode_record(entry)
            if not isinstance(record, PeriodKeyRecord):
                raise StorageError("a stored period key is damaged", rule="storage.damaged")
            found[bytes(key_id)] = OwnKey(record, seed, self._vault)
        return found

    def coins(self) -> dict[bytes, Coins]:
        """Return all own coins by the key they challenge."""
        return {row[0]: Coins(*row) for row in self.db.all("SELECT key_id, enc, coins FROM coins")}

    # -- drills -------------------------------------------------------------------------------

    def put_drill(self, context: bytes, secret: bytes, entries: Iterable[Outgoing]) -> None:
        """Keep what an own drill was made from, and send the drill; in one transaction."""
        with self.db.transaction("drill"):
            self.db.execute("INSERT INTO drills VALUES (?, ?, 0)", (context, secret))
            self._send(entries)

    def put_drill_answer(self, context: bytes, entry: Outgoing) -> None:
        """Send the answer to a drill, and keep that it was given; in one transaction."""
        with self.db.transaction("drill-answer"):
            self.db.execute("INSERT INTO drills VALUES (?, NULL, 1)", (context,))
            self._send([entry])

    def drills(self) -> tuple[frozenset[bytes], dict[bytes, bytes]]:
        """Return the contexts of answered drills, and own drills' secrets by context."""
        rows = self.db.all("SELECT context, secret, answered FROM drills")
        answered = frozenset(bytes(context) for context, _, done in rows if done)
        return answered, {bytes(row[0]): bytes(row[1]) for row in rows if row[1] is not None}

    # -- orders -------------------------------------------------------------------------------

    def put_order(self, case: Case) -> None:
        """Keep what the provider handed over of an order."""
        with self.db.transaction("order"):
            bundle = case.bundle
            self.db.execute(
                "INSERT INTO orders (idx, issued, secret, manifest, digest, authority)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    case.index,
                    bundle.issued,
                    bundle.secret,
                    bundle.manifest,
                    case.digest,
                    case.authority,
                ),
            )

    def put_verdict(
        self, index: int, entry: Outgoing, *, release: bytes | None, rule: str | None
    ) -> None:
        """Keep the answer to an order with the entry that announces it, in one transaction.

        Raises:
            StateError: it was answered before: no second answer, and no second release.
        """
        with self.db.transaction("verdict"):
            done = self.db.execute(
                "UPDATE orders SET release = ?, rule = ?"
                " WHERE idx = ? AND release IS NULL AND rule IS NULL",
                (release, rule, index),
            )
            if done.rowcount != 1:
                raise StateError("this order is answered already", rule="keyholder.answered")
            self._send([entry])

    def put_progress(
        self, index: int, *, sent: Outgoing | None = None, noticed: bool = False
    ) -> None:
        """Note that a release was sent, with the entry that says so, or that letters were."""
        with self.db.transaction("progress"):
            if sent is not None:
                self.db.execute("UPDATE orders SET sent = 1 WHERE idx = ?", (index,))
                self._send([sent])
            if noticed:
                self.db.execute("UPDATE orders SET noticed = 1 WHERE idx = ?", (index,))

    def cases(self) -> dict[int, Case]:
        """Return all orders that were fetched, by index."""
        rows = self.db.all(
            "SELECT idx, issued, secret, manifest, digest, authority, release, rule, sent, noticed"
            " FROM orders ORDER BY idx"
        )
        return {
            row[0]: Case(
                row[0],
                Bundle(*row[1:4]),
                row[4],
                row[5],
                row[6],
                row[7],
                bool(row[8]),
                bool(row[9]),
            )
            for row in rows
        }

    def put_answer(self, index: int, answer: Answer, now: int, codes: Sequence[Code] = ()) -> None:
        """Keep what the person said; the last word before the daemon acts on it counts.

        ``codes`` take the place of those that are stored, whose keys are gone with them.
        """
        with self.db.transaction("answer"):
            self.db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)",
                (index, int(answer.yes), answer.ground, now, answer.mark),
            )
            self._put_codes(codes)
        self._empty_journal()

    def answers(self) -> dict[int, Answer]:
        """Return the person's answers by index."""
        rows = self.db.all("SELECT idx, yes, ground, mark FROM answers")
        return {index: Answer(bool(yes), ground, mark) for index, yes, ground, mark in rows}

    def put_codes(self, codes: Sequence[Code]) -> None:
        """Keep the codes that were agreed on with a contact, in this order."""
        with self.db.transaction("codes"):
            self._put_codes(codes)
        self._empty_journal()

    def _put_codes(self, codes: Sequence[Code]) -> None:
        for place, code in enumerate(codes):
            self.db.execute(
                "INSERT OR REPLACE INTO codes VALUES (?, ?, ?, ?)",
                (place, code.salt, code.verifier, code.key),
            )

    def codes(self) -> list[Code]:
        """Return both codes, or none when nothing was agreed on."""
        rows = self.db.all("SELECT salt, verifier, key FROM codes ORDER BY place")
        return [Code(*row) for row in rows]

    # -- without a network ---------------------------------------------------------------------

    def put_errands(self, exchange: bytes, errands: bytes) -> None:
        """Keep the errands that a relay is sent on; those before are known by their name only."""
        with self.db.transaction("gap"):
            self.db.execute("UPDATE gap SET errands = NULL")
            self.db.execute(
                "INSERT INTO gap (exchange, errands) VALUES (?, ?)", (exchange, errands)
            )

    def exchanges(self) -> list[bytes]:
        """Return the names of all errands, oldest first."""
        return [bytes(row[0]) for row in self.db.all("SELECT exchange FROM gap ORDER BY number")]

    def errands(self) -> bytes | None:
        """Return the last errands."""
        row = self.db.one("SELECT errands FROM gap ORDER BY number DESC LIMIT 1")
        return None if row is None else bytes(row[0])

    def _empty_journal(self) -> None:
        """Leave nothing of what was overwritten: its pages in the file are, the journal's not."""
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
