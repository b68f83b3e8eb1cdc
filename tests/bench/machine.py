"""Says where, under which load and with which versions a figure was taken.

Knows no path.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import platform
import shutil
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

import sqlcipher3
from cryptography.hazmat.backends.openssl import backend

from glasslock import _core

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "cryptography",
    "httpcore",
    "msgspec",
    "sqlcipher3",
    "starlette",
    "uvicorn",
    "uvloop",
    "websockets",
)
# What has to be alike for two results to be compared at all.
SAME = ("processor", "cores", "python", "openssl")


def machine() -> dict[str, str]:
    """Return machine and versions, in the order in which they are printed."""
    return {
        "processor": _line_of("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": _line_of("/proc/meminfo", "MemTotal"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "openssl": backend.openssl_version_text(),
        "sqlite": f"{sqlite3.sqlite_version}, SQLCipher {_sqlcipher()}",
        "core": f"{version('glasslock')}, sha256 {_core_digest()}",
        "commit": commit(),
        **{name: version(name) for name in PACKAGES},
    }


def load() -> str:
    """Return the load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def seen() -> str:
    """Return the stamp of a row: when, at which commit, under which load."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y-%m-%d %H:%M} UTC, commit {commit()}, load {os.getloadavg()[0]:.2f}"


def commit() -> str:
    """Return the commit of the tree, with ``+`` if code differs from it; ``none`` without git."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return "none"
    name = _output(git, "rev-parse", "--short", "HEAD")
    changed = _output(git, "status", "--porcelain", "--", "src", "rust", "tests/bench/*.py")
    return f"{name}+" if changed else name


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _line_of(path: str, name: str) -> str:
    file = Path(path)
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")


def _sqlcipher() -> str:
    connection = sqlcipher3.connect(":memory:")
    try:
        return " ".join(connection.execute("PRAGMA cipher_version").fetchone())
    finally:
        connection.close()


def _core_digest() -> str:
    return hashlib.sha256(Path(_core.__file__).read_bytes()).hexdigest()[:12]
