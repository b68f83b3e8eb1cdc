"""A pytest plugin for ``tests.mutants.run``: writes how each test ended, one JSON line each.

A test that a mutant makes fail must fail by its own judgement: an assertion, a ``raises`` that saw
nothing raised, or another failure of Glasslock's than the expected one. A mutant that merely breaks
the code (``NameError``, an import, a fixture) has proven nothing.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest

import glasslock
from glasslock.errors import GlasslockError

_JUDGED = (AssertionError, GlasslockError, pytest.fail.Exception)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the file to write to."""
    parser.addoption("--verdicts", type=Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to judge any other tree than the one that is tested."""
    if not Path(glasslock.__file__).resolve().is_relative_to(config.rootpath / "src"):
        raise pytest.UsageError("the package that was imported is not the copy's")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write down how a phase of a test ended."""
    report = yield
    verdict = ""
    if call.excinfo is not None:
        judged = report.when == "call" and issubclass(call.excinfo.type, _JUDGED)
        verdict = "failed" if judged else f"broken: {call.excinfo.typename} in {report.when}"
    elif report.when == "call":
        verdict = report.outcome
    if verdict:
        with item.config.getoption("--verdicts").open("a", encoding="utf-8") as file:
            file.write(json.dumps([item.nodeid, verdict]) + "\n")
    return report
