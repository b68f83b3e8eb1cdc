"""A conversation's state is stored whole, read back the same, and damage is told."""

from __future__ import annotations

import pytest

from glasslock.client.state import Chain, GroupState, Sending, Tier, decode_state
from glasslock.errors import StorageError
from glasslock.sealing.seal import SeatKeys
from glasslock.sealing.slots import SlotErased, SlotTree
from glasslock.wire.entry import Head
from glasslock.wire.envelope import Close

LEAVES = [(0, bytes(32)), (3, bytes((1,)) * 32)]


def state() -> GroupState:
    keys = SeatKeys(8, (bytes((5,)) * 32, None, bytes((6,)) * 32))
    return GroupState(
        b"a group",
        bytes((2,)) * 32,
        7,
        1_000,
        Head(4, 1_001, bytes((3,)) * 32),
        SlotTree.from_root(bytes((4,)) * 32).advance(5),
        chains={3: Chain(9, bytes(32), bytes(32), 2, bytes(32), mute=True)},
        closes={0: Close(6, 5, 2, bytes(32)), 3: None},
        tiers={3: Tier(1, b"header", bytes(32), keys)},
        sending=Sending(9, bytes(32), bytes(32), 1, bytes(32)),
        own_position=3,
        refreshed=900,
        since=2,
    )


def test_a_state_is_read_as_it_was_stored() -> None:
    full = state()
    assert decode_state(full.encode()) == full
    _, used = full.secret(12, 3, LEAVES)
    assert decode_state(used.encode()) == used


def test_a_leafs_secret_is_given_once() -> None:
    secret, used = state().secret(12, 3, LEAVES)
    other, used = used.secret(12, 0, LEAVES)
    assert secret != other
    for leaf in (0, 3):
        with pytest.raises(SlotErased):
            used.secret(12, leaf, LEAVES)
    with pytest.raises(SlotErased):
        state().secret(4, 3, LEAVES)


def test_what_is_below_low_is_gone() -> None:
    _, used = state().secret(12, 3, LEAVES)
    kept = used.erase_below(13)
    assert kept.secrets == {}
    assert kept.chains == {}
    assert kept.sending is None
    for tau in (6, 12):
        with pytest.raises(SlotErased):
            kept.secret(tau, 0, LEAVES)


def test_damage_is_told() -> None:
    data = state().encode()
    for wrong in (b"", data[:-1], data + b"\x00", b"\x80"):
        with pytest.raises(StorageError):
            decode_state(wrong)
