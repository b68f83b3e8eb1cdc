"""JSON with one spelling: what a parser of somebody else could read otherwise is refused."""

from __future__ import annotations

import pytest

from glasslock.casefile.canonical import (
    bytes_of,
    decode_json,
    encode_json,
    fields_of,
    items_of,
    number_of,
    text_of,
)
from glasslock.errors import WireError

FACTS = {"b": [1, None, "\u202e\U0001f600<"], "a": {"x": b"\x00\xff"}}


def test_what_is_written_is_read_and_sorted() -> None:
    data = encode_json(FACTS)
    assert data.isascii()
    assert decode_json(data) == {**FACTS, "a": {"x": "00ff"}}
    assert encode_json(decode_json(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"\xff", b"{}", b"{}\n\n", b" {}\n", b'{"a":1}\n', b'{\n "b": 1,\n "a": 1\n}\n',
        b'{\n "a": 1,\n "a": 2\n}\n', b"1.5\n", b"NaN\n", b"-Infinity\n", b"1e3\n", b"01\n",
        b'"\\ud800"\n', b'"\\u0041"\n', '"\u00e4"\n'.encode(), b"9" * 5_000 + b"\n",
        b"[" * 100_000 + b"]" * 100_000 + b"\n", b"\xef\xbb\xbf{}\n",
    ],
)  # fmt: skip
def test_nothing_else_is_read(data: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode_json(data)
    assert caught.value.rule == "json.spelling"


def test_a_second_spelling_is_none() -> None:
    data = encode_json(FACTS)
    for other in (data + b"\n", data.replace(b" ", b""), data.replace(b"00ff", b"00\\u0066f")):
        with pytest.raises(WireError) as caught:
            decode_json(other)
        assert caught.value.rule == "json.spelling"


def test_fields_are_what_they_must_be() -> None:
    assert fields_of({"a": 1}, "a") == {"a": 1}
    assert (items_of([1]), text_of("x"), number_of(0), bytes_of("00ff", 2)) == (
        [1],
        "x",
        0,
        b"\x00\xff",
    )
    for take in (
        lambda: fields_of({"a": 1}, "a", "b"),
        lambda: fields_of({"a": 1, "b": 1}, "a"),
        lambda: fields_of([], "a"),
        lambda: items_of({}),
        lambda: text_of(1),
        lambda: number_of(True),  # noqa: FBT003 - that it is taken for a number is the point
        lambda: number_of(-1),
        lambda: number_of(1 << 63),
        lambda: number_of("1"),
        lambda: bytes_of("00FF"),
        lambda: bytes_of("00 ff"),
        lambda: bytes_of("00ff", 1),
        lambda: bytes_of("0"),
        lambda: bytes_of(None),
    ):
        with pytest.raises(WireError) as caught:
            take()
        assert caught.value.rule == "json.fields"
