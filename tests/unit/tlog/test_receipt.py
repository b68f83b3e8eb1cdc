"""Receipts of batches of every small size verify, and no changed one does."""

from dataclasses import replace

import pytest

from glasslock.errors import BadSignature, LogInconsistent, WireError
from glasslock.signing import SigningKey
from glasslock.tlog.receipt import (
    REMEMBERED,
    SignedBatches,
    make_receipts,
    verify_receipt,
)
from glasslock.wire.entry import Head, ReceiptLeaf, decode_receipt

KEY = SigningKey.from_seed(bytes(range(32)))


def leaves(count: int) -> list[ReceiptLeaf]:
    """Return a short line of entries."""
    head, line = Head.start(b"group"), []
    for number in range(count):
        entry = number.to_bytes(32)
        head = head.next(1_700_000_000 + number, entry)
        line.append(ReceiptLeaf(b"group", head.position, head.time, entry, head.head))
    return line


@pytest.mark.parametrize("count", range(1, 18))
def test_every_leaf_of_a_batch_verifies(count: int) -> None:
    receipts = make_receipts(leaves(count), KEY.sign)
    assert len({receipt.signature for receipt in receipts}) == 1
    for receipt in receipts:
        again = decode_receipt(receipt.encode())
        assert again == receipt
        verify_receipt(again, KEY.public)


def test_a_changed_receipt_is_refused() -> None:
    receipt = make_receipts(leaves(5), KEY.sign)[3]
    other = make_receipts(leaves(6), KEY.sign)[3]
    moved = replace(receipt, leaf=replace(receipt.leaf, time=receipt.leaf.time + 1))
    for wrong in (moved, replace(receipt, index=2), replace(receipt, path=other.path)):
        with pytest.raises(LogInconsistent):
            verify_receipt(wrong, KEY.public)
    with pytest.raises(BadSignature):
        verify_receipt(replace(receipt, signature=other.signature), KEY.public)
    with pytest.raises(BadSignature):
        verify_receipt(receipt, SigningKey.from_seed(bytes(32)).public)
    with pytest.raises(WireError):
        decode_receipt(replace(receipt, index=5).encode())


def test_a_batch_that_was_signed_vouches_for_no_other_signature() -> None:
    one, other = make_receipts(leaves(2), KEY.sign)
    batches = SignedBatches(KEY.public)
    batches.verify(one)
    batches.verify(other)
    with pytest.raises(BadSignature):
        batches.verify(replace(other, signature=bytes(64)))


def test_what_one_provider_signed_vouches_for_no_other() -> None:
    one, other = make_receipts(leaves(2), KEY.sign)
    mine, theirs = SignedBatches(KEY.public), SignedBatches(SigningKey.from_seed(bytes(32)).public)
    mine.verify(one)
    for receipt in (one, other):
        with pytest.raises(BadSignature):
            theirs.verify(receipt)
    # Nor does a known batch carry a leaf that is not in it, or another number of leaves.
    with pytest.raises(LogInconsistent):
        mine.verify(replace(one, leaf=other.leaf))
    with pytest.raises((BadSignature, LogInconsistent)):
        mine.verify(replace(one, count=3))


def test_only_so_many_batches_are_remembered() -> None:
    batches = SignedBatches(KEY.public)
    receipts = [make_receipts([leaf], KEY.sign)[0] for leaf in leaves(2 * REMEMBERED)]
    for receipt in receipts:
        batches.verify(receipt)
        assert 0 < len(batches._signed) <= REMEMBERED
    # What is forgotten is verified anew, and not believed.
    batches.verify(receipts[0])
    with pytest.raises(BadSignature):
        batches.verify(replace(receipts[1], signature=bytes(64)))


def test_time_never_runs_back() -> None:
    head = Head.start(b"group").next(100, bytes(32))
    with pytest.raises(WireError):
        head.next(99, bytes(32))
    assert head.next(100, bytes(32)).position == 2
