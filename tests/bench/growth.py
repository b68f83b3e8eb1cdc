"""``make bench GROWTH=1``: how the cost of each thing grows with what may become large.

Measures every curve of ``tests/bench/curves_*.py`` in a process of its own, prints one table and
writes it as JSON. Ends with 1 if a curve bends or could not be measured. Costs are processor time,
which a neighbour on the machine disturbs least; for each size the least of several samples counts,
since whatever disturbs can only add to it.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path as FilePath
from typing import Final

from tests.bench.curve import Curve, Fit, Verdict, fit
from tests.bench.machine import ROOT, load, machine

LAST: Final = ROOT / ".cache" / "growth.json"
FORMAT: Final = 1
# For each size: at least and at most so many samples, and none begun after so many seconds.
LEAST, MOST, SECONDS = 3, 12, 0.8
# A curve that takes longer than this, preparation and all, is stopped and has failed.
PATIENCE: Final = 75.0
HERE: Final = FilePath(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Measured:
    """A curve's costs (processor seconds) by size."""

    curve: Curve
    costs: tuple[float, ...]

    @property
    def fit(self) -> Fit:
        """How it grows."""
        return fit(self.curve.sizes, self.costs, self.curve.growth)

    def beside(self, other: Measured) -> Measured:
        """Return the lower cost of both at every size."""
        pairs = zip(self.costs, other.costs, strict=True)
        return Measured(self.curve, tuple(min(pair) for pair in pairs))


class CurveFailed(Exception):
    """A curve could not be measured; the message says why."""


def all_curves() -> tuple[Curve, ...]:
    """Return every curve of every area; ``ValueError`` if two share a name."""
    areas = sorted(file.stem for file in HERE.glob("curves_*.py"))
    curves: list[Curve] = []
    for area in areas:
        curves += import_module(f"tests.bench.{area}").CURVES
    if len({curve.name for curve in curves}) != len(curves):
        raise ValueError("two curves share a name")
    return tuple(curves)


def sample(curve: Curve, size: int) -> float:
    """Return the least cost of one unit at ``size``; the first sample only warms up."""
    with curve.make(size) as take:
        gc.collect()
        # What the preparation left behind is not the product's, and is not looked through.
        gc.freeze()
        try:
            take()
            start, costs = time.monotonic(), list[float]()
            while len(costs) < LEAST or (len(costs) < MOST and time.monotonic() - start < SECONDS):
                costs.append(take())
        finally:
            gc.unfreeze()
    return min(costs)


def measured(curve: Curve) -> Measured:
    """Measure a curve in a new process; raises ``CurveFailed``."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="glasslock-growth-") as folder:
        child = spawn.Process(target=_child, args=(curve.name, folder, theirs))
        child.start()
        theirs.close()
        try:
            answer = ours.recv() if ours.poll(PATIENCE) else f"stopped after {PATIENCE:.0f} s"
        except EOFError:
            answer = "the process ended without a word"
        finally:
            child.join(5.0)
            if child.is_alive():
                child.kill()
                child.join()
            ours.close()
    if isinstance(answer, str):
        raise CurveFailed(answer)
    return Measured(curve, tuple(answer))


def _child(name: str, folder: str, to: Connection) -> None:
    tempfile.tempdir = folder
    try:
        curve = next(curve for curve in all_curves() if curve.name == name)
        to.send([sample(curve, size) for size in curve.sizes])
    except Exception:  # noqa: BLE001  # whatever it is, it is told as this curve's failure
        to.send(traceback.format_exc(limit=-4))


def looked_at(curve: Curve) -> Measured:
    """Measure a curve; one that bends is looked at once more, and the lower costs count."""
    found = measured(curve)
    if found.fit.verdict is Verdict.BENDS:
        say("  once more:")
        found = found.beside(measured(curve))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, judge; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="measure the curves whose names begin so")
    parser.add_argument("--json", type=FilePath, default=LAST, help="where the JSON goes")
    options = parser.parse_args(arguments)
    curves = [curve for curve in all_curves() if curve.name.startswith(options.only)]
    if not curves:
        say(f"no curve begins with {options.only!r}")
        return 1
    facts, found, failed = {**machine(), "load before": load()}, list[Measured](), {}
    for curve in curves:
        say(f"  {curve.name} ...")
        try:
            found.append(looked_at(curve))
        except CurveFailed as error:
            failed[curve.name] = str(error)
    facts["load after"] = load()
    _print(facts, found, failed)
    write(options.json, facts, found, failed)
    bent = any(each.fit.verdict is Verdict.BENDS for each in found)
    return 1 if bent or failed else 0


def _print(facts: dict[str, str], found: Sequence[Measured], failed: dict[str, str]) -> None:
    for name, value in facts.items():
        sys.stdout.write(f"{name:28}{value}\n")
    sys.stdout.write(f"\n{table(found)}\n\n")
    for each in found:
        sys.stdout.write(f"{each.curve.name}: {each.curve.growth}, {each.curve.why}\n")
    for each in found:
        if each.fit.verdict is Verdict.BENDS:
            sys.stdout.write(f"!!! BENDS: {each.curve.name}\n")
    for name, why in failed.items():
        sys.stdout.write(f"!!! FAILED: {name}\n{why}\n")


def table(found: Sequence[Measured]) -> str:
    """Return the table, one line a curve; costs in microseconds of processor time."""
    head = ("curve", "us per", "against", "sizes", "cost", "stated", "slope", "of", "step", "of")
    lines = [(*head, ""), *(_line(each) for each in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    right = {6, 7, 8, 9}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _line(each: Measured) -> tuple[str, ...]:
    curve, seen = each.curve, each.fit
    slopes = (seen.slope, seen.stated, seen.step, seen.stated_step)
    return (
        curve.name,
        curve.unit,
        curve.against,
        " ".join(f"{size:,}" for size in curve.sizes),
        " ".join(
            f"{cost * 1e6:,.3g}" if cost < 1e-4 else f"{cost * 1e6:,.0f}" for cost in each.costs
        ),
        curve.growth,
        *(f"{value:.2f}" for value in slopes),
        seen.verdict,
    )


def write(
    file: FilePath, facts: dict[str, str], found: Sequence[Measured], failed: dict[str, str]
) -> None:
    """Write the same as JSON; costs in processor seconds."""
    rows = [
        {
            "name": each.curve.name,
            "unit": each.curve.unit,
            "against": each.curve.against,
            "stated": each.curve.growth,
            "why": each.curve.why,
            "sizes": each.curve.sizes,
            "costs": [float(f"{cost:.4g}") for cost in each.costs],
            **{name: round(value, 3) for name, value in asdict(each.fit).items()},
            "verdict": each.fit.verdict,
        }
        for each in found
    ]
    kept = {"format": FORMAT, "machine": facts, "curves": rows, "failed": failed}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def say(text: str) -> None:
    """Tell the person how far things are, beside the result."""
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
