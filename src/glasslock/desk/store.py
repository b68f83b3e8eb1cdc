"""What a desk has on disk: its cases, the releases it was sent, both logs; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from glasslock.casefile.custody import Link, Step
from glasslock.desk.casework import ID_LENGTH, Case, Extension, Verdict
from glasslock.errors import Conflict, StateError
from glasslock.orders.lifecycle import State
from glasslock.runtime.sqlite import Database, WritePoint, no_point
from glasslock.tlog.follow import Replica
from glasslock.wire.order import decode_order
from glasslock.wire.preview import Preview, decode_preview
from glasslock.wire.release import Release

_MIGRATIONS: Final = (
    """
    CREATE TABLE cases (
        digest BLOB PRIMARY KEY, document BLOB NOT NULL, secret BLOB NOT NULL,
        created INTEGER NOT NULL, state TEXT NOT NULL, signature BLOB, countersignature BLOB,
        counts TEXT, noticed INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE verdicts (
        digest BLOB PRIMARY KEY REFERENCES cases, admitted INTEGER NOT NULL, log_index INTEGER,
        commitment BLOB NOT NULL, manifest BLOB NOT NULL, rule TEXT, ground TEXT
    ) STRICT;
    CREATE TABLE releases (
        digest BLOB NOT NULL REFERENCES cases, seat INTEGER NOT NULL, release BLOB NOT NULL,
        data BLOB NOT NULL, PRIMARY KEY (digest, seat, release)
    ) STRICT;
    CREATE TABLE openings (
        digest BLOB PRIMARY KEY REFERENCES cases, slots INTEGER NOT NULL,
        messages INTEGER NOT NULL, gaps INTEGER NOT NULL, case_file BLOB NOT NULL
    ) STRICT;
    CREATE TABLE log_entries (
        origin TEXT NOT NULL, log_index INTEGER NOT NULL, time INTEGER NOT NULL,
        entry BLOB NOT NULL, PRIMARY KEY (origin, log_index)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE log_state (
        origin TEXT PRIMARY KEY, size INTEGER NOT NULL, time INTEGER NOT NULL,
        note BLOB NOT NULL, nodes BLOB NOT NULL
    ) STRICT;
    """,
    # Steps that were taken before they were written down have no time. Both logs are read anew, to
    # have the first checkpoint over each entry.
    """
    CREATE TABLE custody (
        digest BLOB NOT NULL REFERENCES cases, number INTEGER NOT NULL, time INTEGER NOT NULL,
        what TEXT NOT NULL, subject BLOB NOT NULL, PRIMARY KEY (digest, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE log_notes (
        origin TEXT NOT NULL, size INTEGER NOT NULL, note BLOB NOT NULL,
        PRIMARY KEY (origin, size)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO custody SELECT digest, 0, created, 'drafted', digest FROM cases;
    INSERT INTO custody SELECT digest, 1, 0, 'signed', digest FROM cases
        WHERE signature IS NOT NULL;
    INSERT INTO custody SELECT digest, 2, 0, 'countersigned', digest FROM cases
        WHERE countersignature IS NOT NULL;
    INSERT INTO custody SELECT digest, 3, 0, 'admitted', commitment FROM verdicts
        WHERE admitted = 1;
    INSERT INTO custody SELECT digest, 3 + row_number() OVER (PARTITION BY digest), 0, 'release',
        release FROM releases;
    DELETE FROM log_entries;
    DELETE FROM log_state;
    """,
    """
    CREATE TABLE extensions (
        digest BLOB NOT NULL REFERENCES cases, number INTEGER NOT NULL,
        disclose_by INTEGER NOT NULL, ground TEXT NOT NULL, countersigner BLOB,
        countersignature BLOB, entry BLOB, taken INTEGER NOT NULL, PRIMARY KEY (digest, number)
    ) STRICT;
    """,
    # Numbers that nobody signed are no preview any more, and were no step.
    """
    CREATE TABLE steps AS SELECT digest,
        row_number() OVER (PARTITION BY digest ORDER BY number) - 1 AS number, time, what, subject
        FROM custody WHERE what != 'previewed';
    DELETE FROM custody;
    INSERT INTO custody SELECT digest, number, time, what, subject FROM steps;
    DROP TABLE steps;
    ALTER TABLE cases DROP COLUMN counts;
    ALTER TABLE cases ADD COLUMN preview BLOB;
    """,
)
_CASE: Final = (
    "document, secret, created, state, signature, countersignature, preview, noticed, admitted,"
    " log_index, commitment, manifest, rule, ground"
    " FROM cases LEFT JOIN verdicts USING (digest)"
)


class Store:
    """The desk's tables. Daemon and commands open the same file, each for itself."""

    def __init__(self, path: Path, point: WritePoint = no_point) -> None:
        """Open the database at ``path``; raises ``StorageError``."""
        self.db = Database.open(path, _MIGRATIONS, point=point)

    # -- cases --------------------------------------------------------------------------------

    def add_case(self, case: Case) -> None:
        """Keep a new draft with its secret; one that is there keeps the secret it has."""
        with self.db.transaction("draft"):
            added = self.db.execute(
                "INSERT OR IGNORE INTO cases VALUES (?, ?, ?, ?, ?, NULL, NULL, 0, NULL)",
                (case.order.digest, case.document, case.secret, case.created, case.state),
            )
            if added.rowcount == 1:
                self._note(case, Link(case.created, Step.DRAFTED, case.order.digest))

    def cases(self) -> list[Case]:
        """Return all cases, the oldest first."""
        rows = self.db.all(f"SELECT {_CASE} ORDER BY created, digest")
        return [_case(row) for row in rows]

    def case(self, name: str) -> Case:
        """Return the case of this name.

        Raises:
            StateError: rule ``case.unknown``.
        """
        found = next((case for case in self.cases() if case.id == name[:ID_LENGTH]), None)
        if found is None:
            raise StateError("no such case on this desk", rule="case.unknown")
        return found

    def case_of(self, digest: bytes) -> Case | None:
        """Return the case of an order digest."""
        row = self.db.one(f"SELECT {_CASE} WHERE digest = ?", (digest,))
        return None if row is None else _case(row)

    def put_preview(self, case: Case, preview: Preview, now: int) -> None:
        """Keep what the provider signed of an order's reach, in place of what it said before.

        ``now``, here and below, is what custody says of when.
        """
        with self.db.transaction("preview"):
            self._move(case, State.PREVIEWED)
            self._note(case, Link(now, Step.PREVIEWED, preview.digest))
            self.db.execute(
                "UPDATE cases SET preview = ? WHERE digest = ?",
                (preview.encode(), case.order.digest),
            )

    def put_signature(self, case: Case, signature: bytes, state: State, now: int) -> None:
        """Keep the issuing authority's signature."""
        with self.db.transaction("sign"):
            self._move(case, state)
            self._note(case, Link(now, Step.SIGNED, case.order.digest))
            self.db.execute(
                "UPDATE cases SET signature = ? WHERE digest = ?", (signature, case.order.digest)
            )

    def put_countersignature(self, case: Case, signature: bytes, state: State, now: int) -> None:
        """Keep the countersigner's signature."""
        with self.db.transaction("countersign"):
            self._move(case, state)
            self._note(case, Link(now, Step.COUNTERSIGNED, case.order.digest))
            self.db.execute(
                "UPDATE cases SET countersignature = ? WHERE digest = ?",
                (signature, case.order.digest),
            )

    def put_verdict(self, case: Case, verdict: Verdict, state: State, now: int) -> None:
        """Keep the provider's answer."""
        with self.db.transaction("verdict"):
            self._move(case, state)
            step = Step.ADMITTED if verdict.admitted else Step.REFUSED
            self._note(case, Link(now, step, verdict.commitment))
            self.db.execute(
                "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    case.order.digest,
                    int(verdict.admitted),
                    verdict.index,
                    verdict.commitment,
                    verdict.manifest,
                    verdict.rule,
                    verdict.ground,
                ),
            )

    def put_opened(
        self, case: Case, manifest: bytes, known: Sequence[Link], now: int
    ) -> tuple[Link, ...]:
        """Write down that a case was opened, with the releases that ``known`` tells of.

        Returns every step until then. Raises ``Conflict`` when one was taken meanwhile.
        """
        link = Link(now, Step.OPENED, manifest)
        with self.db.transaction("opened"):
            if self.custody(case.order.digest) != tuple(known):
                raise Conflict("the case has moved on meanwhile: try again", rule="case.moved")
            self._note(case, link)
        return (*known, link)

    def put_opening(
        self, case: Case, counts: tuple[int, int, int], case_file: bytes, state: State, now: int
    ) -> None:
        """Keep how many slots, messages and gaps an opening gave, and its case file's digest."""
        with self.db.transaction("opening"):
            self._move(case, state)
            self._note(case, Link(now, Step.SEALED, case_file))
            self.db.execute(
                "INSERT OR REPLACE INTO openings VALUES (?, ?, ?, ?, ?)",
                (case.order.digest, *counts, case_file),
            )

    def opening(self, case: Case) -> tuple[int, int, int, bytes] | None:
        """Return slots, messages, gaps and case file digest of the last opening."""
        row = self.db.one(
            "SELECT slots, messages, gaps, case_file FROM openings WHERE digest = ?",
            (case.order.digest,),
        )
        return None if row is None else (row[0], row[1], row[2], row[3])

    def put_state(self, case: Case, state: State, *, noticed: bool | None = None) -> None:
        """Move a case, and note that its notice went out."""
        with self.db.transaction("state"):
            self._move(case, state)
            if noticed is not None:
                self.db.execute(
                    "UPDATE cases SET noticed = ? WHERE digest = ?",
                    (int(noticed), case.order.digest),
                )

    # -- custody ------------------------------------------------------------------------------

    def custody(self, digest: bytes) -> tuple[Link, ...]:
        """Return every step of a case that was written down, in order."""
        rows = self.db.all(
            "SELECT time, what, subject FROM custody WHERE digest = ? ORDER BY number", (digest,)
        )
        return tuple(Link(row[0], Step(row[1]), row[2]) for row in rows)

    def _note(self, case: Case, link: Link) -> None:
        """Write a step down, in the transaction that takes it."""
        self.db.execute(
            "INSERT INTO custody SELECT ?, count(*), ?, ?, ? FROM custody WHERE digest = ?",
            (case.order.digest, link.time, link.what.value, link.subject, case.order.digest),
        )

    def _move(self, case: Case, state: State) -> None:
        """Change the state, unless another process did since ``case`` was read."""
        changed = self.db.execute(
            "UPDATE cases SET state = ? WHERE digest = ? AND state = ?",
            (state, case.order.digest, case.state),
        )
        if changed.rowcount != 1:
            raise Conflict("the case has moved on meanwhile: try again", rule="case.moved")

    # -- extensions ---------------------------------------------------------------------------

    def extension(self, case: Case) -> Extension | None:
        """Return the newest extension of a case, as far as it has come."""
        row = self.db.one(
            "SELECT number, disclose_by, ground, countersigner, countersignature, entry, taken"
            " FROM extensions WHERE digest = ? ORDER BY number DESC LIMIT 1",
            (case.order.digest,),
        )
        if row is None:
            return None
        number, date, ground, countersigner, countersignature, entry, taken = row
        return Extension(number, date, ground, countersigner, countersignature, entry, taken == 1)

    def put_extension(self, case: Case, extension: Extension) -> None:
        """Keep an extension; one of the same number that was signed by both stays.

        Raises:
            Conflict: it is another one than this.
        """
        with self.db.transaction("extension"):
            row = self.db.one(
                "SELECT entry FROM extensions WHERE digest = ? AND number = ?",
                (case.order.digest, extension.number),
            )
            if row is not None and row[0] is not None and row[0] != extension.entry:
                raise Conflict("an extension of this number is signed", rule="extend.signed")
            self.db.execute(
                "INSERT OR REPLACE INTO extensions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    case.order.digest,
                    extension.number,
                    extension.disclose_by,
                    extension.ground,
                    extension.countersigner,
                    extension.countersignature,
                    extension.entry,
                    int(extension.taken),
                ),
            )

    # -- releases -----------------------------------------------------------------------------

    def put_release(
        self, case: Case, release: Release, data: bytes, state: State, now: int
    ) -> None:
        """Keep a release with its bytes as they came, once."""
        with self.db.transaction("release"):
            self._move(case, state)
            added = self.db.execute(
                "INSERT OR IGNORE INTO releases VALUES (?, ?, ?, ?)",
                (case.order.digest, release.seat, release.digest, data),
            )
            if added.rowcount == 1:
                self._note(case, Link(now, Step.RELEASE, release.digest))

    def releases(self, digest: bytes) -> list[tuple[int, bytes, bytes]]:
        """Return (seat, release digest, bytes) of all releases of an order."""
        rows = self.db.all(
            "SELECT seat, release, data FROM releases WHERE digest = ? ORDER BY seat, rowid",
            (digest,),
        )
        return [(row[0], row[1], row[2]) for row in rows]

    # -- logs ---------------------------------------------------------------------------------

    def put_log(
        self,
        before: Replica,
        reached: Replica,
        entries: Sequence[tuple[int, int, bytes]],
        notes: Iterable[tuple[int, bytes]],
    ) -> bool:
        """Keep how far a log was read, with the new entries (index, witness time, bytes).

        ``notes`` are checkpoints (size, note) that first covered an entry worth a proof.

        Returns False, and keeps nothing, when another process has read on meanwhile.
        """
        checkpoint, origin = reached.log.checkpoint, reached.origin
        if checkpoint is None:
            return True
        with self.db.transaction("log"):
            row = self.db.one("SELECT size FROM log_state WHERE origin = ?", (origin,))
            if (0 if row is None else row[0]) != before.size:
                return False
            self.db.executemany(
                "INSERT INTO log_entries VALUES (?, ?, ?, ?)",
                [(origin, index, time, entry) for index, time, entry in entries],
            )
            self.db.executemany(
                "INSERT OR IGNORE INTO log_notes VALUES (?, ?, ?)",
                [(origin, size, note) for size, note in notes],
            )
            self.db.execute(
                "INSERT OR REPLACE INTO log_state VALUES (?, ?, ?, ?, ?)",
                (origin, reached.size, checkpoint.median_time, checkpoint.note, reached.state),
            )
        return True

    def replica(self, start: Replica) -> Replica:
        """Return how far a log was read; ``start`` when it never was.

        Raises:
            VerificationError: what is stored does not hold under the quorum file.
        """
        row = self.db.one("SELECT note, nodes FROM log_state WHERE origin = ?", (start.origin,))
        if row is None:
            return start
        return start.recall(row[0], row[1])

    def entries(self, origin: str, first: int = 0) -> list[tuple[int, int, bytes]]:
        """Return (index, witness time, bytes) of a log's entries from ``first``, in order."""
        rows = self.db.all(
            "SELECT log_index, time, entry FROM log_entries"
            " WHERE origin = ? AND log_index >= ? ORDER BY log_index",
            (origin, first),
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def notes(self, origin: str) -> list[tuple[int, bytes]]:
        """Return the checkpoints (size, note) of a log that are at hand, in order."""
        rows = self.db.all(
            "SELECT size, note FROM log_notes WHERE origin = ? ORDER BY size", (origin,)
        )
        return [(row[0], row[1]) for row in rows]

    def log_time(self, origin: str) -> int:
        """Return the witness time of the newest checkpoint of a log."""
        row = self.db.one("SELECT time FROM log_state WHERE origin = ?", (origin,))
        return 0 if row is None else int(row[0])


def _case(row: tuple[Any, ...]) -> Case:
    verdict = None
    if row[8] is not None:
        verdict = Verdict(row[8] == 1, row[9], row[10], row[11], row[12], row[13])
    return Case(
        document=decode_order(row[0]).document,
        secret=row[1],
        created=row[2],
        state=State(row[3]),
        signature=row[4],
        countersignature=row[5],
        verdict=verdict,
        preview=None if row[6] is None else decode_preview(row[6]),
        noticed=row[7] == 1,
    )
