"""Claims and split views: what a log signed alone, and the proof that it signed two pasts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pytest

from glasslock.errors import (
    BadSignature,
    GlasslockError,
    LogInconsistent,
    QuorumNotMet,
    StateError,
    VerificationError,
    WireError,
)
from glasslock.tlog.checkpoint import add_signatures, verify_checkpoint
from glasslock.tlog.claim import (
    MAX_CLAIM,
    Claim,
    SplitView,
    decode_split_view,
    shorten,
    verify_claim,
    verify_split_view,
)
from glasslock.tlog.merkle import prove_consistency
from glasslock.tlog.note import Signer, format_note
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.tlog.treehead import TreeHead

from .conftest import ORIGIN, ListReader, World, mth

HeadOf = Callable[[int], TreeHead]


def claim_of(world: World, head: TreeHead) -> bytes:
    return format_note(head.body, [world.log.sign(head.body)])


def other_head(leaves: Sequence[bytes], size: int) -> TreeHead:
    return TreeHead(ORIGIN, size, mth([b"o" * 32, *leaves[1:size]]))


def test_a_claim_is_the_log_s_own_line_of_a_checkpoint(world: World, head: HeadOf) -> None:
    checkpoint = verify_checkpoint(world.note(head(5)), world.quorum)
    note = shorten(checkpoint.note, world.quorum, ORIGIN)
    assert note == claim_of(world, head(5))
    assert verify_claim(note, world.quorum, ("x", ORIGIN)).head == head(5)


def test_the_longest_name_fits() -> None:
    name = "l" * 255
    log = Signer.log(name, bytes(32))
    head = TreeHead(name, (1 << 63) - 1, bytes(32))
    note = format_note(head.body, [log.sign(head.body)])
    assert len(note) <= MAX_CLAIM - 2


def test_a_log_without_an_ed25519_key_claims_nothing(world: World, head: HeadOf) -> None:
    log = Signer.ml_dsa(ORIGIN, bytes(32))
    keys = [WitnessKey(f"w{n}", w.verifier) for n, w in enumerate(world.witnesses)]
    quorum = QuorumFile.of([LogKey(log.verifier)], keys, 3)
    body = head(5).body
    assert shorten(format_note(body, [log.sign(body, time=5)]), quorum, ORIGIN) is None
    with pytest.raises(BadSignature):
        verify_claim(claim_of(world, head(5)), quorum, (ORIGIN,))


def test_what_is_no_claim_is_refused(world: World, head: HeadOf) -> None:
    good = claim_of(world, head(5))
    body = head(5).body
    stranger = Signer.log(ORIGIN, bytes(32)).sign(body)
    witness = world.witnesses[0].sign(body, time=7)
    failing = good[:-4] + (b"AA=\n" if good[-4:] != b"AA=\n" else b"BB=\n")
    cases: list[tuple[bytes, type[GlasslockError]]] = [
        (b"", WireError),
        (b"junk", WireError),
        (good[:-1], WireError),
        (good + b"\n", WireError),
        (good.ljust(MAX_CLAIM + 1, b"x"), WireError),
        (add_signatures(good, [witness]), WireError),
        (format_note(body, [stranger]), BadSignature),
        (format_note(body, [witness]), BadSignature),
        (format_note(head(6).body, [world.log.sign(body)]), BadSignature),
        (failing, GlasslockError),
    ]
    for note, error in cases:
        with pytest.raises(error):
            verify_claim(note, world.quorum, (ORIGIN,))
    with pytest.raises(VerificationError) as raised:
        verify_claim(good, world.quorum, ("log.test/policy",))
    assert raised.value.rule == "claim.origin"


def test_a_claim_is_not_declared() -> None:
    with pytest.raises(StateError):
        Claim()


@pytest.mark.parametrize(("shown", "held"), [(5, 5), (1, 5), (3, 300), (256, 700)])
def test_two_pasts_are_proven(
    world: World, head: HeadOf, leaves: list[bytes], shown: int, held: int
) -> None:
    path = tuple(prove_consistency(ListReader(leaves[:held]), shown, held))
    theirs = claim_of(world, other_head(leaves, shown))
    split = SplitView(world.note(head(held)), theirs, mth(leaves[:shown]), path)
    again = decode_split_view(split.encode())
    assert again == split
    assert verify_split_view(again, world.quorum, ORIGIN) == (
        head(held),
        other_head(leaves, shown),
    )


def test_what_proves_no_two_pasts_is_refused(
    world: World, head: HeadOf, leaves: list[bytes]
) -> None:
    held, shown = head(8), other_head(leaves, 5)
    path = tuple(prove_consistency(ListReader(leaves[:8]), 5, 8))
    good = SplitView(world.note(held), claim_of(world, shown), head(5).root, path)
    verify_split_view(good, world.quorum, ORIGIN)
    stranger = Signer.log(ORIGIN, bytes(32)).sign(shown.body)
    cases: list[tuple[dict[str, object], type[GlasslockError]]] = [
        ({"shown": claim_of(world, head(5))}, VerificationError),
        ({"shown": format_note(shown.body, [stranger])}, BadSignature),
        ({"shown": claim_of(world, other_head(leaves, 9))}, LogInconsistent),
        ({"root": bytes(32)}, LogInconsistent),
        ({"path": path[1:]}, LogInconsistent),
        ({"held": world.note(held, by=(0, 1))}, QuorumNotMet),
        ({"held": claim_of(world, held)}, GlasslockError),
    ]
    for change, error in cases:
        with pytest.raises(error):
            verify_split_view(dataclasses.replace(good, **change), world.quorum, ORIGIN)
    with pytest.raises(VerificationError):
        verify_split_view(good, world.quorum, "log.test/policy")
