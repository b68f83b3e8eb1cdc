"""The voice of the command line: data on standard output, talk on standard error, one line each.

Holds the exit codes and the hints, each in ONE table; knows no command and no party.
"""

from __future__ import annotations

import asyncio
import errno
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

from glasslock.errors import (
    ConfigError,
    Conflict,
    Denied,
    GlasslockError,
    StateError,
    StorageError,
    TransportError,
    VerificationError,
    WireError,
)

T = TypeVar("T")

EXIT_CODES: Final[dict[str, tuple[int, str]]] = {
    "ok": (0, "everything asked for was done"),
    "error": (1, "something failed that no other code names"),
    "usage": (2, "the command line itself is wrong"),
    "config": (3, "a setting, file or passphrase is missing or wrong"),
    "verification": (4, "a check did not hold: do not trust what was checked"),
    "denied": (5, "a well-formed request was refused"),
    "conflict": (6, "another change came first, or the state does not fit"),
    "transport": (7, "the other side could not be reached"),
    "storage": (8, "the data on disk could not be read or written"),
    "wire": (9, "a file or message is not in the expected format"),
    "findings": (10, "what was checked holds, and shows something that should not be"),
    "interrupted": (130, "ended by the person at the keyboard"),
}

_CODE_OF: Final[tuple[tuple[type[GlasslockError], str], ...]] = (
    (WireError, "wire"),
    (VerificationError, "verification"),
    (Denied, "denied"),
    (Conflict, "conflict"),
    (StateError, "conflict"),
    (TransportError, "transport"),
    (StorageError, "storage"),
    (ConfigError, "config"),
)

HINTS: Final[dict[str, str]] = {
    "storage.key": "the passphrase is the one given when the folder was made",
    "keys.passphrase": "the passphrase is the one given when the key file was made",
    "bind.port": "another program listens there; choose another port, or 0 for any free one",
    "files.read": "is the path right? settings are described by `glasslock serve settings`",
    "storage.full": "free some space and run the same command again; nothing was half-written",
    "session.clock": "set this machine's clock; messages are kept until it is right",
    "order.dates": "check the order's dates, and this machine's clock",
    "transport": "is the daemon running, and is the address the one it printed when it started?",
}


def data(value: object, *, as_json: bool = False) -> None:
    """Write a result to standard output: JSON when asked for, else plain text."""
    if as_json or not isinstance(value, str):
        value = json.dumps(value, indent=None if not as_json else 2, default=_plain)
    sys.stdout.write(f"{value}\n")
    sys.stdout.flush()


def table(rows: Iterable[dict[str, Any]], *, as_json: bool = False) -> None:
    """Write rows with the same keys: a JSON array, or aligned columns for a person."""
    rows = list(rows)
    if as_json:
        data(rows, as_json=True)
        return
    if not rows:
        return
    columns = list(rows[0])
    cells = [[name.replace("_", " ") for name in columns]]
    cells += [[str(row[name]) for name in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        data("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())


def talk(line: str) -> None:
    """Say something to the person, beside the data."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def run(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run one asynchronous command to its end."""
    return asyncio.run(_awaited(make()))


def guarded(command: Callable[[], int]) -> int:
    """Run ``command``; turn every expected failure into one line, a hint and an exit code."""
    try:
        return command()
    except KeyboardInterrupt:
        return EXIT_CODES["interrupted"][0]
    except GlasslockError as error:
        return _fail(error)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _fail(StorageError("the disk is full", rule="storage.full"))
        where = f": {error.filename}" if error.filename else ""
        return _fail(ConfigError(f"{error.strerror or type(error).__name__}{where}"))


def exit_code(error: GlasslockError) -> int:
    """Return the exit code for ``error``."""
    for kind, name in _CODE_OF:
        if isinstance(error, kind):
            return EXIT_CODES[name][0]
    return EXIT_CODES["error"][0]


def _fail(error: GlasslockError) -> int:
    rule = f" [{error.rule}]" if error.rule else ""
    talk(f"glasslock: {error}{rule}")
    hint = HINTS.get(error.rule or "") or HINTS.get(error.slug)
    if hint:
        talk(f"hint: {hint}")
    return exit_code(error)


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
