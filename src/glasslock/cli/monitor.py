"""``glasslock monitor``: replay all logs of a quorum file, and say what they show."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from glasslock.cli import output
from glasslock.monitor.app import look
from glasslock.monitor.audit import Account, audit
from glasslock.monitor.findings import AMISS, BROKEN, UNSEEN, moment
from glasslock.monitor.page import Look, as_page
from glasslock.monitor.store import Store
from glasslock.runtime.clock import SystemClock
from glasslock.runtime.files import private_folder, read_limited, write_atomic
from glasslock.tlog.quorum import MAX_FILE, QuorumFile

DAY_SECONDS: Final = 86_400
PAGE_MODE: Final = 0o644
# The worst comes first: it is the exit code.
_CODES: Final = ((BROKEN, "verification"), (AMISS, "findings"), (UNSEEN, "transport"))

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def monitor(
    url: Annotated[
        str | None, typer.Argument(help="the log's address, when the quorum file does not say")
    ] = None,
    *,
    quorum: Annotated[Path, typer.Option("--quorum", help="a quorum file (C2SP tlog-policy)")],
    state: Annotated[
        Path | None,
        typer.Option("--state", help="a folder to remember in: a rewritten past is noticed"),
    ] = None,
    page: Annotated[Path | None, typer.Option("--page", help="write an HTML page there")] = None,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    max_age: Annotated[
        int, typer.Option("--max-age", min=1, help="seconds after which a silent log is stale")
    ] = DAY_SECONDS,
) -> int:
    """Read every log whole, check every entry and step, and say what they show; for cron."""
    text = read_limited(quorum, MAX_FILE).decode(errors="replace")
    known = QuorumFile.parse(text)
    now = SystemClock().now()

    async def work() -> Account:
        with _memory(state) as folder:
            store = Store(folder)
            try:
                return audit(await look(known, url, store, SystemClock()), now, max_age)
            finally:
                store.db.close()

    account = output.run(work)
    if page is not None:
        told = Look(now, _command(url, quorum, state), text)
        write_atomic(page, as_page(account, told), PAGE_MODE)
    if json:
        output.data({"time": now, **account.as_facts()}, as_json=True)
    else:
        _tell(account)
    kinds = {each.kind for each in account.findings}
    return next((output.EXIT_CODES[code][0] for kind, code in _CODES if kind in kinds), 0)


@contextmanager
def _memory(state: Path | None) -> Iterator[Path]:
    if state is not None:
        yield private_folder(state)
        return
    output.talk("nothing is remembered: with --state, a rewritten past would be noticed")
    with TemporaryDirectory() as name:
        yield Path(name)


def _command(url: str | None, quorum: Path, state: Path | None) -> str:
    """Return the command that a reader can run; paths are the reader's own business."""
    words = ["glasslock", "monitor", *([url] if url else []), "--quorum", quorum.name]
    return shlex.join([*words, "--state", state.name if state is not None else "seen"])


def _tell(account: Account) -> None:
    rows = [
        {
            "log": log["origin"],
            "holds": log["kind"],
            "entries": log["size"],
            "seen": moment(log["time"]),
            "cosigned": " ".join(log["cosigned"]),
        }
        for log in account.logs
    ]
    output.table(rows)
    statistics = account.statistics
    months = [{"month": month, **row} for month, row in statistics.by_month.items()]
    answers = [
        {
            "keyholder": each.keyholder,
            "released": each.released,
            "refused": each.refused,
            "median_seconds": "-" if each.seconds is None else each.seconds,
        }
        for each in statistics.answers
    ]
    drills = [
        {
            "keyholder": row["keyholder"],
            "drills": row["asked"],
            "last": row["last"] or "-",
            "passed": "-" if row["passed"] is None else moment(row["passed"]),
            "overdue": "yes" if row["overdue"] else "no",
        }
        for row in account.drills
    ]
    for table in (months, answers, drills):
        if table:
            output.data("")
            output.table(table)
    output.data("")
    if not account.findings:
        output.data("nothing wrong was found")
    for each in account.findings:
        order = "" if each.order is None else f", order {each.order}"
        output.data(f"{each.kind}: {each.log}{order}: {each.text} [{each.rule}]")
