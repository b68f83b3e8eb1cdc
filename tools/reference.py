"""Writes docs/reference from the source, so that it cannot drift. Knows formats, not content."""

from __future__ import annotations

import inspect
import sys
from importlib.util import find_spec
from pathlib import Path

from glasslock import errors
from glasslock.__main__ import NOUNS
from glasslock.cli.output import EXIT_CODES
from glasslock.errors import GlasslockError
from glasslock.wire.labels import Label

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
GENERATED = "<!-- Written by `make docs` from the source; edit it there. -->\n"


def pages() -> dict[str, str]:
    """Return every generated page by file name."""
    return {"errors.md": error_page(), "labels.md": label_page(), "commands.md": command_page()}


def error_page() -> str:
    """Return the page of error classes with slug, parent and what a person is shown."""
    rows = [
        f"| `{cls.slug}` | `{cls.__name__}` | `{cls.__base__.__name__}` | {cls.summary()} |"
        for cls in _error_classes()
        if cls.__base__ is not None
    ]
    return "\n".join(
        [
            "# Errors",
            "",
            GENERATED,
            "Every failure is one of these classes of `glasslock.errors`, in Python and from the",
            "Rust core. The slug is stable and stands in machine-readable output; a finer `rule`",
            "names the check that failed. A refusal of an order or a release is not an error but",
            "an answer, with a rule and a ground.",
            "",
            "| slug | class | kind of | what a person is shown |",
            "|---|---|---|---|",
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


def _error_classes() -> list[type[GlasslockError]]:
    found = [
        value
        for _, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, GlasslockError)
    ]
    return sorted(found, key=lambda cls: inspect.getsourcelines(cls)[1])


def main() -> int:
    """Write the pages."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
