"""Finds the area files and the paths in them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path as FilePath

from tests.bench.harness import Path

HERE = FilePath(__file__).resolve().parent


def all_paths() -> tuple[Path, ...]:
    """Return every path of every area that can be loaded; ValueError if two share a name."""
    paths = tuple(path for name in area_names() for path in _loaded(name))
    twice = {path.name for path in paths if sum(path.name == other.name for other in paths) > 1}
    if twice:
        raise ValueError(f"two paths share a name: {sorted(twice)}")
    return paths


def broken() -> dict[str, str]:
    """Return the areas that cannot be loaded, and why: one of them takes no other one down."""
    return {name: why for name in area_names() if (why := _why_not(name))}


def named(name: str) -> Path:
    """Return the path of exactly this name, loading no area after its own; raises KeyError."""
    for area in area_names():
        for path in _loaded(area):
            if path.name == name:
                return path
    raise KeyError(name)


def area_names() -> list[str]:
    """Return the names of the area files, in order."""
    return sorted(file.stem for file in HERE.glob("paths_*.py"))


def _loaded(area: str) -> tuple[Path, ...]:
    if _why_not(area):
        return ()
    paths: tuple[Path, ...] = import_module(f"tests.bench.{area}").PATHS
    return paths


def _why_not(area: str) -> str:
    try:
        module = import_module(f"tests.bench.{area}")
    except Exception as error:  # noqa: BLE001  # whatever it is, it is reported as its failure
        return f"{type(error).__name__}: {error}"
    return "" if hasattr(module, "PATHS") else "it exports no PATHS"


def chosen(paths: tuple[Path, ...], prefix: str, *, quick: bool) -> tuple[Path, ...]:
    """Return the paths whose names begin with ``prefix``, in quick mode without the slow ones."""
    return tuple(
        path for path in paths if path.name.startswith(prefix) and not (quick and path.slow)
    )
