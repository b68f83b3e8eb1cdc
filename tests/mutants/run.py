"""Proves that every protection is needed: without it, the test that its mutant names must fail.

    python -m tests.mutants.run [NAME...]

Each named test passes first, on the code as it is; then one protection at a time is missing and its
test is run again. Every run is a fork of this process, which has imported pytest and nothing of
Glasslock. Prints one line per mutant and exits with 1 unless all are killed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

# What every child needs and no mutant changes: imported once, here.
import hypothesis  # noqa: F401

from tests.mutants.child import judge
from tests.mutants.patches import ROOT, Mutant, StaleMutantError, read_mutants

WORKERS = 2
SECONDS = 120
BASELINE_SECONDS = 240
KILLED = "killed"
_WORDS = {"failed": KILLED, "passed": "SURVIVED"}


@dataclass(frozen=True)
class Job:
    """Tests to run within ``seconds``, with ``texts`` in the place of what stands in the files."""

    tests: tuple[str, ...]
    seconds: int
    texts: Mapping[str, str] = field(default_factory=dict)
    mutant: Mutant | None = None


@dataclass(frozen=True)
class Answer:
    """How each test of a job ended, or why none has a verdict, after how many seconds."""

    job: Job
    verdicts: Mapping[str, str]
    failure: str
    seconds: float


def _child(job: Job, place: Path) -> NoReturn:
    """Be the child: run the job, leave the answer at ``place``."""
    # Without a handler the alarm ends this process, whatever it is doing.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(job.seconds)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    try:
        answer = {"verdicts": judge(job.tests, job.texts), "failure": ""}
    except BaseException as error:  # noqa: BLE001 - nothing may return into the parent's code
        answer = {"verdicts": {}, "failure": f"{type(error).__name__}: {error}"}
    place.write_text(json.dumps(answer), encoding="utf-8")
    os._exit(0)


def _answers(jobs: Iterable[Job], folder: Path) -> Iterator[Answer]:
    """Run jobs in forks, ``WORKERS`` at a time, and yield each answer when it is there."""
    waiting, number = iter(jobs), 0
    running: dict[int, tuple[Job, Path, float]] = {}
    while True:
        while len(running) < WORKERS and (job := next(waiting, None)) is not None:
            number += 1
            place = folder / f"answer-{number}"
            pid = os.fork()
            if pid == 0:
                _child(job, place)
            running[pid] = (job, place, time.monotonic())
        if not running:
            return
        pid, status = os.wait()
        job, place, begin = running.pop(pid)
        took = time.monotonic() - begin
        if status:
            ended = os.waitstatus_to_exitcode(status)
            late = ended == -signal.SIGALRM
            failure = f"no end in {job.seconds} s" if late else f"ended by {ended}"
            yield Answer(job, {}, failure, took)
            continue
        found = json.loads(place.read_text(encoding="utf-8"))
        yield Answer(job, found["verdicts"], found["failure"], took)


def _baseline(mutants: list[Mutant], folder: Path) -> dict[str, str]:
    """Say of every named test how it ends on the code as it is."""
    tests = sorted({mutant.test for mutant in mutants})
    shares = [tuple(tests[number::WORKERS]) for number in range(WORKERS)]
    jobs = [Job(share, BASELINE_SECONDS) for share in shares if share]
    found: dict[str, str] = {}
    for answer in _answers(jobs, folder):
        found |= answer.verdicts or dict.fromkeys(answer.job.tests, answer.failure)
    return found


def judged(mutants: list[Mutant], folder: Path) -> Iterator[tuple[Mutant, str, float]]:
    """Yield every mutant with what became of it, after how many seconds."""
    whole = _baseline(mutants, folder)
    jobs = []
    for mutant in mutants:
        word = whole.get(mutant.test, "not found")
        if word != "passed":
            yield mutant, f"its test does not pass without it: {word}", 0.0
            continue
        try:
            jobs.append(Job((mutant.test,), SECONDS, mutant.applied(ROOT), mutant))
        except StaleMutantError as error:
            yield mutant, f"stale: {error}", 0.0
    # Whole villages take longest: they begin, so that nobody waits for one at the end.
    jobs.sort(key=lambda job: not job.tests[0].startswith("tests/village/"))
    for answer in _answers(jobs, folder):
        if answer.job.mutant is not None:
            word = answer.verdicts.get(answer.job.mutant.test, answer.failure or "it did not run")
            yield answer.job.mutant, _WORDS.get(word, word), answer.seconds


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
    begin, wrong = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        for mutant, verdict, seconds in judged(mutants, Path(folder)):
            _say(f"{verdict:<10} {mutant.name:<32} {seconds:5.1f} s")
            if verdict != KILLED:
                wrong.append(f"  {mutant.name}: {verdict}; {mutant.removes}")
    took = time.monotonic() - begin
    _say(f"\n{len(mutants) - len(wrong)} of {len(mutants)} mutants killed in {took:.0f} s")
    for line in wrong:
        _say(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
