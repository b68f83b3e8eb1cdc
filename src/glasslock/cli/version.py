"""``glasslock version``: what runs here."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed
from typing import Annotated

import typer

from glasslock import _core
from glasslock.cli import output
from glasslock.wire.digest import PROTOCOL

app = typer.Typer(add_completion=False)


@app.command()
def version(*, json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """Print the versions of Glasslock, its protocol, its Rust core and Python."""
    facts = {
        "glasslock": installed("glasslock"),
        "protocol": PROTOCOL,
        "suite": f"{_core.SUITE_HYBRID:#06x}",
        "python": platform.python_version(),
    }
    if json:
        output.data(facts, as_json=True)
    else:
        output.table([{"part": name, "version": value} for name, value in facts.items()])
