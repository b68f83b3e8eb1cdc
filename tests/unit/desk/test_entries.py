"""Entries that a provider hands over: left out, planted, changed, twice, or of something else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from glasslock.casefile.findings import Opening
from glasslock.tlog.receipt import make_receipts
from glasslock.wire.api import KeptEntry
from glasslock.wire.entry import decode_receipt
from glasslock.wire.envelope import decode_envelope
from tests.unit.desk.cases import ISSUER, Script, make_script
from tests.unit.desk.history import (
    ALICE,
    BOB,
    GROUP,
    OTHER,
    QUORUM,
    grants,
    history_until,
    rules,
    script,
)
from tests.unit.desk.world import CLOCKS, START


def test_what_was_not_granted_is_put_aside_and_named() -> None:
    case = script()
    more = [
        KeptEntry(GROUP, s.position, s.kind, s.envelope.encode(), s.receipt)
        for s in case.world.lines[GROUP]
        if s.envelope is not None
    ]
    found = case.open(more, case.released(QUORUM))
    assert len(found.messages) == 6
    assert rules(found) == {"evidence.ungranted"}
    assert len(found.gaps) == len(more) - 6


@pytest.mark.parametrize("number", range(6))
def test_every_entry_left_out_shows_at_its_position(number: int) -> None:
    case = script()
    bundle = case.bundle()
    missing = bundle.pop(number)
    found = case.open(bundle, case.released(QUORUM))
    assert len(found.messages) == 5
    assert missing.position in {gap.place.position for gap in found.gaps}
    assert rules(found) <= {"evidence.missing", "close.count"}


def test_at_the_edge_of_a_slot_its_numbers_tell_what_is_missing() -> None:
    """There the skew leaves open whose slot it was, so that the device's own line is silent."""
    world = history_until(0)
    world.time = START + CLOCKS.slot_seconds
    for part in range(3):
        world.time += 30
        world.write(GROUP, ALICE, f"alice 1 {part}".encode())
    world.ingest()
    world.time += 3_600
    case = make_script(world, grants())
    bundle = case.bundle()
    missing = bundle.pop(1)
    found = case.open(bundle, case.released(QUORUM))
    assert [(g.rule, g.place.position) for g in found.gaps] == [
        ("evidence.missing", missing.position)
    ]
    assert len(found.messages) == 2


def test_nothing_handed_over_is_a_gap_for_every_slot() -> None:
    case = script()
    found = case.open([], case.released(QUORUM))
    assert found.messages == ()
    assert {gap.place.position for gap in found.gaps} >= {
        slot.kept.position for slot in case.prove().checked.slots
    }


def _with(case: Script, number: int, **changes: object) -> Opening:
    bundle = case.bundle()
    old = bundle[number]
    values = {name: getattr(old, name) for name in old.__struct_fields__}
    bundle[number] = KeptEntry(**{**values, **changes})
    return case.open(bundle, case.released(QUORUM))


def test_a_changed_body_is_planted() -> None:
    case = script()
    envelope = decode_envelope(case.bundle()[1].data)
    body = envelope.body[:-1] + bytes((envelope.body[-1] ^ 1,))
    found = _with(case, 1, data=replace(envelope, body=body).encode())
    assert len(found.messages) == 5
    assert {"evidence.planted", "evidence.missing"} == rules(found)


def test_an_entry_at_another_position_is_planted() -> None:
    case = script()
    found = _with(case, 1, position=case.bundle()[1].position + 1)
    assert {"evidence.planted", "evidence.missing"} == rules(found)


def test_a_tombstone_is_a_gap_and_the_chain_goes_on() -> None:
    case = script()
    kept = case.bundle()[1]
    data = decode_envelope(kept.data).tombstone().encode()
    found = _with(case, 1, kind="tombstone", data=data)
    assert len(found.messages) == 5
    assert [(g.rule, g.place.position) for g in found.gaps] == [("message.removed", kept.position)]


def test_a_message_twice_is_named() -> None:
    case = script()
    bundle = case.bundle()
    found = case.open([*bundle, bundle[0]], case.released(QUORUM))
    assert len(found.messages) == 6
    assert rules(found) == {"evidence.twice"}


@pytest.mark.parametrize(("kind", "rule"), [("handshake", "evidence.kind"), ("tombstone", None)])
def test_an_entry_of_another_kind_is_no_evidence(kind: str, rule: str | None) -> None:
    found = _with(script(), 1, kind=kind)
    assert len(found.messages) == 5
    assert rule is None or rule in rules(found)


def test_a_receipt_of_another_entry_is_named_and_not_kept() -> None:
    case = script()
    found = _with(case, 1, receipt=case.bundle()[2].receipt)
    assert len(found.messages) == 6
    assert rules(found) == {"message.receipt"}
    assert [m.receipt is None for m in found.messages].count(True) == 1


def test_a_receipt_by_nobody_is_named() -> None:
    found = _with(script(), 1, receipt=b"\x80")
    assert len(found.messages) == 6
    assert [m.receipt is None for m in found.messages].count(True) == 1
    assert len(found.gaps) == 1


def test_a_receipt_of_another_provider_is_named() -> None:
    case = script()
    leaf = decode_receipt(case.bundle()[1].receipt).leaf
    (forged,) = make_receipts([leaf], ISSUER.sign)
    found = _with(case, 1, receipt=forged.encode())
    assert len(found.messages) == 6
    assert rules(found) == {"signature"}


def test_messages_stored_out_of_their_order_are_named() -> None:
    """Each names the one before it all the same: only their places on the line tell."""
    world = history_until(1)
    world.time = START + 200 + 2 * CLOCKS.slot_seconds
    world.write(GROUP, ALICE, b"first")
    world.write(GROUP, BOB, b"in between")
    held: list[tuple[Any, ...]] = []
    with pytest.MonkeyPatch.context() as liar:
        liar.setattr(world, "_append", lambda *entry: held.append(entry))
        world.write(GROUP, ALICE, b"second")
    world.write(GROUP, ALICE, b"third")
    world._append(*held[0])
    world.ingest()
    world.time += 3_600
    case = make_script(world, grants())
    found = case.open(case.bundle(), case.released(QUORUM))
    assert rules(found) == {"message.order"}
    assert len(found.messages) == 5


def test_an_entry_under_the_name_of_another_conversation_is_put_aside() -> None:
    found = _with(script(), 1, group_id=OTHER)
    assert {"evidence.ungranted", "evidence.missing"} == rules(found)
