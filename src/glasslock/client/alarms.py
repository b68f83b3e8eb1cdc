"""What others carried of logs, what agreed with this device's own view, and what stands against it.

Tables over an open database; callers hold the transaction. Compares nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from glasslock.client.changes import AGREED, SPLIT, Compared, Heard
from glasslock.client.events import Alarm
from glasslock.client.views import MOST_KNOWN, Known
from glasslock.runtime.sqlite import Database

RULES: Final = {"split": "log.split", "withheld": "log.withheld"}
# One claim of a device and a log waits at a time, and so many of an account's devices.
MOST_OF_ACCOUNT: Final = 8


class Alarms:
    """The tables of compared views."""

    def __init__(self, db: Database) -> None:
        """Take over ``db``, opened with ``glasslock.client.schema.MIGRATIONS``."""
        self._db = db

    def put(self, heard: Sequence[Heard], compared: Sequence[Compared]) -> None:
        """Keep what was heard, within bounds, and how comparisons ended."""
        for each in heard:
            self._put_heard(each)
        for found in compared:
            self._put_compared(found)

    def _put_heard(self, heard: Heard) -> None:
        # What waits already is compared first: a log that shows nothing is found out by that.
        self._db.execute(
            "INSERT INTO heard SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?"
            " WHERE (SELECT COUNT(*) FROM heard WHERE account = ?) < ? ON CONFLICT DO NOTHING",
            (
                heard.policy,
                heard.origin,
                heard.account,
                heard.device,
                heard.group_id,
                heard.time,
                heard.size,
                heard.root,
                heard.note,
                heard.account,
                MOST_OF_ACCOUNT,
            ),
        )

    def _put_compared(self, found: Compared) -> None:
        heard = found.heard
        place = (heard.policy, heard.origin)
        if found.outcome == AGREED:
            self._db.execute(
                "INSERT INTO agreed (policy, origin, size, root) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (*place, heard.size, heard.root),
            )
            self._db.execute(
                "DELETE FROM agreed WHERE number <= (SELECT MAX(number) FROM agreed) - ?",
                (MOST_KNOWN,),
            )
            self._db.execute(
                "DELETE FROM heard WHERE policy = ? AND origin = ? AND account = ? AND device = ?",
                (*place, heard.account, heard.device),
            )
            # The log shows what it was said to withhold.
            self._db.execute(
                "DELETE FROM alarms WHERE policy = ? AND origin = ? AND rule = ? AND shown <= ?",
                (*place, RULES["withheld"], found.held),
            )
            return
        self._db.execute(
            "INSERT INTO alarms VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                *place,
                RULES[found.outcome],
                found.held,
                heard.size,
                heard.account,
                heard.device,
                found.evidence,
            ),
        )
        if found.outcome == SPLIT:
            self._db.execute("DELETE FROM heard WHERE policy = ? AND origin = ?", place)

    def waiting(self) -> Iterator[Heard]:
        """Yield what is still to be compared."""
        rows = self._db.all(
            "SELECT policy, origin, account, device, group_id, time, size, root, note FROM heard"
            " ORDER BY policy, origin, size"
        )
        for row in rows:
            yield Heard(*row)

    def agreed(self) -> list[Known]:
        """Return which heads were found to be this device's own, the oldest first."""
        rows = self._db.all("SELECT policy, origin, size, root FROM agreed ORDER BY number")
        return [(policy, origin, size, root) for policy, origin, size, root in rows]

    def all(self) -> list[Alarm]:
        """Return what stands against logs."""
        rows = self._db.all(
            "SELECT rule, policy, origin, held, shown, account, device, evidence FROM alarms"
            " ORDER BY policy, origin, rule"
        )
        return [Alarm(*row) for row in rows]
