"""Runs attacks, each in a world of its own, and gathers what the judge says."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from glasslock.lab.catalogue import chosen
from glasslock.lab.evidence import Evidence
from glasslock.lab.judge import Verdict, judge
from glasslock.lab.scenario import Scenario
from glasslock.lab.world import founded

PATIENCE: Final = 180.0


@dataclass(frozen=True)
class Result:
    """A scenario's end: what people are told, the verdict, and the error that stopped it, if any.

    ``failure`` holds the class of an error that ended the attack before it had evidence.
    """

    id: str
    verdict: Verdict | None
    facts: tuple[str, ...] = ()
    controls: int = 0
    failure: str = ""

    @property
    def held(self) -> bool:
        """Whether the attack ended as expected."""
        return self.verdict is not None and self.verdict.as_expected


async def attacked(scenario: Scenario, seed: int, folder: Path) -> Evidence:
    """Found a world for one scenario and carry the attack out.

    World and attack draw from generators of their own, so that neither shifts the other. Raises
    ``TimeoutError`` when it does not end.
    """
    chance = Random(f"{seed}/{scenario.id}/attack")
    async with (
        asyncio.timeout(PATIENCE),
        founded(folder, Random(f"{seed}/{scenario.id}/world"), scenario.plan) as world,
    ):
        return await scenario.attack(world, chance)


def run_one(scenario: Scenario, seed: int) -> Result:
    """Carry out one attack in a temporary folder and have it judged."""
    folder = Path(tempfile.mkdtemp(prefix="glasslock-lab-"))
    try:
        evidence = asyncio.run(attacked(scenario, seed, folder))
    except Exception as error:  # noqa: BLE001 - whatever ends an attack early is a failed scenario
        return Result(scenario.id, None, failure=f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    verdict = judge(evidence, scenario.expected)
    return Result(scenario.id, verdict, tuple(evidence.facts), len(evidence.controls))


def _run_by_id(name: str, seed: int) -> Result:
    logging.disable()
    (scenario,) = chosen([name])
    # What parties log in an attack is theirs; the report is made of evidence.
    with contextlib.redirect_stderr(io.StringIO()):
        return run_one(scenario, seed)


def run_all(
    scenarios: Sequence[Scenario], seed: int, workers: int, tell: Callable[[Result], None]
) -> list[Result]:
    """Run scenarios in ``workers`` processes; ``tell`` hears of each in order."""
    results = []
    with ProcessPoolExecutor(workers) as pool:
        futures = [pool.submit(_run_by_id, scenario.id, seed) for scenario in scenarios]
        for future in futures:
            results.append(future.result())
            tell(results[-1])
    return results
