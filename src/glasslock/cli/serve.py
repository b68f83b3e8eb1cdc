"""``glasslock serve``: run a provider, log or desk in the foreground until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glasslock.cli import output
from glasslock.desk.app import run as run_desk
from glasslock.desk.config import DeskConfig
from glasslock.logserver.config import LogConfig
from glasslock.logserver.shards import run as run_log
from glasslock.provider.app import run as run_provider
from glasslock.provider.config import ProviderConfig
from glasslock.runtime.config import load_config

app = typer.Typer(add_completion=False, no_args_is_help=True)

Config = Annotated[Path, typer.Argument(help="a TOML file; `serve settings` prints one")]

_SETTINGS = """\
data = "./provider"        # folder for key and database; only this user may read it
host = "127.0.0.1"         # loopback only: put a TLS proxy before it
port = 8440                # 0 chooses a free one

[clocks]                   # of the policy `none`; protocol section 2
slot_seconds = 900
slots_per_day = 96
skew_seconds = 120
away_days = 30
ingest_seconds = 600
"""


@app.command()
def provider(config: Config) -> None:
    """Run a provider; one JSON line says when it is ready, with its port."""
    run_provider(load_config(config, ProviderConfig))


@app.command()
def log(config: Config) -> None:
    """Run a transparency log; one JSON line says when it is ready, with its port."""
    run_log(load_config(config, LogConfig))


@app.command()
def desk(config: Config) -> None:
    """Run a desk; one JSON line says when it is ready, with its port."""
    run_desk(load_config(config, DeskConfig))


@app.command()
def settings() -> None:
    """Print every setting of a provider with its default."""
    output.data(_SETTINGS.rstrip())
