"""What a measured path is, and how it is sampled side by side with its reference.

Knows how to take samples in turn; knows neither what a path does nor whether its figure is good.

An area is a file ``tests/bench/paths_<area>.py`` that exports ``PATHS: tuple[Path, ...]``:

    @contextmanager
    def _receive() -> Iterator[Run]:
        with TemporaryDirectory() as folder:
            device = prepared_device(folder, batches=100)       # once, before anything is timed
            verify, name = ed25519_verify()                     # from tests.bench.references
            yield Run(lambda: per_cpu_second(device.receive, 100), verify, name)

    PATHS = (Path("client: receive, batches of 100", "messages/s", "higher", 8_000, _receive),)

- ``measure`` returns one sample in the path's unit, and ``reference`` one sample of the raw
  reference. Both look the same way: a rate beside a rate, a time beside a time, memory beside
  memory. Their ratio, path divided by reference, is what is compared with the committed result.
- Both are called again and again (3 to 60 times), in turn. A sample should take 0.05 to 0.5 s,
  a load run up to 3 s. ``measure`` does its own timing (``per_second``, ``per_cpu_second``,
  ``milliseconds`` here), so it may set things up before it starts its clock; what it uses up it
  must make anew. It must do the same work at the tenth call as at the first: no store may grow
  so that it matters.
- It raises if the work was not done in full: a path that failed has no figure.
- ``slow=True`` leaves a path out of ``QUICK=1``: for those whose preparation or sample takes
  longer than some 5 s.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Run:
    """A path that is ready to be measured, and what it is held against."""

    measure: Callable[[], float]
    reference: Callable[[], float]
    reference_name: str
    """What the reference does, with its unit: ``bare Ed25519 verify/s``."""


@dataclass(frozen=True, slots=True)
class Path:
    """One row of the table; ``target`` is that of the design, or None where it sets none."""

    name: str
    """``area: what is done``; two paths never share one."""
    unit: str
    better: Better
    target: float | None
    make: Callable[[], AbstractContextManager[Run]]
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Samples:
    """What was seen: ``references`` has one more than ``values``, for each stands between two."""

    values: tuple[float, ...]
    references: tuple[float, ...]
    reference_name: str

    @property
    def ratios(self) -> tuple[float, ...]:
        """Each value over the mean of the references just before and after it.

        A drift of the machine that is even over the three samples falls out.
        """
        around = zip(self.references, self.references[1:], strict=False)
        return tuple(
            value / ((before + after) / 2)
            for value, (before, after) in zip(self.values, around, strict=True)
        )

    @property
    def error(self) -> float:
        """The standard error of the median ratio, as a share of it."""
        return error_of(middle(self.ratios)[1], len(self.values))


_QUARTILES = 1.349  # standard deviations between the quartiles of a normal distribution
_FEW = 8  # below this two equal samples can make the quartiles meet by chance
_MEDIAN = 1.2533  # error of a median, from that of a mean


def middle(values: Sequence[float]) -> tuple[float, float]:
    """Return the median and the standard deviation as a share of it: robust if there are enough."""
    median = statistics.median(values)
    if len(values) < _FEW:
        return median, statistics.pstdev(values) / median
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, (high - low) / _QUARTILES / median


def error_of(spread: float, count: int) -> float:
    """Return the standard error of the median of ``count`` samples that spread so."""
    return _MEDIAN * spread / math.sqrt(count)


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to look at one path: ``seconds``, and while it is noisy up to ``patience`` times it.

    ``least`` and ``most`` bound the number of samples, whatever the time.
    """

    seconds: float
    least: int
    most: int
    patience: float = 1.0


THOROUGH = Effort(seconds=6.0, least=5, most=60, patience=3.0)
QUICK = Effort(seconds=2.0, least=3, most=60, patience=2.0)
# More samples are taken while the median ratio may be off by more than this share.
SURE = 0.01


def sample(path: Path, effort: Effort) -> Samples:
    """Prepare ``path`` once and take its samples; the first of each kind only warms up."""
    with path.make() as run:
        run.reference()
        run.measure()
        values: list[float] = []
        references = [run.reference()]
        start = time.monotonic()
        while True:
            seen = Samples(tuple(values), tuple(references), run.reference_name)
            if _enough(seen, effort, time.monotonic() - start):
                return seen
            values.append(_positive(path, run.measure()))
            references.append(_positive(path, run.reference()))


def _enough(seen: Samples, effort: Effort, spent: float) -> bool:
    count = len(seen.values)
    if count < effort.least or spent < effort.seconds:
        return count >= effort.most
    return count >= effort.most or spent >= effort.seconds * effort.patience or seen.error <= SURE


def _positive(path: Path, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{path.name}: a sample of {value} {path.unit} measures nothing")
    return value


def per_second(work: Callable[[], object], count: int) -> float:
    """Do ``work`` once, which is ``count`` units, and return units per second of the clock."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def per_cpu_second(work: Callable[[], object], count: int) -> float:
    """Do ``work`` once, which is ``count`` units, and return units per second of processor time.

    All threads of this process count. For work that waits for nothing: it is what "per core" in
    the targets means, and what a busy neighbour disturbs least.
    """
    start = time.process_time()
    work()
    return count / (time.process_time() - start)


def milliseconds(work: Callable[[], object], count: int = 1) -> float:
    """Do ``work`` once, which is ``count`` units, and return milliseconds of the clock per unit."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1_000 / count
