"""Charts as SVG text: bars of counts, readable without colour, script or font. Pure.

Each chart says in its title and description what a table beside it says in numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

# Told apart by lightness too; each keeps 3:1 against white, and a white line parts neighbours.
COLOURS: Final = {
    "": "#1b3a5c",
    "opened": "#1b3a5c",
    "released": "#3f7cac",
    "refused": "#b5541c",
    "waiting": "#8a8a8a",
}
_LABEL: Final = 190
_WIDTH: Final = 460
_NUMBER: Final = 60
_ROW: Final = 30
_BAR: Final = 18
_TOP: Final = 34


def stacked(
    name: str, title: str, rows: Mapping[str, Mapping[str, int]], parts: Sequence[str]
) -> str:
    """Return one bar per row, parted into counts of ``parts``; a page has each ``name`` once.

    ``parts`` are keys of ``COLOURS``.
    """
    most = max((sum(row[part] for part in parts) for row in rows.values()), default=0) or 1
    lines = [_legend(parts)] if len(parts) > 1 else []
    top = _TOP if lines else 4
    for number, (label, row) in enumerate(rows.items()):
        lines.append(_bar(top + number * _ROW, label, row, parts, most))
    told = "; ".join(
        f"{label}: " + ", ".join(f"{row[part]} {part}".strip() for part in parts)
        for label, row in rows.items()
    )
    height = top + max(len(rows), 1) * _ROW
    width = _LABEL + _WIDTH + _NUMBER
    return (
        f'<svg role="img" aria-labelledby="{name}-title {name}-desc" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(told) or "nothing yet"}</desc>'
        f"{''.join(lines)}</svg>"
    )


def bars(name: str, title: str, counts: Mapping[str, int]) -> str:
    """Return one bar per count; as ``stacked``."""
    return stacked(name, title, {label: {"": count} for label, count in counts.items()}, ("",))


def _bar(top: int, label: str, row: Mapping[str, int], parts: Sequence[str], most: int) -> str:
    middle = top + _BAR // 2 + 5
    shapes = [
        f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end">{escape(_short(label))}</text>'
    ]
    at = float(_LABEL)
    for part in parts:
        width = row[part] * _WIDTH / most
        if width:
            shapes.append(
                f'<rect x="{at:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}"'
                f' fill="{COLOURS[part]}" stroke="#fff"/>'
            )
        at += width
    shapes.append(f'<text x="{at + 6:.1f}" y="{middle}">{sum(row[part] for part in parts)}</text>')
    return "".join(shapes)


def _legend(parts: Sequence[str]) -> str:
    shapes = []
    for number, part in enumerate(parts):
        at = _LABEL + number * 115
        shapes.append(f'<rect x="{at}" y="4" width="14" height="14" fill="{COLOURS[part]}"/>')
        shapes.append(f'<text x="{at + 20}" y="16">{escape(part)}</text>')
    return "".join(shapes)


def _short(label: str) -> str:
    return label if len(label) <= 26 else label[:25] + "\u2026"
