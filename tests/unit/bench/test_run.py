"""What the bench does with rows: keeps them, complains, ends with the right code. No clock."""

from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from tests.bench import areas, report, run
from tests.bench.areas import all_paths, chosen
from tests.bench.compare import Row
from tests.bench.harness import Effort, Path, Samples
from tests.bench.one import PathFailed
from tests.bench.report import Result

NAME = "primitive: sign with label"


def samples_of(ratio: float) -> Samples:
    return Samples((ratio,) * 5, (1.0,) * 6, "bare Ed25519 sign/s")


@pytest.fixture
def committed(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> FilePath:
    """A committed result in which every primitive has the ratio 1, taken on this machine."""
    file = tmp_path / "result.json"
    monkeypatch.setattr(run, "COMMITTED", file)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "measured", lambda *_, **__: samples_of(1.0))
    monkeypatch.setattr(areas, "area_names", lambda: ["paths_primitives"])
    assert bench(tmp_path, "--save") == 0
    return file


def bench(folder: FilePath, *more: str) -> int:
    return run.main(["--only", "primitive", "--json", str(folder / "last.json"), *more])


def test_the_same_figures_are_no_complaint(committed: FilePath) -> None:
    assert bench(committed.parent) == 0


def test_a_slower_path_is_said_loudly(
    committed: FilePath, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks: list[str] = []

    def slower(path: Path, _effort: Effort, *, slower: float) -> Samples:
        assert not slower
        looks.append(path.name)
        return samples_of(1 / 1.2 if path.name == NAME else 1.0)

    monkeypatch.setattr(run, "measured", slower)
    assert bench(committed.parent) == 1
    said = capsys.readouterr().out
    assert f"!!! SLOWER: {NAME} costs 20.0% more" in said
    assert said.count("!!!") == 1
    assert looks.count(NAME) == 1 + run.SECOND_LOOKS


def test_a_busy_moment_is_forgiven(committed: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def busy_once(path: Path, *_: object, **__: object) -> Samples:
        looks.append(path.name)
        return samples_of(0.5 if looks.count(path.name) == 1 else 1.0)

    monkeypatch.setattr(run, "measured", busy_once)
    assert bench(committed.parent) == 0


def test_a_path_that_fails_has_no_row_and_is_a_complaint(
    committed: FilePath, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> Samples:
        raise PathFailed("ValueError: not all arrived")

    monkeypatch.setattr(run, "measured", fails)
    before = committed.read_bytes()
    assert bench(committed.parent) == 1
    assert f"!!! FAILED: {NAME}\nValueError: not all arrived" in capsys.readouterr().out
    assert bench(committed.parent, "--save") == 1
    assert committed.read_bytes() == before


def test_a_path_that_is_measured_no_more_is_a_complaint(
    committed: FilePath, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = report.read(committed)
    assert kept is not None
    gone = replace(kept.rows[NAME], name="old: path")
    report.write(committed, Result(kept.machine, {**kept.rows, gone.name: gone}))
    assert bench(committed.parent) == 1
    assert "!!! GONE: old: path" in capsys.readouterr().out


def test_another_machine_is_not_compared_and_not_mixed_in(
    committed: FilePath, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = report.read(committed)
    assert kept is not None
    report.write(committed, Result({**kept.machine, "processor": "another"}, kept.rows))
    monkeypatch.setattr(run, "measured", lambda *_, **__: samples_of(0.1))
    assert bench(committed.parent) == 0
    assert "NOT COMPARED" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="another machine"):
        bench(committed.parent, "--save")


def test_saving_some_paths_keeps_the_rows_of_the_others(
    committed: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "measured", lambda *_, **__: samples_of(2.0))
    assert run.main(["--only", NAME, "--save", "--json", str(committed.parent / "last.json")]) == 0
    kept = report.read(committed)
    assert kept is not None
    assert {name for name, row in kept.rows.items() if row.ratio == 2.0} == {NAME}
    assert len(kept.rows) > 1


def test_a_planted_slow_down_is_asked_for_and_never_saved(
    committed: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: dict[str, float] = {}

    def note(path: Path, _effort: Effort, *, slower: float) -> Samples:
        shares[path.name] = slower
        return samples_of(1.0)

    monkeypatch.setattr(run, "measured", note)
    before = committed.read_bytes()
    bench(committed.parent, "--plant", NAME, "--save")
    assert {name for name, share in shares.items() if share} == {NAME}
    assert committed.read_bytes() == before


def test_an_area_that_cannot_be_loaded_is_a_complaint_and_takes_no_other_down(
    committed: FilePath, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(areas, "area_names", lambda: ["areas", "no_file", "paths_primitives"])
    assert bench(committed.parent) == 1
    said = capsys.readouterr().out
    assert "!!! FAILED: areas\nit exports no PATHS" in said
    assert "!!! FAILED: no_file\nModuleNotFoundError" in said
    assert said.count("!!!") == 2
    assert NAME in said


def test_a_prefix_that_names_nothing_is_refused() -> None:
    assert run.main(["--only", "no such area"]) == 1


def test_slow_paths_are_left_out_of_quick_mode_only() -> None:
    quick, slow = replace(all_paths()[0], name="a"), replace(all_paths()[0], name="b", slow=True)
    assert chosen((quick, slow), "", quick=True) == (quick,)
    assert chosen((quick, slow), "", quick=False) == (quick, slow)


def test_every_row_that_is_written_is_read_back(committed: FilePath) -> None:
    kept = report.read(committed)
    assert kept is not None
    assert all(isinstance(row, Row) for row in kept.rows.values())
    committed.write_text('{"format": 0}', encoding="utf-8")
    with pytest.raises(ValueError, match="format"):
        report.read(committed)
