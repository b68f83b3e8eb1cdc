"""What ``glasslock keyholder drill`` says: that a drill is on its way, and how each seat did."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from glasslock.cli import output
from glasslock.keyholder import app as keyholder
from glasslock.keyholder.running import Office

HOUR: Final = 3_600
SHOWN: Final = 16


def start(office: Office, day: int | None, hours: int | None) -> None:
    """Make a drill; the running keyholder logs it and, at its end, shows what it was made from."""
    made = keyholder.start_drill(office, day, None if hours is None else hours * HOUR)
    output.talk("the running keyholder logs it; `drill CONFIG status` says who has answered")
    output.data(made.hex())


def status(office: Office, *, as_json: bool) -> None:
    """Show each drill in the log, seat by seat, the newest first."""
    rows = [asdict(row) for row in keyholder.drill_rows(office)]
    if not as_json:
        rows = [{**row, "drill": row["drill"][:SHOWN]} for row in rows]
    output.table(rows, as_json=as_json)
    if not rows:
        output.talk("no drill stands in the log")
