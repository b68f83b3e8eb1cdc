"""Verdicts on made-up samples: 20 % is noticed, noise is not. No clock is read here."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.bench.compare import (
    LEAST_TOLERANCE,
    MOST_TOLERANCE,
    Row,
    Verdict,
    change,
    cheaper,
    lost,
    row_of,
)
from tests.bench.harness import Better, Effort, Path, Run, Samples, middle, sample

BOTH: tuple[Better, Better] = ("higher", "lower")


@contextmanager
def _nothing() -> Iterator[Run]:
    yield Run(lambda: 1.0, lambda: 1.0, "nothing/s")


def path(better: Better, target: float | None = None) -> Path:
    return Path("area: path", "units", better, target, _nothing)


def made_up(
    seed: int,
    *,
    better: Better = "higher",
    noise: float = 0.02,
    slower: float = 0.0,
    count: int = 15,
) -> Samples:
    """A machine whose speed wanders by a third, and a path that costs more by ``slower``."""
    chance = random.Random(seed)
    speed, values, references = 1.0, [], [500.0]
    for _ in range(count):
        speed = min(max(speed * chance.uniform(0.97, 1.03), 0.75), 1.0)
        rate = 1_000 * speed / (1 + slower) * chance.gauss(1, noise)
        values.append(rate if better == "higher" else 1_000 / rate)
        references.append(500 * speed if better == "higher" else 2 / speed)
    references[0] = references[1]
    return Samples(tuple(values), tuple(references), "bare/s")


def row(
    seed: int,
    *,
    better: Better = "higher",
    noise: float = 0.02,
    slower: float = 0.0,
    count: int = 15,
) -> Row:
    samples = made_up(seed, better=better, noise=noise, slower=slower, count=count)
    return row_of(path(better), [samples], "now")


@pytest.mark.parametrize("better", BOTH)
@pytest.mark.parametrize(("noise", "count"), [(0.002, 5), (0.02, 15), (0.05, 45)])
def test_a_fifth_more_cost_is_noticed_and_the_same_tree_is_not(
    better: Better, noise: float, count: int
) -> None:
    """With as many samples as the harness takes at such a noise (``SURE``)."""
    for seed in range(200):
        committed = row(seed, better=better, noise=noise, count=3 * count)
        same = row(1_000 + seed, better=better, noise=noise, count=count)
        assert change(same, committed).verdict is Verdict.SAME
        slow = row(2_000 + seed, better=better, noise=noise, count=count, slower=0.20)
        assert change(slow, committed).verdict is Verdict.WORSE


@pytest.mark.parametrize("better", BOTH)
def test_a_path_that_got_cheaper_is_no_complaint(better: Better) -> None:
    committed = row(1, better=better, slower=0.30)
    assert change(row(2, better=better), committed).verdict is Verdict.BETTER


@pytest.mark.parametrize("better", BOTH)
def test_cost_is_a_share_of_what_it_was_in_either_direction(better: Better) -> None:
    committed, slow = (row(1, better=better, noise=0, slower=share) for share in (0.0, 0.20))
    assert change(slow, committed).cost == pytest.approx(0.20)


def test_noise_widens_the_tolerance_but_never_far_enough_to_hide_a_fifth() -> None:
    quiet, wild = row(1, noise=0.001), row(1, noise=0.5)
    assert change(quiet, quiet).tolerance == LEAST_TOLERANCE
    assert change(wild, wild).tolerance == MOST_TOLERANCE < 0.20


def test_a_drift_of_the_machine_falls_out_of_the_ratio() -> None:
    speeds = [1.0, 0.9, 0.8, 0.7, 0.6]
    drifting = Samples(tuple(speeds[1::2]), tuple(speeds[::2]), "bare/s")
    assert drifting.ratios == pytest.approx((1.0, 1.0))


def test_the_better_of_two_looks_is_kept() -> None:
    for better in BOTH:
        fast, slow = row(1, better=better), row(2, better=better, slower=0.5)
        assert cheaper(slow, fast) is fast
        assert cheaper(fast, slow) is fast


def test_another_yardstick_is_not_compared() -> None:
    committed = row(1)
    other = replace(committed, reference_name="another/s", ratio=committed.ratio / 10)
    assert change(other, committed).verdict is Verdict.OTHER


def test_a_path_without_a_committed_row_is_new_and_one_without_a_path_is_lost() -> None:
    assert change(row(1), None).verdict is Verdict.NEW
    assert lost({"area: path": row(1)}, ["area: another"]) == ["area: path"]
    assert lost({"area: path": row(1)}, ["area: path", "area: another"]) == []


@pytest.mark.parametrize(
    ("better", "target", "met"),
    [
        ("higher", None, None),
        ("higher", 10.0, True),
        ("higher", 10.1, False),
        ("lower", 10.0, True),
        ("lower", 9.9, False),
    ],
)
def test_the_target_is_met_from_its_own_side(
    better: Better,
    target: float | None,
    met: bool | None,  # noqa: FBT001
) -> None:
    samples = Samples((9.0, 10.0, 11.0), (1.0, 1.0, 1.0, 1.0), "bare/s")
    assert row_of(path(better, target), [samples], "now").met is met


def test_several_processes_are_pooled() -> None:
    parts = [Samples((value,), (1.0, 1.0), "bare/s") for value in (3.0, 1.0, 2.0)]
    whole = row_of(path("higher"), parts, "now")
    assert (whole.median, whole.count) == (2.0, 3)


def test_the_spread_of_equal_values_is_nothing() -> None:
    assert middle([5.0, 5.0, 5.0]) == (5.0, 0.0)


def test_samples_are_taken_in_turn_and_the_first_only_warms_up() -> None:
    calls: list[str] = []

    def called(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    @contextmanager
    def make() -> Iterator[Run]:
        yield Run(lambda: called("path"), lambda: called("bare"), "bare/s")

    seen = sample(replace(path("higher"), make=make), Effort(seconds=0.0, least=2, most=2))
    assert calls == ["bare", "path", "bare", "path", "bare", "path", "bare"]
    assert seen.values == (4.0, 6.0)
    assert len(seen.references) == 3


def test_a_sample_of_nothing_is_refused() -> None:
    @contextmanager
    def make() -> Iterator[Run]:
        yield Run(lambda: 0.0, lambda: 1.0, "bare/s")

    with pytest.raises(ValueError, match="measures nothing"):
        sample(replace(path("higher"), make=make), Effort(seconds=0.0, least=1, most=1))


def test_a_noisy_path_is_looked_at_for_longer_but_not_for_ever() -> None:
    noisy = iter([1.0, 2.0] * 100)

    @contextmanager
    def make() -> Iterator[Run]:
        yield Run(lambda: next(noisy), lambda: 1.0, "bare/s")

    wild = replace(path("higher"), make=make)
    patient = Effort(seconds=1e-9, least=3, most=50, patience=1e12)
    assert len(sample(wild, patient).values) == 50
    assert len(sample(path("higher"), patient).values) == 3
