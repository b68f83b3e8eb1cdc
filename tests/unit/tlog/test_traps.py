"""Traps that readers of logs have fallen into, each by name and with the rule that refuses it.

Numbers, lines and text first; then what is signed; then proofs. Those that have a file of their own
stand there: tiles in ``test_tile``, quorums in ``test_quorum``, vkeys in ``test_note``.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator, Sequence

import pytest

from glasslock.errors import (
    BadSignature,
    GlasslockError,
    WireError,
)
from glasslock.signing import SigningKey
from glasslock.tlog import merkle
from glasslock.tlog.checkpoint import add_signatures, read_head, sign_head, verify_checkpoint
from glasslock.tlog.follow import Replica, TrustedLog, decode_hashes, encode_hashes
from glasslock.tlog.note import SignatureLine, Signer, Verifier, format_note, open_note, parse_note
from glasslock.tlog.proof import InclusionProof, decode_proof, encode_proof, verify_included
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.tlog.reader import decode_history, encode_history
from glasslock.tlog.submission import MAX_ENTRY, decode_submission, submit
from glasslock.tlog.tile import parse_path
from glasslock.tlog.treehead import TreeHead, parse_body
from glasslock.tlog.witnessing import (
    MAX_REQUEST,
    format_witness_request,
    parse_size,
    parse_witness_request,
)

from .conftest import NOW, ORIGIN, ListReader, World, mth

HeadOf = Callable[[int], TreeHead]
Reader = Callable[[bytes], object]

SUBMITTER = SigningKey.from_seed(b"\x05" * 32)
LOG = Signer.log(ORIGIN, b"\x01" * 32)
HEAD = TreeHead(ORIGIN, 8, b"\x07" * 32)
NOTE = sign_head(HEAD, [LOG])
HASH = base64.b64encode(b"\x09" * 32)
REQUEST = format_witness_request(8, [b"\x09" * 32], NOTE)
PROOF = encode_proof(InclusionProof(7, (b"\x09" * 32,), NOTE))
QUORUM = "".join(
    [f"log {LOG.vkey}\n"]
    + [f"witness w{n} {Signer.witness(f'w{n}.test', bytes((32 + n,)) * 32).vkey}\n" for n in (0, 1)]
    + ["group g 2 w0 w1\nquorum g\n"]
)


@contextlib.contextmanager
def refused(rule: str) -> Iterator[None]:
    """Whatever is inside is refused by ``rule``, with an error of ours."""
    with pytest.raises(GlasslockError) as caught:
        yield
    assert caught.value.rule == rule


def read_quorum(data: bytes) -> QuorumFile:
    return QuorumFile.parse(data.decode())


# -- numbers ----------------------------------------------------------------------------------

# int() takes all but the last six of these for 8.
NOT_EIGHT = {
    "plus": "+8",
    "zeroes": "008",
    "underscore": "8_0",
    "arabic": "\u0668",
    "fullwidth": "\uff18",
    "devanagari": "\u096e",
    "space-before": " 8",
    "space-after": "8 ",
    "minus": "-8",
    "hex": "0x8",
    "point": "8.0",
    "nothing": "",
    "above-2-63": str(1 << 63),
    "very-long": "9" * 5_000,
}

NUMBERS: dict[str, tuple[Reader, bytes, bytes, str]] = {
    "checkpoint-size": (parse_body, HEAD.body, b"\n%s\n", "checkpoint.size"),
    "proof-index": (
        decode_proof,
        PROOF.replace(b"index 7", b"index 8"),
        b"index %s",
        "proof.index",
    ),
    "witness-old": (parse_witness_request, REQUEST, b"old %s\n", "witness.old"),
    "witness-size": (parse_size, b"8\n", b"%s\n", "witness.size"),
}


@pytest.mark.parametrize("spelling", NOT_EIGHT)
@pytest.mark.parametrize("where", NUMBERS)
def test_a_number_has_one_spelling(where: str, spelling: str) -> None:
    reader, good, place, rule = NUMBERS[where]
    old, new = (place.replace(b"%s", text) for text in (b"8", NOT_EIGHT[spelling].encode()))
    assert old in good
    bad = good.replace(old, new, 1)
    with refused(rule):
        reader(bad)


@pytest.mark.parametrize("spelling", [n for n in NOT_EIGHT if "space" not in n and n != "nothing"])
def test_a_threshold_has_one_spelling(spelling: str) -> None:
    """Spaces part the words of a quorum file, so that those are none of its spellings."""
    with refused("quorum.threshold"):
        QuorumFile.parse(QUORUM.replace("g 2 ", f"g {NOT_EIGHT[spelling]} "))


@pytest.mark.parametrize("digits", ["\u0660\u0660\u0660", "+00", " 00", "0_0", "00", "0000", "-00"])
@pytest.mark.parametrize(
    "place", ["tile/0/{}", "tile/entries/{}", "tile/0/x{}/000", "tile/0/000.p/{}"]
)
def test_a_tile_has_one_name(place: str, digits: str) -> None:
    with refused("tile.path"):
        parse_path(place.format(digits))


# -- lines and text ---------------------------------------------------------------------------

READERS: dict[str, tuple[Reader, bytes]] = {
    "checkpoint": (read_head, NOTE),
    "proof": (decode_proof, PROOF),
    "hashes": (decode_hashes, encode_hashes([b"\x09" * 32])),
    "witness-request": (parse_witness_request, REQUEST),
    "witness-size": (parse_size, b"8\n"),
    "quorum": (read_quorum, QUORUM.encode()),
}
# What str.splitlines takes for the end of a line; in UTF-8 only "\n" is one here.
LINE_ENDS = ["\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\u0085", "\u2028", "\u2029"]


@pytest.mark.parametrize("end", LINE_ENDS, ids=[ascii(end) for end in LINE_ENDS])
@pytest.mark.parametrize("what", READERS)
def test_only_a_newline_ends_a_line(what: str, end: str) -> None:
    reader, good = READERS[what]
    reader(good)
    for at in range(good.count(b"\n")):
        parts = good.split(b"\n")
        bad = b"\n".join(parts[: at + 1]) + end.encode() + b"\n".join(parts[at + 1 :])
        with pytest.raises(GlasslockError):
            reader(bad)


@pytest.mark.parametrize("what", READERS)
def test_the_last_newline_is_not_optional_and_not_doubled(what: str) -> None:
    reader, good = READERS[what]
    for bad in (good[:-1], good + b" ", good + b"\x00", good + b"\r"):
        with pytest.raises(GlasslockError):
            reader(bad)
    if what != "quorum":
        with pytest.raises(GlasslockError):
            reader(good + b"\n")


@pytest.mark.parametrize("more", [b"ext\n", b"\n", b" \n", b"\xe2\x80\x94 x AAAAAAA=\n"])
def test_a_checkpoint_has_no_extension_lines(world: World, more: bytes) -> None:
    body = HEAD.body + more
    lines = [LOG.sign(body), *(each.sign(body, time=NOW) for each in world.witnesses)]
    with refused("checkpoint.lines"):
        verify_checkpoint(format_note(body, lines), world.quorum)


@pytest.mark.parametrize(
    "name", ["a b", "a+b", "a\u00a0b", "a\u3000b", "a\u0085b", "a\u2028b", "a\tb", ""]
)
def test_no_name_has_a_space_or_a_plus(name: str) -> None:
    for made in (
        lambda: TreeHead(name, 1, bytes(32)),
        lambda: Signer.log(name, bytes(32)),
        lambda: parse_body(f"{name}\n1\n{HASH.decode()}\n".encode()),
        lambda: parse_note(NOTE.replace(b"\x94 " + ORIGIN.encode(), f"\u2014 {name}".encode()[2:])),
        lambda: Verifier.parse(f"{name}+{LOG.vkey.split('+', 1)[1]}"),
    ):
        with pytest.raises(GlasslockError):
            made()


BAD_BASE64 = {
    "loose-bits": HASH[:-2] + b"l=",
    "no-padding": HASH[:-1],
    "more-padding": HASH + b"=",
    "url-alphabet": HASH[:10] + b"-_" + HASH[12:],
    "space-inside": HASH[:10] + b" " + HASH[10:],
    "space-after": HASH + b" ",
    "33-bytes": base64.b64encode(bytes(33)),
    "31-bytes": base64.b64encode(bytes(31)),
}


@pytest.mark.parametrize("text", BAD_BASE64)
def test_a_hash_has_one_spelling(text: str) -> None:
    bad = BAD_BASE64[text]
    for reader, good, rule in (
        (decode_hashes, HASH + b"\n", "proof.hashes"),
        (decode_proof, PROOF, "proof.hashes"),
        (parse_witness_request, REQUEST, "witness.proof"),
        (parse_body, HEAD.body.replace(base64.b64encode(HEAD.root), HASH), "checkpoint.root"),
    ):
        reader(good)
        with refused(rule):
            reader(good.replace(HASH, bad))


# -- what is signed ---------------------------------------------------------------------------


def test_what_came_is_verified_and_not_what_it_would_be_written_as(
    world: World, head: HeadOf
) -> None:
    """Signatures over the plain spelling do not vouch for another one of the same meaning."""
    note = world.note(head(8))
    assert verify_checkpoint(note, world.quorum).note == note
    for other in (
        note.replace(b"\n8\n", b"\n08\n"),
        note.replace(b"\n8\n", "\n\u0668\n".encode()),
        note.replace(b"\n", b"\r\n"),
        note.replace(b"=\n\n", b"\n\n"),
        note.replace(b"\n\n", b"\n\n\n"),
        b"\n" + note,
    ):
        assert other != note
        with pytest.raises(WireError):
            verify_checkpoint(other, world.quorum)


def test_lines_by_strangers_are_kept_as_they_came_and_count_for_nothing(
    world: World, head: HeadOf
) -> None:
    stranger = Signer.witness("stranger.test", b"\x63" * 32).sign(head(8).body, time=NOW)
    same_name = SignatureLine("w3.test", b"\x00\x00\x00\x01", b"\x01" * 72)
    note = add_signatures(world.note(head(8)), [stranger, same_name])
    found = verify_checkpoint(note, world.quorum)
    assert found.note == note
    assert [name for name, _ in found.times] == ["w0", "w1", "w2"]
    short = add_signatures(world.note(head(8), by=(0, 1)), [stranger, same_name])
    with refused("quorum.short"):
        verify_checkpoint(short, world.quorum)


def test_one_key_under_two_names_is_one_witness(world: World, head: HeadOf) -> None:
    """An Ed25519 cosignature verifies under any name: the file that lists two is refused."""
    twin = Signer.witness("twin.test", b"\x10" * 32)
    assert twin.verifier.key == world.witnesses[0].verifier.key
    line = world.witnesses[0].sign(head(8).body, time=NOW)
    moved = SignatureLine("twin.test", twin.verifier.key_id, line.blob)
    assert twin.verifier.verify(head(8).body, moved) == NOW
    keys = [*world.quorum.witnesses[:3], WitnessKey("w3", twin.verifier)]
    with refused("quorum.key"):
        QuorumFile.of([LogKey(world.log.verifier)], keys, 3)
    # Where it is not listed, the moved line is a stranger's.
    note = add_signatures(world.note(head(8), by=(0, 1)), [moved])
    with refused("quorum.short"):
        verify_checkpoint(note, world.quorum)


def heavy_world() -> tuple[Sequence[Signer], QuorumFile]:
    """Four witnesses that sign with ML-DSA-44, three of them a quorum."""
    witnesses = [Signer.ml_dsa(f"w{n}.test", bytes((48 + n,)) * 32) for n in range(4)]
    keys = [WitnessKey(f"w{n}", each.verifier) for n, each in enumerate(witnesses)]
    return witnesses, QuorumFile.of([LogKey(LOG.verifier)], keys, 3)


def test_a_zero_time_ml_dsa_line_is_no_witness_of_now() -> None:
    """It verifies, and says "consistent" only: neither for the quorum nor for freshness."""
    witnesses, quorum = heavy_world()

    def note(*times: int) -> bytes:
        lines = [w.sign(HEAD.body, time=t) for w, t in zip(witnesses, times, strict=False)]
        return add_signatures(NOTE, lines)

    parsed, _ = read_head(note(0))
    assert open_note(parsed, [witnesses[0].verifier]) == {witnesses[0].verifier: 0}
    with refused("quorum.short"):
        verify_checkpoint(note(NOW, NOW, 0), quorum, now=NOW)
    found = verify_checkpoint(note(NOW, NOW, NOW - 50, 0), quorum, now=NOW, max_age=60)
    assert [name for name, _ in found.times] == ["w0", "w1", "w2"]
    assert found.median_time == NOW
    with refused("quorum.short"):
        verify_checkpoint(note(0, 0, 0, 0), quorum)


def test_a_replayed_cosignature_does_not_make_a_checkpoint_fresh() -> None:
    """Two who replay an old word cannot make the newest of it, nor stop the median."""
    witnesses, quorum = heavy_world()
    times = (NOW - 9_000, NOW - 9_000, NOW)
    lines = [w.sign(HEAD.body, time=t) for w, t in zip(witnesses, times, strict=False)]
    note = add_signatures(NOTE, lines)
    with refused("checkpoint.stale"):
        verify_checkpoint(note, quorum, now=NOW, max_age=600)


def test_a_cosignature_of_another_size_or_log_does_not_verify(world: World, head: HeadOf) -> None:
    for body in (head(9).body, TreeHead("log.test/other", 8, head(8).root).body):
        moved = world.witnesses[2].sign(body, time=NOW)
        note = add_signatures(world.note(head(8), by=(0, 1)), [moved])
        with pytest.raises(BadSignature) as caught:
            verify_checkpoint(note, world.quorum)
        assert caught.value.rule == "note.signature"


# -- proofs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [-1, -8, 8, 9, 1 << 63])
def test_an_index_lies_in_its_tree(leaves: list[bytes], index: int) -> None:
    """In a tree of 2^k leaves, -1 walks the way of the last leaf."""
    proof = merkle.prove_inclusion(ListReader(leaves), 7, 8)
    with refused("merkle.range"):
        merkle.verify_inclusion(leaves[7], index, 8, proof, mth(leaves[:8]))


@pytest.mark.parametrize("index", [-1, 8])
def test_no_entry_is_logged_outside_its_tree(
    world: World, head: HeadOf, entries: list[bytes], leaves: list[bytes], index: int
) -> None:
    checkpoint = verify_checkpoint(world.note(head(8)), world.quorum)
    proof = merkle.prove_inclusion(ListReader(leaves), 7, 8)
    assert verify_included(checkpoint, entries[7], 7, proof).index == 7
    with refused("merkle.range"):
        verify_included(checkpoint, entries[7], index, proof)


CONSISTENCY: dict[str, tuple[int, int, int, str]] = {
    # old size, new size, hashes that are given, rule
    "from-zero": (0, 8, 1, "merkle.consistency"),
    "zero-to-zero": (0, 0, 1, "merkle.consistency"),
    "equal": (8, 8, 1, "merkle.consistency"),
    "empty": (3, 8, 0, "merkle.consistency"),
    "backwards": (8, 3, 1, "merkle.range"),
    "negative": (-1, 8, 1, "merkle.range"),
    "too-large": (3, 1 << 63, 1, "merkle.range"),
    "63-hashes": (3, 8, 63, "merkle.consistency"),
    "64-hashes": (3, 8, 64, "merkle.shape"),
    "a-million-hashes": (3, 8, 1_000_000, "merkle.shape"),
}


@pytest.mark.parametrize("case", CONSISTENCY)
def test_a_consistency_proof_fits_its_sizes(leaves: list[bytes], case: str) -> None:
    old, new, count, rule = CONSISTENCY[case]
    roots = [mth(leaves[: max(0, min(size, 8))]) for size in (old, new)]
    with refused(rule):
        merkle.verify_consistency(old, roots[0], new, roots[1], [leaves[0]] * count)


def test_a_follower_at_zero_or_at_the_same_size_takes_no_proof(world: World, head: HeadOf) -> None:
    log = TrustedLog(world.quorum, ORIGIN)
    stray = [b"\x09" * 32]
    log = log.advance(world.note(head(8)), [], NOW)
    with refused("merkle.consistency"):
        log.advance(world.note(head(8)), stray, NOW)
    empty = TreeHead(ORIGIN, 0, merkle.EMPTY_ROOT)
    at_zero = TrustedLog(world.quorum, ORIGIN).advance(world.note(empty), [], NOW)
    with refused("merkle.consistency"):
        at_zero.advance(world.note(head(8)), stray, NOW)
    assert at_zero.advance(world.note(head(8)), [], NOW).size == 8
    with refused("log.behind"):
        log.advance(world.note(empty), [], NOW)


def test_proofs_that_travel_have_at_most_63_hashes() -> None:
    lines = (HASH + b"\n") * 64
    with refused("proof.hashes"):
        decode_hashes(lines)
    with refused("proof.hashes"):
        decode_proof(PROOF.replace(HASH + b"\n", lines))
    with refused("witness.request"):
        parse_witness_request(REQUEST.replace(HASH + b"\n", lines))
    assert len(parse_witness_request(REQUEST.replace(HASH + b"\n", lines[45:])).proof) == 63
    with refused("witness.length"):
        parse_witness_request(REQUEST + bytes(MAX_REQUEST))


def test_a_stored_state_of_another_tree_is_not_taken_up(
    world: World, head: HeadOf, entries: list[bytes]
) -> None:
    """A follower whose disk was tampered with does not start from it."""
    replica, _ = Replica(TrustedLog(world.quorum, ORIGIN)).extend(
        world.note(head(7)), entries[:7], NOW
    )
    checkpoint = replica.log.checkpoint
    assert checkpoint is not None
    empty = Replica(TrustedLog(world.quorum, ORIGIN))
    assert empty.restore(checkpoint.note, replica.nodes) == replica
    for nodes in ((), replica.nodes[:-1], replica.nodes[::-1], (*replica.nodes, bytes(32))):
        with pytest.raises(GlasslockError):
            empty.restore(checkpoint.note, nodes)
    with refused("log.frontier"):
        empty.restore(world.note(TreeHead(ORIGIN, 7, bytes(32))), replica.nodes)
    with refused("quorum.short"):
        empty.restore(world.note(head(7), by=(0, 1)), replica.nodes)


# -- entries ----------------------------------------------------------------------------------


def test_a_submission_has_one_encoding() -> None:
    """CBOR that says the same in other bytes: longer heads, no fixed length, text for bytes."""
    good = submit(SUBMITTER, ORIGIN, b"entry").encode()
    assert decode_submission(good).entry == b"entry"
    assert good[:1] == b"\x84"
    inside = good[1:]
    entry = b"\x45entry"
    assert entry in inside
    for bad in (
        b"\x98\x04" + inside,
        b"\x9f" + inside + b"\xff",
        good.replace(entry, b"\x58\x05entry"),
        good.replace(entry, b"\x59\x00\x05entry"),
        good.replace(entry, b"\x5f\x45entry\xff"),
        good.replace(entry, b"\x65entry"),
        good.replace(b"\x00" + entry, b"\x18\x00" + entry),
        good.replace(b"\x00" + entry, b"\xf4" + entry),
        b"\xd9\xd9\xf7" + good,
        good + good,
    ):
        assert bad != good
        with pytest.raises(WireError):
            decode_submission(bad)


@pytest.mark.parametrize("size", [0, MAX_ENTRY + 1, 65_536])
def test_an_entry_has_at_least_one_byte_and_at_most_its_bound(size: int) -> None:
    with refused("log.entry"):
        submit(SUBMITTER, ORIGIN, bytes(size))


def test_a_history_has_one_spelling_and_a_bound() -> None:
    good = encode_history([NOTE, NOTE])
    assert decode_history(good) == [NOTE, NOTE]
    for bad in (
        good[:-1],
        good + b"\x00",
        bytes(4) + good,
        b"\xff\xff\xff\xff" + good,
        encode_history([NOTE] * 201),
    ):
        with refused("log.history"):
            decode_history(bad)
