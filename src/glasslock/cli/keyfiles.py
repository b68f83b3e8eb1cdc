"""Key files at a person's hands: one under a passphrase asks for it. Knows no role of a key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import typer

from glasslock.errors import ConfigError
from glasslock.runtime.keys import load_seed

NEEDED: Final = "keys.passphrase"


def open_seed(path: Path) -> bytes:
    """Return the seed in a key file; its passphrase is asked for at the terminal.

    Raises:
        ConfigError: there is no such file, the passphrase is wrong, or nobody is there to ask.
    """
    try:
        return load_seed(path)
    except ConfigError as error:
        if error.rule != NEEDED or not sys.stdin.isatty():
            raise
    return load_seed(path, typer.prompt(f"passphrase of {path.name}", hide_input=True, err=True))


def new_passphrase() -> str:
    """Ask for a new passphrase, twice; raises ``ConfigError`` when nobody is there to ask."""
    if not sys.stdin.isatty():
        raise ConfigError("a passphrase is chosen at a terminal", rule=NEEDED)
    chosen: str = typer.prompt(
        "passphrase", hide_input=True, confirmation_prompt="the same again", err=True
    )
    return chosen
