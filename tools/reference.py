"""Writes docs/reference from the source, so that it cannot drift. Knows formats, not content."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from glasslock.__main__ import NOUNS
from glasslock.cli.output import EXIT_CODES
from glasslock.wire.labels import Label

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "glasslock"
REFERENCE = ROOT / "docs" / "reference"
GENERATED = "<!-- Written by `make docs` from the source; edit it there. -->\n"


def pages() -> dict[str, str]:
    """Return every generated page by file name."""
    return {"errors.md": error_page(), "labels.md": label_page(), "commands.md": command_page()}


def error_page() -> str:
    """Return the page of error classes with slug, parent, place and what a person is shown."""
    rows = [
        f"| `{kind.slug}` | `{kind.name}` | {kind.parent} | `{kind.module}` | {kind.summary} |"
        for kind in error_classes()
    ]
    return "\n".join(
        [
            "# Errors",
            "",
            GENERATED,
            "Every failure is one of these classes, in Python and from the Rust core. The slug is",
            "stable and stands in machine-readable output; a finer `rule` names the check that",
            "failed. A refusal of an order or a release is not an error but an answer, with a rule",
            "and a ground.",
            "",
            "| slug | class | kind of | module | what a person is shown |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def label_page() -> str:
    """Return the page of domain-separation labels in the order of the source."""
    return "\n".join(
        [
            "# Domain-separation labels",
            "",
            GENERATED,
            "Each stands under exactly one digest, derivation or signature of the",
            "[protocol](../protocol/00-notation.md).",
            "",
            *(f"- `{label.value}`" for label in Label),
            "",
        ]
    )


def command_page() -> str:
    """Return the page of commands and exit codes."""
    return "\n".join(
        [
            "# Commands and exit codes",
            "",
            GENERATED,
            "`glasslock COMMAND --help` tells verbs and options. Data goes to standard output,",
            "talk to standard error.",
            "",
            "| command | what it does |",
            "|---|---|",
            *(f"| `{noun}` | {summary} |" for noun, summary in _commands()),
            "",
            "| exit code | meaning |",
            "|---|---|",
            *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.values()),
            "",
        ]
    )


def _commands() -> list[tuple[str, str]]:
    """Return the nouns that are there; the front door also knows those still to come."""
    return [(noun, says) for noun, (module, says) in NOUNS.items() if find_spec(module)]


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """An error class as its source has it."""

    slug: str
    name: str
    parent: str
    module: str
    summary: str


def error_classes() -> list[ErrorClass]:
    """Return every class with a slug: first those of ``glasslock.errors``, then by module."""
    files = sorted(SOURCE.rglob("*.py"), key=lambda path: (path.name != "errors.py", path))
    return [found for path in files for found in _errors_in(path)]


def _errors_in(path: Path) -> Iterator[ErrorClass]:
    module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            continue
        slugs = [
            item.value.value
            for item in node.body
            if isinstance(item, ast.Assign)
            and isinstance(item.value, ast.Constant)
            and [getattr(target, "id", "") for target in item.targets] == ["slug"]
        ]
        if slugs:
            parent = ast.unparse(node.bases[0])
            summary = (ast.get_docstring(node) or "").splitlines()[0]
            yield ErrorClass(str(slugs[0]), node.name, f"`{parent}`", module, summary)


def main() -> int:
    """Write the pages."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
