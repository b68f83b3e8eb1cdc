"""The planted slow-down does real work, and is of the size that it says."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.bench.harness import Better, Path, Run
from tests.bench.plant import planted


@pytest.mark.parametrize(("better", "expected"), [("higher", 100 / 1.2), ("lower", 120.0)])
def test_a_sample_counts_the_work_that_was_added(
    better: Better, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 0.001
        return now[0]

    def measure() -> float:
        now[0] += 10.0
        return 100.0

    @contextmanager
    def make() -> Iterator[Run]:
        yield Run(measure, lambda: 1.0, "bare/s")

    monkeypatch.setattr("tests.bench.plant.time.perf_counter", clock)
    slowed = planted(Path("area: path", "units", better, None, make))
    with slowed.make() as run:
        assert run.measure() == pytest.approx(expected, rel=1e-3)
    assert now[0] == pytest.approx(12.0, rel=1e-3)
