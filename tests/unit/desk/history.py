"""The history that the desk's tests lie about, and the case that a court makes of it."""

from __future__ import annotations

from collections.abc import Callable

from glasslock.casefile.findings import Opening
from glasslock.ids import account_id
from glasslock.wire.manifest import Manifest
from glasslock.wire.order import Grant
from tests.unit.desk.cases import Script, make_manifest, make_order, make_script
from tests.unit.desk.world import CLOCKS, START, Sender, World, make_policy, secret

SHAPE = ((2, 3), (3, 5))
QUORUM = (0, 2, 3, 5, 7)
GROUP, OTHER = b"group one", b"group two"
ALICE = Sender("alice", secret("alice's device")[:16], 0)
BOB = Sender("bob", secret("bob's device")[:16], 1)
FIRST = START // CLOCKS.slot_seconds


def history() -> World:
    """Alice writes in slots 0 to 3 of one conversation and in another; Bob in between."""
    world = history_until(3)
    world.time += 3_600
    return world


def history_until(last: int) -> World:
    world = World(make_policy(SHAPE), 1)
    world.handshake(GROUP)
    world.handshake(OTHER)
    for number in range(last + 1):
        world.time = START + 200 + number * CLOCKS.slot_seconds
        for part in range(3):
            world.time += 60
            world.write(GROUP, ALICE, f"alice {number} {part}".encode())
            world.write(GROUP, BOB, f"bob {number} {part}".encode())
        world.write(OTHER, ALICE, f"elsewhere {number}".encode())
        world.ingest()
    return world


def grants() -> list[Grant]:
    """Alice's slots 1 and 2 of the first conversation: six messages."""
    return [Grant(GROUP, account_id("alice"), ((FIRST + 1, FIRST + 2),))]


def script() -> Script:
    return make_script(history(), grants())


def changed(change: Callable[[World, Manifest], Manifest]) -> Script:
    """A provider that logs a commitment to a manifest of its own making."""
    world = history()
    order = make_order(world.policy, grants(), world.time)
    made = Script(world, order, change(world, make_manifest(world, order)))
    made.log()
    return made


def rules(found: Opening) -> set[str]:
    return {gap.rule for gap in found.gaps}
