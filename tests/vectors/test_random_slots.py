"""Product and oracle make the same bytes of 1,000 random slots, from the root to the envelope."""

from __future__ import annotations

import pytest

from tests.vectors.chance import by_oracle, by_product, draw

SLOTS = 1_000
AT_ONCE = 50


@pytest.mark.parametrize("first", range(0, SLOTS, AT_ONCE))
def test_random_slots_agree_byte_for_byte(first: int):
    for number in range(first, first + AT_ONCE):
        given = draw(number)
        product, oracle = by_product(given), by_oracle(given)
        assert [name for name in product if product[name] != oracle[name]] == [], number
        assert product.keys() == oracle.keys()


def test_the_random_slots_are_of_every_kind():
    drawn = [draw(number) for number in range(SLOTS)]
    assert {len(given.shape) for given in drawn} == {2, 3, 4}
    assert {given.tau for given in drawn} >= {0, (1 << 31) - 1, 1 << 31, (1 << 32) - 1}
    assert any(None in given.seeds for given in drawn)
    assert any(None not in given.seeds for given in drawn)
    assert {given.close is None for given in drawn} == {True, False}
    assert {given.m for given in drawn} == {0, 1, 5, 40}
    assert {given.tau == given.first for given in drawn} == {True, False}
    assert {len(given.exported) for given in drawn} == {32, 48}
