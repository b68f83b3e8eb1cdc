"""Sender and recipient make the same seal, and what differs is refused by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.errors import KeyRejected, SealMismatch, StateError, WireError
from glasslock.sealing.roster import SeatKey, SeatsVacant
from glasslock.sealing.seal import (
    SeatKeys,
    check_seal,
    check_tier1,
    decode_seat_keys,
    make_seal,
    make_tier1,
    xor,
)
from glasslock.wire.codec import encode
from tests.unit.sealing.scene import FIRST, make_roster, make_scene, reseal, secret_at


def test_who_makes_it_again_gets_the_same_bytes():
    one, other = make_scene(), make_scene()
    assert one.tier1.encs == other.tier1.encs
    check_tier1(one.header.tier1, other.tier1)
    check_seal(one.seal.digest, other.seal)


def test_vacant_seats_stay_empty_everywhere():
    scene = make_scene(vacant=frozenset({1, 4, 7}))
    for rows in (scene.tier1.header.key_ids, scene.tier1.encs, scene.keys.keys, scene.seal.rows):
        assert [j for j, row in enumerate(rows) if row is None] == [1, 4, 7]


def test_a_class_below_its_threshold_cannot_send():
    with pytest.raises(SeatsVacant):
        make_scene(vacant=frozenset({0, 1}))


def test_every_difference_of_a_tier_1_or_seal_is_a_mismatch():
    scene = make_scene()
    with pytest.raises(SealMismatch) as raised:
        check_tier1(bytes(32), scene.tier1)
    assert raised.value.rule == "seal.tier1"
    for digest in (None, bytes(32), scene.header.digest):
        with pytest.raises(SealMismatch) as raised:
            check_seal(digest, scene.seal)
        assert raised.value.rule == "seal.digest"


def test_a_tier_1_is_made_for_its_own_roster_only():
    scene = make_scene()
    other = make_roster(scene.policy, vacant=frozenset({0}))
    with pytest.raises(StateError):
        make_tier1(scene.secret, scene.tier1.header, other)
    with pytest.raises(StateError):
        make_tier1(
            scene.secret, replace(scene.tier1.header, day=scene.roster.day + 1), scene.roster
        )


def test_a_malformed_period_key_is_refused():
    scene = make_scene()
    seats = list(scene.roster.seats)
    assert seats[0] is not None
    seats[0] = SeatKey(seats[0].key_id, bytes(1_216))
    with pytest.raises(KeyRejected):
        make_tier1(scene.secret, scene.tier1.header, replace(scene.roster, seats=tuple(seats)))


def test_equal_keys_make_no_roster():
    scene = make_scene()
    seats = (scene.roster.seats[1], *scene.roster.seats[1:])
    with pytest.raises(KeyRejected):
        replace(scene.roster, seats=seats)


def test_seat_keys_step_forward_only_and_not_for_ever():
    keys = make_scene(later=0).keys
    assert keys.at(FIRST + 7) == keys.at(FIRST + 3).at(FIRST + 7)
    assert keys.at(FIRST) == keys
    for tau in (FIRST - 1, FIRST + 1_440, 1 << 31):
        with pytest.raises(StateError):
            keys.at(tau)


def test_seat_keys_come_back_from_the_store():
    keys = make_scene(vacant=frozenset({2})).keys
    assert decode_seat_keys(keys.encode()) == keys
    assert "keys=" not in repr(keys)
    for damaged in ((1,), (1, ()), (1, (b"short",)), (1, (bytes(32),), 2)):
        with pytest.raises(WireError):
            decode_seat_keys(encode(damaged))


def test_a_seal_takes_the_keys_of_its_own_slot_only():
    scene = make_scene()
    with pytest.raises(StateError):
        make_seal(scene.secret, scene.header, scene.roster.shape, scene.keys.at(FIRST + 4))
    with pytest.raises(StateError):
        make_seal(
            scene.secret,
            scene.header,
            scene.roster.shape,
            SeatKeys(scene.header.tau, scene.keys.keys[:-1]),
        )


def test_every_field_of_the_header_changes_every_row():
    scene = make_scene()
    header = scene.header
    others = (
        replace(header, policy=bytes(32)),
        replace(header, group_id=b"another"),
        replace(header, epoch=10),
        replace(header, context=bytes(32)),
        replace(header, leaf=5),
        replace(header, credential=bytes(32)),
        replace(header, signer=bytes(32)),
        replace(header, tier1=bytes(32)),
        replace(header, seen=replace(header.seen, position=2)),
    )
    for other in others:
        changed = reseal(scene, other).seal
        assert changed.commitment != scene.seal.commitment
        for mine, theirs in zip(scene.seal.rows, changed.rows, strict=True):
            assert mine is not None
            assert theirs is not None
            assert mine.sealed != theirs.sealed
            assert mine.commit != theirs.commit


def test_secrets_of_two_slots_or_leaves_differ():
    assert len({secret_at(tau, leaf) for tau in (FIRST, FIRST + 1) for leaf in (1, 2)}) == 4


def test_xor_keeps_leading_zeros():
    assert xor(b"\x00\x01", b"\x00\x03") == b"\x00\x02"
