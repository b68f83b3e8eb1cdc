"""Leaves of the orders log: one form each, and everything else is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.errors import WireError
from glasslock.wire.codec import Encodable, encode
from glasslock.wire.leaf import (
    BASES,
    MAX_CLASSES,
    MAX_GROUND,
    OUTCOMES,
    CloseLeaf,
    CountsLeaf,
    ExtendLeaf,
    RemovalLeaf,
    SignedKind,
    SignedLeaf,
    decode_leaf,
    encode_leaf,
    extension_content,
)

KEY, SIGNATURE = b"\x07" * 32, b"\x09" * 64
EXTEND = ExtendLeaf(3, 1, 900, "still searching", b"\x08" * 32, b"\x0a" * 64)
COUNTS = CountsLeaf(4, 0, 9, (("court", 2, 1), ("police", 1, 0)), 5)


@pytest.mark.parametrize(
    "leaf",
    [
        EXTEND,
        *(CloseLeaf(3, outcome) for outcome in OUTCOMES),
        COUNTS,
        replace(COUNTS, classes=()),
        RemovalLeaf(20, "family", len(BASES) - 1, 1),
    ],
)
def test_what_is_written_is_read(leaf: SignedKind) -> None:
    signed = SignedLeaf(leaf, KEY, SIGNATURE)
    assert decode_leaf(encode_leaf(signed)) == signed


def entry(kind: str, *items: Encodable) -> bytes:
    part = encode(tuple(items))
    return b"glasslock/1 " + kind.encode() + b"\n" + encode((part, KEY, SIGNATURE))


GOOD: dict[str, list[Encodable]] = {
    "extend": [3, 1, 900, "ground", b"\x08" * 32, b"\x0a" * 64],
    "close": [3, "unused"],
    "counts": [4, 0, 9, (("court", 2, 1),), 5],
    "removal": [20, "family", 0, 1],
}


@pytest.mark.parametrize(
    ("kind", "at", "value"),
    [
        ("extend", 0, "3"),
        ("extend", 1, 0),
        ("extend", 1, 1 << 32),
        ("extend", 2, None),
        ("extend", 3, ""),
        ("extend", 3, "x" * (MAX_GROUND + 1)),
        ("extend", 4, bytes(31)),
        ("extend", 5, bytes(63)),
        ("close", 1, "open"),
        ("close", 1, ""),
        ("close", 1, 0),
        ("counts", 1, 9),
        ("counts", 2, 0),
        ("counts", 3, (("court", 2),)),
        ("counts", 3, (("court", 2, 1, 0),)),
        ("counts", 3, (("", 2, 1),)),
        ("counts", 3, (("court", 2, 1), ("court", 1, 0))),
        ("counts", 3, (("police", 2, 1), ("court", 1, 0))),
        ("counts", 3, tuple((f"class {n:03}", 1, 0) for n in range(MAX_CLASSES + 1))),
        ("counts", 4, 1 << 32),
        ("removal", 1, ""),
        ("removal", 2, len(BASES)),
        ("removal", 3, 0),
    ],
)
def test_what_has_another_form_is_no_leaf(kind: str, at: int, value: Encodable) -> None:
    decode_leaf(entry(kind, *GOOD[kind]))
    wrong = [*GOOD[kind][:at], value, *GOOD[kind][at + 1 :]]
    with pytest.raises(WireError):
        decode_leaf(entry(kind, *wrong))


@pytest.mark.parametrize("kind", GOOD)
def test_a_leaf_has_as_many_items_as_it_has(kind: str) -> None:
    for wrong in (GOOD[kind][:-1], [*GOOD[kind], 0]):
        with pytest.raises(WireError):
            decode_leaf(entry(kind, *wrong))


def test_a_countersigner_signs_the_order_the_authority_and_every_fact() -> None:
    contents = {
        extension_content(commitment, issuing, leaf)
        for commitment in (bytes(32), b"\x01" * 32)
        for issuing in (KEY, bytes(32))
        for leaf in (
            EXTEND,
            replace(EXTEND, order=4),
            replace(EXTEND, number=2),
            replace(EXTEND, disclose_by=901),
            replace(EXTEND, ground="another"),
        )
    }
    assert len(contents) == 20
