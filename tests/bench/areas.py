"""Finds the area files and the paths in them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path as FilePath

from tests.bench.harness import Path

HERE = FilePath(__file__).resolve().parent


def all_paths() -> tuple[Path, ...]:
    """Return every path of every area; raises ValueError if two share a name."""
    paths = tuple(path for area in _areas() for path in area)
    twice = {path.name for path in paths if sum(path.name == other.name for other in paths) > 1}
    if twice:
        raise ValueError(f"two paths share a name: {sorted(twice)}")
    return paths


def named(name: str) -> Path:
    """Return the path of exactly this name, loading no area after its own; raises KeyError."""
    for area in _areas():
        for path in area:
            if path.name == name:
                return path
    raise KeyError(name)


def _areas() -> Iterator[tuple[Path, ...]]:
    for name in sorted(file.stem for file in HERE.glob("paths_*.py")):
        paths: tuple[Path, ...] = import_module(f"tests.bench.{name}").PATHS
        yield paths


def chosen(paths: tuple[Path, ...], prefix: str, *, quick: bool) -> tuple[Path, ...]:
    """Return the paths whose names begin with ``prefix``, in quick mode without the slow ones."""
    return tuple(
        path for path in paths if path.name.startswith(prefix) and not (quick and path.slow)
    )
