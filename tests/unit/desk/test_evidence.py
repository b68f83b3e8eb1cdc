"""What liars gain at the desk: each changes one thing, and is named or refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from glasslock import hpke
from glasslock.casefile.findings import Opening
from glasslock.casefile.proving import ProvenCase
from glasslock.desk.releases import CaseKeyPair
from glasslock.errors import LogInconsistent, StateError, VerificationError
from glasslock.ids import account_id
from glasslock.orders.ledger import sign_leaf
from glasslock.sealing.releasing import CaseKeys, make_release
from glasslock.sealing.shares import Share
from glasslock.wire.leaf import IntentLeaf, encode_leaf
from glasslock.wire.manifest import Manifest
from glasslock.wire.order import Grant
from glasslock.wire.release import Release, decode_release
from tests.unit.desk.cases import (
    ISSUER,
    KEYS,
    Script,
    make_manifest,
    make_order,
    make_script,
    resign,
    verified,
)
from tests.unit.desk.history import (
    ALICE,
    FIRST,
    GROUP,
    QUORUM,
    changed,
    grants,
    history,
    history_until,
    rules,
    script,
)
from tests.unit.desk.world import CLOCKS, PROVIDER, START, Slot, World, seat_key, secret


def test_all_and_nothing_else() -> None:
    case = script()
    found = case.open(case.bundle(), case.released(QUORUM))
    assert [m.content.decode() for m in found.messages] == [
        f"alice {number} {part}" for number in (1, 2) for part in range(3)
    ]
    assert found.complete
    assert found.faults == ()
    assert (found.slots, found.opened_slots, found.released) == (2, 2, QUORUM)


# -- keyholders -------------------------------------------------------------------------------


def test_a_lying_keyholder_is_named_and_the_others_suffice() -> None:
    case = script()
    honest = case.release(1)
    slots = case.prove().checked.slots
    first, second = honest.slots
    # Its own shares, exchanged between two slots: signed, announced, and not what was sealed.
    lying = resign(
        honest,
        slots=(
            replace(first, agency=second.agency, registry=second.registry),
            second,
        ),
    )
    case.announce(lying)
    found = case.open(case.bundle(), [*case.released(QUORUM), lying.encode()])
    assert len(found.messages) == 6
    assert [(f.seat, f.keyholder, f.slot) for f in found.faults] == [
        (1, "keyholder-1", slots[0].header.digest)
    ]


def test_a_false_share_is_named_by_its_commitment() -> None:
    case = script()
    released = case.released((0, 2, 3, 5))
    wrong = false_release(case, 7)
    case.announce(wrong)
    found = case.open(case.bundle(), [*released, wrong.encode()])
    assert {(f.keyholder, f.rule) for f in found.faults} == {("keyholder-7", "share.commitment")}
    assert found.messages == ()
    assert "shares.missing" in rules(found)
    again = case.open(case.bundle(), [*released, wrong.encode(), *case.released((6,))])
    assert len(again.messages) == 6
    assert {f.keyholder for f in again.faults} == {"keyholder-7"}


def false_release(case: Script, seat: int) -> Release:
    """A keyholder that encrypts shares nobody sealed to it, and signs that."""
    shares = [
        (verified(slot, case.policy), Share(seat, secret("false"), secret("blind")))
        for slot in case.prove().checked.slots
    ]
    keys = CaseKeys(KEYS.agency.public, KEYS.registry.public)
    return make_release(case.order.digest, keys, shares, bytes(96), seat_key(seat))


def test_a_release_without_intent_is_refused() -> None:
    case = script()
    released = case.released((0, 2, 3, 5))
    found = case.open(case.bundle(), [*released, case.release(7).encode()])
    assert [(f.seat, f.rule) for f in found.faults] == [(7, "release.intent")]
    assert found.messages == ()


def test_the_intent_of_another_release_does_not_serve() -> None:
    case = script()
    released = case.released((0, 2, 3, 5))
    other = case.release(7, case.prove().checked.slots[:1])
    case.announce(other)
    found = case.open(case.bundle(), [*released, case.release(7).encode()])
    assert [(f.seat, f.rule) for f in found.faults] == [(7, "release.intent")]
    assert found.messages == ()


def test_nobody_announces_for_another_seat() -> None:
    case = script()
    released = case.released((0, 2, 3, 5))
    release = case.release(7)
    intent = IntentLeaf(case.index, 7, release.digest)
    case.add(encode_leaf(sign_leaf(intent, seat_key(6))))
    found = case.open(case.bundle(), [*released, release.encode()])
    assert [(f.seat, f.rule) for f in found.faults] == [(7, "release.intent")]


def test_a_release_of_another_order_or_hand_is_refused() -> None:
    case = script()
    honest = case.release(7)
    stranger = replace(honest, signature=bytes(64))
    elsewhere = resign(honest, order=bytes(32))
    found = case.open(case.bundle(), [stranger.encode(), elsewhere.encode(), b"\x80"])
    assert [f.rule for f in found.faults][1:] == ["release.order", "shape.count"]
    assert [f.seat for f in found.faults] == [7, 7, -1]
    assert found.released == ()


def test_one_seat_counts_once() -> None:
    case = script()
    released = case.released((0, 2, 3, 5))
    found = case.open(case.bundle(), [*released, *released])
    assert found.released == (0, 2, 3, 5)
    assert found.messages == ()


def test_a_release_that_leaves_a_slot_out_is_named() -> None:
    case = script()
    short = case.release(7, case.prove().checked.slots[:1])
    case.announce(short)
    found = case.open(case.bundle(), [*case.released((0, 2, 3, 5)), short.encode()])
    assert {(f.keyholder, f.rule) for f in found.faults} == {("keyholder-7", "release.short")}
    assert len(found.messages) == 3
    assert "shares.missing" in rules(found)


def test_shares_of_a_slot_nobody_granted_open_nothing() -> None:
    case = script()
    wide = make_script(case.world, [Grant(GROUP, account_id("alice"), ((FIRST, FIRST + 3),))])
    wide.order = case.order  # every keyholder releases four slots under an order of two
    wide.ledger, wide.index = case.ledger, case.index
    slots = (
        make_script(history(), [Grant(GROUP, account_id("alice"), ((FIRST, FIRST + 3),))])
        .prove()
        .checked.slots
    )
    released = []
    for seat in QUORUM:
        release = case.release(seat, slots)
        case.announce(release)
        released.append(release.encode())
    found = case.open(case.bundle(), released)
    assert len(found.messages) == 6
    assert {f.rule for f in found.faults} == {"release.ungranted"}
    assert {f.seat for f in found.faults} == set(QUORUM)


def test_wrong_case_keys_open_nothing() -> None:
    case = script()
    released = case.released(QUORUM)
    other = hpke.DecryptionKey.from_seed(secret("somebody"))
    for keys in (CaseKeyPair(KEYS.agency, other), CaseKeyPair(other, KEYS.registry)):
        with pytest.raises(StateError) as caught:
            case.open(case.bundle(), released, keys)
        assert caught.value.rule == "case.keys"


def test_a_release_for_other_case_keys_is_named() -> None:
    case = script()
    mine = decode_release(case.release(7).encode())
    swapped = resign(mine, agency_key=mine.registry_key, registry_key=mine.agency_key)
    case.announce(swapped)
    found = case.open(case.bundle(), [swapped.encode()])
    assert [(f.seat, f.rule) for f in found.faults] == [(7, "hpke.open")]


def test_an_announced_release_without_its_keyholders_signature_is_refused() -> None:
    case = script()
    release = case.release(7)
    case.announce(release)
    found = case.open(case.bundle(), [replace(release, signature=bytes(64)).encode()])
    assert [(f.seat, f.rule) for f in found.faults] == [(7, "signature")]
    assert found.released == ()


# -- the provider: manifest -------------------------------------------------------------------


def _refused(case: Script) -> str | None:
    with pytest.raises(VerificationError) as caught:
        case.prove()
    return caught.value.rule


def test_a_manifest_the_leaf_does_not_commit_to_is_refused() -> None:
    case = script()
    case.manifest = replace(case.manifest, nexts=())
    assert _refused(case) == "commitment.leaf"


def test_a_dropped_entry_breaks_the_line() -> None:
    def drop(_: World, manifest: Manifest) -> Manifest:
        (line,) = manifest.lines
        entries = (*line.entries[:8], *line.entries[9:])
        return replace(manifest, lines=(replace(line, entries=entries),))

    assert _refused(changed(drop)) == "manifest.line"


def test_a_planted_entry_breaks_the_line() -> None:
    def plant(_: World, manifest: Manifest) -> Manifest:
        (line,) = manifest.lines
        entries = (*line.entries[:8], line.entries[8], *line.entries[8:])
        return replace(manifest, lines=(replace(line, entries=entries),))

    assert _refused(changed(plant)) == "manifest.line"


def test_a_truncated_device_line_is_refused_or_shows() -> None:
    def truncate(world: World, manifest: Manifest) -> Manifest:
        (device,) = manifest.devices
        proof = world.proofs(ALICE.device)[0]
        short = replace(device, entries=device.entries[: proof.position], after=proof)
        return replace(manifest, devices=(short,))

    assert _refused(changed(truncate)) == "manifest.device"


def test_messages_beyond_the_device_line_are_named() -> None:
    def truncate(world: World, manifest: Manifest) -> Manifest:
        # Up to the opening of the second granted slot, and no further.
        (device,) = manifest.devices
        proof = world.proofs(ALICE.device)[1]
        entries = device.entries[: proof.position + 1]
        return replace(manifest, devices=(replace(device, entries=entries),))

    assert _refused(changed(truncate)) == "manifest.device"


def test_a_root_logged_after_the_order_proves_nothing() -> None:
    world = history()
    last = world.intervals.pop()
    case = make_script(world, [Grant(GROUP, account_id("alice"), ((FIRST + 1, FIRST + 1),))])
    world.intervals.append(last)
    order = make_order(world.policy, grants(), world.time)
    late = Script(world, order, make_manifest(world, order), case.ledger)
    world.intervals.pop()
    late.log()
    late.add(encode_leaf(sign_leaf(last.leaf, PROVIDER)))
    with pytest.raises(LogInconsistent) as caught:
        late.prove()
    assert caught.value.rule == "ingest.interval"


def test_changed_seal_bytes_close_the_slot_and_no_other() -> None:
    def change(_: World, manifest: Manifest) -> Manifest:
        first, second = manifest.slots
        seal = first.seal[:-1] + bytes((first.seal[-1] ^ 1,))
        return replace(manifest, slots=(replace(first, seal=seal), second))

    case = changed(change)
    released = []
    for seat in QUORUM:
        release = case.release(seat, case.prove().checked.slots[1:])
        case.announce(release)
        released.append(release.encode())
    found = case.open(case.bundle(), released)
    assert {m.content.decode()[:7] for m in found.messages} == {"alice 2"}
    assert rules(found) == {"slot.seal", "slot.unreadable"}
    assert len(found.gaps) == 3


def test_messages_that_the_device_line_does_not_have_are_named() -> None:
    world = history_until(1)
    world.time = START + 200 + 2 * CLOCKS.slot_seconds
    world.write(GROUP, ALICE, b"in the line")
    world.ingest()
    world.write(GROUP, ALICE, b"beyond the line")
    world.ingest()
    world.time += 3_600
    order = make_order(world.policy, grants(), world.time)
    manifest = make_manifest(world, order)
    (device,) = manifest.devices
    proof = world.proofs(ALICE.device)[-2]
    short = replace(device, entries=device.entries[: proof.position], after=proof)
    case = Script(world, order, replace(manifest, devices=(short,)))
    case.log()
    found = case.open(case.bundle(), case.released(QUORUM))
    assert [gap.rule for gap in found.gaps] == ["device.short"]
    assert found.gaps[0].place.position == found.messages[-1].place.position


def test_a_leaf_by_another_than_the_policys_provider_is_none() -> None:
    case = script()
    leaf = case.ledger.orders[case.index].leaf
    case.index = case.add(encode_leaf(sign_leaf(leaf, ISSUER)))
    assert _refused(case) == "case.unlogged"


# -- the sender -------------------------------------------------------------------------------


def lying_sender(lie: Callable[[Slot], None]) -> Opening:
    """Alice does something to her own slot 2, before its last message."""
    world = history_until(1)
    world.time = START + 200 + 2 * CLOCKS.slot_seconds
    for part in range(2):
        world.write(GROUP, ALICE, f"alice 2 {part}".encode())
    lie(world.slots[-1])
    world.write(GROUP, ALICE, b"alice 2 2")
    world.time += CLOCKS.slot_seconds
    world.write(GROUP, ALICE, b"alice 3")
    world.ingest()
    world.time += 3_600
    case = make_script(world, grants())
    return case.open(case.bundle(), case.released(QUORUM))


def test_a_message_under_another_key_is_named_and_the_chain_goes_on() -> None:
    def lie(slot: Slot) -> None:
        slot.chain = secret("another chain")

    found = lying_sender(lie)
    assert [gap.rule for gap in found.gaps] == ["body.commitment"]
    assert len(found.messages) == 5


def test_a_message_that_names_another_before_it_is_not_opened() -> None:
    def lie(slot: Slot) -> None:
        slot.digests[-1] = secret("another message")

    found = lying_sender(lie)
    assert [gap.rule for gap in found.gaps] == ["message.previous"]
    assert len(found.messages) == 5


def test_a_number_far_ahead_is_not_counted_to() -> None:
    def lie(slot: Slot) -> None:
        slot.digests += [slot.digests[-1]] * 1_000

    found = lying_sender(lie)
    assert "evidence.order" in rules(found)
    assert len(found.messages) == 5


def test_a_message_stored_outside_its_slots_time_is_not_opened() -> None:
    world = history_until(1)
    world.time = START + 200 + 2 * CLOCKS.slot_seconds
    world.write(GROUP, ALICE, b"in time")
    world.late = CLOCKS.slot_seconds + CLOCKS.skew_seconds
    world.write(GROUP, ALICE, b"kept back")
    world.ingest()
    world.time += 7_200
    case = make_script(world, grants())
    found = case.open(case.bundle(), case.released(QUORUM))
    assert rules(found) == {"message.time"}
    assert len(found.messages) == 4


def test_a_next_slot_nobody_signed_tells_nothing() -> None:
    world = history_until(2)
    world.signed = False
    world.time = START + 200 + 3 * CLOCKS.slot_seconds
    world.write(GROUP, ALICE, b"alice 3")
    world.ingest()
    world.time += 3_600
    case = make_script(world, grants())
    found = case.open(case.bundle(), case.released(QUORUM))
    assert rules(found) == {"slot.signature"}
    assert len(found.messages) == 6


def test_a_close_that_does_not_fit_is_named() -> None:
    world = history_until(2)
    (last,) = [s for s in world.slots if s.sender == ALICE][-2:-1]
    assert last.header.group_id == GROUP
    last.digests.pop()
    world.time = START + 200 + 3 * CLOCKS.slot_seconds
    world.write(GROUP, ALICE, b"alice 3")
    world.ingest()
    world.time += 3_600
    case = make_script(world, grants())
    found = case.open(case.bundle(), case.released(QUORUM))
    assert [gap.rule for gap in found.gaps] == ["close.count"]
    assert len(found.messages) == 6


def test_a_close_with_more_than_there_is_tells_of_what_is_missing() -> None:
    case = script()
    bundle = case.bundle()
    missing = bundle.pop()
    found = case.open(bundle, case.released(QUORUM))
    assert [(g.rule, g.place.position) for g in found.gaps] == [("close.count", missing.position)]


def test_a_slot_left_out_of_the_manifest_shows_by_its_close() -> None:
    def leave(_: World, manifest: Manifest) -> Manifest:
        return replace(manifest, slots=manifest.slots[1:])

    case = changed(leave)
    found = case.open(case.bundle(), case.released(QUORUM))
    assert len(found.messages) == 3
    assert {"manifest.left-out", "evidence.missing", "evidence.ungranted"} == rules(found)


def test_a_proven_case_cannot_be_declared() -> None:
    with pytest.raises(StateError) as caught:
        ProvenCase()
    assert caught.value.rule == "case.unproven"
