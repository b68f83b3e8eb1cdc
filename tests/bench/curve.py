"""What a growth curve is, and whether its cost grows as stated; knows no product code.

The cost at the largest size says little by itself: what counts is by how much it rises when the
size rises. Stated and measured growth are compared as slopes in the log-log plane, where a cost of
``n ** k`` has slope ``k``, whatever its unit and machine.

Two things are looked at. The slope of the fit over all sizes is the robust one. The step between
the two largest sizes sees a term that is small at first and takes over at the end, which the fit
dilutes.

How far both may exceed what is stated follows from what noise can do and from what has to be
seen. The least of several processor times repeats within some 20 % on a busy machine (caches are
shared). Sizes span a factor of at least 64 in steps of at least 4. If all sizes of one half are
20 % too low and all of the other 25 % too high, the slope moves by some 0.13; the step moves by a
factor of 1.56 at most. ``FIT`` and ``STEP`` lie just above. The next worse order differs by 1 in
slope and by a factor of 4 in the step. A linear part under a stated O(1) is found once it makes up
half of the cost at the largest size. O(log n) is not told from O(1): over these sizes they differ
by some 0.1 in slope.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FIT: Final = 0.2
STEP: Final = 1.6
LEAST_SPAN: Final = 64
LEAST_STEP: Final = 4

Sample = Callable[[], float]


class Growth(StrEnum):
    """The order of growth that is stated of a cost, n being the size."""

    CONSTANT = "O(1)"
    LOGARITHMIC = "O(log n)"
    LINEAR = "O(n)"

    def at(self, size: int) -> float:
        """Return the cost at ``size`` in some unit; sizes begin at 2."""
        match self:
            case Growth.CONSTANT:
                return 1.0
            case Growth.LOGARITHMIC:
                return math.log(size)
            case Growth.LINEAR:
                return float(size)


class Verdict(StrEnum):
    """What a curve does beside what is stated of it."""

    AS_STATED = "as stated"
    BENDS = "BENDS"
    LESS = "less than stated"


@dataclass(frozen=True, slots=True)
class Curve:
    """The cost of one thing against one size.

    ``make(size)`` prepares everything once and hands out a function that takes one sample: the
    processor seconds that one ``unit`` costs. It raises if the work was not done in full.
    """

    name: str
    unit: str
    against: str
    sizes: tuple[int, ...]
    growth: Growth
    why: str
    """Where the stated growth comes from."""
    make: Callable[[int], AbstractContextManager[Sample]]

    def __post_init__(self) -> None:
        """Refuse sizes that the tolerances do not fit; raises ``ValueError``."""
        steps = [after / before for before, after in zip(self.sizes, self.sizes[1:], strict=False)]
        if not 4 <= len(self.sizes) <= 5 or min(steps) < LEAST_STEP or self.sizes[0] < 2:
            raise ValueError(f"{self.name}: four or five sizes, each four times the one before")
        if self.sizes[-1] < LEAST_SPAN * self.sizes[0]:
            raise ValueError(f"{self.name}: the largest size is 64 times the smallest")


@dataclass(frozen=True, slots=True)
class Fit:
    """How a cost grows beside what is stated of it.

    ``slope`` is measured over all sizes, ``stated`` that of the stated growth over the same sizes.
    ``step`` is by what factor the cost rises over the last step, and ``stated_step`` should.
    """

    slope: float
    stated: float
    step: float
    stated_step: float

    @property
    def verdict(self) -> Verdict:
        """Say whether the cost grows as stated; an order of growth is an upper bound."""
        if self.slope > self.stated + FIT or self.step > self.stated_step * STEP:
            return Verdict.BENDS
        if self.slope < self.stated - FIT and self.step < self.stated_step / STEP:
            return Verdict.LESS
        return Verdict.AS_STATED


def fit(sizes: Sequence[int], costs: Sequence[float], growth: Growth) -> Fit:
    """Fit ``costs`` over ``sizes``; raises ``ValueError`` for a cost that is not positive."""
    if len(sizes) != len(costs) or min(costs) <= 0:
        raise ValueError("every size has a cost, and it is positive")
    stated = [growth.at(size) for size in sizes]
    return Fit(
        slope(sizes, costs),
        slope(sizes, stated),
        costs[-1] / costs[-2],
        stated[-1] / stated[-2],
    )


def slope(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Return the least-squares slope of the logarithm of costs over that of sizes."""
    xs = [math.log(size) for size in sizes]
    ys = [math.log(cost) for cost in costs]
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True))
    return above / sum((x - middle_x) ** 2 for x in xs)


def cpu_seconds(work: Callable[[], object], count: int) -> float:
    """Do ``work`` once, which is ``count`` units; returns processor seconds per unit."""
    start = time.process_time()
    work()
    return (time.process_time() - start) / count
