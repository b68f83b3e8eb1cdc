"""What a log costs its operator and its readers, against how long it has become.

The log server is the real one over a real folder; only its witnesses stand beside it in memory,
for their answers cost the same at every size.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

from glasslock.logserver.app import LogServer
from glasslock.logserver.config import LogConfig, WitnessSettings
from glasslock.logserver.sequencer import Tree
from glasslock.logserver.witnesses import Witnesses
from glasslock.orders.ledger import Ledger, sign_leaf
from glasslock.signing import SigningKey
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.merkle import leaf_hash, verify_inclusion
from glasslock.tlog.note import SignatureLine
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.leaf import IngestLeaf, encode_leaf
from tests.bench.curve import Curve, Growth, Sample, cpu_seconds
from tests.unit.tlog.conftest import NOW, ORIGIN, World, make_world

APPENDS = 32
PROOFS = 200
SIZES = (1_024, 4_096, 16_384, 65_536)


def _entries(first: int, count: int) -> list[bytes]:
    return [
        b"glasslock/1 growth\n" + bytes(200) + n.to_bytes(8) for n in range(first, first + count)
    ]


class _Stopped:
    def now(self) -> int:
        return NOW


class _AtOnce(Witnesses):
    """Witnesses that sign at once, whatever they are shown."""

    def __init__(self, world: World) -> None:
        super().__init__([world.quorum], [world.log], {})
        self._world = world

    async def compare(self, tree: Tree) -> None:
        """Have nothing to compare."""

    async def cosignatures(
        self, _note: bytes, head: TreeHead, _tree: Tree
    ) -> dict[bytes, SignatureLine]:
        """Return everybody's line."""
        signers = zip(self._world.quorum.witnesses, self._world.witnesses, strict=True)
        return {known.verifier.key: by.sign(head.body, time=NOW) for known, by in signers}


class _Log(LogServer):
    """A log with such witnesses."""

    def __init__(self, folder: FilePath, world: World) -> None:
        witnesses = [
            WitnessSettings(w.name, w.verifier.vkey, "http://127.0.0.1:1")
            for w in world.quorum.witnesses
        ]
        super().__init__(LogConfig(folder, ORIGIN, witnesses, 3, []), _Stopped())
        self._witnesses = _AtOnce(world)


@contextmanager
def _append(size: int) -> Iterator[Sample]:
    loop = asyncio.new_event_loop()
    with TemporaryDirectory() as name:
        log = _Log(FilePath(name) / "log", make_world())
        log.append(_entries(0, size))
        loop.run_until_complete(log.publish())

        async def one_by_one(entries: Sequence[bytes]) -> None:
            for entry in entries:
                log.append([entry])
                await log.publish()

        def sample() -> float:
            first = log._tree.size
            entries = _entries(first, APPENDS)
            cost = cpu_seconds(lambda: loop.run_until_complete(one_by_one(entries)), APPENDS)
            if log._published != first + APPENDS:
                raise RuntimeError("not every entry was published")
            return cost

        yield sample
        loop.run_until_complete(log.close())
    loop.close()


def _places(size: int) -> list[int]:
    chance = random.Random(size)
    return [chance.randrange(size) for _ in range(PROOFS)]


@contextmanager
def _prove(size: int) -> Iterator[Sample]:
    tree, places = Tree(_entries(0, size)), _places(size)

    def work() -> None:
        for index in places:
            tree.inclusion(index, size)

    yield lambda: cpu_seconds(work, PROOFS)


@contextmanager
def _verify(size: int) -> Iterator[Sample]:
    entries = _entries(0, size)
    tree = Tree(entries)
    root = tree.root(size)
    proven = [(index, entries[index], tree.inclusion(index, size)) for index in _places(size)]

    def work() -> None:
        for index, entry, proof in proven:
            verify_inclusion(leaf_hash(entry), index, size, proof, root)

    yield lambda: cpu_seconds(work, PROOFS)


@contextmanager
def _audit(size: int) -> Iterator[Sample]:
    world, entries = make_world(), _entries(0, size)
    note = world.note(TreeHead(ORIGIN, size, Tree(entries).root(size)))
    begin = Replica(TrustedLog(world.quorum, ORIGIN))

    def work() -> None:
        after, logged = begin.extend(note, entries, NOW)
        if (after.size, len(logged)) != (size, size):
            raise RuntimeError("the log was not read whole")

    yield lambda: cpu_seconds(work, size)


@contextmanager
def _replay(size: int) -> Iterator[Sample]:
    key = SigningKey.from_seed(bytes(32))
    leaves = [sign_leaf(IngestLeaf(number, NOW, 1, bytes(32)), key) for number in range(size)]
    entries = [encode_leaf(leaf) for leaf in leaves]

    def work() -> None:
        ledger = Ledger()
        for index, entry in enumerate(entries):
            ledger.add(entry, index, NOW)
        if len(ledger.ingest) != size:
            raise RuntimeError("not every leaf was taken")

    yield lambda: cpu_seconds(work, size)


CURVES = (
    Curve(
        "log: append and publish one entry",
        "entry",
        "entries in the log",
        SIZES,
        Growth.LOGARITHMIC,
        "one path of the tree, one partial tile a level, one row in an index",
        _append,
    ),
    Curve(
        "log: inclusion proof",
        "proof",
        "entries in the log",
        (1_000, 5_000, 25_000, 125_000),
        Growth.LOGARITHMIC,
        "one hash a level",
        _prove,
    ),
    Curve(
        "log: verify an inclusion proof",
        "proof",
        "entries in the log",
        (1_000, 5_000, 25_000, 125_000),
        Growth.LOGARITHMIC,
        "one hash a level",
        _verify,
    ),
    Curve(
        "log: audit",
        "entry",
        "entries in the log",
        SIZES,
        Growth.CONSTANT,
        "each entry is hashed once, and each inner node",
        _audit,
    ),
    Curve(
        "log: replay of the orders log",
        "entry",
        "entries in the log",
        (64, 512, 2_048, 8_192),
        Growth.CONSTANT,
        "each leaf is decoded and verified by itself",
        _replay,
    ),
)
