"""The second implementation shares no code with the first, and stands on its own feet."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from glasslock import _core
from tests.house.source import TESTS, modules, name, touches
from tests.vectors.oracle import cbor, gf256, mlkem, streams, xwing

ORACLE = modules(TESTS / "vectors" / "oracle")


@pytest.mark.parametrize("path", ORACLE, ids=name)
def test_the_oracle_imports_nothing_of_ours(path: Path):
    assert not touches(path, "glasslock")
    assert not touches(path, "importlib")


def test_there_is_an_oracle():
    names = {path.stem for path in ORACLE}
    assert {"cbor", "digests", "mlkem", "xwing", "gf256", "slots", "seals", "bodies"} <= names


def test_its_field_is_the_field_of_the_protocol():
    assert gf256.multiply(0x57, 0x83) == 0xC1  # FIPS 197 4.2
    for a in range(1, 256):
        assert gf256.multiply(a, gf256.INVERSE[a]) == 1


def test_its_sharing_gives_back_the_constant():
    chance = Random("sharing")
    polynomial = [chance.randbytes(8) for _ in range(4)]
    points = {x: gf256.share(polynomial, x) for x in range(1, 8)}
    for xs in combinations(points, 4):
        assert gf256.interpolate({x: points[x] for x in xs}) == polynomial[0]


def test_its_kem_agrees_with_two_others():
    chance = Random("kem")
    for _ in range(20):
        seed, coins = chance.randbytes(32), chance.randbytes(64)
        public = xwing.public_key(seed)
        shared, enc = xwing.encapsulate(public, coins)
        assert (shared, enc) == _core.xwing_encapsulate(public, coins)
        assert xwing.decapsulate(seed, enc) == shared


def test_its_kem_checks_what_fips_203_asks():
    public = xwing.public_key(bytes(32))
    assert mlkem.modulus_check(public[: mlkem.PUBLIC])
    assert not mlkem.modulus_check(b"\xff" * mlkem.PUBLIC)
    assert not mlkem.modulus_check(public)


def test_its_tree_is_that_of_rfc_9162():
    leaves = [bytes((n,)) for n in range(7)]
    root = streams.tree_root(leaves)
    assert streams.tree_path(leaves, 6) == [
        streams.tree_root(leaves[4:6]),
        streams.tree_root(leaves[:4]),
    ]
    assert root != streams.tree_root(leaves[::-1])


def test_its_cbor_reads_what_it_writes():
    values = [0, 23, 24, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32, (1 << 64) - 1]
    item = [None, b"", "\u00e9", values, [[]]]
    assert cbor.decode(cbor.encode(item)) == item
    with pytest.raises(cbor.Invalid):
        cbor.encode(1 << 64)
    with pytest.raises(cbor.Invalid):
        cbor.encode(item=True)
