"""Vectors that others wrote: X-Wing's own draft, and HPKE with hybrid KEMs (hpke-pq).

A package that cannot be had is not silently passed over: the run says so at its very end.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from glasslock import _core, hpke
from glasslock.errors import VerificationError
from tests.vectors.fetched import HPKE, XWING, NotToBeHad, crate_file, go_file, go_module_hash
from tests.vectors.oracle import hpke as own_hpke
from tests.vectors.oracle import xwing
from tests.vectors.oracle.cbor import Invalid

Record = Callable[[str, object], None]
NOT_CHECKED = "not checked"  # tests/conftest.py prints what was recorded under this name


def to_be_had(record: Record, fetch: Callable[[], Any]) -> list[dict[str, Any]]:
    """The vectors, or none and a note that is printed last."""
    try:
        found: list[dict[str, Any]] = fetch()
    except NotToBeHad as reason:
        record(NOT_CHECKED, str(reason))
        return []
    assert found
    return found


def hex_of(vector: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(vector[name]) for name in names]


def test_the_vectors_of_the_x_wing_draft(record_property: Record):
    for vector in to_be_had(record_property, lambda: crate_file(XWING, "tests/test-vectors.json")):
        seed, coins, shared, public, enc = hex_of(vector, "seed", "eseed", "ss", "pk", "ct")
        _core.xwing_check_public_key(public)
        assert _core.xwing_public_key(seed) == xwing.public_key(seed) == public
        assert _core.xwing_encapsulate(public, coins) == (shared, enc)
        assert _core.xwing_encapsulate_batch([(public, coins)] * 2) == [(shared, enc)] * 2
        assert xwing.encapsulate(public, coins) == (shared, enc)
        assert _core.xwing_decapsulate(seed, enc) == xwing.decapsulate(seed, enc) == shared
        swapped = coins[32:] + coins[:32]
        assert _core.xwing_encapsulate(public, swapped)[1] != enc


def hybrid(record: Record) -> list[dict[str, Any]]:
    """The published vectors of KEM 0x647a."""
    every = to_be_had(record, lambda: go_file(HPKE, "testdata/hpke-pq.json"))
    found = [vector for vector in every if vector["kem_id"] == own_hpke.KEM]
    assert len(found) == 2 or not every
    return found


def test_published_hpke_key_pairs_and_encapsulations(record_property: Record):
    for vector in hybrid(record_property):
        ikm, seed, public = hex_of(vector, "ikmR", "skRm", "pkRm")
        coins, enc, shared = hex_of(vector, "ikmE", "enc", "shared_secret")
        assert xwing.derive_seed(ikm) == seed
        assert hpke.DecryptionKey.from_seed(seed).public == public
        assert xwing.public_key(seed) == public
        assert _core.xwing_encapsulate(public, coins) == (shared, enc)
        assert xwing.encapsulate(public, coins) == (shared, enc)
        assert _core.xwing_decapsulate(seed, enc) == shared
        assert xwing.decapsulate(seed, enc) == shared


def test_published_hpke_messages(record_property: Record):
    """The oracle's key schedule; the product's is held to the oracle in the test below."""
    vectors = hybrid(record_property)
    ours = [each for each in vectors if each["kdf_id"] == own_hpke.HKDF_SHA256]
    assert len(ours) == 1 or not vectors
    for vector in ours:
        shared, info = hex_of(vector, "shared_secret", "info")
        context = own_hpke.schedule(shared, info, vector["aead_id"])
        expected = hex_of(vector, "suite_id", "key", "base_nonce", "exporter_secret")
        suite = own_hpke.suite_id(vector["aead_id"])
        assert [suite, context.key, context.base_nonce, context.exporter_secret] == expected
        for number, step in enumerate(vector["encryptions"]):
            aad, data, nonce, text = hex_of(step, "aad", "ct", "nonce", "pt")
            assert context.nonce(number) == nonce
            assert context.seal(number, text, aad) == data
            assert context.open(number, data, aad) == text
        for step in vector["exports"]:
            about, value = hex_of(step, "exporter_context", "exported_value")
            assert context.export(about, step["L"]) == value


def test_our_hpke_is_that_hpke():
    chance = Random("hpke")
    for size in (0, 1, 32, 500):
        seed, info, text = chance.randbytes(32), chance.randbytes(size), chance.randbytes(size)
        key = hpke.DecryptionKey.from_seed(seed)
        sealed = hpke.seal(key.public, text, info)
        assert own_hpke.open_(seed, sealed, info) == text
        own = own_hpke.seal(key.public, chance.randbytes(64), info, text)
        assert key.open(own, info) == text
        with pytest.raises(Invalid):
            own_hpke.open_(seed, sealed, info + b"x")
        with pytest.raises(VerificationError):
            key.open(own, info + b"x")


def test_a_package_of_another_content_has_another_hash():
    hashes = set()
    for text in ("one", "two"):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr("module@v1/file", text)
        with zipfile.ZipFile(data) as archive:
            hashes.add(go_module_hash(archive))
    assert len(hashes) == 2


def test_what_cannot_be_had_is_recorded():
    noted: list[tuple[str, object]] = []

    def fetch() -> list[dict[str, Any]]:
        raise NotToBeHad("a package")

    assert to_be_had(lambda *pair: noted.append(pair), fetch) == []
    assert noted == [(NOT_CHECKED, "a package")]
