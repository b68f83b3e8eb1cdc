"""A manifest holds what is granted, as it was stored, and nothing else: one liar per rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from glasslock.errors import StateError, VerificationError, WireError
from glasslock.ids import account_id
from glasslock.orders.manifest import CheckedManifest, check_device_line, check_line, check_manifest
from glasslock.wire.codec import encode
from glasslock.wire.entry import Head
from glasslock.wire.envelope import Opening, Tombstone, decode_slot_header
from glasslock.wire.manifest import (
    GroupLine,
    HeadProof,
    KeptSlot,
    ListedEntry,
    Manifest,
    NextSlot,
)
from glasslock.wire.order import Grant
from tests.unit.desk.cases import admit, make_manifest, make_order
from tests.unit.desk.world import CLOCKS, START, Sender, World, make_policy, secret

GROUP, OTHER = b"group one", b"group two"
ALICE = Sender("alice", secret("alice's device")[:16], 0)
BOB = Sender("bob", secret("bob's device")[:16], 1)
FIRST = START // CLOCKS.slot_seconds


def history() -> World:
    world = World(make_policy(((2, 2), (2, 2))), 3)
    for group in (GROUP, OTHER):
        world.handshake(group)
    for number in range(5):
        world.time = START + 300 + number * CLOCKS.slot_seconds
        for group in (GROUP, OTHER):
            for sender in (ALICE, BOB):
                world.write(group, sender, b"first")
                world.write(group, sender, b"second")
        world.ingest()
    world.time += 3_600
    return world


WORLD = history()
ORDER = make_order(
    WORLD.policy, [Grant(GROUP, account_id("alice"), ((FIRST + 2, FIRST + 3),))], WORLD.time
)
ADMITTED = admit(WORLD.policy, ORDER, WORLD.time)
GOOD = make_manifest(WORLD, ORDER)
# Every head that was ever fixed: which of them a manifest may name is not what is tested here.
PROVEN = frozenset(proof for each in WORLD.intervals for proof in each.proofs.values())


def check(manifest: Manifest) -> CheckedManifest:
    return check_manifest(manifest, ADMITTED, PROVEN, CLOCKS)


def of(*grants: Grant) -> Manifest:
    """The manifest of another order over the same history, with this order's digest."""
    other = make_order(WORLD.policy, grants, WORLD.time)
    return replace(make_manifest(WORLD, other), order=ORDER.digest)


def test_an_honest_manifest_holds() -> None:
    checked = check(GOOD)
    assert [slot.header.tau for slot in checked.slots] == [FIRST + 2, FIRST + 3]
    assert {(slot.account, slot.device) for slot in checked.slots} == {("alice", ALICE.device)}
    assert GOOD.lines[0].before is not None
    assert len(GOOD.nexts) == 1


def test_a_checked_manifest_cannot_be_declared() -> None:
    with pytest.raises(StateError):
        CheckedManifest()


def _line(manifest: Manifest, **changes: object) -> Manifest:
    (line,) = manifest.lines
    return replace(manifest, lines=(replace(line, **changes),))  # type: ignore[arg-type]


def _slot(number: int, change: Callable[[KeptSlot], KeptSlot]) -> Manifest:
    slots = list(GOOD.slots)
    slots[number] = change(slots[number])
    return replace(GOOD, slots=tuple(slots))


def _first(change: Callable[[Tombstone], Tombstone]) -> Manifest:
    return _slot(0, lambda kept: replace(kept, first=change(kept.tombstone).encode()))


def _drop(manifest: Manifest) -> Manifest:
    entries = manifest.lines[0].entries
    return _line(manifest, entries=(*entries[:5], *entries[6:]))


def _own_line_of_the_start(manifest: Manifest) -> Manifest:
    (device,) = manifest.devices
    proof = WORLD.proofs(ALICE.device)[0]
    short = replace(device, entries=device.entries[: proof.position], after=proof)
    return replace(manifest, devices=(short,))


def _late_line(manifest: Manifest) -> Manifest:
    """A line that begins inside the granted time."""
    line = manifest.lines[0]
    before = WORLD.proofs(GROUP)[2]
    entries = line.entries[before.position - (line.first - 1) :]
    return _line(manifest, before=before, entries=entries)


def _foreign_credential(manifest: Manifest) -> Manifest:
    first, *rest = manifest.tier1s
    return replace(manifest, tier1s=(replace(first, credential=BOB.credential), *rest))


def _other_opening(first: Tombstone) -> Tombstone:
    assert first.opening is not None
    header = replace(decode_slot_header(first.opening.slot_header), epoch=2)
    return replace(first, opening=replace(first.opening, slot_header=header.encoded))


def _widened(manifest: Manifest) -> Manifest:
    """One more slot of Alice's, which no grant names."""
    wide = of(Grant(GROUP, account_id("alice"), ((FIRST + 1, FIRST + 3),)))
    return replace(
        manifest, lines=wide.lines, slots=wide.slots, tier1s=wide.tier1s, nexts=wide.nexts
    )


def _lone_next(manifest: Manifest) -> Manifest:
    """The next slot of somebody whose slots nobody granted."""
    bob = of(Grant(GROUP, account_id("bob"), ((FIRST + 2, FIRST + 3),)))
    return replace(manifest, nexts=bob.nexts)


def _next_before(manifest: Manifest) -> Manifest:
    """A slot of Alice's that lies before her granted ones, with a close."""
    early = of(Grant(GROUP, account_id("alice"), ((FIRST, FIRST),)))
    return replace(manifest, lines=early.lines, nexts=early.nexts)


WRONG: list[tuple[str, Callable[[Manifest], Manifest]]] = [
    ("manifest.order", lambda m: replace(m, order=bytes(32))),
    ("manifest.head", lambda m: _line(m, after=replace(m.lines[0].after, head=bytes(32)))),
    ("manifest.head", lambda m: _line(m, after=replace(m.lines[0].after, blind=bytes(32)))),
    ("manifest.lines", lambda m: replace(m, lines=m.lines * 2)),
    (
        "manifest.lines",
        lambda m: replace(m, lines=of(Grant(OTHER, account_id("alice"), ((FIRST, FIRST),))).lines),
    ),
    ("manifest.line", _drop),
    ("manifest.line", lambda m: _line(m, entries=(*m.lines[0].entries, m.lines[0].entries[-1]))),
    ("manifest.line", lambda m: _line(m, before=None)),
    ("manifest.begin", _late_line),
    ("manifest.twice", lambda m: replace(m, slots=(m.slots[0], *m.slots))),
    (
        "manifest.planted",
        lambda _: _slot(0, lambda kept: replace(kept, position=kept.position + 1)),
    ),
    ("manifest.planted", lambda _: _slot(0, lambda kept: replace(kept, position=1 << 40))),
    ("manifest.planted", lambda _: _slot(0, lambda kept: replace(kept, position=1))),
    ("manifest.planted", lambda _: _first(lambda first: replace(first, body_digest=bytes(32)))),
    ("manifest.opening", lambda _: _first(_other_opening)),
    ("manifest.credential", _foreign_credential),
    ("manifest.granted", _widened),
    ("manifest.device", lambda m: replace(m, devices=())),
    ("manifest.device", lambda m: replace(m, devices=m.devices * 2)),
    (
        "manifest.device",
        lambda m: replace(m, devices=(replace(m.devices[0], entries=m.devices[0].entries[:-1]),)),
    ),
    ("manifest.device", _own_line_of_the_start),
    ("manifest.device", lambda m: replace(m, devices=(replace(m.devices[0], device=bytes(16)),))),
    ("manifest.next", _lone_next),
    ("manifest.next", _next_before),
]


@pytest.mark.parametrize(("rule", "lie"), WRONG)
def test_every_lie_has_its_rule(rule: str, lie: Callable[[Manifest], Manifest]) -> None:
    with pytest.raises(VerificationError) as caught:
        check(lie(GOOD))
    assert caught.value.rule == rule


@pytest.mark.parametrize("changes", [{"group_id": OTHER}, {"policy": bytes(32)}])
def test_a_stored_slot_of_another_group_or_policy_is_refused(changes: dict[str, bytes]) -> None:
    """Somebody wrote it there before the order, and the line has it: still it is not granted."""
    kept = GOOD.slots[0]
    first = kept.tombstone
    assert first.opening is not None
    header = replace(decode_slot_header(first.opening.slot_header), **changes)
    message = replace(first.message_header, slot=header.digest)
    opening = replace(first.opening, slot_header=header.encoded)
    false = replace(first, header=message.encoded, opening=opening)
    listed = ListedEntry(START, "envelope", false.digest)
    head = Head.start(GROUP).next(START, false.digest)
    after = HeadProof(0, 0, 1, bytes(32), 1, head.head, ())
    lie = replace(
        GOOD,
        lines=(GroupLine(GROUP, None, (listed,), after),),
        slots=(replace(kept, position=1, first=false.encode()),),
        nexts=(),
    )
    with pytest.raises(VerificationError) as caught:
        check_manifest(lie, ADMITTED, PROVEN | {after}, CLOCKS)
    assert caught.value.rule == "manifest.slot"


def test_an_opening_without_one_is_no_slot() -> None:
    with pytest.raises((VerificationError, WireError)):
        check(_first(lambda first: replace(first, opening=None)))
    with pytest.raises((VerificationError, WireError)):
        check(_first(lambda first: replace(first, opening=Opening(b"\x80"))))


def test_time_that_runs_back_is_refused() -> None:
    line = GOOD.lines[0]
    entries = (*line.entries[:-1], replace(line.entries[-1], time=START))
    with pytest.raises(WireError) as caught:
        check_line(replace(line, entries=entries))
    assert caught.value.rule == "stream.time"


def test_a_next_slot_that_closes_nothing_is_refused() -> None:
    opening = GOOD.slots[0]
    loose = replace(GOOD, nexts=(NextSlot(GROUP, opening.position, opening.first),))
    with pytest.raises(VerificationError) as caught:
        check(loose)
    assert caught.value.rule == "manifest.next"


def test_device_lines_by_themselves() -> None:
    (device,) = GOOD.devices
    check_device_line(device)
    proofs = WORLD.proofs(ALICE.device)
    later = replace(device, before=proofs[0], entries=device.entries[proofs[0].position :])
    check_device_line(later)
    for wrong in (
        replace(later, entries=device.entries),
        replace(device, entries=device.entries[::-1]),
        replace(device, after=proofs[0]),
    ):
        with pytest.raises(VerificationError):
            check_device_line(wrong)


def test_a_credential_in_no_form_is_refused() -> None:
    first, *rest = GOOD.tier1s
    for credential in (b"\x00\x02", encode("alice")):
        with pytest.raises((VerificationError, WireError)):
            check(replace(GOOD, tier1s=(replace(first, credential=credential), *rest)))
