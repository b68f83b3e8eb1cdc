"""The front door: which noun is served by which module. Loads one of them and nothing else."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

import typer

from glasslock.cli import output

NOUNS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("glasslock.demo.command", "the whole story on this machine, on real processes"),
    "lab": ("glasslock.lab.command", "attack real parts of Glasslock and judge by evidence"),
    "serve": ("glasslock.cli.serve", "run a provider, log server or desk"),
    "witness": ("glasslock.cli.witness", "run a witness, or make its key"),
    "keyholder": ("glasslock.cli.keyholder", "run a keyholder; answer what it asks"),
    "airgap": ("glasslock.cli.airgap", "keep a keyholder off the network; carry its files"),
    "contact": ("glasslock.cli.contact", "tell a keyholder's refusal under duress from others"),
    "client": ("glasslock.cli.client", "write and read as a person"),
    "order": ("glasslock.cli.order", "draft, preview, sign, submit and open an order"),
    "case": ("glasslock.cli.case", "verify a sealed case file, offline, trusting nobody in it"),
    "log": ("glasslock.cli.log", "verify or read a transparency log"),
    "monitor": ("glasslock.cli.monitor", "replay all logs and say what they show, as text or page"),
    "notice": ("glasslock.cli.notice", "read and verify notices of an opening"),
    "doctor": ("glasslock.cli.doctor", "look for what could keep Glasslock from working"),
    "version": ("glasslock.cli.version", "print versions of Glasslock and its engine"),
}

# The library exports only the leaves of its usage errors.
USAGE: Final[Any] = typer.BadParameter.__base__


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(output.guarded(lambda: _dispatch(sys.argv[1:])))


def _dispatch(arguments: list[str]) -> int:
    noun = arguments[0] if arguments else "--help"
    if noun in ("-h", "--help", "help"):
        _help()
        return 0
    if noun == "--version":
        noun = "version"
    if noun not in NOUNS:
        output.talk(f"glasslock: there is no command {noun!r}; try glasslock --help")
        return output.EXIT_CODES["usage"][0]
    command = import_module(NOUNS[noun][0]).app
    # A traceback with the values of variables would show keys.
    command.pretty_exceptions_enable = False
    try:
        result = command(args=arguments[1:], prog_name=f"glasslock {noun}", standalone_mode=False)
    except USAGE as error:
        output.talk(error.format_message())
        return output.EXIT_CODES["usage"][0]
    return result if isinstance(result, int) else 0


def _help() -> None:
    output.data("usage: glasslock COMMAND [VERB] [OPTIONS]\n")
    width = max(map(len, NOUNS))
    for noun, (_, summary) in NOUNS.items():
        output.data(f"  {noun.ljust(width)}  {summary}")
    output.data("\nexit codes:")
    for code, meaning in output.EXIT_CODES.values():
        output.data(f"  {code:3}  {meaning}")


if __name__ == "__main__":
    main()
