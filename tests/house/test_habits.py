"""Habits that a reviewer would otherwise have to look for: no switches, no stubs, no skips."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

from tests.bench import areas, paths_primitives
from tests.bench.harness import Effort, sample
from tests.house.source import ROOT, SRC, TESTS, band, modules, name, parsed, touches

UNFINISHED = ("TO" + "DO", "FIX" + "ME", "XX" + "X:", "NotImplemented" + "Error")
OUTERMOST = {"cli", "demo", "lab", "tui", "web"}


def _text_files() -> list[Path]:
    rust = [p for p in (ROOT / "rust").rglob("*.rs") if "target" not in p.parts]
    return [*modules(SRC), *modules(TESTS), *rust]


@pytest.mark.parametrize("path", _text_files(), ids=name)
def test_nothing_is_left_unfinished(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [word for word in UNFINISHED if word in text] == []


@pytest.mark.parametrize("path", [p for p in modules() if band(p) not in OUTERMOST], ids=name)
def test_no_check_hangs_on_the_environment(path: Path) -> None:
    """A protection that a variable could switch off is none."""
    used = {node.attr for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)}
    assert not used & {"environ", "environb", "getenv"}
    assert not touches(path, "os.environ")
    assert not touches(path, "os.getenv")


@pytest.mark.parametrize("path", modules(), ids=name)
def test_no_protection_is_an_assert(path: Path) -> None:
    """Python run with -O drops asserts."""
    lines = [node.lineno for node in ast.walk(parsed(path)) if isinstance(node, ast.Assert)]
    assert lines == []


@pytest.mark.parametrize("path", modules(TESTS), ids=name)
def test_tests_use_real_parts(path: Path) -> None:
    assert not touches(path, "unittest.mock")
    assert not touches(path, "mock")
    marks = {
        node.attr
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "xfail"}
    }
    assert marks == set()


def test_every_package_used_is_declared() -> None:
    """And nothing is declared that is not used: the lock file is what a stranger installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[\[>=]", line)[0].lower() for line in lines}
    owners = packages_distributions()
    used = {
        owner.lower()
        for path in modules()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for root in _roots(node)
        for owner in owners.get(root, [])
    }
    assert used - declared - {"glasslock"} == set()


def _roots(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return set() if node.level else {(node.module or "").split(".")[0]}
    return {alias.name.split(".")[0] for alias in node.names}


def test_the_benchmark_still_runs() -> None:
    """What it measures is nobody's gate; that it can be run is."""
    assert areas.all_paths()
    for path in paths_primitives.PATHS:
        seen = sample(path, Effort(seconds=0.0, least=1, most=1))
        assert len(seen.ratios) == 1
