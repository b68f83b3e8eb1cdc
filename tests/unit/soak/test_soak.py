"""A soak can fail: memory that grew, a life in which something did not hold."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.journeys.points import write_points
from tests.soak import run
from tests.soak.lives import LIVES, Lived, _drawn
from tests.soak.memory import Held


@pytest.mark.parametrize(
    ("after", "flat"), [(100, True), (105, True), (106, False), (90, True), (200, False)]
)
def test_memory_is_flat_within_five_per_cent(after: int, flat: bool) -> None:  # noqa: FBT001
    assert Held("x", 100, after).flat == flat


def test_a_plan_follows_from_its_seed() -> None:
    points = sorted(write_points("log"))
    plans = {_drawn(Random(seed), points) for seed in range(20)}
    assert _drawn(Random(3), points) == _drawn(Random(3), points)
    assert len(plans) > 10
    assert {point for plan in plans for point, _ in plan} <= set(points)


def test_every_daemon_lives() -> None:
    assert set(LIVES) == {"client", "provider", "intake", "keyholder", "log", "witness", "desk"}


def test_a_life_in_which_something_did_not_hold_fails_and_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def well(_folder: Path, _chance: Random) -> Lived:
        return Lived(2, "here 1, there 1")

    async def badly(_folder: Path, _chance: Random) -> Lived:
        raise AssertionError("a message is lost")

    ticks = iter([0.0, 0.0, 0.0, 0.0, 9.0])
    monkeypatch.setattr(run, "LIVES", {"log": well, "desk": badly})
    assert run.crashes(1, 7, lambda: next(ticks)) is False
    told = capsys.readouterr().out
    assert "FAILED desk, seed 7" in told
    assert "a message is lost" in told
    assert "2 lives, 2 deaths, 1 did not hold" in told


def test_memory_that_grew_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def grown(_folder: Path, _messages: int) -> list[Held]:
        return [Held("provider", 100, 100), Held("device", 100, 120)]

    monkeypatch.setattr(run, "soak", grown)
    assert run.memory(10) is False
    assert "GREW" in capsys.readouterr().out
