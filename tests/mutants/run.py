"""Proves that every protection is needed: without it, the test that its mutant names must fail.

    python -m tests.mutants.run [NAME...]

Each worker has its own copy of the tree, so the checkout is never touched. In it, every named test
passes first; then one mutant at a time is applied, its test run, and the file put back. Prints one
line per mutant and exits with 1 unless all are killed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.patches import ROOT, Mutant, StaleMutantError, read_mutants

WORKERS = 2
SECONDS = 60
BASELINE_SECONDS = 240
KILLED = "killed"
_IGNORED = shutil.ignore_patterns("__pycache__", "journeys", "house", "bench", "fuzz")


@dataclass(frozen=True)
class Result:
    """What became of a mutant, after how many seconds."""

    mutant: Mutant
    verdict: str
    seconds: float


class Copy:
    """A copy of source and tests, and pytest inside it."""

    def __init__(self, folder: Path) -> None:
        """Copy what is tested into the empty ``folder``."""
        self._folder = folder
        for name in ("src", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=_IGNORED)
        shutil.copy(ROOT / "pyproject.toml", folder)
        self._runs = 0

    def judge(self, tests: Iterable[str], seconds: int, *, keep: bool = False) -> dict[str, str]:
        """Run ``tests``; returns how each ended, nothing of those that did not.

        With ``keep``, compiled modules are written, so that later runs start faster.
        """
        self._runs += 1
        found = self._folder / f"verdicts-{self._runs}"
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"]
        command += ["-p", "tests.mutants.verdict", "--verdicts", str(found), *tests]
        path = os.pathsep.join(str(each) for each in (self._folder / "src", self._folder))
        extra = {} if keep else {"PYTHONDONTWRITEBYTECODE": "1"}
        try:
            subprocess.run(
                command,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": path, **extra},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return dict.fromkeys(tests, f"no end in {seconds} s")
        if not found.exists():
            return {}
        lines = found.read_text(encoding="utf-8").splitlines()
        return dict(json.loads(line) for line in lines)

    @contextmanager
    def without(self, mutant: Mutant) -> Iterator[None]:
        """Have the copy without one protection; raises ``StaleMutantError``."""
        changed = mutant.applied(self._folder)
        before = {}
        for number, (name, text) in enumerate(changed.items(), start=1):
            file = self._folder / name
            stat = file.stat()
            before[file] = (file.read_bytes(), stat)
            file.write_text(text, encoding="utf-8")
            # A compiled module is told from a stale one by the second and the size alone.
            os.utime(file, (stat.st_atime, stat.st_mtime + 10 * number))
        try:
            yield
        finally:
            for file, (data, stat) in before.items():
                file.write_bytes(data)
                os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def work(folder: Path, mutants: list[Mutant]) -> list[Result]:
    """Judge ``mutants`` one after another in a copy of their own."""
    folder.mkdir()
    copy = Copy(folder)
    tests = sorted({mutant.test for mutant in mutants})
    whole = copy.judge(tests, BASELINE_SECONDS, keep=True)
    return [_one(copy, mutant, whole.get(mutant.test, "not found")) for mutant in mutants]


def _one(copy: Copy, mutant: Mutant, whole: str) -> Result:
    begin = time.monotonic()
    if whole != "passed":
        return _told(Result(mutant, f"its test does not pass without it: {whole}", 0.0))
    try:
        with copy.without(mutant):
            verdict = copy.judge([mutant.test], SECONDS).get(mutant.test, "its test did not run")
    except StaleMutantError as error:
        verdict = f"stale: {error}"
    words = {"failed": KILLED, "passed": "SURVIVED"}
    return _told(Result(mutant, words.get(verdict, verdict), time.monotonic() - begin))


def _told(result: Result) -> Result:
    _say(f"{result.verdict:<10} {result.mutant.name:<32} {result.seconds:5.1f} s")
    return result


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Judge all mutants, or those named; returns the exit code."""
    parser = argparse.ArgumentParser(description="Every mutant must be killed by its test.")
    parser.add_argument("names", nargs="*", help="mutants to judge; all of them without any")
    wanted = set(parser.parse_args().names)
    mutants = [each for each in read_mutants() if not wanted or each.name in wanted]
    unknown = wanted - {each.name for each in mutants}
    if unknown or not mutants:
        parser.error(f"there is no mutant {', '.join(sorted(unknown)) or 'at all'}")
    begin = time.monotonic()
    shares = [mutants[number::WORKERS] for number in range(min(WORKERS, len(mutants)))]
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(WORKERS) as pool:
        folders = [Path(place) / f"copy-{number}" for number in range(len(shares))]
        results = [result for share in pool.map(work, folders, shares) for result in share]
    killed = sum(result.verdict == KILLED for result in results)
    took = time.monotonic() - begin
    _say(f"\n{killed} of {len(results)} mutants killed in {took:.0f} s")
    for result in results:
        if result.verdict != KILLED:
            _say(f"  {result.mutant.name}: {result.verdict}; {result.mutant.removes}")
    return 0 if killed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
