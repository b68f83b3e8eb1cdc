"""The stored lines as a freeze reads them: entries, openings, ingested heads; decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from glasslock.errors import StateError
from glasslock.provider.freezing import KeptHead, KeptOpening, SentEntry
from glasslock.provider.ingest import TouchedLine, ingest_leaf
from glasslock.runtime.sqlite import Database, Row
from glasslock.wire.codec import decode
from glasslock.wire.manifest import ListedEntry
from glasslock.wire.order import Grant
from glasslock.wire.seal import PerSeat

PAGE: Final = 32


class Lines:
    """Reads over an open database; callers hold a transaction around what belongs together."""

    def __init__(self, db: Database) -> None:
        """Take over ``db``, opened with ``glasslock.provider.schema.MIGRATIONS``."""
        self._db = db

    def under(self, group_id: bytes, policy: bytes) -> bool:
        """Say whether a group has entries and is or was under ``policy``."""
        row = self._db.one(
            "SELECT 1 FROM groups g WHERE group_id = ? AND position > 0 AND (policy = ? OR EXISTS"
            " (SELECT 1 FROM openings o WHERE o.group_id = g.group_id AND o.policy = ?))",
            (group_id, policy, policy),
        )
        return row is not None

    def openings(self, policy: bytes, grant: Grant) -> Sequence[KeptOpening]:
        """Return what opened the granted slots under ``policy``, in order of positions."""
        rows: list[Row] = []
        for first, last in grant.spans:
            rows += self._db.all(
                "SELECT group_id, position, account, device, leaf, tau, slot, tier1,"
                " credential FROM openings WHERE group_id = ? AND account = ?"
                " AND tau BETWEEN ? AND ? AND policy = ?",
                (grant.group_id, grant.account, first, last, policy),
            )
        return [KeptOpening(*row) for row in sorted(rows, key=lambda row: int(row[1]))]

    def sent(self, opening: KeptOpening) -> Iterator[SentEntry]:
        """Return the sender's envelopes in the group from ``opening`` on, one by one."""
        row = self._db.one(
            "SELECT q - 1 FROM entries WHERE group_id = ? AND position = ?",
            (opening.group_id, opening.position),
        )
        q = 0 if row is None else row[0]
        while True:
            # By the sender's own line: what others wrote in between is never read.
            rows = self._db.all(
                "SELECT position, kind, data, receipt, q FROM entries INDEXED BY entries_own"
                " WHERE account = ? AND device = ? AND q > ? AND group_id = ?"
                " AND kind != 'handshake' ORDER BY q LIMIT ?",
                (opening.account, opening.device, q, opening.group_id, PAGE),
            )
            yield from (SentEntry(*row) for row in rows)
            if len(rows) < PAGE:
                return
            q = rows[-1][4]

    def counted(self, opening: KeptOpening) -> tuple[int, int] | None:
        """Return how many messages a slot has, and how many of them were removed; reads no body.

        None for a slot from before its entries were kept by slot.
        """
        row = self._db.one(
            "SELECT count(*), count(*) FILTER (WHERE kind = 'tombstone') FROM entries"
            " WHERE group_id = ? AND opened = ?",
            (opening.group_id, opening.position),
        )
        return None if row is None or not row[0] else (row[0], row[1])

    def stretch(self, group_id: bytes, window: tuple[int, int]) -> tuple[int, int]:
        """Return the last position before ``window`` (0: none) and the first one after it."""
        row = self._db.one(
            "SELECT MAX(position) FILTER (WHERE time < ?), MIN(position) FILTER (WHERE time > ?),"
            " MAX(position) FROM entries WHERE group_id = ?",
            (*window, group_id),
        )
        return _stretch(row)

    def own_stretch(self, account: str, device: bytes, window: tuple[int, int]) -> tuple[int, int]:
        """Return the same of a device's own line, in q."""
        row = self._db.one(
            "SELECT MAX(q) FILTER (WHERE time < ?), MIN(q) FILTER (WHERE time > ?), MAX(q)"
            " FROM entries WHERE account = ? AND device = ?",
            (*window, account, device),
        )
        return _stretch(row)

    def head_before(self, line: bytes, position: int) -> KeptHead | None:
        """Return the last ingested head of a line below ``position``."""
        row = self._db.one(
            "SELECT interval, leaf, position, head, blind FROM ingest_leaves"
            " WHERE line = ? AND position < ? ORDER BY position DESC LIMIT 1",
            (line, position),
        )
        return None if row is None else KeptHead(*row)

    def head_from(self, line: bytes, position: int) -> KeptHead | None:
        """Return the first ingested head of a line at ``position`` or later."""
        row = self._db.one(
            "SELECT interval, leaf, position, head, blind FROM ingest_leaves"
            " WHERE line = ? AND position >= ? ORDER BY position LIMIT 1",
            (line, position),
        )
        return None if row is None else KeptHead(*row)

    def listed(self, group_id: bytes, after: int, last: int) -> Sequence[ListedEntry]:
        """Return a group's entries after ``after`` up to ``last``."""
        rows = self._db.all(
            "SELECT time, kind, digest FROM entries WHERE group_id = ? AND position > ?"
            " AND position <= ? ORDER BY position",
            (group_id, after, last),
        )
        return [ListedEntry(*row) for row in rows]

    def own_listed(self, account: str, device: bytes, after: int, last: int) -> Sequence[bytes]:
        """Return the digests of a device's entries after ``after`` up to ``last``, by q."""
        rows = self._db.all(
            "SELECT digest FROM entries WHERE account = ? AND device = ? AND q > ? AND q <= ?"
            " ORDER BY q",
            (account, device, after, last),
        )
        return [row[0] for row in rows]

    def interval_leaves(self, interval: int) -> Sequence[bytes]:
        """Return an interval's leaves, each ``H("ingest", b, position, head)``."""
        rows = self._db.all(
            "SELECT line, position, head, blind FROM ingest_leaves WHERE interval = ?"
            " ORDER BY leaf",
            (interval,),
        )
        return [ingest_leaf(TouchedLine(*row)) for row in rows]

    def kept_tier1(self, group_id: bytes, tier1: bytes) -> tuple[bytes, PerSeat]:
        """Return header and encapsulations; raises ``StateError`` when they are gone."""
        row = self._db.one(
            "SELECT header, encs FROM tier1s WHERE group_id = ? AND digest = ?", (group_id, tier1)
        )
        encs = None if row is None else decode(row[1])
        if row is None or not isinstance(encs, tuple):
            raise StateError("a tier 1 is not kept", rule="freeze.tier1")
        return row[0], tuple(enc if isinstance(enc, bytes) else None for enc in encs)

    def kept_seal(self, group_id: bytes, slot: bytes) -> bytes:
        """Return a slot's seal; raises ``StateError`` when it is gone."""
        row = self._db.one(
            "SELECT seal FROM seals WHERE group_id = ? AND slot = ?", (group_id, slot)
        )
        if row is None:
            raise StateError("a seal is not kept", rule="freeze.seal")
        return bytes(row[0])


def _stretch(row: Row | None) -> tuple[int, int]:
    if row is None:
        return 0, 0
    begin, end, newest = row
    return begin or 0, end or newest or 0
