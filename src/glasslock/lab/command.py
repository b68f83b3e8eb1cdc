"""``glasslock lab``: list the attacks, run them, and make a page of a report."""

from __future__ import annotations

import json as json_text
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from glasslock.cli import output
from glasslock.errors import ConfigError
from glasslock.lab.catalogue import ALL, chosen
from glasslock.lab.report import as_facts, as_json, as_page
from glasslock.lab.running import Result, run_all
from glasslock.lab.scenario import Scenario
from glasslock.runtime.files import read_limited

app = typer.Typer(add_completion=False, no_args_is_help=True)

MAX_REPORT: Final = 1 << 24


@app.command(name="list")
def list_(*, json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> int:
    """List the attacks: who holds what, and how each must end."""
    rows = [
        {"id": each.id, "actor": each.actor.value, "expected": each.expected.outcome.value}
        for each in ALL
    ]
    output.table(rows, as_json=json)
    return output.EXIT_CODES["ok"][0]


@app.command()
def run(
    ids: Annotated[list[str] | None, typer.Argument(help="which attacks; all by default")] = None,
    *,
    seed: Annotated[int, typer.Option(help="the same seed gives the same report")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="attacks at a time")] = 2,
    json: Annotated[Path | None, typer.Option(help="write the report to this file")] = None,
    html: Annotated[Path | None, typer.Option(help="write the report as a page")] = None,
) -> int:
    """Carry out attacks; fails when one does not end as expected."""
    scenarios = _chosen(ids or [])
    begin = time.monotonic()

    def tell(result: Result) -> None:
        found = result.failure if result.verdict is None else result.verdict.outcome.value
        output.data(f"{'ok ' if result.held else 'NOT'} {result.id}: {found}")

    results = run_all(scenarios, seed, workers, tell)
    facts = as_facts(scenarios, results, seed)
    if json is not None:
        json.write_bytes(as_json(facts))
    if html is not None:
        html.write_bytes(as_page(facts))
    seconds = time.monotonic() - begin
    held, total, lost = facts["held"], facts["total"], facts["lost"]
    output.data(
        f"lab: {held} of {total} attacks as expected, {lost} of them lost ({seconds:.0f} s)"
    )
    return output.EXIT_CODES["ok" if facts["held"] == facts["total"] else "error"][0]


@app.command()
def report(
    source: Annotated[Path, typer.Argument(help="a report as JSON")],
    page: Annotated[Path, typer.Argument(help="where its page is written")],
) -> int:
    """Make a page of a report that was written as JSON."""
    try:
        facts = json_text.loads(read_limited(source, MAX_REPORT))
        page.write_bytes(as_page(facts))
    except (ValueError, TypeError) as error:
        raise ConfigError("this is not a report of the lab", rule="lab.report") from error
    return output.EXIT_CODES["ok"][0]


def _chosen(ids: list[str]) -> list[Scenario]:
    try:
        return chosen(ids)
    except KeyError as error:
        raise ConfigError(f"there is no attack {error}", rule="lab.scenario") from error
