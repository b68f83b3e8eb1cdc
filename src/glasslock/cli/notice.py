"""``glasslock notice``: letters about orders, on a device or from a file."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from glasslock.cli import output
from glasslock.cli.agent import notice_line
from glasslock.cli.client import SEND_SECONDS, Folder, PassphraseFile, opened
from glasslock.cli.log import AsJson, Origin, Quorum, read_log
from glasslock.client import Notice, Standing
from glasslock.client.notices import replay, verify_letter
from glasslock.errors import StateError
from glasslock.runtime.files import read_limited, write_atomic
from glasslock.wire.notice import MAX_LETTER

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command(name="list")
def list_(folder: Folder, *, json: AsJson = False, passphrase_file: PassphraseFile = None) -> None:
    """List the notices of this device; each was verified against the orders log."""

    async def work() -> None:
        async with opened(folder, passphrase_file) as client:
            await client.caught_up(SEND_SECONDS)
            await client.check_notices()
            if json:
                output.data([notice_line(each) for each in client.notices()], as_json=True)
                return
            output.table(
                [
                    {
                        "notice": each.number,
                        "authority": each.authority,
                        "legal basis": each.legal_basis,
                        "issued": _date(each.issued),
                        "conversations": len(each.conversations),
                    }
                    for each in client.notices()
                ]
            )

    output.run(work)


@app.command()
def status(folder: Folder, *, json: AsJson = False, passphrase_file: PassphraseFile = None) -> int:
    """Read the logs of orders to their ends: what is disclosed, overdue, and told to you.

    In JSON, each has the checkpoint that proves how far it was read, and when it was seen.
    """

    async def work() -> list[Standing]:
        async with opened(folder, passphrase_file) as client:
            await client.caught_up(SEND_SECONDS)
            await client.check_notices()
            return await client.standing()

    found = output.run(work)
    if json:
        output.data([_standing_line(each) for each in found], as_json=True)
    for each in () if json else found:
        _print_standing(each)
    return output.EXIT_CODES["findings" if any(each.overdue for each in found) else "ok"][0]


def _standing_line(standing: Standing) -> dict[str, Any]:
    line = asdict(standing)
    return line | {"policy": standing.policy.hex(), "checkpoint": standing.checkpoint.decode()}


def _print_standing(standing: Standing) -> None:
    date = _date(standing.time)
    output.data(f"{standing.origin}: {standing.size} entries, as its witnesses saw it on {date}")
    told, due = len(standing.letters), len(standing.overdue)
    output.data(
        f"  {standing.orders} orders, {len(standing.disclosed)} disclosed, {due} overdue,"
        f" {told} told to you"
    )
    if due:
        places = ", ".join(map(str, standing.overdue))
        output.data(f"  OVERDUE, and nobody says whose: orders {places}")
    if standing.put_off:
        places = ", ".join(map(str, standing.put_off))
        output.data(f"  put off by their authorities: orders {places}")
    if not told and not due:
        output.data(f"  no opening concerning you is told or overdue up to {date}")
    if len(standing.disclosed) > told:
        output.data(
            "  a disclosure hides whose order it was: that no letter came rests on the keyholders,"
            " the desk and the provider"
        )


@app.command()
def show(
    folder: Folder,
    number: Annotated[int, typer.Argument(help="a notice's number, as `notice list` shows it")],
    *,
    save: Annotated[
        Path | None, typer.Option("--save", help="write the letter to a file, to give it on")
    ] = None,
    json: AsJson = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Show one notice: whose order, on what ground, what it reached, how to contest it."""

    async def work() -> None:
        async with opened(folder, passphrase_file) as client:
            found = next((each for each in client.notices() if each.number == number), None)
            if found is None:
                raise StateError("there is no such notice", rule="client.notice")
            if save is not None:
                write_atomic(save, client.letter(number))
            _print(found, as_json=json)

    output.run(work)


@app.command()
def verify(
    letter: Annotated[Path, typer.Argument(help="a letter, as `notice show --save` writes it")],
    url: Annotated[str | None, typer.Argument(help="the orders log's address")] = None,
    *,
    quorum: Quorum,
    origin: Origin = None,
    json: AsJson = False,
) -> None:
    """Verify a letter against the public orders log, with no account."""

    async def work() -> None:
        data = read_limited(letter, MAX_LETTER)
        checkpoint, entries = await read_log(url, quorum, origin)
        ledger = replay(entries)
        found = verify_letter(data, checkpoint.origin, ledger, checkpoint.size)
        _print(found, as_json=json)

    output.run(work)


def _print(notice: Notice, *, as_json: bool) -> None:
    if as_json:
        output.data(notice_line(notice), as_json=True)
        return
    facts: dict[str, Any] = {
        "to": notice.account + ("" if notice.named else " (not named by the order)"),
        "authority": notice.authority,
        "countersigned by": notice.countersigner,
        "reference": notice.reference,
        "legal basis": notice.legal_basis,
        "offence": notice.offence,
        "issued": _date(notice.issued),
        "valid until": _date(notice.expires),
        "to be told by": _date(notice.disclose_by),
        **_put_off(notice),
        "order": f"{notice.index} of {notice.origin}",
        "to contest": notice.contest,
    }
    for reached in notice.conversations:
        slots = ", ".join(f"{first} to {last}" for first, last in reached.spans)
        facts[f"in {reached.group_id.hex()}"] = f"slots {slots}"
    output.table([{"fact": name, "value": value} for name, value in facts.items()])


def _put_off(notice: Notice) -> dict[str, str]:
    return {
        f"put off, time {number}": f"until {_date(each.until)}: {each.ground}"
        for number, each in enumerate(notice.put_off, start=1)
    }


def _date(seconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return str(seconds)
