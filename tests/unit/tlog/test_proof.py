"""tlog-proof texts, and entries that only a proof makes logged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from glasslock.errors import GlasslockError, LogInconsistent, QuorumNotMet, StateError, WireError
from glasslock.tlog.checkpoint import verify_checkpoint
from glasslock.tlog.merkle import Frontier, prove_inclusion
from glasslock.tlog.proof import (
    InclusionProof,
    LoggedEntry,
    decode_proof,
    encode_proof,
    verify_appended,
    verify_entry,
)
from glasslock.tlog.treehead import TreeHead

from .conftest import NOW, ListReader, World

HeadOf = Callable[[int], TreeHead]
Make = Callable[..., bytes]


@pytest.fixture
def make(world: World, head: HeadOf, leaves: list[bytes]) -> Make:
    def proof(
        index: int, size: int, extra: bytes | None = None, by: tuple[int, ...] = (0, 1, 2)
    ) -> bytes:
        hashes = tuple(prove_inclusion(ListReader(leaves), index, size))
        return encode_proof(InclusionProof(index, hashes, world.note(head(size), by=by), extra))

    return proof


def test_a_logged_entry_is_believed(make: Make, world: World, entries: list[bytes]) -> None:
    for size in (1, 2, 7, 300):
        for index in {0, size // 2, size - 1}:
            found = verify_entry(make(index, size), entries[index], world.quorum, now=NOW)
            assert (found.index, found.entry) == (index, entries[index])
            assert found.checkpoint.size == size


def test_another_entry_is_not(make: Make, world: World, entries: list[bytes]) -> None:
    with pytest.raises(LogInconsistent):
        verify_entry(make(3, 7), entries[4], world.quorum)


def test_a_proof_without_a_quorum_is_refused(
    make: Make, world: World, entries: list[bytes]
) -> None:
    with pytest.raises(QuorumNotMet):
        verify_entry(make(3, 7, by=(0, 1)), entries[3], world.quorum)


def test_every_changed_byte_is_refused(make: Make, world: World, entries: list[bytes]) -> None:
    proof = make(3, 7)
    for at in range(len(proof)):
        bad = proof[:at] + bytes((proof[at] ^ 1,)) + proof[at + 1 :]
        with pytest.raises(GlasslockError):
            verify_entry(bad, entries[3], world.quorum)


def test_extra_data_is_carried_and_not_believed(
    make: Make, world: World, entries: list[bytes]
) -> None:
    proof = make(3, 7, extra=b"anything")
    assert decode_proof(proof).extra == b"anything"
    changed = proof.replace(b"extra YW55", b"extra YW56")
    assert decode_proof(changed).extra != b"anything"
    assert verify_entry(changed, entries[3], world.quorum).index == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"@v1", b"@v2"),
        (b"index 3", b"index 03"),
        (b"index 3", b"index +3"),
        (b"index 3", b"index -1"),
        (b"index 3", b"index 7"),
        (b"index 3\n", b""),
        (b"index 3", b"index  3"),
        (b"index 3\n", b"index 3\n\n"),
        (b"index 3\n", b"index 3\nextra QQ==\n"),
        (b"index 3\n", b"extra QQ\nindex 3\n"),
        (b"index 3\n", b"index 3\n" + b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n" * 64),
        (b"index 3\n", b"index 3\nQQ==\n"),
        (b"\n", b"\r\n"),
    ],
)
def test_other_spellings_are_refused(make: Make, old: bytes, new: bytes) -> None:
    with pytest.raises(WireError):
        decode_proof(make(3, 7).replace(old, new, 1))


def test_proofs_that_are_too_long_are_refused(make: Make) -> None:
    with pytest.raises(WireError):
        decode_proof(b"c2sp.org/tlog-proof@v1\n" + bytes(400_000))
    decoded = decode_proof(make(3, 7))
    with pytest.raises(WireError):
        encode_proof(dataclasses.replace(decoded, extra=bytes(65_537)))
    with pytest.raises(WireError):
        encode_proof(dataclasses.replace(decoded, index=-1))


def test_only_verification_makes_one(make: Make, world: World, entries: list[bytes]) -> None:
    found = verify_entry(make(3, 7), entries[3], world.quorum)
    with pytest.raises(StateError):
        LoggedEntry(3, entries[3], found.checkpoint)
    with pytest.raises(StateError):
        dataclasses.replace(found, index=4)


def test_replay_proves_every_entry(world: World, head: HeadOf, entries: list[bytes]) -> None:
    first = verify_checkpoint(world.note(head(40)), world.quorum)
    frontier, logged = verify_appended(Frontier(), entries[:40], first)
    assert [item.entry for item in logged] == entries[:40]
    second = verify_checkpoint(world.note(head(43)), world.quorum)
    after, more = verify_appended(frontier, entries[40:43], second)
    assert [item.index for item in more] == [40, 41, 42]
    assert (frontier.size, after.size) == (40, 43)


def test_replay_refuses_what_is_withheld_or_changed(
    world: World, head: HeadOf, entries: list[bytes]
) -> None:
    checkpoint = verify_checkpoint(world.note(head(40)), world.quorum)
    for wrong in (entries[:39], entries[:41], entries[1:41], [*entries[:39], b"other"]):
        with pytest.raises(LogInconsistent):
            verify_appended(Frontier(), wrong, checkpoint)
