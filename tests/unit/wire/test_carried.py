"""What message 0 carries: always as long, and spelled in one way."""

from __future__ import annotations

import pytest

from glasslock.errors import WireError
from glasslock.wire.carried import CARRIED_SIZE, MAX_CARRIED, decode_carried, encode_carried


@pytest.mark.parametrize(
    "notes", [(), (b"x",), (b"one", b"two"), (b"a" * 1_022,), (b"a" * 509, b"b" * 511)]
)
def test_the_field_is_as_long_whatever_is_in_it(notes: tuple[bytes, ...]) -> None:
    field = encode_carried(notes)
    assert len(field) == CARRIED_SIZE
    assert decode_carried(field) == notes


def test_what_does_not_fit_is_left_out() -> None:
    assert decode_carried(encode_carried([b"a" * 1_023])) == ()
    assert decode_carried(encode_carried([b"a" * 600, b"b" * 600])) == (b"a" * 600,)
    assert decode_carried(encode_carried([b"x"] * 9)) == (b"x",) * MAX_CARRIED


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        (b"", "carried.length"),
        (bytes(1_023), "carried.length"),
        (bytes(1_025), "carried.length"),
        (b"\xff\xff" + bytes(1_022), "carried.notes"),
        (b"\x03\xff" + bytes(1_022), "carried.notes"),
        (b"\0\1x" * 5 + bytes(1_009), "carried.notes"),
        (bytes(1_023) + b"\1", "carried.padding"),
        (b"\0\1x" + bytes(2) + b"\1" + bytes(1_018), "carried.padding"),
    ],
)
def test_another_spelling_is_refused(field: bytes, rule: str) -> None:
    with pytest.raises(WireError) as raised:
        decode_carried(field)
    assert raised.value.rule == rule
