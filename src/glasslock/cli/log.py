"""``glasslock log``: read a transparency log from its public address, and check all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glasslock.cli import output
from glasslock.errors import ConfigError
from glasslock.logserver.config import LogConfig
from glasslock.logserver.plan import Plan, put_plan
from glasslock.monitor.replay import Entry, bodies
from glasslock.monitor.report import report
from glasslock.runtime.clock import SystemClock
from glasslock.runtime.config import load_config
from glasslock.runtime.files import read_limited
from glasslock.runtime.http import HttpClient, fetch_parts
from glasslock.tlog.checkpoint import VerifiedCheckpoint
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.quorum import MAX_FILE, QuorumFile
from glasslock.tlog.reader import catch_up

app = typer.Typer(add_completion=False, no_args_is_help=True)

Url = Annotated[
    str | None, typer.Argument(help="the log's address, when the quorum file does not say")
]
Quorum = Annotated[Path, typer.Option("--quorum", help="a quorum file (C2SP tlog-policy)")]
Origin = Annotated[
    str | None, typer.Option("--origin", help="which log of the quorum file; not needed for one")
]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]


@app.callback()
def group() -> None:
    """Verify or read a transparency log, which needs no account; or end a shard of one's own."""


Policies = Annotated[
    str | None,
    typer.Option("--policies", help="the policy log's origin: leaves by nobody in it do not count"),
]


@app.command()
def verify(
    url: Url = None,
    *,
    quorum: Quorum,
    origin: Origin = None,
    policies: Policies = None,
    json: AsJson = False,
) -> None:
    """Read a whole log: signatures, witnesses, every entry; print what it holds, in numbers."""

    async def work() -> None:
        checkpoint, entries = await read_log(url, quorum, origin)
        known = None
        if policies is not None:
            known = bodies((await read_log(None, quorum, policies))[1])
        found = report(entries, checkpoint.median_time, known)
        facts = {
            "origin": checkpoint.origin,
            "kind": found.kind,
            "size": checkpoint.size,
            "time": checkpoint.median_time,
            "cosigned": len(checkpoint.times),
            "witnesses": [name for name, _ in checkpoint.times],
            **found.facts,
        }
        rows = "orders_list" if found.kind == "orders" else "keys"
        if json:
            output.data({**facts, rows: found.rows}, as_json=True)
            return
        output.table([{"fact": name, "value": _shown(value)} for name, value in facts.items()])
        if found.rows:
            output.data("")
            output.table(found.rows)

    output.run(work)


@app.command()
def end(
    config: Annotated[Path, typer.Argument(help="the log's TOML file, as `serve log` reads it")],
    *,
    place: Annotated[str, typer.Option("--place", help="of the next shard, for example 2027")],
    origin: Annotated[str, typer.Option("--origin", help="of the next shard")],
) -> None:
    """End the log's shard once its witnesses follow the next; print the next one's keys for them.

    The running log takes it up, and goes on as it is until enough witnesses know the new keys.
    """
    output.data(put_plan(load_config(config, LogConfig), Plan(origin, place)).rstrip())


async def read_log(
    url: str | None, quorum: Path, origin: str | None
) -> tuple[VerifiedCheckpoint, list[Entry]]:
    """Return the newest checkpoint and all entries of a log, everything verified.

    Raises:
        ConfigError: the quorum file cannot be read, or does not say which log or where.
        TransportError: the log cannot be reached.
        VerificationError: it does not hold.
    """
    text = read_limited(quorum, MAX_FILE).decode(errors="replace")
    known = QuorumFile.parse(text)
    if origin is None and len(known.origins) == 1:
        origin = known.origins[0]
    if origin is None:
        raise ConfigError("the quorum file has several logs: say --origin", rule="log.origin")
    address = url or known.log_url(origin)
    if address is None:
        raise ConfigError("say where the log is: its address", rule="log.url")
    http = HttpClient(address)
    try:
        replica = Replica(TrustedLog(known, origin))
        found: list[Entry] = []
        async for part in fetch_parts(http, replica, catch_up, SystemClock()):
            replica = part.replica
            found += [(e.index, e.checkpoint.median_time, e.entry) for e in part.entries]
    finally:
        await http.close()
    checkpoint = replica.log.checkpoint
    if checkpoint is None:
        raise ConfigError("nothing is published there yet", rule="log.empty")
    return checkpoint, found


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "-"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)
