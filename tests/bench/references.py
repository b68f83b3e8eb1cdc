"""The raw references: other people's primitives, alone, nothing of ours around them.

Knows no path. Each function prepares one and returns ``(sample, name with unit)``. Rates are per
second of processor time where a reference waits for nothing, and else of the clock; the time
ones are their inverse, for paths that are measured in time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path as FilePath

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.bench.harness import per_cpu_second, per_second

Reference = tuple[Callable[[], float], str]

MESSAGE = b"x" * 450


def ed25519_verify(repeats: int = 500) -> Reference:
    """Return the rate of ``cryptography`` (OpenSSL) verifying one signature over 450 bytes."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key(), key.sign(MESSAGE)

    def work() -> None:
        for _ in range(repeats):
            public.verify(signature, MESSAGE)

    return lambda: per_cpu_second(work, repeats), "bare Ed25519 verify/s"


def ed25519_sign(repeats: int = 1_000) -> Reference:
    """Return the rate of ``cryptography`` (OpenSSL) signing 450 bytes."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))

    def work() -> None:
        for _ in range(repeats):
            key.sign(MESSAGE)

    return lambda: per_cpu_second(work, repeats), "bare Ed25519 sign/s"


def aes_gcm(repeats: int = 10_000) -> Reference:
    """Return the rate of ``cryptography`` (OpenSSL) sealing 1 KiB under AES-256-GCM."""
    key, nonce, kilobyte = AESGCM(bytes(32)), bytes(12), bytes(1_024)

    def work() -> None:
        for _ in range(repeats):
            key.encrypt(nonce, kilobyte, None)

    return lambda: per_cpu_second(work, repeats), "bare AES-256-GCM of 1 KiB/s"


def sqlite_batches(folder: FilePath, rows: int = 100, batches: int = 10) -> Reference:
    """Return the rows per second of Python's ``sqlite3``: durable transactions of ``rows`` rows.

    WAL and ``synchronous = FULL``, as the daemons have it; 600 bytes a row, and the file is
    emptied between samples so that it stays small. By the clock, since it waits for the disk.
    The connection lives as long as the returned sample.
    """
    database = sqlite3.connect(folder / "reference.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL").fetchall()
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE messages (position INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    batch = [(bytes(600),)] * rows

    def work() -> None:
        for _ in range(batches):
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO messages (body) VALUES (?)", batch)
            database.execute("COMMIT")

    def one() -> float:
        database.execute("DELETE FROM messages")
        return per_second(work, rows * batches)

    return one, f"bare SQLite rows/s, durable batches of {rows}"


def as_milliseconds(reference: Reference, name: str) -> Reference:
    """Turn a rate into the time of one, under a ``name`` that says milliseconds."""
    rate, _ = reference
    return lambda: 1_000 / rate(), name
