"""Domain separation: a label stands once and is spelled only in wire/labels.py."""

import ast
from collections import Counter

from glasslock.wire.labels import Label
from tests.house.source import SRC, modules, name, parsed

LIST = SRC / "wire" / "labels.py"


def _entries() -> list[tuple[str, str]]:
    """Name and value of every label as written; the enum itself would fold equal values."""
    (body,) = (node.body for node in parsed(LIST).body if isinstance(node, ast.ClassDef))
    return [
        (node.targets[0].id, node.value.value)
        for node in body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]


def test_no_label_stands_twice() -> None:
    values = Counter(value for _, value in _entries())
    assert [value for value, count in values.items() if count > 1] == []
    assert len(_entries()) == len(Label)


def test_labels_are_plain_words() -> None:
    odd = [
        value for _, value in _entries() if not value.isascii() or value != value.strip().lower()
    ]
    assert odd == []


def test_derivations_are_given_labels_from_the_list() -> None:
    """``digest("slot header", ...)`` would work at run time and hide from this list."""
    labelled = {"digest", "derive", "sign", "verify"}
    spelled = [
        f"{name(path)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in labelled
        and any(
            isinstance(argument, ast.Constant) and argument.value in set(Label)
            for argument in node.args
        )
    ]
    assert spelled == []
