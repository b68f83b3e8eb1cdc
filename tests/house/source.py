"""Reads the source tree as data for the house tests; knows paths and syntax, no rule."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "glasslock"
TESTS = ROOT / "tests"
DOCS = ROOT / "docs"


def modules(folder: Path = SRC) -> list[Path]:
    """Every Python file under ``folder``, in a fixed order."""
    return sorted(folder.rglob("*.py"))


def name(path: Path) -> str:
    """The path as a reader writes it, from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name(path))


def band(path: Path) -> str:
    """The package or module directly under ``glasslock`` that a file belongs to."""
    first = path.relative_to(SRC).parts[0]
    return first.removesuffix(".py")


@cache
def imported(path: Path) -> frozenset[str]:
    """Every absolute name imported anywhere in a file, inside functions and ifs too.

    ``from a import b`` counts as ``a`` and ``a.b``, since ``b`` may be a module.
    """
    return frozenset(_names(path))


def _names(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(path, node)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _base(path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    root = ROOT / "src" if path.is_relative_to(SRC) else ROOT
    package = path.relative_to(root).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def touches(path: Path, target: str) -> bool:
    """Whether a file imports ``target`` or anything inside it."""
    return any(found == target or found.startswith(f"{target}.") for found in imported(path))
