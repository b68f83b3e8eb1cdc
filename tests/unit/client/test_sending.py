"""What a receipt must name of what was sent, and where that is known from."""

from __future__ import annotations

import pytest

from glasslock.client.sending import read_place, sealed_in
from glasslock.errors import WireError
from glasslock.wire import api
from glasslock.wire.codec import encode
from glasslock.wire.envelope import (
    COMMITMENT_SIZE,
    SALT_SIZE,
    TAG_SIZE,
    Envelope,
    MessageHeader,
    Opening,
    Seen,
    SlotHeader,
)

GROUP, TIER1, SEAL = b"a group", b"1" * 32, b"s" * 32
NONE = bytes(32)


def submitted(*, sealed: bool, m: int = 0) -> bytes:
    """The frame of message ``m`` of a slot."""
    tier1 = TIER1 if sealed else None
    header = SlotHeader(NONE, GROUP, 0, NONE, 0, NONE, NONE, 5, tier1, None, Seen(0, NONE))
    opening = None
    if m == 0:
        opening = Opening(header.encoded)
        if sealed:
            opening = Opening(header.encoded, SEAL, bytes(64))
    message = MessageHeader(header.digest, m, bytes(SALT_SIZE), NONE if m else None, 256)
    body = bytes(COMMITMENT_SIZE + 256 + TAG_SIZE)
    envelope = Envelope(message.encoded, body, opening)
    return api.encode_frame(api.SubmitEnvelope(1, GROUP, envelope.encode()))


def test_the_first_message_of_a_slot_names_its_seal() -> None:
    for place in (encode((0, 5, 0)), None):
        assert sealed_in(submitted(sealed=True), place) == (SEAL, TIER1)
        assert sealed_in(submitted(sealed=False), place) == (None, None)


def test_a_later_message_names_none_and_is_not_read_for_it() -> None:
    assert sealed_in(b"no frame", encode((0, 5, 1))) == (None, None)
    assert sealed_in(submitted(sealed=True, m=1), None) == (None, None)


def test_what_is_no_envelope_has_no_seal() -> None:
    commit = api.SubmitHandshake(1, GROUP, b"commit", b"info")
    assert sealed_in(api.encode_frame(commit), None) == (None, None)


@pytest.mark.parametrize("data", [encode((0, 5)), encode((0, 5, 1 << 32)), b"\x00"])
def test_a_damaged_place_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        read_place(data)
