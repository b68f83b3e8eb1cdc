"""The log's own key and disk: another past, two presents."""

from __future__ import annotations

import contextlib
from random import Random
from typing import Final

from glasslock.errors import VerificationError
from glasslock.keyholder.running import Keyholder
from glasslock.lab.evidence import Evidence
from glasslock.lab.logs import ORDERS, WITNESSES, Logs
from glasslock.lab.rogue import Rogue, served
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import copied, rows
from glasslock.lab.world import World

FORK: Final = "forked checkpoint, signed by the log"


def witnessed_forks(world: World) -> set[str]:
    """Return the witnesses on whose disks a fork of the log is kept, with the log's signature."""
    found = set()
    for number in range(WITNESSES):
        database = world.folder / "logs" / f"w{number}" / "witness.db"
        copy = copied(database, world.folder / f"witness-{number}-copy")
        if rows(copy, "SELECT 1 FROM forks"):
            found.add(f"the log, on w{number}'s disk: {FORK}")
    return found


def followed(daemon: Keyholder) -> list[bytes]:
    """Return the orders log as it stands on a keyholder's disk."""
    found = daemon.store.db.all("SELECT entry FROM entries WHERE origin = ?", (ORDERS,))
    return [row[0] for row in found]


async def stranger(logs: Logs, url: str) -> list[bytes]:
    """Return what somebody with only the quorum file takes for the orders log at ``url``."""
    with contextlib.suppress(VerificationError):
        _, entries = await logs.read(ORDERS, url=url)
        return [each.entry for each in entries]
    return []


async def rewrites(world: World, rng: Random) -> Evidence:
    """Replace an entry that everybody has seen, and show the new past to all."""
    found = Evidence()
    original, other = found.sample(rng, "original"), found.plant(rng, "rewritten")
    log = world.logs.logs[ORDERS]
    await world.logs.add(ORDERS, original.encode())
    world.open_keyholders()
    await world.rounds(lambda: all(followed(each) for each in world.daemons))
    _, entries = await world.logs.read(ORDERS)
    past = [each.entry.replace(original.encode(), other.encode()) for each in entries]
    # As long as the real one, and longer by one: neither continues what witnesses have seen.
    for more in ([], [b"one more"]):
        rogue = Rogue(log, world.logs, past + more)
        await rogue.publish(range(WITNESSES), {}, [len(past), 0])
        port = await served(rogue)
        found.take("a stranger's reading", *await stranger(world.logs, port.url))
        await port.stop()
        await log.stop()
        await log.port.start(rogue.routes())
        for daemon in world.daemons:
            await daemon.round()
            found.take("a keyholder's disk", *followed(daemon))
        await log.port.stop()
    for daemon in world.daemons:
        found.control("the keyholder has the real past", "original", followed(daemon))
    found.named = witnessed_forks(world)
    return found


SCENARIOS: Final = (
    Scenario(
        "log-rewrites",
        33,
        Actor.LOG,
        "the orders log's key, disk and address",
        "to replace an entry after it was published, for followers and strangers alike",
        Expected(
            Outcome.NAMED,
            "nobody takes the new past; every witness keeps the log's signature under it",
            marks=tuple(f"the log, on w{number}'s disk: {FORK}" for number in range(WITNESSES)),
        ),
        rewrites,
    ),
)
