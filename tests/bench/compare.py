"""Turns samples into a row, and a row beside the committed one into a verdict.

Pure: figures in, verdicts out; knows no clock and no file. What is compared is the ratio of a
path to its reference, for absolute figures drift with the machine and the moment. Everything is
a factor of cost: 1.20 means that the path costs 20 % more of its reference than it did.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.bench.harness import Better, Path, Samples, error_of, middle

# Below the first no change is looked at: two runs of one tree differ by as much on a shared
# machine. The second is the most that noise may buy a path, so that 20 % can never hide in it.
LEAST_TOLERANCE = 0.08
MOST_TOLERANCE = 0.13

_ERRORS = 4.0  # how many standard errors of the two medians are taken for noise


@dataclass(frozen=True, slots=True)
class Row:
    """What is kept of one path; spreads are robust standard deviations as shares of the median."""

    name: str
    unit: str
    better: Better
    target: float | None
    median: float
    spread: float
    reference_name: str
    reference: float
    ratio: float
    ratio_spread: float
    count: int
    seen: str
    """When, on which commit and under which load."""

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target; None where there is none."""
        if self.target is None:
            return None
        return self.median >= self.target if self.better == "higher" else self.median <= self.target


class Verdict(StrEnum):
    """What the comparison says of one path."""

    SAME = "same"
    BETTER = "better"
    WORSE = "WORSE"
    NEW = "new"
    OTHER = "other reference"
    """The yardstick itself was exchanged: nothing to compare until the result is saved anew."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row beside the committed one: the factor by which its cost grew, less 1."""

    verdict: Verdict
    cost: float
    tolerance: float


def row_of(path: Path, samples: Sequence[Samples], seen: str) -> Row:
    """Summarize what was seen of ``path``, in one process or in several."""
    values = [value for one in samples for value in one.values]
    median, spread = middle(values)
    ratio, ratio_spread = middle([ratio for one in samples for ratio in one.ratios])
    return Row(
        name=path.name,
        unit=path.unit,
        better=path.better,
        target=path.target,
        median=median,
        spread=spread,
        reference_name=samples[0].reference_name,
        reference=statistics.median(value for one in samples for value in one.references),
        ratio=ratio,
        ratio_spread=ratio_spread,
        count=len(values),
        seen=seen,
    )


def change(row: Row, committed: Row | None) -> Change:
    """Compare ``row`` with the ``committed`` row of the same name."""
    if committed is None:
        return Change(Verdict.NEW, 0.0, MOST_TOLERANCE)
    limit = tolerance(row, committed)
    if (row.reference_name, row.unit, row.better) != (
        committed.reference_name,
        committed.unit,
        committed.better,
    ):
        return Change(Verdict.OTHER, 0.0, limit)
    factor = row.ratio / committed.ratio
    cost = (1 / factor if row.better == "higher" else factor) - 1
    if cost > limit:
        return Change(Verdict.WORSE, cost, limit)
    better = 1 / (1 + cost) - 1 > limit
    return Change(Verdict.BETTER if better else Verdict.SAME, cost, limit)


def tolerance(row: Row, committed: Row) -> float:
    """Return which growth of cost may be noise, from the spread and number of both samples."""
    noise = _ERRORS * math.hypot(_error(row), _error(committed))
    return min(max(noise, LEAST_TOLERANCE), MOST_TOLERANCE)


def _error(row: Row) -> float:
    return error_of(row.ratio_spread, row.count)


def cheaper(first: Row, second: Row) -> Row:
    """Return the row whose ratio is the better one.

    A path that looks slower is looked at again at another moment: what a busy neighbour did to
    one moment goes away, what a change did to the path stays.
    """
    pick = max if first.better == "higher" else min
    return pick(first, second, key=lambda row: row.ratio)


def lost(committed: Mapping[str, Row], measured: Iterable[str]) -> list[str]:
    """Return the paths that were committed and that nobody measures any more."""
    return sorted(committed.keys() - set(measured))
