"""The leaves of a chain: what they say, and what they may not."""

from __future__ import annotations

import pytest

from glasslock.errors import WireError
from glasslock.wire.shard import (
    MAX_FINAL_NOTE,
    Genesis,
    ShardEnd,
    ShardLeaf,
    check_place,
    decode_shard_leaf,
    is_reserved,
)

END = ShardEnd("log.test/orders/2027", ("a-vkey", "another"), "2027")
GENESIS = Genesis(7, "log.test/orders", b"a note")


@pytest.mark.parametrize("leaf", [END, GENESIS], ids=["end", "genesis"])
def test_a_leaf_is_read_as_it_was_written(leaf: ShardLeaf) -> None:
    assert decode_shard_leaf(leaf.encode()) == leaf
    assert is_reserved(leaf.encode())
    assert is_reserved(leaf.encode().partition(b"\n")[0] + b"\nnonsense")


def test_others_are_not_reserved() -> None:
    for entry in (b"", b"glasslock/1 order\nx", b"glasslock/1 shard-ends\nx", b"genesis\nx"):
        assert not is_reserved(entry)


@pytest.mark.parametrize("place", ["2027", "a", "x-2027-1", "a" * 32])
def test_a_place(place: str) -> None:
    assert check_place(place) == place


@pytest.mark.parametrize(
    "place", ["", "-", "2027-", "-a", "..", "a/b", "A", "2027\n", "a" * 33, "\u0661", "a.b", "a_b"]
)
def test_no_place(place: str) -> None:
    with pytest.raises(WireError):
        check_place(place)
    with pytest.raises(WireError):
        decode_shard_leaf(ShardEnd("origin", ("key",), place).encode())


WRONG: dict[str, bytes] = {
    "no-keys": ShardEnd("origin", (), "2027").encode(),
    "five-keys": ShardEnd("origin", ("key",) * 5, "2027").encode(),
    "empty-key": ShardEnd("origin", ("",), "2027").encode(),
    "long-key": ShardEnd("origin", ("k" * 4_097,), "2027").encode(),
    "no-origin": ShardEnd("", ("key",), "2027").encode(),
    "nothing-before": Genesis(0, "origin", b"note").encode(),
    "no-note": Genesis(1, "origin", b"").encode(),
    "long-note": Genesis(1, "origin", b"n" * (MAX_FINAL_NOTE + 1)).encode(),
    "more": END.encode() + b"\x00",
    "another-type": b"glasslock/1 order\n" + END.encode().partition(b"\n")[2],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_leaf(name: str) -> None:
    with pytest.raises(WireError):
        decode_shard_leaf(WRONG[name])


def test_the_longest_genesis_fits_a_bundle() -> None:
    longest = Genesis((1 << 64) - 1, "o" * 255, b"n" * MAX_FINAL_NOTE).encode()
    assert len(longest) <= 65_535
    assert decode_shard_leaf(longest).encode() == longest
