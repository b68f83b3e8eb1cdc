"""The cases of these tests: an honest one, and one in which much went wrong and is told."""

from __future__ import annotations

from dataclasses import replace

from glasslock.ids import account_id
from glasslock.sealing.releasing import CaseKeys, make_release
from glasslock.sealing.shares import Share
from glasslock.wire.api import KeptEntry
from glasslock.wire.envelope import decode_envelope
from glasslock.wire.order import Grant
from glasslock.wire.release import Release
from tests.unit.casefile.box import Case, boxed, boxed_policy
from tests.unit.desk.cases import KEYS, resign, verified
from tests.unit.desk.history import ALICE, BOB, GROUP, OTHER, QUORUM, SHAPE
from tests.unit.desk.world import CLOCKS, START, World, seat_key, secret

FIRST = START // CLOCKS.slot_seconds
HOSTILE = '<script>alert(1)</script> & "quoted" \'\x00 </p>\u202e'


def told_world() -> World:
    """Alice writes in slots 0 to 3 of one conversation and in another; Bob in between."""
    world = World(boxed_policy(SHAPE), 1)
    world.handshake(GROUP)
    world.handshake(OTHER)
    for number in range(4):
        world.time = START + 200 + number * CLOCKS.slot_seconds
        for part in range(3):
            world.time += 60
            world.write(GROUP, ALICE, f"alice {number} {part}".encode())
            world.write(GROUP, BOB, f"bob {number} {part}".encode())
        world.write(OTHER, ALICE, f"elsewhere {number}".encode())
        world.ingest()
    world.time += 3_600
    return world


def alices() -> list[Grant]:
    """Alice's slots 1 and 2 of the first conversation: six messages."""
    return [Grant(GROUP, account_id("alice"), ((FIRST + 1, FIRST + 2),))]


def honest() -> tuple[Case, list[bytes], list[KeptEntry]]:
    """A case in which everybody did what they must: releases and ciphertext."""
    case = boxed(told_world(), alices())
    return case, case.script.released(QUORUM), case.script.bundle()


def hostile_world() -> World:
    """Three messages in one slot, one of them a page of its own, one no text."""
    world = World(boxed_policy(((2, 2), (2, 2))), 5)
    world.handshake(b"group")
    for text in (HOSTILE.encode(), b"\xff\xfe", b"third"):
        world.time += 30
        world.write(b"group", ALICE, text)
    world.ingest()
    world.time += 3_600
    return world


def troubled() -> tuple[Case, list[bytes], list[KeptEntry]]:
    """A message removed, a grant without slots, bytes that are no release."""
    grants = [
        Grant(b"group", account_id("alice"), ((FIRST, FIRST),)),
        Grant(b"group", account_id("bob"), ((FIRST, FIRST),), account_id("alice")),
    ]
    case = boxed(hostile_world(), grants)
    entries = case.script.bundle()
    last = entries[2]
    gone = decode_envelope(last.data).tombstone().encode()
    entries[2] = KeptEntry(last.group_id, last.position, "tombstone", gone, last.receipt)
    return case, [*case.script.released(range(4)), b"\x80"], entries


def false_release(case: Case, seat: int) -> Release:
    """A keyholder that encrypts shares nobody sealed to it, announces and signs that."""
    shares = [
        (verified(slot, case.policy), Share(seat, secret("false"), secret("blind")))
        for slot in case.script.prove().checked.slots
    ]
    keys = CaseKeys(KEYS.agency.public, KEYS.registry.public)
    release = make_release(case.script.order.digest, keys, shares, bytes(96), seat_key(seat))
    case.script.announce(release)
    return release


def lying() -> tuple[Case, list[bytes], list[KeptEntry]]:
    """Keyholders of every kind of lie, and enough honest ones beside them."""
    case = boxed(told_world(), alices())
    script = case.script
    released = script.released(QUORUM)
    short = script.release(1, script.prove().checked.slots[:1])
    honest_one = script.release(4)
    first, second = honest_one.slots
    swapped = resign(
        honest_one,
        slots=(replace(first, agency=second.agency, registry=second.registry), second),
    )
    locked = script.release(6)
    locked = resign(locked, agency_key=locked.registry_key, registry_key=locked.agency_key)
    for release in (short, swapped, locked):
        script.announce(release)
    false = false_release(case, 4)
    others = (short, swapped, false, locked)
    return case, [*released, *(each.encode() for each in others)], script.bundle()
