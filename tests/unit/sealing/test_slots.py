"""Slot trees forget exactly what they must, and what is left gives the same secrets."""

from __future__ import annotations

import pytest

from glasslock.errors import WireError
from glasslock.sealing.slots import (
    SlotErased,
    SlotTree,
    chain_start,
    chain_step,
    day_of,
    decode_slot_tree,
    leaf_secret,
    low_after,
    root_secret,
    slot_key,
    tau_at,
    window,
)
from glasslock.wire.codec import encode
from glasslock.wire.policy import Clocks

ROOT = bytes(range(32))
LAST = (1 << 32) - 1
NOW = 1_973_128


def secret_of(tree: SlotTree, tau: int) -> bytes:
    return tree.use(tau)[0]


def test_every_later_cover_gives_the_same_slots():
    whole = SlotTree.from_root(ROOT)
    wanted = {tau: secret_of(whole, tau) for tau in (NOW, NOW + 1, NOW + 40, 1 << 31, LAST)}
    tree = whole
    for low in (0, 1, 5, NOW - 1_000, NOW - 1, NOW):
        tree = tree.advance(low)
        assert {tau: secret_of(tree, tau) for tau in wanted} == wanted


def test_a_passed_slot_is_gone_from_every_later_cover():
    tree = SlotTree.from_root(ROOT)
    for low in (1, NOW, NOW + 1, LAST):
        tree = tree.advance(low)
        for tau in (0, low - 1):
            with pytest.raises(SlotErased):
                tree.use(tau)


def test_a_used_slot_is_gone_and_its_neighbours_stay():
    whole = SlotTree.from_root(ROOT)
    _, left = whole.use(NOW)
    with pytest.raises(SlotErased):
        left.use(NOW)
    for tau in (0, NOW - 1, NOW + 1, LAST):
        assert secret_of(left, tau) == secret_of(whole, tau)


def test_a_cover_has_at_most_33_nodes_and_is_the_same_by_any_road():
    whole = SlotTree.from_root(ROOT)
    for low in (0, 1, 2, NOW, (1 << 31) + 1, LAST):
        assert len(whole.advance(low).nodes) <= 33
        assert whole.advance(low // 2).advance(low) == whole.advance(low)
    assert len(whole.advance(1).nodes) == 32
    assert len(whole.advance(1 << 31).nodes) == 1


def test_low_only_rises():
    tree = SlotTree.from_root(ROOT).advance(NOW)
    assert tree.advance(NOW - 50) == tree


def test_past_the_last_slot_nothing_is_left():
    assert SlotTree.from_root(ROOT).advance(LAST + 1).nodes == ()


def test_the_stored_form_comes_back():
    tree = SlotTree.from_root(ROOT).advance(NOW).use(NOW + 3)[1]
    assert decode_slot_tree(tree.encode()) == tree


@pytest.mark.parametrize(
    "nodes",
    [
        ((33, 0, ROOT),),
        ((1, 2, ROOT),),
        ((0, 0, ROOT), (32, 5, ROOT)),
        ((32, 5, ROOT), (32, 5, ROOT)),
        ((32, 6, ROOT), (32, 5, ROOT)),
        ((0, 0, ROOT[:31]),),
        ((0, 0),),
        7,
    ],
)
def test_a_damaged_tree_is_refused(nodes: object):
    with pytest.raises(WireError):
        decode_slot_tree(encode(nodes))  # type: ignore[arg-type]


def test_the_representation_shows_no_secret():
    assert "nodes" not in repr(SlotTree.from_root(ROOT))


def test_a_chain_is_one_way_and_numbered():
    key, following = chain_step(chain_start(slot_key(ROOT, ROOT)), 0)
    assert key != following
    assert chain_step(following, 1)[0] != chain_step(following, 2)[0]
    assert chain_step(following, 1)[1] == chain_step(following, 2)[1]


def test_every_input_of_a_secret_counts():
    base = root_secret(ROOT, ROOT, b"g", 1, ROOT)
    others = {
        root_secret(bytes(32), ROOT, b"g", 1, ROOT),
        root_secret(ROOT, bytes(32), b"g", 1, ROOT),
        root_secret(ROOT, ROOT, b"h", 1, ROOT),
        root_secret(ROOT, ROOT, b"g", 2, ROOT),
        root_secret(ROOT, ROOT, b"g", 1, bytes(32)),
    }
    assert len(others | {base}) == 6
    assert len({leaf_secret(ROOT, i, c) for i in (0, 1) for c in (ROOT, bytes(32))}) == 4


def test_slots_and_days_of_a_time():
    clocks = Clocks(slot_seconds=900, slots_per_day=96, skew_seconds=120)
    assert tau_at(clocks, 900 * NOW) == NOW
    assert tau_at(clocks, 900 * NOW + 899) == NOW
    assert day_of(clocks, 96 * 20_553 - 1) == 20_552
    assert day_of(clocks, 96 * 20_553) == 20_553
    with pytest.raises(WireError):
        tau_at(clocks, -1)
    with pytest.raises(WireError):
        tau_at(clocks, 900 << 32)


def test_the_window_has_the_skew_on_both_sides():
    clocks = Clocks(slot_seconds=900, slots_per_day=96, skew_seconds=120)
    start = 900 * NOW
    assert window(clocks, start + 119) == (NOW - 1, NOW)
    assert window(clocks, start + 120) == (NOW, NOW)
    assert window(clocks, start + 779) == (NOW, NOW)
    assert window(clocks, start + 780) == (NOW, NOW + 1)
    assert window(clocks, 5)[0] == 0
    assert low_after(clocks, start + 119) == NOW - 1
