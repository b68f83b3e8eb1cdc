"""Alterations of a case file, made systematically: each with a name and the rule that refuses it.

What is altered is walked through, not listed: every file, every field of every document, every
item of every list. The rule is given by where the alteration is.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from glasslock.casefile.canonical import encode_json
from glasslock.casefile.package import decode_package, encode_package

Path: TypeAlias = tuple[str | int, ...]
Json: TypeAlias = Any
OUTSIDE = ("manifest.json", "statement.json", "report.json")
# Fields of case.json without which nothing can be computed; all others are only compared.
NEEDED = ("keyholder_faults", "made", "order", "slots")
DOCUMENTS = ("case.json", "messages.json", "custody.json", "logs.json")


class Altered(NamedTuple):
    """One alteration: what was done, the files that result, the rule that must refuse it."""

    name: str
    files: dict[str, bytes]
    rule: str


def inner(package: bytes) -> dict[str, bytes]:
    """Return the files of a package that its manifest lists."""
    return {name: data for name, data in decode_package(package).items() if name not in OUTSIDE}


def fields(value: Json, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every single value in a document, and of every empty list.

    Of a list its first and last item stand for those between, which are like them.
    """
    if isinstance(value, dict):
        for name, each in value.items():
            yield from fields(each, (*path, name))
    elif isinstance(value, list) and value:
        for number in sorted({0, len(value) - 1}):
            yield from fields(value[number], (*path, number))
    else:
        yield path


def lists(value: Json, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every list in a document that has items."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, list) and value:
        yield path
    for name, each in items:
        if isinstance(each, dict | list):
            yield from lists(each, (*path, name))


def at(value: Json, path: Path) -> Json:
    for step in path:
        value = value[step]
    return value


def turned(value: Json) -> Json:
    """Return another value of the same kind."""
    if value is None:
        return "00"
    if value == []:
        return [0]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if value and all(each in "0123456789abcdef" for each in value):
        return value[:-1] + ("1" if value[-1] == "0" else "0")
    return value + "x"


def with_value(document: Json, path: Path, value: Json) -> bytes:
    changed = copy.deepcopy(document)
    at(changed, path[:-1])[path[-1]] = value
    return encode_json(changed)


def field_alterations(files: Mapping[str, bytes], name: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield every field of a document turned into another value."""
    document = json.loads(files[name])
    for path in fields(document):
        said, value = f"{name} {'.'.join(map(str, path))}", at(document, path)
        yield said, rule_of(name, path, value), with_value(document, path, turned(value))


def list_alterations(files: Mapping[str, bytes], name: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield every list of a document with its last item dropped, doubled, and turned round."""
    document = json.loads(files[name])
    for path in lists(document):
        items = at(document, path)
        ways = {"dropped": items[:-1], "doubled": [*items, items[-1]], "turned round": items[::-1]}
        for way, changed in ways.items():
            if changed == items:
                continue
            said = f"{name} {'.'.join(map(str, path))} {way}"
            data = with_value(document, path, changed) if path else encode_json(changed)
            yield said, rule_of_list(name, path, way), data


def shape_alterations(files: Mapping[str, bytes], name: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield a document without each of its outermost fields, and with one more."""
    document = json.loads(files[name])
    if not isinstance(document, dict):
        return
    for field in document:
        less = {key: value for key, value in document.items() if key != field}
        needed = name != "case.json" or field in NEEDED
        rule = "json.fields" if needed else rule_of(name, (field,), None)
        yield f"{name} without {field}", rule, encode_json(less)
    rule = "case.facts" if name == "case.json" else "json.fields"
    yield f"{name} with one field more", rule, encode_json({**document, "more": 1})


def raw_alterations(package: bytes) -> Iterator[Altered]:
    """Yield packages in which a file is another than the manifest lists, sums and all made anew."""
    files = decode_package(package)
    for name in (each for each in files if each not in OUTSIDE):
        data = files[name]
        middle = len(data) // 2
        flipped = data[:middle] + bytes((data[middle] ^ 1,)) + data[middle + 1 :]
        yield Altered(f"{name} flipped", {**files, name: flipped}, "case.hash")
        yield Altered(f"{name} longer", {**files, name: data + b"\n"}, "case.hash")
        yield Altered(f"{name} empty", {**files, name: b""}, "case.hash")
        less = {each: files[each] for each in files if each != name}
        yield Altered(f"{name} dropped", less, "case.files")
        other = name.replace(".", "-2.")
        yield Altered(f"{name} doubled", {**files, other: data}, "case.files")
        yield Altered(f"{name} renamed", {**less, other: data}, "case.files")
    names = sorted(each for each in files if each not in OUTSIDE)
    for one, two in itertools.pairwise(names):
        swapped = {**files, one: files[two], two: files[one]}
        yield Altered(f"{one} and {two} exchanged", swapped, "case.hash")


def packed(altered: Altered) -> bytes:
    return encode_package(altered.files)


_BY_DOCUMENT = {"messages.json": "case.messages", "custody.json": "custody.signature"}
_BY_FIRST = {
    "gaps": "case.gaps",
    "unproven": "case.gaps",
    "keyholder_faults": "case.faults",
    "preview": "case.preview",
    "log": "case.log",
    "made": "case.page",
    "quorum": "quorum.text",
}
_BY_LAST = {
    ("order", "secret"): "commitment.leaf",
    ("order", "index"): "case.unlogged",
    ("slots", "key"): "case.slot-key",
    ("slots", "slot"): "case.withheld",
    ("links", "what"): "custody.step",
    ("logs", "entry"): "merkle.inclusion",
    ("logs", "proof"): "note.lines",
}
_OF_LOGS = {"origin": "checkpoint.origin", "checkpoint": "note.lines", "index": "case.index"}
_LISTS = {
    ("case.json", ("slots",), "dropped"): "case.withheld",
    ("logs.json", ("logs",), "turned round"): "policy.unlogged",
    ("logs.json", ("logs",), "dropped"): "json.fields",
    ("logs.json", ("logs",), "doubled"): "json.fields",
    # The last entries are a period key, and the intent of a release.
    ("logs.json", ("logs", 0, "entries"), "dropped"): "case.facts",
    ("logs.json", ("logs", 1, "entries"), "dropped"): "case.threshold",
    ("logs.json", ("logs", 0, "entries"), "doubled"): "case.entries",
    ("logs.json", ("logs", 0, "entries"), "turned round"): "case.entries",
    ("logs.json", ("logs", 1, "entries"), "doubled"): "case.entries",
    ("logs.json", ("logs", 1, "entries"), "turned round"): "case.entries",
}


def rule_of(name: str, path: Path, value: Json) -> str:
    """Return the rule that refuses a changed document, by where it was changed, and to what.

    The agency has sealed it anew: nothing but what others signed, or what follows from it, speaks.
    """
    first, last = str(path[0]) if path else "", str(path[-1]) if path else ""
    if path == ("keyholder_faults",) and value == []:
        return "json.fields"
    by_place = _BY_LAST.get((first, last))
    if by_place is not None and name != "messages.json" and value is not None:
        return by_place
    if name == "logs.json" and last in _OF_LOGS:
        return _OF_LOGS[last]
    return _BY_DOCUMENT.get(name) or _BY_FIRST.get(first) or "case.facts"


def rule_of_list(name: str, path: Path, way: str) -> str:
    """Return the rule that refuses a list with an item less or more, or in another order."""
    return _LISTS.get((name, path, way)) or rule_of(name, path, None)
