"""One value, one encoding: everything else that CBOR could say is refused by its rule."""

from __future__ import annotations

import pytest

from glasslock.errors import WireError
from glasslock.wire.codec import MAX_DEPTH, decode, encode
from glasslock.wire.shape import Fields

WRONG = {
    "codec.trailing": [b"\x00\x00", b"\x80\x80"],
    "codec.truncated": [b"", b"\x42a", b"\x18", b"\x82\x00", b"\x9a\xff\xff\xff\xff"],
    "codec.shortest": [b"\x18\x17", b"\x19\x00\xff", b"\x1a\x00\x00\xff\xff", b"\x58\x01a"],
    "codec.type": [b"\xa0", b"\xf4", b"\x20", b"\xc0\x00", b"\x5f\x41a\xff", b"\x9f\xff"],
    "codec.text": [b"\x61\xff", b"\x62\xc0\x80"],
    "codec.depth": [b"\x81" * (MAX_DEPTH + 1) + b"\x00"],
    "codec.length": [b"\x40" * 9],
}


CASES = [(rule, at, data) for rule, many in WRONG.items() for at, data in enumerate(many)]


@pytest.mark.parametrize(
    ("rule", "data"), [(r, d) for r, _, d in CASES], ids=[f"{r}-{at}" for r, at, _ in CASES]
)
def test_another_spelling_is_refused(rule: str, data: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode(data, limit=8 if rule == "codec.length" else 64)
    assert caught.value.rule == rule


def test_a_truth_value_is_no_number() -> None:
    with pytest.raises(WireError) as caught:
        encode(True)  # noqa: FBT003 - what is refused
    assert caught.value.rule == "codec.type"


@pytest.mark.parametrize("count", [1, 3])
def test_a_structure_has_its_items_and_no_more(count: int) -> None:
    with pytest.raises(WireError) as caught:
        Fields.of(encode((0,) * count), "two", 2)
    assert caught.value.rule == "shape.count"


def test_what_nobody_took_is_refused() -> None:
    fields = Fields.of(encode((1, 2)), "open")
    assert fields.uint() == 1
    with pytest.raises(WireError) as caught:
        fields.close()
    assert caught.value.rule == "shape.count"


def test_a_field_is_of_its_type_and_size() -> None:
    for value in (b"", "1", None, (), 5):
        with pytest.raises(WireError):
            Fields.of(encode((value,)), "one").uint(4)
    for value in (bytes(31), bytes(33), "x" * 32, 7, None):
        with pytest.raises(WireError):
            Fields.of(encode((value,)), "one").digest()
    with pytest.raises(WireError):
        Fields.of(encode(((1, 2, 3),)), "one").each(int, 2)  # type: ignore[arg-type]
