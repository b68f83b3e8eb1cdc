"""Looks for planted words in files and in memory, in every form that storage gives them.

Knows bytes only. A search that cannot find is worth nothing, so the story always runs it once
where the words must be found.
"""

from __future__ import annotations

import base64
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from glasslock.errors import StorageError

CHUNK: Final = 8 * 1024 * 1024
_ZLIB_HEADS: Final = re.compile(
    rb"[\x08\x18\x28\x38\x48\x58\x68\x78][\x01\x5e\x9c\xda]|\x1f\x8b\x08"
)
_INFLATED_MOST: Final = 4 * 1024 * 1024
_SHORTEST: Final = 16


@dataclass(frozen=True)
class Found:
    """One place where a word was seen, and in which form."""

    place: str
    form: str


def forms(word: str) -> dict[str, bytes]:
    """Return the byte patterns under which ``word`` may lie in a file or in memory.

    Base64 depends on where in a group of three bytes the word begins: all three cases are given,
    without the characters that neighbours would change.
    """
    raw = word.encode()
    patterns = {
        "raw": raw,
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "utf-16-le": word.encode("utf-16-le"),
        "utf-16-be": word.encode("utf-16-be"),
        "reversed": raw[::-1],
    }
    for shift in range(3):
        text = base64.b64encode(b"\x00" * shift + raw)
        start = -(-shift * 8 // 6)
        whole = (shift + len(raw)) * 8 // 6
        patterns[f"base64+{shift}"] = text[start:whole]
        patterns[f"base64url+{shift}"] = text[start:whole].translate(bytes.maketrans(b"+/", b"-_"))
    return patterns


class Searcher:
    """All planted words in all forms."""

    def __init__(self, words: Iterable[str]) -> None:
        """Prepare for ``words``; each should be long and random, so that chance finds nothing."""
        self._names: dict[bytes, str] = {}
        for word in words:
            for form, pattern in forms(word).items():
                self._names.setdefault(pattern, form)
        self._overlap = max(map(len, self._names), default=0)

    def in_bytes(self, data: bytes, place: str) -> list[Found]:
        """Search ``data`` as it is and inside every zlib or gzip stream that begins in it."""
        found = self._plain(data, place)
        for match in _ZLIB_HEADS.finditer(data):
            inflated = _inflate(data, match.start())
            if len(inflated) >= _SHORTEST:
                found += self._plain(inflated, f"{place}, inflated at {match.start()}")
        return found

    def in_folder(self, folder: Path) -> tuple[list[Found], int]:
        """Search every file below ``folder``; returns what was found and the bytes read."""
        found: list[Found] = []
        total = 0
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
            data = path.read_bytes()
            total += len(data)
            found += self.in_bytes(data, str(path.relative_to(folder)))
        return found, total

    def in_memory(self, pid: int) -> tuple[list[Found], int]:
        """Search all readable memory of process ``pid``; returns what was found and bytes read.

        Raises:
            StorageError: the system does not let this process read the other's memory.
        """
        found: list[Found] = []
        total = 0
        for start, chunk in _memory(pid, self._overlap):
            total += len(chunk)
            found += self._plain(chunk, f"memory at {start:x}")
        return found, total

    def _plain(self, data: bytes, place: str) -> list[Found]:
        # One fast scan per pattern is several times quicker than one pattern with alternatives.
        found = []
        for pattern, form in self._names.items():
            at = data.find(pattern)
            while at >= 0:
                found.append(Found(place, form))
                at = data.find(pattern, at + 1)
        return found


def _inflate(data: bytes, start: int) -> bytes:
    machine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        return machine.decompress(data[start : start + CHUNK], _INFLATED_MOST)
    except zlib.error:
        return b""


def _memory(pid: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="ascii").splitlines()
        memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    except OSError as error:
        raise StorageError("the memory of another process cannot be read here") from error
    try:
        for line in maps:
            span, permissions = line.split()[:2]
            if "r" not in permissions or "[vvar" in line or "[vsyscall" in line:
                continue
            start, end = (int(number, 16) for number in span.split("-"))
            yield from _region(memory, start, end, overlap)
    finally:
        os.close(memory)


def _region(memory: int, start: int, end: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    at = start
    while at < end:
        try:
            chunk = os.pread(memory, min(CHUNK, end - at), at)
        except (OSError, OverflowError):
            return  # device mappings and guard pages refuse to be read
        if not chunk:
            return
        yield at, chunk
        # The next chunk begins inside this one, so that no word is cut in two.
        at += len(chunk) - overlap if at + len(chunk) < end else len(chunk)
