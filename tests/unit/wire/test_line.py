"""Entries of a line and what they refer to: parts that do not fit each other are no entry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.errors import WireError
from glasslock.ids import account_id, keyholder_id
from glasslock.wire.entry import Head, Receipt, ReceiptLeaf, decode_receipt
from glasslock.wire.envelope import (
    Envelope,
    MessageHeader,
    Opening,
    decode_envelope,
    decode_message_header,
    decode_tombstone,
)
from glasslock.wire.order import Grant, Order, Spans, decode_order
from glasslock.wire.record import PeriodKeyRecord, decode_record, encode_record

DIGEST = bytes(32)
FIRST = MessageHeader(DIGEST, 0, bytes(16), None, 256)
NEXT = MessageHeader(DIGEST, 1, bytes(16), DIGEST, 256)
OPENING = Opening(b"header", DIGEST, bytes(64), None)
BODY = bytes(32 + 256 + 16)


@pytest.mark.parametrize("header", [replace(FIRST, previous=DIGEST), replace(NEXT, previous=None)])
def test_only_message_0_has_none_before_it(header: MessageHeader) -> None:
    with pytest.raises(WireError) as caught:
        decode_message_header(header.encoded)
    assert caught.value.rule == "header.previous"


@pytest.mark.parametrize(("header", "opening"), [(FIRST, None), (NEXT, OPENING)])
def test_an_opening_stands_with_message_0_and_only_there(
    header: MessageHeader, opening: Opening | None
) -> None:
    envelope = Envelope(header.encoded, BODY, opening)
    for data, decode in (
        (envelope.encode(), decode_envelope),
        (envelope.tombstone().encode(), decode_tombstone),
    ):
        with pytest.raises(WireError) as caught:
            decode(data)
        assert caught.value.rule == "envelope.opening"
    assert decode_envelope(Envelope(FIRST.encoded, BODY, OPENING).encode()).opening == OPENING


@pytest.mark.parametrize("body", [BODY + b"\0", BODY[:-1], BODY[:48]])
def test_a_body_is_as_long_as_its_header_says(body: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode_envelope(Envelope(FIRST.encoded, body, OPENING).encode())
    assert caught.value.rule == "envelope.size"


def test_a_line_does_not_run_back() -> None:
    head = Head.start(b"group").next(100, DIGEST)
    assert head.next(100, DIGEST).position == 2
    with pytest.raises(WireError) as caught:
        head.next(99, DIGEST)
    assert caught.value.rule == "stream.time"


def test_a_receipt_lies_in_its_batch() -> None:
    leaf = ReceiptLeaf(b"group", 1, 100, DIGEST, DIGEST, None, None)
    for index, count, fits in ((1, 2, True), (2, 2, False), (7, 2, False)):
        receipt = Receipt(leaf, index, count, DIGEST, (DIGEST,), bytes(64))
        if fits:
            assert decode_receipt(receipt.encode()) == receipt
            continue
        with pytest.raises(WireError) as caught:
            decode_receipt(receipt.encode())
        assert caught.value.rule == "receipt.index"


def order(grant: Grant) -> Order:
    four = (DIGEST,) * 4
    return Order("case", DIGEST, *four, "law", "fraud", 1, 2, 1, 3, (grant,))


@pytest.mark.parametrize(
    "spans",
    [((2, 1),), ((1, 2), (3, 4)), ((1, 2), (2, 4)), ((5, 6), (1, 2)), ((1, 2), (1, 2))],
)
def test_spans_rise_apart_from_each_other(spans: Spans) -> None:
    with pytest.raises(WireError) as caught:
        decode_order(order(Grant(b"group", account_id("alice"), spans)).document)
    assert caught.value.rule == "order.spans"


def test_nobody_receives_what_they_wrote() -> None:
    alice, bob = account_id("alice"), account_id("bob")
    good = order(Grant(b"group", alice, ((1, 2), (4, 4)), bob))
    assert decode_order(good.document) == good
    with pytest.raises(WireError) as caught:
        decode_order(order(Grant(b"group", alice, ((1, 2),), alice)).document)
    assert caught.value.rule == "order.recipient"


@pytest.mark.parametrize(("first", "last"), [(7, 14), (7, 6)])
def test_a_logged_period_key_serves_one_to_seven_days(first: int, last: int) -> None:
    for days, fits in (((7, 13), True), ((first, last), False)):
        record = PeriodKeyRecord(keyholder_id("k0"), *days, bytes(1_216), bytes(64))
        if fits:
            assert decode_record(encode_record(record)) == record
            continue
        with pytest.raises(WireError) as caught:
            decode_record(encode_record(record))
        assert caught.value.rule == "record.period"
