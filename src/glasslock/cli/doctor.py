"""``glasslock doctor``: looks for what could keep Glasslock from working on this machine."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from glasslock import _core
from glasslock.cli import output
from glasslock.errors import GlasslockError, StateError

app = typer.Typer(add_completion=False)

_FREE_BYTES: Final = 512 * 1024 * 1024
_EPOCH_OF_THIS_RELEASE: Final = 1_760_000_000


@app.command()
def doctor(*, json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> int:
    """Check Python, the Rust core, the stores, loopback, the clock and free space."""
    rows = [_examine(name, check) for name, check in CHECKS.items()]
    output.table(rows, as_json=json)
    return 0 if all(row["result"] == "ok" for row in rows) else output.EXIT_CODES["error"][0]


def _examine(name: str, check: Callable[[], str]) -> dict[str, str]:
    try:
        return {"check": name, "result": "ok", "detail": check()}
    except (GlasslockError, OSError, ImportError) as error:
        return {"check": name, "result": "FAILED", "detail": str(error)}


def _python() -> str:
    return sys.version.split()[0]


def _rust_core() -> str:
    seed = bytes(32)
    secret, enc = _core.xwing_encapsulate(_core.xwing_public_key(seed), bytes(64))
    if _core.xwing_decapsulate(seed, enc) != secret:
        raise StateError("the Rust core gives wrong results on this machine")
    return f"X-Wing agrees with itself; hybrid suite {_core.SUITE_HYBRID:#06x}"


def _device_store() -> str:
    from sqlcipher3 import dbapi2  # noqa: PLC0415 - whether it loads is what is being asked

    connection = dbapi2.connect(":memory:")
    row = connection.execute("PRAGMA cipher_version").fetchone()
    connection.close()
    if not row:
        raise StateError("the SQLite library has no encryption")
    return f"SQLCipher {row[0]}"


def _loopback() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"port {server.getsockname()[1]} could be opened"


def _clock() -> str:
    now = int(time.time())
    if now < _EPOCH_OF_THIS_RELEASE:
        raise StateError("this machine's clock is behind the release of this program")
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))


def _space() -> str:
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    if free < _FREE_BYTES:
        raise StateError(f"less than 512 MiB free in {folder}")
    return f"{free // (1024 * 1024)} MiB free for temporary data"


CHECKS: Final[dict[str, Callable[[], str]]] = {
    "python": _python,
    "rust core": _rust_core,
    "device store": _device_store,
    "loopback": _loopback,
    "clock": _clock,
    "space": _space,
}
