"""Files that must be whole or absent, and private where they hold keys; knows no format."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from glasslock.errors import ConfigError, Conflict, StorageError

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
_LOCK: Final = "lock"


def write_atomic(path: Path, data: bytes, mode: int = PRIVATE_FILE) -> None:
    """Write ``path`` so that a crash leaves the old file or the new one, durably.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"cannot write {path.name}: {error.strerror}", rule="files.write") from (
            error
        )


def sync_folder(path: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_limited(path: Path, limit: int) -> bytes:
    """Return a file of at most ``limit`` bytes.

    Raises:
        ConfigError: it is missing, unreadable or too long.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path.name}: {error.strerror}", rule="files.read") from (
            error
        )
    if len(data) > limit:
        raise ConfigError(f"{path.name} is too long", rule="files.length")
    return data


def private_folder(path: Path) -> Path:
    """Create a folder that only its owner can enter; returns it.

    Raises:
        StorageError: it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(PRIVATE_FOLDER)
    except OSError as error:
        raise StorageError(
            f"cannot create {path.name}: {error.strerror}", rule="files.folder"
        ) from (error)
    return path


def check_private(path: Path) -> None:
    """Refuse a file that others may read.

    Raises:
        ConfigError: group or world have access, or it is missing.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"cannot read {path.name}: {error.strerror}", rule="files.read") from (
            error
        )
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path.name} can be read by others: chmod 600", rule="files.private")


class FolderLock:
    """The right to be the one writer of a folder; ends with ``release`` or with the process."""

    def __init__(self, folder: Path) -> None:
        """Take it.

        Raises:
            Conflict: somebody has it.
            StorageError: the folder cannot be written.
        """
        self._descriptor = -1
        try:
            self._descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise Conflict(f"another process writes {folder.name}", rule="files.writer") from None
        except OSError as error:
            raise StorageError(
                f"cannot write {folder.name}: {error.strerror}", rule="files.folder"
            ) from error

    def release(self) -> None:
        """Give it up."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        """Give it up with the object: what could not be opened to the end holds nothing."""
        self.release()
