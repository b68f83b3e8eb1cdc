"""A log and four witnesses with fixed keys, and the textbook definition of a Merkle tree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from glasslock.tlog.checkpoint import add_signatures, sign_head
from glasslock.tlog.merkle import leaf_hash
from glasslock.tlog.note import Signer
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.tlog.treehead import TreeHead

ORIGIN = "log.test/orders"
NOW = 1_900_000_000


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:split]) + mth(leaves[split:])).digest()


class ListReader:
    """A hash reader that recomputes everything from the leaves."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = leaves

    def hash(self, level: int, index: int) -> bytes:
        part = self.leaves[index << level : (index + 1) << level]
        assert len(part) == 1 << level
        return mth(part)


@dataclass(frozen=True)
class World:
    """One log, four witnesses, three of them a quorum."""

    log: Signer
    witnesses: tuple[Signer, ...]
    quorum: QuorumFile

    def note(
        self, head: TreeHead, *, by: Sequence[int] = (0, 1, 2), times: Sequence[int] | None = None
    ) -> bytes:
        """A checkpoint of ``head`` cosigned by the witnesses numbered ``by``."""
        moments = list(times) if times is not None else [NOW] * len(by)
        lines = [
            self.witnesses[number].sign(head.body, time=moment)
            for number, moment in zip(by, moments, strict=True)
        ]
        return add_signatures(sign_head(head, [self.log]), lines)


def make_world(needed: int = 3, total: int = 4) -> World:
    log = Signer.log(ORIGIN, b"\x01" * 32)
    witnesses = tuple(Signer.witness(f"w{n}.test", bytes((16 + n,)) * 32) for n in range(total))
    keys = [WitnessKey(f"w{n}", w.verifier) for n, w in enumerate(witnesses)]
    return World(log, witnesses, QuorumFile.of([LogKey(log.verifier)], keys, needed))


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def entries() -> list[bytes]:
    return [b"glasslock/1 test\n" + bytes((n % 251, n // 251)) for n in range(700)]


@pytest.fixture(scope="session")
def leaves(entries: list[bytes]) -> list[bytes]:
    return [leaf_hash(entry) for entry in entries]


@pytest.fixture
def head(leaves: list[bytes]) -> Callable[[int], TreeHead]:
    return lambda size: TreeHead(ORIGIN, size, mth(leaves[:size]))
