"""``make bench``: measures every path, prints one table, compares it with the committed result.

Knows the order of things; how to sample, compare and print stands in the files beside it. Speed
is never a test: this runs when a person asks for it. It ends with 1 if a path failed, got slower
than its tolerance, or is measured no more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

from tests.bench import report
from tests.bench.areas import all_paths, broken, chosen
from tests.bench.compare import Change, Row, Verdict, change, cheaper, lost, row_of
from tests.bench.harness import QUICK, THOROUGH, Effort, Path, Samples
from tests.bench.machine import ROOT, SAME, load, machine, seen
from tests.bench.one import PathFailed, measured
from tests.bench.plant import SHARE

COMMITTED = ROOT / "tests" / "bench" / "result.json"
LAST = ROOT / ".cache" / "bench.json"
# A result that others are compared with is taken at three moments, each path in a new process.
PASSES_TO_SAVE = 3
# A path that looks slower is looked at again as often as this before it is called slower.
SECOND_LOOKS = 2
# What quick mode shares out among its paths, in seconds; starting and preparing come on top.
QUICK_TOTAL = 70.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the person asked for."""

    quick: bool
    save: bool
    only: str
    plant: str
    json: FilePath


class Bench:
    """One run: the rows so far, what failed, and what they are compared with."""

    def __init__(self, options: Options) -> None:
        """Find the paths, the committed result and whether it was taken on such a machine."""
        self.options = options
        self.machine = machine()
        self.every = all_paths()
        self.paths = chosen(self.every, options.only, quick=options.quick)
        self.committed = report.read(COMMITTED)
        self.effort = self._effort()
        self.rows: dict[str, Row] = {}
        self.failed: dict[str, str] = {}

    def _effort(self) -> Effort:
        if not self.options.quick:
            return THOROUGH
        share = QUICK_TOTAL / max(len(self.paths), 1)
        return replace(QUICK, seconds=min(QUICK.seconds, share))

    @property
    def comparable(self) -> bool:
        """Whether the committed result is of a machine like this one."""
        kept = self.committed
        return kept is not None and all(kept.machine.get(n) == self.machine[n] for n in SAME)

    def measure(self) -> None:
        """Take all paths in turn; for a result to keep, several times over."""
        samples: dict[str, list[Samples]] = {path.name: [] for path in self.paths}
        for _ in range(PASSES_TO_SAVE if self.options.save else 1):
            for path in self.paths:
                self._take(path, samples[path.name])
        for path in self.paths:
            if path.name not in self.failed:
                self.rows[path.name] = row_of(path, samples[path.name], seen())

    def _take(self, path: Path, into: list[Samples]) -> None:
        slower = SHARE if self.options.plant and path.name.startswith(self.options.plant) else 0.0
        say(f"  {path.name} ...")
        try:
            into.append(measured(path, self.effort, slower=slower))
        except PathFailed as error:
            self.failed[path.name] = str(error)

    def look_again(self) -> None:
        """Measure what looks slower at another moment, and keep the better of both."""
        for _ in range(SECOND_LOOKS):
            worse = {name for name, one in self.changes().items() if one.verdict is Verdict.WORSE}
            for path in (path for path in self.paths if path.name in worse):
                say("  once more:")
                samples: list[Samples] = []
                self._take(path, samples)
                if samples:
                    row = row_of(path, samples, seen())
                    self.rows[path.name] = cheaper(self.rows[path.name], row)

    def changes(self) -> dict[str, Change]:
        """Return each row's change; none where there is nothing to compare with."""
        if self.committed is None or not self.comparable:
            return {}
        kept = self.committed.rows
        return {name: change(row, kept.get(name)) for name, row in self.rows.items()}

    def save(self) -> None:
        """Write the committed result anew; of paths not measured now, keep the old rows."""
        kept = dict(self.committed.rows) if self.committed else {}
        if self.options.only and kept and not self.comparable:
            raise SystemExit("the saved result is of another machine: save all paths, not some")
        names = {path.name for path in self.every}
        rows = {**kept, **self.rows} if self.comparable else self.rows
        rows = {name: row for name, row in rows.items() if name in names}
        report.write(COMMITTED, report.Result(self.machine, rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, compare; returns the exit code."""
    options = _options(arguments)
    bench = Bench(options)
    if not bench.paths:
        say(f"no path begins with {options.only!r}")
        return 1
    before = load()
    bench.measure()
    if not options.save:
        bench.look_again()
    loads = {"load before (1, 5, 15 min)": before, "load after": load()}
    _print(bench, loads)
    report.write(options.json, report.Result(bench.machine, bench.rows), loads=loads)
    if options.save and not bench.failed and not options.plant:
        bench.save()
        say(f"saved to {COMMITTED.relative_to(ROOT)}")
    return 1 if _complaints(bench) else 0


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer samples, no slow paths")
    parser.add_argument("--save", action="store_true", help="make this the committed result")
    parser.add_argument("--only", default="", help="measure the paths whose names begin so")
    parser.add_argument("--plant", default="", help="slow the paths whose names begin so by 20 %%")
    parser.add_argument("--json", type=FilePath, default=LAST, help="where the JSON goes")
    return Options(**vars(parser.parse_args(arguments)))


def _print(bench: Bench, loads: dict[str, str]) -> None:
    for name, value in {**bench.machine, **loads}.items():
        sys.stdout.write(f"{name:28}{value}\n")
    sys.stdout.write(f"\n{report.table(list(bench.rows.values()), bench.changes())}\n\n")
    if bench.committed is not None and not bench.comparable:
        sys.stdout.write("NOT COMPARED: the committed result is of another machine\n")
    if bench.options.quick:
        left_out = [path.name for path in bench.every if path.slow]
        sys.stdout.write(f"left out in quick mode: {', '.join(left_out) or 'nothing'}\n")
    for complaint in _complaints(bench):
        sys.stdout.write(f"!!! {complaint}\n")


def _complaints(bench: Bench) -> list[str]:
    failed = {**broken(), **bench.failed}
    found = [f"FAILED: {name}\n{why}" for name, why in failed.items()]
    found += [
        f"SLOWER: {name} costs {one.cost:.1%} more of its reference; tolerance {one.tolerance:.1%}"
        for name, one in bench.changes().items()
        if one.verdict is Verdict.WORSE and not bench.options.save
    ]
    if bench.committed and not bench.options.save:
        names = [path.name for path in bench.every]
        found += [f"GONE: {name} is measured no more" for name in lost(bench.committed.rows, names)]
    return found


def say(text: str) -> None:
    """Tell the person how far things are, beside the result."""
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
