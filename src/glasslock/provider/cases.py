"""What the provider keeps of orders: cases, what waits for an orders log, counts; decides nothing.

Callers hold a transaction around everything that belongs together; no method opens its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from glasslock.errors import StateError, StorageError
from glasslock.orders.authority import Register
from glasslock.orders.commitment import Facts
from glasslock.provider.intake import Handed, LoggedCase, NewCase, Served
from glasslock.runtime.sqlite import Database, Row
from glasslock.tlog.quorum import QuorumFile
from glasslock.wire.api import KeptEntry, OrderVerdict
from glasslock.wire.codec import encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.leaf import OrderLeaf, SignedLeaf, decode_leaf, encode_leaf
from glasslock.wire.order import entry_digest
from glasslock.wire.policy import Policy, decode_policy
from glasslock.wire.record import AuthorityRecord, decode_record, encode_record
from glasslock.wire.shape import Fields

_CASE: Final = "number, origin, idx, leaf, facts, secret, manifest != X'', disclose_by"
_HIGHEST: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class OrdersLog:
    """An orders log of a policy served here; a day of it is the policy day of its first policy."""

    origin: str
    url: str
    day_seconds: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry that an orders log must take, the oldest first; ``case``: it is its order leaf."""

    number: int
    origin: str
    entry: bytes = field(repr=False)
    case: int | None


@dataclass(frozen=True, slots=True)
class Extended:
    """A logged case by its commitment, with what was said of its date so far.

    ``date`` is in force after ``count`` extensions; ``policy`` is a digest.
    """

    number: int
    origin: str
    index: int
    policy: bytes
    issued: bytes = field(repr=False)
    leaf: OrderLeaf
    date: int
    count: int
    disclosed: bool


@dataclass(frozen=True, slots=True)
class Bundle:
    """A logged case as its readers get it; ``policy`` is a digest."""

    policy: bytes
    issuing_key: bytes
    issued: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    manifest: bytes = field(repr=False)
    number: int


class Cases:
    """The provider's tables about orders over an open database."""

    def __init__(self, db: Database) -> None:
        """Take over ``db``, opened with ``glasslock.provider.schema.MIGRATIONS``."""
        self._db = db

    # -- who may act, and where it is logged --------------------------------------------------

    def put_authority(self, record: AuthorityRecord) -> None:
        """Keep an authority record of the policy log."""
        entry = encode_record(record)
        self._db.execute(
            "INSERT INTO authorities VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (record.policy, entry_digest(entry), entry),
        )

    def served(self, name: bytes) -> Served | None:
        """Return a policy whose orders can be logged, with its register."""
        row = self._db.one("SELECT document FROM policies WHERE digest = ?", (name,))
        policy = None if row is None else decode_policy(row[0])
        if policy is None or policy.access is None:
            return None
        if self.log(policy.access.orders_origin) is None:
            return None
        rows = self._db.all("SELECT entry FROM authorities WHERE policy = ?", (name,))
        records = (decode_record(entry) for (entry,) in rows)
        known = [record for record in records if isinstance(record, AuthorityRecord)]
        return Served(policy, Register(policy, known))

    def policy(self, name: bytes) -> Policy | None:
        """Return the policy of a digest."""
        row = self._db.one("SELECT document FROM policies WHERE digest = ?", (name,))
        return None if row is None else decode_policy(row[0])

    def put_log(self, log: OrdersLog) -> bool:
        """Keep an orders log's address; says whether the log is a new one."""
        new = self.log(log.origin) is None
        self._db.execute(
            "INSERT INTO orders_logs VALUES (?, ?, ?)"
            " ON CONFLICT (origin) DO UPDATE SET url = excluded.url",
            (log.origin, log.url, log.day_seconds),
        )
        return new

    def logs(self) -> list[OrdersLog]:
        """Return all orders logs."""
        rows = self._db.all("SELECT origin, url, day_seconds FROM orders_logs ORDER BY origin")
        return [OrdersLog(*row) for row in rows]

    def log(self, origin: str) -> OrdersLog | None:
        """Return one orders log."""
        return next((log for log in self.logs() if log.origin == origin), None)

    def quorum(self, origin: str) -> QuorumFile | None:
        """Return the quorum file under which a policy served here reads an orders log."""
        for (document,) in self._db.all("SELECT document FROM policies"):
            access = decode_policy(document).access
            if access is not None and access.orders_origin == origin:
                return QuorumFile.parse(access.quorum)
        return None

    def roots(self) -> list[tuple[int, int, int, bytes]]:
        """Return interval, time, count and root of every closed ingest interval."""
        rows = self._db.all(
            "SELECT interval, time, count, root FROM ingest_roots ORDER BY interval"
        )
        return [(interval, time, count, root) for interval, time, count, root in rows]

    # -- what waits for a log -----------------------------------------------------------------

    def queue(self, origin: str, entry: bytes, case: int | None = None) -> None:
        """Have a log take an entry after all that wait for it already."""
        self._db.execute(
            "INSERT INTO log_queue (origin, entry, case_number) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (origin, entry, case),
        )

    def waiting(self, origin: str) -> Waiting | None:
        """Return what the log must take next."""
        row = self._db.one(
            "SELECT number, origin, entry, case_number FROM log_queue"
            " WHERE origin = ? AND idx IS NULL ORDER BY number LIMIT 1",
            (origin,),
        )
        return None if row is None else Waiting(*row)

    def logged(self, item: Waiting, index: int) -> None:
        """Write down where an entry stands."""
        self._db.execute("UPDATE log_queue SET idx = ? WHERE number = ?", (index, item.number))
        if item.case is not None:
            self._db.execute("UPDATE cases SET idx = ? WHERE number = ?", (index, item.case))

    # -- cases --------------------------------------------------------------------------------

    def handed(self, order: bytes) -> list[Handed]:
        """Return every case of an order."""
        rows = self._db.all(
            "SELECT issued, secret, number FROM cases WHERE digest = ? ORDER BY number", (order,)
        )
        return [Handed(*row) for row in rows]

    def open(self, case: NewCase, origin: str, leaf: SignedLeaf, kept: Sequence[KeptEntry]) -> int:
        """Keep a new case with its evidence; returns its number."""
        refused = case.refusal
        cursor = self._db.execute(
            "INSERT INTO cases (digest, policy, origin, issuing_key, issued, secret, facts, leaf,"
            " commitment, disclose_by, manifest, rule, ground)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                case.order.digest,
                case.policy.digest,
                origin,
                case.issuing_key,
                case.issued,
                case.secret,
                encode(case.facts.fields),
                encode_leaf(leaf),
                case.leaf.commitment,
                # SQLite counts to 2^63: a later date never comes either.
                min(case.leaf.disclose_by, _HIGHEST),
                case.manifest,
                None if refused is None else refused.rule,
                None if refused is None else refused.ground,
            ),
        )
        number = int(cursor.lastrowid)
        self._db.executemany(
            "INSERT INTO case_entries VALUES (?, ?, ?, ?, ?, ?)",
            [(number, e.group_id, e.position, e.kind, e.data, e.receipt) for e in kept],
        )
        return number

    def verdict(self, number: int) -> OrderVerdict:
        """Return the answer to a case; its index is None until it is logged."""
        row = self._db.one(
            "SELECT idx, commitment, manifest, rule, ground FROM cases WHERE number = ?", (number,)
        )
        if row is None:
            raise StateError("there is no such case", rule="case.number")
        index, commitment, manifest, rule, ground = row
        found = digest(Label.MANIFEST, manifest) if manifest else b""
        return OrderVerdict(rule is None, index, commitment, found, rule, ground)

    def origin(self, number: int) -> str:
        """Return the log that a case goes into."""
        row = self._db.one("SELECT origin FROM cases WHERE number = ?", (number,))
        return "" if row is None else str(row[0])

    def refusal(self, number: int) -> tuple[str, str] | None:
        """Return rule and ground of a refused case."""
        row = self._db.one("SELECT rule, ground FROM cases WHERE number = ?", (number,))
        return None if row is None or row[0] is None else (row[0], row[1])

    def bundle(self, commitment: bytes) -> Bundle | None:
        """Return an admitted case whose leaf stands in its log."""
        row = self._db.one(
            "SELECT policy, issuing_key, issued, secret, manifest, number FROM cases"
            " WHERE commitment = ? AND idx IS NOT NULL AND rule IS NULL",
            (commitment,),
        )
        return None if row is None else Bundle(*row)

    def evidence(self, number: int) -> list[KeptEntry]:
        """Return the frozen entries of a case."""
        rows = self._db.all(
            "SELECT group_id, position, kind, data, receipt FROM case_entries"
            " WHERE case_number = ? ORDER BY group_id, position",
            (number,),
        )
        return [KeptEntry(*row) for row in rows]

    # -- disclosure and notice ----------------------------------------------------------------

    def due(self, now: int) -> list[LoggedCase]:
        """Return the logged cases that must be disclosed by ``now``."""
        rows = self._db.all(
            f"SELECT {_CASE} FROM cases WHERE disclosed = 0 AND disclose_by <= ?"  # noqa: S608 - ours
            " AND idx IS NOT NULL ORDER BY number",
            (now,),
        )
        return [_logged_case(row) for row in rows]

    def at(self, origin: str, index: int) -> LoggedCase | None:
        """Return the case whose leaf stands at ``index``."""
        row = self._db.one(
            f"SELECT {_CASE} FROM cases WHERE origin = ? AND idx = ?",  # noqa: S608 - ours
            (origin, index),
        )
        return None if row is None else _logged_case(row)

    def disclosed(self, number: int) -> None:
        """Write down that a case was disclosed from here."""
        self._db.execute("UPDATE cases SET disclosed = 1 WHERE number = ?", (number,))

    def note_letter(self, letter: bytes) -> bool:
        """Remember a letter; says whether it is a new one."""
        cursor = self._db.execute(
            "INSERT INTO notices VALUES (?) ON CONFLICT DO NOTHING",
            (digest(Label.CONTENT, letter),),
        )
        return int(cursor.rowcount) == 1

    # -- extensions ---------------------------------------------------------------------------

    def extendable(self, commitment: bytes) -> Extended | None:
        """Return an admitted case whose leaf stands in its log, for its date to be moved."""
        row = self._db.one(
            "SELECT number, origin, idx, policy, issued, leaf, disclose_by, disclosed,"
            " (SELECT COUNT(*) FROM extensions e WHERE e.case_number = cases.number AND e.void = 0)"
            " FROM cases WHERE commitment = ? AND idx IS NOT NULL AND rule IS NULL",
            (commitment,),
        )
        if row is None:
            return None
        number, origin, index, policy, issued, entry, date, disclosed, count = row
        leaf = _order_leaf(entry)
        return Extended(number, origin, index, policy, issued, leaf, date, count, bool(disclosed))

    def extended(self, entry: bytes) -> bool:
        """Say whether this extension was taken before."""
        return self._db.one("SELECT 1 FROM extensions WHERE entry = ?", (entry,)) is not None

    def extend(self, case: Extended, number: int, date: int, entry: bytes) -> None:
        """Move the date of a case, and have its log take the extension that does it."""
        self._db.execute(
            "INSERT INTO extensions (case_number, number, entry, earlier) VALUES (?, ?, ?, ?)",
            (case.number, number, entry, case.date),
        )
        self._db.execute(
            "UPDATE cases SET disclose_by = ? WHERE number = ?",
            (min(date, _HIGHEST), case.number),
        )
        self.queue(case.origin, entry)

    def earlier(self, entry: bytes) -> int | None:
        """Return the date before an extension; None when the entry is none, or did not hold."""
        row = self._db.one("SELECT earlier FROM extensions WHERE entry = ? AND void = 0", (entry,))
        return None if row is None else int(row[0])

    def void(self, entry: bytes) -> None:
        """Undo an extension, and those that came after it: the date is what it was before."""
        row = self._db.one(
            "SELECT case_number, number, earlier FROM extensions WHERE entry = ?", (entry,)
        )
        if row is None:
            return
        self._db.execute(
            "UPDATE extensions SET void = 1 WHERE case_number = ? AND number >= ?", row[:2]
        )
        self._db.execute("UPDATE cases SET disclose_by = ? WHERE number = ?", (row[2], row[0]))

    # -- counts -------------------------------------------------------------------------------

    def period(self, origin: str) -> tuple[int, int] | None:
        """Return the period of a log that is being counted, and where the counts before ended."""
        row = self._db.one("SELECT period, ended FROM counted WHERE origin = ?", (origin,))
        return None if row is None else (row[0], row[1])

    def count_from(self, origin: str, period: int, ended: int) -> None:
        """Begin to count a period, with what stands in the log from index ``ended``."""
        self._db.execute("INSERT OR REPLACE INTO counted VALUES (?, ?, ?)", (origin, period, ended))

    def told(self, origin: str, first: int) -> list[tuple[int, bytes]]:
        """Return index and entry of all that was handed to a log and stands from ``first`` on."""
        rows = self._db.all(
            "SELECT idx, entry FROM log_queue WHERE origin = ? AND idx >= ? ORDER BY idx",
            (origin, first),
        )
        return [(index, entry) for index, entry in rows]

    def class_at(self, origin: str, index: int) -> str | None:
        """Return the class of authority of the order whose leaf stands at ``index``."""
        row = self._db.one("SELECT leaf FROM cases WHERE origin = ? AND idx = ?", (origin, index))
        return None if row is None else _order_leaf(row[0]).authority_class

    def count_unauthenticated(self, origin: str, day: int) -> None:
        """Count a request that nobody known has signed."""
        self._db.execute(
            "INSERT INTO unauthenticated VALUES (?, ?, 1)"
            " ON CONFLICT (origin, day) DO UPDATE SET count = count + 1",
            (origin, day),
        )

    def has_days(self, origin: str, before: int) -> bool:
        """Say whether there are counts of days before ``before``."""
        row = self._db.one(
            "SELECT 1 FROM unauthenticated WHERE origin = ? AND day < ?", (origin, before)
        )
        return row is not None

    def take_days(self, origin: str, before: int) -> list[tuple[int, int]]:
        """Return and drop day and count of all days before ``before``."""
        rows = self._db.all(
            "DELETE FROM unauthenticated WHERE origin = ? AND day < ? RETURNING day, count",
            (origin, before),
        )
        return sorted((day, count) for day, count in rows)

    def count(self, name: str) -> None:
        """Count something that nothing else is kept of."""
        self._db.execute(
            "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET count = count + 1",
            (name,),
        )

    def counted(self, name: str) -> int:
        """Return a count."""
        row = self._db.one("SELECT count FROM counters WHERE name = ?", (name,))
        return 0 if row is None else int(row[0])


def _logged_case(row: Row) -> LoggedCase:
    number, origin, index, entry, data, secret, admitted, date = row
    leaf = _order_leaf(entry)
    facts = _facts(data)
    return LoggedCase(number, origin, index, leaf, facts, secret, bool(admitted), date)


def _order_leaf(entry: bytes) -> OrderLeaf:
    signed = decode_leaf(entry)
    if not isinstance(signed, SignedLeaf) or not isinstance(signed.leaf, OrderLeaf):
        raise StorageError("a case is damaged", rule="case.leaf")
    return signed.leaf


def _facts(data: bytes) -> Facts:
    fields = Fields.of(data, "facts", limit=1 << 24)
    found = []
    while not fields.done:
        item = fields.nested("fact", 2)
        found.append((item.text(64, 1), item.bytes(1 << 20, 1)))
    return Facts(tuple(found))
