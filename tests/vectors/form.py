"""How vectors are written as JSON, and the list of files; knows no protocol.

Bytes are ``0x`` and hex; other strings are text. Long inputs are ``{"fill": byte, "size": n}``,
long outputs ``{"sha256": ..., "size": n}``. A case is [name, operation, inputs, outputs]; a
negative case has, for outputs, the slug and rule of the refusal.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILES = Path(__file__).parent / "files"
LONG = 200

Item = Any
Fields = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One vector: ``out`` for what must come out, ``refused`` for what must not pass."""

    name: str
    operation: str
    inputs: Fields
    out: Item = None
    refused: tuple[str, str | None] | None = None


def fill(byte: int, size: int) -> Fields:
    """A long input of one repeated byte."""
    return {"fill": byte, "size": size}


def load(item: Item) -> Item:
    """JSON to plain values: ints, bytes, text, None, lists and dicts of them."""
    if isinstance(item, str):
        return bytes.fromhex(item[2:]) if item.startswith("0x") else item
    if isinstance(item, list):
        return [load(each) for each in item]
    if isinstance(item, dict):
        if item.keys() == {"fill", "size"}:
            return bytes([item["fill"]]) * item["size"]
        return {name: load(each) for name, each in item.items()}
    return item


def dump(item: Item) -> Item:
    """Plain values to JSON, nothing shortened."""
    if isinstance(item, bytes):
        return "0x" + item.hex()
    if isinstance(item, list | tuple):
        return [dump(each) for each in item]
    if isinstance(item, dict):
        return {name: dump(each) for name, each in item.items()}
    return item


def shown(item: Item) -> Item:
    """Outputs to JSON, long byte strings by digest."""
    if isinstance(item, bytes) and len(item) > LONG:
        return {"sha256": "0x" + hashlib.sha256(item).hexdigest(), "size": len(item)}
    if isinstance(item, list | tuple):
        return [shown(each) for each in item]
    if isinstance(item, dict):
        return {name: shown(each) for name, each in item.items()}
    return dump(item)


def written(name: str, section: str, cases: list[Case]) -> bytes:
    """The bytes of a vector file."""
    rows: list[str] = []
    for case in cases:
        fields: Fields = {"name": case.name, "op": case.operation, "in": case.inputs}
        if case.refused is None:
            fields["out"] = case.out
        else:
            fields["refused"] = list(case.refused)
        rows.append("  " + json.dumps(fields, ensure_ascii=True))
    head = json.dumps({"file": name, "protocol": "glasslock/1", "section": section})
    return (head[:-1] + ', "cases": [\n' + ",\n".join(rows) + "\n]}\n").encode()


def read(name: str) -> list[Case]:
    """The cases of a committed file."""
    rows = json.loads((FILES / f"{name}.json").read_bytes())["cases"]
    return [
        Case(
            row["name"],
            row["op"],
            row["in"],
            row.get("out"),
            tuple(row["refused"]) if "refused" in row else None,
        )
        for row in rows
    ]
