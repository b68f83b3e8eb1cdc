"""One SQLite or SQLCipher database: durable transactions, named write points; knows no table.

Every write happens in a named transaction. At ``NAME.begin``, ``NAME.commit`` (just before) and
``NAME.done`` (just after) the ``point`` given at opening is called: it does nothing here, and a
crash test gives one that ends the process, so that no write point can be forgotten.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import sqlcipher3.dbapi2 as sqlcipher

from glasslock.errors import ConfigError, StorageError

Row = tuple[Any, ...]
# Of either engine; SQLCipher's binding has no types.
Connection: TypeAlias = Any
Cursor: TypeAlias = Any
WritePoint = Callable[[str], None]

KEY_SIZE: Final = 32
PAGE_SIZE: Final = 4_096  # SQLite's own, and SQLCipher's
_BUSY_SECONDS: Final = 5.0
_PAUSE: Final = 0.005
_ENGINE_ERRORS: Final = (sqlite3.Error, sqlcipher.Error)


def no_point(_name: str) -> None:
    """Do nothing at a write point."""


class Database:
    """An open database; use it from one thread at a time."""

    def __init__(self, connection: Connection, point: WritePoint) -> None:
        """Wrap a configured connection; use ``open``."""
        self._connection = connection
        self._point = point
        self._lock = threading.RLock()

    @classmethod
    def open(
        cls,
        path: Path,
        migrations: Sequence[str],
        *,
        key: bytes | None = None,
        point: WritePoint = no_point,
        page_size: int = PAGE_SIZE,
    ) -> Database:
        """Open or create the database at ``path`` and bring it to the newest version.

        With a 32-byte ``key`` the file is encrypted by SQLCipher. ``page_size`` is that of a new
        file; one that is there keeps its own.

        Raises:
            ConfigError: the key does not fit the file.
            StorageError: the file cannot be used, or was written by a newer version.
        """
        try:
            connection = _connect(path, key)
            _configure(connection, page_size)
        except _ENGINE_ERRORS as error:
            raise _opening_failed(error, encrypted=key is not None) from error
        database = cls(connection, point)
        database._migrate(migrations)
        return database

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self, name: str) -> Iterator[None]:
        """Run a block as one durable transaction; any exception rolls all of it back.

        Raises:
            StorageError: the disk is full, the file damaged or locked.
        """
        with self._lock:
            self._point(f"{name}.begin")
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._point(f"{name}.commit")
                self.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._point(f"{name}.done")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Run a block that can fail alone inside a transaction."""
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO part")
            self._connection.execute("RELEASE part")
            raise
        self.execute("RELEASE part")

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Cursor:
        """Run one statement and return its cursor; raises ``StorageError``."""
        with self._lock:
            try:
                return self._connection.execute(sql, values)
            except _ENGINE_ERRORS as error:
                raise _failed(error) from error

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows; raises ``StorageError``."""
        with self._lock:
            try:
                self._connection.executemany(sql, rows)
            except _ENGINE_ERRORS as error:
                raise _failed(error) from error

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """Return the first row, or None; raises ``StorageError``."""
        with self._lock:
            row: Row | None = self.execute(sql, values).fetchone()
            return row

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return all rows; raises ``StorageError``."""
        with self._lock:
            rows: list[Row] = self.execute(sql, values).fetchall()
            return rows

    def _version(self) -> int:
        row = self.one("PRAGMA user_version")
        return 0 if row is None else int(row[0])

    def _migrate(self, migrations: Sequence[str]) -> None:
        if self._version() > len(migrations):
            raise StorageError("this data was written by a newer version", rule="storage.version")
        while (version := self._version()) < len(migrations):
            with self.transaction("migrate"):
                # Another process may have opened the same file and been faster.
                if self._version() != version:
                    continue
                number, script = version + 1, migrations[version]
                for statement in script.split(";"):
                    if statement.strip():
                        self.execute(statement)
                self.execute(f"PRAGMA user_version = {number}")


def _connect(path: Path, key: bytes | None) -> Connection:
    options: dict[str, Any] = {
        "isolation_level": None,
        "check_same_thread": False,
        "timeout": _BUSY_SECONDS,
    }
    if key is None:
        return sqlite3.connect(path, **options)
    if len(key) != KEY_SIZE:
        raise ConfigError("a database key has 32 bytes", rule="storage.key")
    connection = sqlcipher.connect(str(path), **options)
    connection.execute("PRAGMA cipher_log_level = NONE")
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    return connection


def _configure(connection: Connection, page_size: int) -> None:
    if page_size != PAGE_SIZE:
        connection.execute(f"PRAGMA page_size = {page_size}")
    _use_wal(connection)
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _use_wal(connection: Connection) -> None:
    """Set the journal mode, which no busy timeout waits for when others open the file too."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except _ENGINE_ERRORS as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _opening_failed(error: Exception, *, encrypted: bool) -> StorageError | ConfigError:
    if encrypted and "not a database" in str(error):
        return ConfigError("the passphrase or key does not open this store", rule="storage.key")
    return _failed(error)


def _failed(error: Exception) -> StorageError:
    text = str(error).lower()
    for part, message, rule in (
        ("full", "the disk is full", "storage.full"),
        ("locked", "the data is in use by another process", "storage.locked"),
        ("not a database", "this file is not a database", "storage.format"),
        ("malformed", "the data on disk is damaged", "storage.damaged"),
        ("unable to open", "the data file cannot be opened", "storage.open"),
        ("readonly", "the data file cannot be written", "storage.readonly"),
    ):
        if part in text:
            return StorageError(message, rule=rule)
    return StorageError("the database refused a statement", rule="storage.statement")
