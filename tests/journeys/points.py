"""Which write points a package has, read from its source: what no crash test visits is found."""

from __future__ import annotations

import ast
from pathlib import Path

import glasslock

SRC = Path(glasslock.__file__).parent
MOMENTS = ("begin", "commit", "done")
ORDERS = ("days", "disclose", "extend", "intake", "logged", "notice", "preview")


def write_points(package: str) -> set[str]:
    """Return the names of all write points in ``package``, migrations of its store included.

    A transaction has three; those around files are called by their whole name.
    """
    names = {"migrate"}
    alone = set()
    for path in (SRC / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "transaction":
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{path.name}: name the transaction plainly"
                names.add(str(name.value))
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "_point":
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{path.name}: name the point plainly"
                alone.add(str(name.value))
    return {f"{name}.{moment}" for name in names for moment in MOMENTS} | alone


def order_points() -> set[str]:
    """Return the provider's write points that only an order passes (``test_intake_crash``).

    All others belong to ``test_provider_crash``, so a new one that nobody visits fails there.
    """
    return {f"{name}.{moment}" for name in ORDERS for moment in MOMENTS}
