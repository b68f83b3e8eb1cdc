"""Every text of the log: what is written is read back, and readers fail with our errors only."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from glasslock.errors import GlasslockError, WireError
from glasslock.tlog.checkpoint import read_head, sign_head
from glasslock.tlog.follow import decode_hashes, encode_hashes
from glasslock.tlog.note import Signer, Verifier, format_note, parse_note
from glasslock.tlog.proof import InclusionProof, decode_proof, encode_proof
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.submission import decode_submission
from glasslock.tlog.tile import Bundle, Tile, decode_bundle, encode_bundle, parse_path
from glasslock.tlog.treehead import TreeHead, parse_body

seeds = st.binary(min_size=32, max_size=32)
hashes = st.binary(min_size=32, max_size=32)
names = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="+"), min_size=1, max_size=40
)
heads = st.builds(TreeHead, names, st.integers(1, (1 << 63) - 1), hashes)


@given(heads, seeds)
def test_checkpoints_are_read_back(head: TreeHead, seed: bytes) -> None:
    note = sign_head(head, [Signer.log(head.origin, seed)])
    assert read_head(note)[1] == head
    assert parse_body(head.body) == head


@given(names, seeds)
def test_vkeys_are_read_back(name: str, seed: bytes) -> None:
    verifier = Signer.witness(name, seed).verifier
    assert Verifier.parse(verifier.vkey) == verifier


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).map(lambda t: t + "\n"),
    seeds,
)
def test_any_text_can_be_a_note(text: str, seed: bytes) -> None:
    signer = Signer.log("any", seed)
    raw = format_note(text.encode(), [signer.sign(text.encode())])
    assert parse_note(raw).body == text.encode()


@given(heads, st.lists(hashes, max_size=63), st.none() | st.binary(max_size=99), st.data())
def test_proofs_are_read_back(
    head: TreeHead, path: list[bytes], extra: bytes | None, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, head.size - 1))
    note = sign_head(head, [Signer.log(head.origin, bytes(32))])
    proof = InclusionProof(index, tuple(path), note, extra)
    assert decode_proof(encode_proof(proof)) == proof


@given(st.lists(hashes, max_size=63))
def test_hash_lines_are_read_back(path: list[bytes]) -> None:
    assert decode_hashes(encode_hashes(path)) == tuple(path)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles_are_read_back(entries: list[bytes]) -> None:
    assert decode_bundle(Bundle(0, len(entries)), encode_bundle(entries)) == tuple(entries)


@given(st.integers(0, 63), st.integers(0, (1 << 63) - 1), st.integers(1, 256))
def test_paths_are_read_back(level: int, index: int, width: int) -> None:
    for item in (Tile(level, index, width), Bundle(index, width)):
        assert parse_path(item.path) == item


@given(st.integers(1, 256), st.binary(max_size=600))
def test_a_bundle_has_one_spelling(width: int, data: bytes) -> None:
    try:
        entries = decode_bundle(Bundle(0, width), data)
    except WireError:
        return
    assert encode_bundle(entries) == data


READERS: list[Callable[[bytes], object]] = [
    parse_note,
    read_head,
    decode_proof,
    decode_hashes,
    decode_submission,
    parse_body,
    lambda data: Verifier.parse(data.decode("utf-8", "surrogateescape")),
    lambda data: QuorumFile.parse(data.decode("utf-8", "surrogateescape")),
    lambda data: parse_path(data.decode("utf-8", "surrogateescape")),
]


@pytest.mark.parametrize("reader", READERS)
@given(data=st.binary(max_size=400))
@example(data=b"")
@example(data=b"a\n1\n" + base64.b64encode(bytes(32)) + b"\n\n\xe2\x80\x94 ")
@example(data=b"a+00000000+AQ==")
@example(data=b"log \xe2\x80\xa8\nquorum x\n")
def test_readers_fail_with_our_errors_only(reader: Callable[[bytes], object], data: bytes) -> None:
    try:
        reader(data)
    except GlasslockError:
        return
