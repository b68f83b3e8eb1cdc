"""Every decoder of the wire undoes its encoder, takes one spelling, and fails with WireError only.

The decoders and their values stand in ``wire_values.TABLE``; nothing here knows a structure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glasslock.errors import WireError
from tests.properties.wire_values import TABLE, Case

WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
# Cut at every length up to here, and at every 37th above: what lies there is one byte string.
EVERY = 1_500

every_decoder = pytest.mark.parametrize("case", TABLE.values(), ids=TABLE.keys())
few = settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
some = settings(few, max_examples=40)


def attempt(case: Case, data: bytes) -> Any:  # noqa: ANN401
    """Decode; what decodes must be spelled like this and no other way. None when refused."""
    try:
        value = case.decode(data)
    except WireError:
        return None
    if case.one_spelling:
        assert case.encode(value) == data
    else:
        again = case.decode(case.encode(value))
        assert again == value
    return value


def heads(data: bytes, at: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (place, length, major type, number) of every head of one CBOR item."""
    open_items = 1
    while open_items:
        lead = data[at]
        major, info = lead >> 5, lead & 31
        width = WIDTHS.get(info, 0)
        number = int.from_bytes(data[at + 1 : at + 1 + width], "big") if width else info
        if lead != 0xF6:
            yield at, 1 + width, major, number
        at += 1 + width
        open_items -= 1
        if major in (2, 3):
            at += number
        elif major == 4:
            open_items += number


def widened(data: bytes, start: int) -> Iterator[bytes]:
    """Yield ``data`` with one number in each of its longer forms."""
    for at, length, major, number in heads(data, start):
        for info, width in WIDTHS.items():
            if width >= length:
                head = bytes([major << 5 | info]) + number.to_bytes(width, "big")
                yield data[:at] + head + data[at + length :]


@every_decoder
@given(data=st.data())
@few
def test_a_decoder_undoes_its_encoder(case: Case, data: st.DataObject):
    value = data.draw(case.values)
    encoded = case.encode(value)
    assert case.decode(encoded) == value
    assert case.encode(case.decode(encoded)) == encoded


@every_decoder
@given(data=st.data())
@few
def test_nothing_shorter_or_longer_decodes(case: Case, data: st.DataObject):
    encoded = case.encode(data.draw(case.values))
    for end in [*range(min(len(encoded), EVERY)), *range(EVERY, len(encoded), 37)]:
        with pytest.raises(WireError):
            case.decode(encoded[:end])
    for more in (b"\x00", b"\xf6", b"\xff", b"\n", encoded[:1], encoded):
        with pytest.raises(WireError):
            case.decode(encoded + more)


@every_decoder
@given(data=st.data())
@few
def test_no_number_has_a_longer_form(case: Case, data: st.DataObject):
    encoded = case.encode(data.draw(case.values))
    if not case.one_spelling:
        return
    for wider in widened(encoded, case.cbor_at(encoded)):
        with pytest.raises(WireError):
            case.decode(wider)


@st.composite
def changed(draw: st.DrawFn, data: bytes) -> bytes:
    """One to three changes: a byte, a cut, an insertion, a stretch twice, a stretch moved."""
    out = data
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(out) - 1)))
        size = draw(st.integers(0, 40))
        cut = out[at : at + size]
        match draw(st.integers(0, 4)):
            case 0:
                out = out[:at] + bytes([draw(st.integers(0, 255))]) + out[at + 1 :]
            case 1:
                out = out[:at] + out[at + size :]
            case 2:
                out = out[:at] + draw(st.binary(max_size=9)) + out[at:]
            case 3:
                out = out[:at] + cut + out[at:]
            case _:
                rest = out[:at] + out[at + size :]
                to = draw(st.integers(0, len(rest)))
                out = rest[:to] + cut + rest[to:]
    return out


@every_decoder
@given(data=st.data())
@some
def test_whatever_was_changed_is_refused_or_is_another_value(case: Case, data: st.DataObject):
    encoded = case.encode(data.draw(case.values))
    for _ in range(8):
        attempt(case, data.draw(changed(encoded)))


@every_decoder
@given(data=st.binary(max_size=200))
@some
def test_any_bytes_at_all(case: Case, data: bytes):
    attempt(case, data)


@every_decoder
@given(data=st.data())
@few
def test_the_values_of_every_other_decoder(case: Case, data: st.DataObject):
    """No structure but its own passes; where a general one takes it, its spelling holds."""
    name = data.draw(st.sampled_from(sorted(TABLE)))
    attempt(case, TABLE[name].encode(data.draw(TABLE[name].values)))


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if not case.one_spelling])
@pytest.mark.parametrize(
    "frame",
    [
        b"\x82\xa1t\xa4\xff\xff\xff\xff\xa2id\x00",
        b"\x82\xa1x" + b"\x91" * 100_000 + b"\xc0\xa1t\xa4Done",
        b"\x82\xa1t\xa4Done\xa1x" + b"\x91" * 100_000 + b"\xc0",
    ],
    ids=["text that is none", "depth before the tag", "depth after the tag"],
)
def test_a_strange_frame_is_a_wire_error(name: str, frame: bytes):
    with pytest.raises(WireError):
        TABLE[name].decode(frame)
