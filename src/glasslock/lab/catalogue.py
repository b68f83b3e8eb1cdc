"""All attacks in the order in which they are told; knows none of them."""

from __future__ import annotations

from typing import Final

from glasslock.lab.attacks import (
    admin,
    authority,
    desk,
    device,
    keyholder,
    log,
    member,
    network,
    quorum,
    sender,
    server,
    views,
    witness,
)
from glasslock.lab.scenario import Scenario

ALL: Final[tuple[Scenario, ...]] = (
    *server.SCENARIOS,
    *network.SCENARIOS,
    *sender.SCENARIOS,
    *member.SCENARIOS,
    *keyholder.SCENARIOS,
    *quorum.SCENARIOS,
    *desk.SCENARIOS,
    *authority.SCENARIOS,
    *log.SCENARIOS,
    *witness.SCENARIOS,
    *views.SCENARIOS,
    *device.SCENARIOS,
    *admin.SCENARIOS,
)


def chosen(ids: list[str]) -> list[Scenario]:
    """Return the scenarios of these ids, or all; raises ``KeyError`` with an id nobody has."""
    known = {scenario.id: scenario for scenario in ALL}
    return [known[each] for each in ids] if ids else list(ALL)
