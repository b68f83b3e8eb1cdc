"""Which write points a package has, read from its source: what no crash test visits is found."""

from __future__ import annotations

import ast
from pathlib import Path

import glasslock

SRC = Path(glasslock.__file__).parent
MOMENTS = ("begin", "commit", "done")


def write_points(package: str) -> set[str]:
    """Return the names of all write points in ``package``, migrations of its store included."""
    names = {"migrate"}
    for path in (SRC / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "transaction":
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{path.name}: name the transaction plainly"
                names.add(str(name.value))
    return {f"{name}.{moment}" for name in names for moment in MOMENTS}
