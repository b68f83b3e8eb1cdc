"""A log is killed five times in each of the six steps between an entry and its checkpoint.

``make soak LOG=1000`` is the same story, told for longer.
"""

from __future__ import annotations

from pathlib import Path

from tests.journeys.points import write_points
from tests.outside.readers import Record
from tests.soak.kills import COSIGN, STEPS, kill, kills

TIMES = 5


def test_every_write_point_of_a_log_is_in_a_step() -> None:
    points = {point for step in STEPS.values() for point in step} - {COSIGN}
    assert points == {each for each in write_points("logserver") if "migrate" not in each}


async def test_a_log_killed_five_times_in_each_step_signs_one_history(
    tmp_path: Path, record_property: Record
) -> None:
    told: list[int] = []
    async with kills(tmp_path, 1, record_property) as here:
        await kill(here, TIMES * len(STEPS), told.append)
        assert here.kills == dict.fromkeys(STEPS, TIMES)
    assert told[-1] == TIMES * len(STEPS)
