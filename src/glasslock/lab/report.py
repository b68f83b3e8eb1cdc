"""The lab's report: JSON whose bytes follow from the seed, and a page that shows the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, UndefinedError

from glasslock.lab.running import Result
from glasslock.lab.scenario import Scenario


def as_facts(scenarios: Sequence[Scenario], results: Sequence[Result], seed: int) -> dict[str, Any]:
    """Return the report as plain values, without times."""
    rows = [_row(each, result) for each, result in zip(scenarios, results, strict=True)]
    held = sum(row["held"] for row in rows)
    lost = sum(bool(row["gains"]) for row in rows)
    return {"seed": seed, "scenarios": rows, "held": held, "lost": lost, "total": len(rows)}


def as_json(facts: dict[str, Any]) -> bytes:
    """Return the report as canonical JSON: sorted keys, two spaces, one newline at the end."""
    return (json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def as_page(facts: dict[str, Any]) -> bytes:
    """Return the report as one HTML page that fetches nothing and runs nothing.

    Raises:
        ValueError: something is missing in ``facts``.
    """
    environment = Environment(
        loader=PackageLoader("glasslock.lab", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        return environment.get_template("report.html").render(facts).encode()
    except UndefinedError as error:
        raise ValueError(f"no report: {error}") from error


def _row(scenario: Scenario, result: Result) -> dict[str, Any]:
    expected, verdict = scenario.expected, result.verdict
    return {
        "id": scenario.id,
        "number": scenario.number,
        "actor": scenario.actor.value,
        "holds": scenario.holds,
        "tries": scenario.tries,
        "expected": expected.outcome.value,
        "says": expected.says,
        "found": "no evidence" if verdict is None else verdict.outcome.value,
        "gains": [] if verdict is None else list(verdict.gains),
        "marks": [] if verdict is None else list(verdict.marks),
        "controls": result.controls,
        "failed_controls": [] if verdict is None else list(verdict.failed_controls),
        "facts": list(result.facts),
        "failure": result.failure,
        "held": result.held,
    }
