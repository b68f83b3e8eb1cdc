"""``glasslock order extend`` and ``close``: an order's notice put off, an order called over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from glasslock.cli import output
from glasslock.cli.orderforms import lines_of, seconds_of, shown, signer
from glasslock.desk.extending import (
    close_order,
    countersign_extension,
    draft_extension,
    sign_extension,
    submit_extension,
)
from glasslock.desk.running import Office
from glasslock.errors import ConfigError
from glasslock.wire.leaf import OUTCOMES

Config = Annotated[Path, typer.Argument(help="the desk's TOML file")]
CaseId = Annotated[str, typer.Argument(help="a case's id, as `order list` shows it")]
IssuingKey = Annotated[Path, typer.Option("--key", help="the issuing authority's key file")]

Work: TypeAlias = Callable[[Path, Callable[[Office], Awaitable[None]]], None]


def add_commands(app: typer.Typer, run: Work) -> typer.Typer:
    """Return ``app`` with both commands; ``run`` opens a desk's folder for a piece of work."""

    @app.command()
    def extend(
        config: Config,
        case: CaseId,
        *,
        until: Annotated[str | None, typer.Option(help="the new date of notice")] = None,
        ground: Annotated[str | None, typer.Option(help="why; it stands in the log")] = None,
        countersign_key: Annotated[
            Path | None, typer.Option(help="the countersigner's key file")
        ] = None,
        key: Annotated[Path | None, typer.Option(help="the issuing authority's key file")] = None,
    ) -> None:
        """Put a notice off: draft, countersign, sign and hand in; each at its own station."""

        async def work(office: Office) -> None:
            await _extend(office, case, (until, ground), countersign_key, key)

        run(config, work)

    @app.command()
    def close(
        config: Config,
        case: CaseId,
        *,
        outcome: Annotated[str, typer.Option(help="unused, withdrawn or done")],
        key: IssuingKey,
    ) -> None:
        """Say in the log that an order is over: nothing more is released, its notice comes."""

        async def work(office: Office) -> None:
            if outcome not in OUTCOMES:
                raise ConfigError("an order is unused, withdrawn or done", rule="order.outcome")
            found = office.store.case(case)
            index = await close_order(office, found, outcome, signer(key))
            output.data(f"closed, entry {index} of the log")

        run(config, work)

    return app


async def _extend(
    office: Office,
    name: str,
    asked: tuple[str | None, str | None],
    countersign_key: Path | None,
    key: Path | None,
) -> None:
    case = office.store.case(name)
    until, ground = asked
    if (until is None) != (ground is None):
        raise ConfigError("a new date has its ground", rule="order.ground")
    if until is not None and ground is not None:
        found = await draft_extension(office, case, seconds_of(until), ground)
        output.talk(f"extension {found.number} of case {case.id}: {shown(found.disclose_by)}")
    else:
        await office.follow()
    if countersign_key is not None:
        for line in lines_of(office, case):
            output.talk(line)
        found = countersign_extension(office, case, signer(countersign_key))
        output.talk(
            f"extension {found.number} until {shown(found.disclose_by)} is countersigned: "
            f"{found.ground}"
        )
    if key is not None:
        sign_extension(office, case, signer(key))
        await submit_extension(office, case)
        output.data(f"extended, notice is due on {shown(office.date(case))}")
