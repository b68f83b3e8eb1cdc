"""Reads mutants: one small patch each, that removes one protection and names the test to fail.

A hunk is found by its text and not by its line number, so a patch outlives changes around it; where
its text is not there exactly once, it is stale. Knows files and text, and runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
SHIPPED = "src/glasslock/"
_HEADER = re.compile(r"# (protection|removes|test): (\S.*)")


class StaleMutantError(Exception):
    """A patch does not fit the tree any more, or was never a mutant."""


@dataclass(frozen=True)
class Hunk:
    """Lines of ``path`` before and after."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class Mutant:
    """A patch: ``protection`` is its row in docs/validation.md, ``test`` a pytest node id."""

    name: str
    protection: str
    removes: str
    test: str
    hunks: tuple[Hunk, ...]

    @property
    def paths(self) -> frozenset[str]:
        """The files it changes."""
        return frozenset(hunk.path for hunk in self.hunks)

    def applied(self, root: Path) -> Mapping[str, str]:
        """Return the changed text of each file under ``root``; writes nothing.

        Raises:
            StaleMutantError: a hunk's lines are not there exactly once.
        """
        texts: dict[str, str] = {}
        for hunk in self.hunks:
            file = root / hunk.path
            if hunk.path not in texts and not file.is_file():
                raise StaleMutantError(f"{self.name}: there is no {hunk.path}")
            text = texts.get(hunk.path) or file.read_text(encoding="utf-8")
            found = [at for at in _starts(text) if text.startswith(hunk.before, at)]
            if len(found) != 1:
                raise StaleMutantError(f"{self.name}: {hunk.path} has its lines {len(found)} times")
            end = found[0] + len(hunk.before)
            texts[hunk.path] = text[: found[0]] + hunk.after + text[end:]
        return texts


def _starts(text: str) -> Iterator[int]:
    """Yield where each line begins."""
    at = 0
    for line in text.splitlines(keepends=True):
        yield at
        at += len(line)


def read_mutant(path: Path) -> Mutant:
    """Read one patch.

    Raises:
        StaleMutantError: its header or its hunks are not in the form that a mutant has.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    header: dict[str, str] = {}
    while lines and lines[0].startswith("#"):
        found = _HEADER.fullmatch(lines.pop(0))
        if found is None:
            raise StaleMutantError(f"{path.name}: a header line is '# protection|removes|test: '")
        header[found[1]] = found[2]
    if set(header) != {"protection", "removes", "test"}:
        raise StaleMutantError(f"{path.name}: it must say protection, removes and test")
    hunks = tuple(_hunks(path.name, lines))
    if not hunks or not all(hunk.path.startswith(SHIPPED) for hunk in hunks):
        raise StaleMutantError(f"{path.name}: a mutant changes shipped code")
    return Mutant(path.stem, header["protection"], header["removes"], header["test"], hunks)


def read_mutants(folder: Path = FOLDER) -> list[Mutant]:
    """Read every patch of a folder in order of names; raises as ``read_mutant``."""
    return [read_mutant(path) for path in sorted(folder.glob("*.patch"))]


def _hunks(name: str, lines: list[str]) -> Iterator[Hunk]:
    path, before, after = "", list[str](), list[str]()
    for line in [*lines, "@@ end"]:
        if line.startswith(("--- ", "+++ ", "@@ ")):
            if before or after:
                if before == after:
                    raise StaleMutantError(f"{name}: a hunk changes nothing")
                yield Hunk(path, "".join(before), "".join(after))
                before, after = [], []
            if line.startswith("+++ b/"):
                path = line.removeprefix("+++ b/")
        elif line.startswith((" ", "-", "+")) or not line:
            sign, text = line[:1] or " ", line[1:] + "\n"
            if sign != "+":
                before.append(text)
            if sign != "-":
                after.append(text)
        else:
            raise StaleMutantError(f"{name}: a line is no part of a patch: {line!r}")
