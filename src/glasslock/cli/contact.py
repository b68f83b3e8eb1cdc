"""``glasslock contact``: agree on codes with a contact; read a log as that contact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from glasslock.cli import output
from glasslock.cli.log import read_log
from glasslock.errors import ConfigError
from glasslock.keyholder import app as keyholder
from glasslock.keyholder.config import KeyholderConfig
from glasslock.keyholder.duress import read_marks
from glasslock.orders.ledger import Ledger
from glasslock.runtime.config import load_config
from glasslock.runtime.files import check_private, read_limited, write_atomic
from glasslock.wire.contact import MAX_CONTACT, decode_contact

app = typer.Typer(add_completion=False, no_args_is_help=True)

CodeFile = Annotated[
    Path | None, typer.Option(help="the code on a line of its own, instead of asking for it")
]
_MAX_CODES: Final = 1_024


@app.command()
def agree(
    config: Annotated[Path, typer.Argument(help="the keyholder's settings")],
    out: Annotated[Path, typer.Argument(help="the contact's file; hand it over and keep none")],
    *,
    code_file: CodeFile = None,
) -> None:
    """Agree on two codes: one for a refusal, one for a refusal under duress."""
    codes = read_codes(code_file, ("code for a refusal", "code for one under duress"))
    office = keyholder.open_office(load_config(config, KeyholderConfig))
    try:
        write_atomic(out, keyholder.agree(office, *codes).encode())
    finally:
        office.close()
    output.talk("agreed: from now on a refusal takes one of the two codes")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="the contact's file")],
    quorum: Annotated[Path, typer.Argument(help="the quorum file of the orders log")],
    *,
    origin: Annotated[str | None, typer.Option(help="the log, if the file has several")] = None,
    url: Annotated[str | None, typer.Option(help="where it is, if the file does not say")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Read the orders log and say what each refusal of the keyholder means."""
    check_private(file)
    key = decode_contact(read_limited(file, MAX_CONTACT))
    ledger = Ledger()
    for index, time, entry in output.run(lambda: read_log(url, quorum, origin))[1]:
        ledger.add(entry, index, time)
    told = [asdict(each) for each in read_marks(key, ledger)]
    output.table(told, as_json=as_json)
    if not told:
        output.talk("this keyholder has refused nothing")


def read_codes(file: Path | None, asked: Sequence[str]) -> list[str]:
    """Return as many codes as are asked for, from a file or from the keyboard without echo.

    Raises:
        ConfigError: the file can be read by others, or has another number of lines.
    """
    if file is None:
        return [typer.prompt(each, hide_input=True) for each in asked]
    check_private(file)
    lines = read_limited(file, _MAX_CODES).decode(errors="replace").splitlines()
    if len(lines) != len(asked):
        raise ConfigError(f"{file.name} has {len(lines)} lines", rule="contact.codes")
    return lines
