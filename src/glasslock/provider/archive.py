"""What the provider keeps for orders and their checks: seals, ingest roots, the policy log's head.

Reads and writes on the same database as the store; decides nothing. Callers hold a transaction
around everything that belongs together; no method opens its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from glasslock.mls import Leaf
from glasslock.provider.delivery import Line
from glasslock.provider.ingest import TouchedLine, line_name
from glasslock.provider.seals import TakenSeal
from glasslock.runtime.sqlite import Database
from glasslock.tlog.follow import Replica
from glasslock.wire.codec import decode, encode
from glasslock.wire.seal import PerSeat, encapsulation_digests
from glasslock.wire.shape import Fields


class Archive:
    """The provider's tables for orders over an open database."""

    def __init__(self, db: Database) -> None:
        """Take over ``db``, opened with ``glasslock.provider.schema.MIGRATIONS``."""
        self._db = db

    # -- seals --------------------------------------------------------------------------------

    def put_seal(self, group_id: bytes, position: int, taken: TakenSeal) -> None:
        """Keep a slot's seal, and its tier 1 when that is new."""
        if taken.new is not None:
            self._db.execute(
                "INSERT INTO tier1s VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    group_id,
                    taken.new.digest,
                    taken.new.header,
                    encode(encapsulation_digests(taken.new.encs)),
                    encode(taken.new.encs),
                ),
            )
        self._db.execute(
            "INSERT INTO seals VALUES (?, ?, ?, ?, ?)",
            (group_id, taken.slot, position, taken.tier1, taken.seal),
        )

    def put_opening(self, line: Line, leaf: Leaf, taken: TakenSeal) -> None:
        """Keep who opened the slot at ``line.head``: the member may be gone when it is asked."""
        slot = line.slots[leaf.index]
        self._db.execute(
            "INSERT INTO openings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                line.group_id,
                line.head.position,
                line.policy.digest,
                leaf.device.account,
                leaf.device.device,
                leaf.index,
                slot.tau,
                taken.slot,
                taken.tier1,
                leaf.credential,
            ),
        )

    def tier1(self, group_id: bytes, digest: bytes) -> tuple[bytes, PerSeat] | None:
        """Return header and encapsulation digests of a stored tier 1."""
        row = self._db.one(
            "SELECT header, enc_digests FROM tier1s WHERE group_id = ? AND digest = ?",
            (group_id, digest),
        )
        return None if row is None else (row[0], read_digests(row[1]))

    def seal_upload(self, group_id: bytes, slot: bytes) -> bytes | None:
        """Return a slot's seal with its tier 1's encapsulations, as they came."""
        row = self._db.one(
            "SELECT s.seal, t.encs FROM seals s JOIN tier1s t"
            " ON t.group_id = s.group_id AND t.digest = s.tier1"
            " WHERE s.group_id = ? AND s.slot = ?",
            (group_id, slot),
        )
        return None if row is None else encode((row[0], decode(row[1])))

    # -- policy log ---------------------------------------------------------------------------

    def put_log(self, replica: Replica) -> None:
        """Keep how far the policy log was read."""
        checkpoint = replica.log.checkpoint
        if checkpoint is not None:
            self._db.execute(
                "INSERT OR REPLACE INTO log_state VALUES (?, ?, ?)",
                (replica.origin, checkpoint.note, replica.state),
            )

    def replica(self, start: Replica) -> Replica:
        """Return how far the log was read; ``start`` when it never was."""
        row = self._db.one("SELECT note, nodes FROM log_state WHERE origin = ?", (start.origin,))
        if row is None:
            return start
        return start.recall(row[0], row[1])

    # -- ingest -------------------------------------------------------------------------------

    def touched_lines(self) -> list[tuple[bytes, int, bytes]]:
        """Return name, position and head of every line that grew, and mark them as taken."""
        groups = self._db.all(
            "SELECT group_id, position, head FROM groups WHERE position > ingested"
        )
        devices = self._db.all("SELECT account, device, q, head FROM devices WHERE q > ingested")
        self._db.execute("UPDATE groups SET ingested = position WHERE position > ingested")
        self._db.execute("UPDATE devices SET ingested = q WHERE q > ingested")
        lines = [(line_name("group", group), position, head) for group, position, head in groups]
        lines += [
            (line_name("device", account, device), q, head) for account, device, q, head in devices
        ]
        return sorted(lines)

    def put_ingest(self, time: int, touched: Sequence[TouchedLine], root: bytes) -> int:
        """Keep an interval's root and leaves; returns the interval."""
        row = self._db.one("SELECT COALESCE(MAX(interval), 0) + 1 FROM ingest_roots")
        interval = 1 if row is None else row[0]
        self._db.execute(
            "INSERT INTO ingest_roots VALUES (?, ?, ?, ?)", (interval, time, len(touched), root)
        )
        self._db.executemany(
            "INSERT INTO ingest_leaves VALUES (?, ?, ?, ?, ?, ?)",
            [
                (interval, leaf, item.line, item.position, item.head, item.blind)
                for leaf, item in enumerate(touched)
            ],
        )
        return int(interval)


def read_digests(data: bytes) -> PerSeat:
    """Read stored encapsulation digests; raises ``WireError``."""
    fields = Fields.of(data, "encapsulation digests")
    found: list[bytes | None] = []
    while not fields.done:
        found.append(fields.maybe(fields.digest))
    return tuple(found)
