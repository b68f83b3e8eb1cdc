"""Writes what was measured: a table to read, and the same as JSON.

Knows rows and changes; measures nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath

from tests.bench.compare import Change, Row, Verdict

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Result:
    """All rows of one run, or of the committed file."""

    machine: Mapping[str, str]
    rows: Mapping[str, Row]


def read(file: FilePath) -> Result | None:
    """Return the result kept in ``file``; None if there is none, ValueError for another format."""
    if not file.exists():
        return None
    kept = json.loads(file.read_text(encoding="utf-8"))
    if kept["format"] != FORMAT:
        raise ValueError(f"{file.name} has format {kept['format']}, not {FORMAT}")
    rows = [Row(**row) for row in kept["rows"]]
    return Result(kept["machine"], {row.name: row for row in rows})


def write(file: FilePath, result: Result, **more: object) -> None:
    """Write ``result``, one row after another in the order of names."""
    rows = [_rounded(asdict(result.rows[name])) for name in sorted(result.rows)]
    kept = {"format": FORMAT, "machine": dict(result.machine), **more, "rows": rows}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _rounded(row: dict[str, object]) -> dict[str, object]:
    """Keep five digits: more would only make every difference of two files unreadable."""
    return {
        name: float(f"{value:.5g}") if isinstance(value, float) else value
        for name, value in row.items()
    }


def table(rows: Sequence[Row], changes: Mapping[str, Change]) -> str:
    """Return the table, one line a path."""
    head = ("path", "median", "unit", "+-", "target", "", "ratio", "+-", "n", "change", "", "of")
    lines = [head, *(_line(row, changes.get(row.name)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    left = {0, 2, 5, 10, 11}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _line(row: Row, seen: Change | None) -> tuple[str, ...]:
    met = {True: "met", False: "NOT MET", None: ""}[row.met]
    return (
        row.name,
        figure(row.median),
        row.unit,
        f"{row.spread:.0%}",
        "" if row.target is None else _bound(row),
        met,
        figure(row.ratio),
        f"{row.ratio_spread:.1%}",
        str(row.count),
        _cost(seen),
        "" if seen is None or seen.verdict is Verdict.SAME else seen.verdict,
        f"{row.reference_name} ({figure(row.reference)})",
    )


def _bound(row: Row) -> str:
    return f"{'>=' if row.better == 'higher' else '<='} {figure(row.target or 0)}"


def _cost(seen: Change | None) -> str:
    if seen is None or seen.verdict in {Verdict.NEW, Verdict.OTHER}:
        return ""
    return f"{seen.cost:+.1%}"


def figure(value: float) -> str:
    """Return ``value`` with three digits that count, or all of those before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
