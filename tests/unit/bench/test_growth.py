"""Growth on planted data: what grows faster than stated is found, and noise is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench import growth
from tests.bench.curve import Curve, Growth, Sample, Verdict, fit, slope
from tests.bench.growth import Measured, all_curves, table, write

SIZES = (8, 32, 128, 512)


def verdict(cost: Callable[[int], float], stated: Growth) -> Verdict:
    return fit(SIZES, [cost(size) for size in SIZES], stated).verdict


def a_curve(stated: Growth, sizes: tuple[int, ...] = SIZES) -> Curve:
    @contextmanager
    def make(size: int) -> Iterator[Sample]:
        yield lambda: float(size)

    return Curve("planted: a curve", "thing", "size", sizes, stated, "planted", make)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_slope_of_a_power_is_its_exponent(power: float) -> None:
    assert slope(SIZES, [3e-6 * size**power for size in SIZES]) == pytest.approx(power)


def test_a_planted_quadratic_bends() -> None:
    assert verdict(lambda n: 1e-6 * n * n, Growth.LINEAR) is Verdict.BENDS


def test_a_clean_line_is_as_stated() -> None:
    assert verdict(lambda n: 1e-6 * n, Growth.LINEAR) is Verdict.AS_STATED


def test_a_line_on_a_fixed_cost_is_as_stated() -> None:
    assert verdict(lambda n: 2e-5 + 1e-6 * n, Growth.LINEAR) is Verdict.AS_STATED


def test_a_quadratic_that_takes_over_at_the_end_bends() -> None:
    costs = [1e-3 * (1 + 16 * (n / 512) ** 2) for n in SIZES]
    seen = fit(SIZES, costs, Growth.LINEAR)
    # The fit alone does not see it, for most of the sizes show the fixed cost.
    assert seen.slope < seen.stated
    assert seen.verdict is Verdict.BENDS


@pytest.mark.parametrize("stated", [Growth.CONSTANT, Growth.LOGARITHMIC])
def test_a_line_bends_where_less_is_stated(stated: Growth) -> None:
    assert verdict(lambda n: 1e-6 * n, stated) is Verdict.BENDS


def test_a_linear_part_of_half_the_cost_bends_where_none_is_stated() -> None:
    assert verdict(lambda n: 1e-3 * (1 + 1.1 * n / 512), Growth.CONSTANT) is Verdict.BENDS


def test_a_logarithm_is_as_stated() -> None:
    assert verdict(Growth.LOGARITHMIC.at, Growth.LOGARITHMIC) is Verdict.AS_STATED


@pytest.mark.parametrize("stated", list(Growth))
@pytest.mark.parametrize("noise", [(0.8, 0.8, 1.25, 1.25), (1, 1, 0.8, 1.25), (0.8, 1, 1, 1.25)])
def test_noise_is_no_bend(stated: Growth, noise: Sequence[float]) -> None:
    costs = [stated.at(size) * factor for size, factor in zip(SIZES, noise, strict=True)]
    assert fit(SIZES, costs, stated).verdict is Verdict.AS_STATED


def test_a_cost_that_does_not_grow_is_less_than_a_line() -> None:
    assert verdict(lambda _: 1e-3, Growth.LINEAR) is Verdict.LESS


@pytest.mark.parametrize("costs", [[1.0, 2.0, 3.0], [1.0, 2.0, 0.0, 4.0]])
def test_a_cost_is_there_for_every_size(costs: list[float]) -> None:
    with pytest.raises(ValueError, match="every size has a cost"):
        fit(SIZES, costs, Growth.LINEAR)


@pytest.mark.parametrize(
    "sizes", [(1, 4, 16, 64), (8, 16, 32, 512), (8, 32, 128), (8, 32, 128, 511)]
)
def test_sizes_that_the_tolerances_do_not_fit_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="planted"):
        a_curve(Growth.LINEAR, sizes)


def test_every_curve_can_be_loaded_and_has_a_ground() -> None:
    curves = all_curves()
    assert {curve.name.split(":")[0] for curve in curves} >= {"keyholder", "desk", "log"}
    assert all(curve.why for curve in curves)


@pytest.mark.parametrize(("power", "code"), [(1, 0), (2, 1)], ids=["as stated", "bends"])
def test_the_exit_code_tells_of_a_bend(
    power: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve = a_curve(Growth.LINEAR)
    looks: list[str] = []

    def planted(each: Curve) -> Measured:
        looks.append(each.name)
        return Measured(each, tuple(1e-6 * size**power for size in each.sizes))

    monkeypatch.setattr(growth, "all_curves", lambda: (curve,))
    monkeypatch.setattr(growth, "measured", planted)
    file = tmp_path / "growth.json"
    assert growth.main(["--json", str(file)]) == code
    # A bend is looked at twice before it is called one.
    assert len(looks) == code + 1
    (row,) = json.loads(file.read_text(encoding="utf-8"))["curves"]
    assert row["slope"] == pytest.approx(power)


def test_a_bend_that_a_second_look_does_not_show_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = a_curve(Growth.CONSTANT)
    looks = iter([(1.0, 1.0, 1.0, 3.0), (3.0, 1.0, 1.0, 1.0)])
    monkeypatch.setattr(growth, "measured", lambda each: Measured(each, next(looks)))
    assert growth.looked_at(curve).costs == (1.0, 1.0, 1.0, 1.0)


def test_a_curve_that_fails_is_told_and_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_: Curve) -> Measured:
        raise growth.CurveFailed("the log was not read whole")

    monkeypatch.setattr(growth, "all_curves", lambda: (a_curve(Growth.LINEAR),))
    monkeypatch.setattr(growth, "measured", failing)
    assert growth.main(["--json", str(tmp_path / "growth.json")]) == 1
    assert "the log was not read whole" in capsys.readouterr().out


def test_table_and_json_say_the_same(tmp_path: Path) -> None:
    found = [Measured(a_curve(Growth.LINEAR), (1e-5, 4e-5, 1.6e-4, 6.4e-4))]
    assert "as stated" in table(found)
    write(tmp_path / "growth.json", {}, found, {})
    kept = json.loads((tmp_path / "growth.json").read_text(encoding="utf-8"))
    assert kept["curves"][0]["verdict"] == "as stated"
