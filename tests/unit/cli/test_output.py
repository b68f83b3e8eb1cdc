"""Every class of error has its exit code, and what a person reads is one line and a hint."""

from __future__ import annotations

import errno

import pytest

from glasslock import errors
from glasslock.cli import output


def _classes(base: type[errors.GlasslockError]) -> list[type[errors.GlasslockError]]:
    # The taxonomy alone: what other rooms derive from it depends on what was imported before.
    own = [sub for sub in base.__subclasses__() if sub.__module__ == errors.__name__]
    return [base, *(found for sub in own for found in _classes(sub))]


def test_codes_are_distinct() -> None:
    codes = [code for code, _ in output.EXIT_CODES.values()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", _classes(errors.GlasslockError)[1:])
def test_every_kind_of_error_has_a_code_of_its_own_branch(
    kind: type[errors.GlasslockError], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise kind("what happened")

    code = output.guarded(fail)
    said = capsys.readouterr()
    assert code > 0
    assert said.out == ""
    assert said.err.splitlines()[0] == "glasslock: what happened"
    assert "Traceback" not in said.err


def test_a_full_disk_is_named_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert output.guarded(fail) == output.EXIT_CODES["storage"][0]
    assert "nothing was half-written" in capsys.readouterr().err


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.guarded(lambda: len(open("no-such-file").read())) == 3  # noqa: SIM115, PTH123
    assert "no-such-file" in capsys.readouterr().err


def test_columns_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([{"name": "a", "count": 1}, {"name": "long one", "count": 22}])
    assert capsys.readouterr().out.splitlines() == [
        "name      count",
        "a         1",
        "long one  22",
    ]
