"""Checkpoints: nothing but the log's signature and a true quorum makes one."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from itertools import combinations

import pytest

from glasslock.errors import (
    BadSignature,
    GlasslockError,
    QuorumNotMet,
    StateError,
    VerificationError,
    WireError,
)
from glasslock.tlog.checkpoint import (
    MAX_AHEAD_SECONDS,
    VerifiedCheckpoint,
    add_signatures,
    median_time,
    read_head,
    sign_head,
    verify_checkpoint,
)
from glasslock.tlog.merkle import EMPTY_ROOT
from glasslock.tlog.note import Signer, format_note
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.tlog.treehead import TreeHead, parse_body

from .conftest import NOW, ORIGIN, World

HeadOf = Callable[[int], TreeHead]


def test_a_checkpoint_is_believed(world: World, head: HeadOf) -> None:
    note = world.note(head(5), by=(0, 1, 3), times=(NOW, NOW - 7, NOW - 2))
    found = verify_checkpoint(note, world.quorum, now=NOW, max_age=60)
    assert (found.origin, found.size, found.root) == (ORIGIN, 5, head(5).root)
    assert found.times == (("w0", NOW), ("w1", NOW - 7), ("w3", NOW - 2))
    assert found.median_time == NOW - 2
    assert (found.note, found.head) == (note, head(5))


def test_every_subset_below_the_quorum_is_refused(world: World, head: HeadOf) -> None:
    for count in range(5):
        for by in combinations(range(4), count):
            note = world.note(head(5), by=by)
            if count >= 3:
                assert len(verify_checkpoint(note, world.quorum).times) == count
            else:
                with pytest.raises(QuorumNotMet):
                    verify_checkpoint(note, world.quorum)


def test_one_witness_with_many_lines_counts_once(world: World, head: HeadOf) -> None:
    body = head(5).body
    lines = [world.witnesses[0].sign(body, time=NOW - n) for n in range(3)]
    note = format_note(body, [world.log.sign(body), *lines])
    with pytest.raises(QuorumNotMet):
        verify_checkpoint(note, world.quorum)


def test_strangers_do_not_count(world: World, head: HeadOf) -> None:
    strangers = [Signer.witness(f"s{n}", bytes((99 + n,)) * 32) for n in range(3)]
    lines = [s.sign(head(5).body, time=NOW) for s in strangers]
    note = add_signatures(world.note(head(5), by=(0, 1)), lines)
    with pytest.raises(QuorumNotMet):
        verify_checkpoint(note, world.quorum)


def test_an_unsigned_checkpoint_is_refused(world: World, head: HeadOf) -> None:
    body = head(5).body
    lines = [witness.sign(body, time=NOW) for witness in world.witnesses]
    with pytest.raises(BadSignature):
        verify_checkpoint(format_note(body, lines), world.quorum)
    other = Signer.log(ORIGIN, b"\x02" * 32).sign(body)
    with pytest.raises(BadSignature):
        verify_checkpoint(format_note(body, [other, *lines]), world.quorum)


OLD, NEW = (Signer.log(ORIGIN, bytes((n,)) * 32) for n in (1, 2))
HEAVY, OTHER_HEAVY = (Signer.ml_dsa(ORIGIN, bytes((n,)) * 32) for n in (3, 4))


@pytest.mark.parametrize(
    ("signers", "rule"),
    [
        ([OLD, HEAVY], None),
        ([NEW, HEAVY], None),
        ([OLD, NEW, HEAVY], None),
        ([OLD], "checkpoint.unsigned"),
        ([OLD, NEW], "checkpoint.unsigned"),
        ([HEAVY], "checkpoint.unsigned"),
        ([OLD, OTHER_HEAVY], "checkpoint.unsigned"),
    ],
)
def test_the_log_signs_with_each_type_of_key_that_is_known(
    world: World, head: HeadOf, signers: list[Signer], rule: str | None
) -> None:
    logs = [LogKey(each.verifier) for each in (OLD, NEW, HEAVY)]
    quorum = QuorumFile.of(logs, world.quorum.witnesses, 3)
    lines = [each.sign(head(5).body, time=NOW) for each in world.witnesses]
    note = add_signatures(sign_head(head(5), signers), lines)
    if rule is None:
        assert verify_checkpoint(note, quorum).size == 5
        return
    with pytest.raises(BadSignature) as raised:
        verify_checkpoint(note, quorum)
    assert raised.value.rule == rule


def test_a_failing_cosignature_refuses_the_note(world: World, head: HeadOf) -> None:
    # Three good ones are there; the fourth was made for another tree.
    wrong = world.witnesses[3].sign(head(6).body, time=NOW)
    with pytest.raises(BadSignature):
        verify_checkpoint(add_signatures(world.note(head(5)), [wrong]), world.quorum)


def test_zero_time_cosignatures_do_not_count(world: World, head: HeadOf) -> None:
    with pytest.raises(QuorumNotMet):
        verify_checkpoint(world.note(head(5), times=(NOW, NOW, 0)), world.quorum)


def test_future_cosignatures_do_not_count(world: World, head: HeadOf) -> None:
    limit = NOW + MAX_AHEAD_SECONDS
    good = world.note(head(5), times=(NOW, NOW, limit))
    assert verify_checkpoint(good, world.quorum, now=NOW).median_time == NOW
    ahead = world.note(head(5), times=(NOW, NOW, limit + 1))
    with pytest.raises(QuorumNotMet):
        verify_checkpoint(ahead, world.quorum, now=NOW)
    assert verify_checkpoint(ahead, world.quorum).median_time == NOW


def test_replayed_cosignatures_are_stale(world: World, head: HeadOf) -> None:
    note = world.note(head(5), times=(NOW, NOW - 100, NOW - 100))
    assert verify_checkpoint(note, world.quorum, now=NOW, max_age=100).size == 5
    with pytest.raises(QuorumNotMet) as caught:
        verify_checkpoint(note, world.quorum, now=NOW, max_age=99)
    assert caught.value.rule == "checkpoint.stale"


def test_the_median_follows_the_majority() -> None:
    assert median_time([9]) == 9
    assert median_time([100, 1, 50]) == 50
    assert median_time([100, 1, 50, 60]) == 50


def test_every_changed_byte_is_refused(world: World, head: HeadOf) -> None:
    note = world.note(head(5))
    for at in range(len(note)):
        bad = note[:at] + bytes((note[at] ^ 1,)) + note[at + 1 :]
        with pytest.raises(GlasslockError):
            verify_checkpoint(bad, world.quorum)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\n5\n", b"\n05\n"),
        (b"\n5\n", b"\n+5\n"),
        (b"\n5\n", b"\n5_0\n"),
        (b"\n5\n", b"\n-5\n"),
        (b"\n5\n", b"\n 5\n"),
        (b"\n5\n", "\n\u0665\n".encode()),
        (b"\n5\n", b"\n9223372036854775808\n"),
        (b"\n5\n", b"\n99999999999999999999\n"),
        (b"\n5\n", b"\n\n"),
        (b"=\n", b"=\nextension\n"),
        (b"=\n", b"\n"),
        (b"=\n", b"=\n\n"),
    ],
)
def test_other_spellings_of_a_checkpoint_are_refused(
    world: World, head: HeadOf, old: bytes, new: bytes
) -> None:
    # Signed as they stand: only the strict reader keeps them out.
    body = head(5).body.replace(old, new)
    lines = [world.log.sign(body), *(w.sign(body, time=NOW) for w in world.witnesses)]
    with pytest.raises(WireError):
        verify_checkpoint(format_note(body, lines), world.quorum)


def test_the_empty_tree_has_one_root(world: World) -> None:
    good = TreeHead(ORIGIN, 0, EMPTY_ROOT)
    assert b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" in good.body
    assert verify_checkpoint(world.note(good), world.quorum).size == 0
    bad = TreeHead(ORIGIN, 0, bytes(32))
    with pytest.raises(WireError):
        sign_head(bad, [world.log])
    with pytest.raises(WireError):
        verify_checkpoint(format_note(bad.body, [world.log.sign(bad.body)]), world.quorum)


def test_another_log_in_the_same_file_is_refused(world: World) -> None:
    other = Signer.log("log.test/policy", b"\x03" * 32)
    keys = [WitnessKey(w.name, w.verifier) for w in world.witnesses]
    quorum = QuorumFile.of([LogKey(world.log.verifier), LogKey(other.verifier)], keys, 3)
    here = TreeHead("log.test/policy", 1, bytes(32))
    lines = [w.sign(here.body, time=NOW) for w in world.witnesses]
    note = add_signatures(sign_head(here, [other]), lines)
    assert verify_checkpoint(note, quorum, origin="log.test/policy").size == 1
    for origin, rule in ((ORIGIN, "checkpoint.origin"), (None, "checkpoint.which")):
        with pytest.raises(VerificationError) as caught:
            verify_checkpoint(note, quorum, origin=origin)
        assert caught.value.rule == rule


def test_a_log_cannot_sign_for_another_origin(world: World, head: HeadOf) -> None:
    impostor = Signer.log("log.test/policy", b"\x03" * 32)
    with pytest.raises(StateError):
        sign_head(head(5), [impostor])
    with pytest.raises(StateError):
        sign_head(head(5), [])
    body = head(5).body
    lines = [impostor.sign(body), *(w.sign(body, time=NOW) for w in world.witnesses)]
    keys = [WitnessKey(w.name, w.verifier) for w in world.witnesses]
    quorum = QuorumFile.of([LogKey(world.log.verifier), LogKey(impostor.verifier)], keys, 3)
    with pytest.raises(BadSignature):
        verify_checkpoint(format_note(body, lines), quorum, origin=ORIGIN)


def test_a_forged_signature_of_either_type_refuses_the_note(world: World, head: HeadOf) -> None:
    second = Signer.ml_dsa(ORIGIN, b"\x04" * 32)
    keys = [WitnessKey(w.name, w.verifier) for w in world.witnesses]
    quorum = QuorumFile.of([LogKey(world.log.verifier), LogKey(second.verifier)], keys, 3)
    lines = [w.sign(head(5).body, time=NOW) for w in world.witnesses]
    note = add_signatures(sign_head(head(5), [world.log, second]), lines)
    assert verify_checkpoint(note, quorum).size == 5
    for signer, size in ((world.log, 64), (second, 2428)):
        forged = dataclasses.replace(signer.sign(head(5).body), blob=bytes(size))
        with pytest.raises(BadSignature) as raised:
            verify_checkpoint(add_signatures(note, [forged]), quorum)
        assert raised.value.rule == "note.signature"


def test_only_verification_makes_one(world: World, head: HeadOf) -> None:
    with pytest.raises(StateError):
        VerifiedCheckpoint(ORIGIN, 5, head(5).root, (), NOW, b"")
    with pytest.raises(StateError):
        VerifiedCheckpoint()
    found = verify_checkpoint(world.note(head(5)), world.quorum)
    with pytest.raises(StateError):
        dataclasses.replace(found, size=6)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.size = 6  # type: ignore[misc]
    assert copy.copy(found) == found


def test_signatures_are_added_once(world: World, head: HeadOf) -> None:
    note = world.note(head(5), by=(0,))
    line = world.witnesses[0].sign(head(5).body, time=NOW + 5)
    again = add_signatures(note, [line])
    assert len(read_head(again)[0].signatures) == 2
    assert line in read_head(again)[0].signatures


def test_tree_heads_out_of_range_are_refused() -> None:
    for origin, size, root in (
        ("a b", 1, bytes(32)),
        ("", 1, bytes(32)),
        ("a", -1, bytes(32)),
        ("a", 1 << 63, bytes(32)),
        ("a", 1, bytes(31)),
        ("a" * 256, 1, bytes(32)),
        ("a\nb", 1, bytes(32)),
        ("\ud800", 1, bytes(32)),
    ):
        with pytest.raises(WireError):
            TreeHead(origin, size, root)
    with pytest.raises(WireError):
        parse_body(b"a\n1\n")
