"""``glasslock airgap``: a keyholder without a network, and the relay that carries its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from glasslock.cli import output
from glasslock.keyholder import app as keyholder
from glasslock.keyholder.config import KeyholderConfig
from glasslock.keyholder.gap import Gapped
from glasslock.keyholder.relay import run_errands
from glasslock.runtime.clock import SystemClock
from glasslock.runtime.config import load_config
from glasslock.runtime.files import read_limited, write_atomic
from glasslock.runtime.logs import Log
from glasslock.wire.gap import MAX_GAP, decode_carried, decode_errands

app = typer.Typer(add_completion=False, no_args_is_help=True)

Config = Annotated[Path, typer.Argument(help="the keyholder's settings")]
Out = Annotated[Path, typer.Argument(help="the file of errands for the relay")]


@app.command()
def begin(config: Config, errands: Out) -> None:
    """Write the first errands; on the machine without a network, once."""
    _at_keyholder(config, errands, lambda each: each.begin())


@app.command(name="import")
def take(
    config: Config,
    carried: Annotated[Path, typer.Argument(help="the file that the relay has written")],
    errands: Out,
) -> None:
    """Check what the relay brought, do what is due, and write the next errands."""
    found = decode_carried(read_limited(carried, MAX_GAP))
    _at_keyholder(config, errands, lambda each: output.run(lambda: each.take(found)))


@app.command()
def again(config: Config, errands: Out) -> None:
    """Write the last errands once more, when their file was lost."""
    _at_keyholder(config, errands, lambda each: each.again())


@app.command()
def relay(
    errands: Annotated[Path, typer.Argument(help="the file of errands")],
    carried: Annotated[Path, typer.Argument(help="the file to bring back")],
) -> None:
    """Do the errands and write what came of them; on a machine with a network and without keys."""
    found = decode_errands(read_limited(errands, MAX_GAP))
    made = output.run(lambda: run_errands(found, SystemClock(), Log("relay")))
    write_atomic(carried, made.encode())
    output.talk(f"done: {len(made.answers)} answers to bring back")


def _at_keyholder(config: Path, errands: Path, work: Callable[[Gapped], bytes]) -> None:
    office = keyholder.open_gapped(load_config(config, KeyholderConfig))
    try:
        write_atomic(errands, work(office))
    finally:
        office.close()
    output.talk("written: take it to the relay, and bring back what it writes")
