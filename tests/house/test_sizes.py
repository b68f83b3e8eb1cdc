"""Files and functions stay small enough to be read in one sitting, and say what they know."""

import ast
from pathlib import Path

import pytest

from tests.house.source import ROOT, SRC, TESTS, modules, name, parsed

SOURCE_LINES = 500
TEST_LINES = 600
FUNCTION_LINES = 60
README_LINES = 120
RUST_LINES = 3_000


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _rust() -> list[Path]:
    return sorted(path for path in (ROOT / "rust").rglob("*.rs") if "target" not in path.parts)


def _own_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines without the docstring: saying what a function does never makes it too long."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


@pytest.mark.parametrize("path", [*modules(), *_rust()], ids=name)
def test_source_files_are_short(path: Path) -> None:
    assert _lines(path) <= SOURCE_LINES


@pytest.mark.parametrize("path", modules(TESTS), ids=name)
def test_test_files_are_short(path: Path) -> None:
    assert _lines(path) <= TEST_LINES


@pytest.mark.parametrize("path", modules(SRC), ids=name)
def test_functions_are_short(path: Path) -> None:
    long = [
        f"{node.name} (line {node.lineno}): {_own_length(node)} lines"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and _own_length(node) > FUNCTION_LINES
    ]
    assert long == []


@pytest.mark.parametrize("path", modules(SRC), ids=name)
def test_a_file_begins_with_what_it_knows(path: Path) -> None:
    assert ast.get_docstring(parsed(path)), f"{name(path)} has no docstring"
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.lstrip("r").startswith('"""')


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("//")


def test_the_rust_waist_is_thin() -> None:
    """Lines of code; comments are welcome."""
    files = [path for path in _rust() if "tests" not in path.parts]
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    assert sum(map(_is_code, lines)) < RUST_LINES


def test_the_readme_is_short() -> None:
    assert _lines(ROOT / "README.md") <= README_LINES
