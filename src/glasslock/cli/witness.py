"""``glasslock witness``: run a witness, or make its key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glasslock.cli import output
from glasslock.runtime.clock import SystemClock
from glasslock.runtime.config import load_config
from glasslock.witness.app import Witness
from glasslock.witness.app import run as run_witness
from glasslock.witness.config import WitnessConfig

app = typer.Typer(add_completion=False, no_args_is_help=True)

Config = Annotated[Path, typer.Argument(help="a TOML file: data, name, port, and a [[logs]] each")]


@app.command()
def run(config: Config) -> None:
    """Run a witness; one JSON line says when it is ready, with its port."""
    run_witness(load_config(config, WitnessConfig))


@app.command()
def key(config: Config) -> None:
    """Print the witness's verifier key for quorum files; makes the key when there is none."""
    output.data(Witness(load_config(config, WitnessConfig), SystemClock()).vkey)
