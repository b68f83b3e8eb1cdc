"""What a log does: one entry published at a time, a batch, and being audited whole."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

from glasslock.monitor.report import report
from glasslock.orders.ledger import sign_leaf
from glasslock.runtime.http import HttpClient
from glasslock.signing import SigningKey
from glasslock.tlog.submission import submit
from glasslock.wire.api import LOG_ADD
from glasslock.wire.leaf import IngestLeaf, encode_leaf
from tests.bench.harness import Path, Run, per_cpu_second, per_second
from tests.bench.log_scene import ORIGIN, SUBMITTER, PublicLog, entries_of, fresh_log, processes
from tests.bench.references import Reference, ed25519_verify, sqlite_batches

SINGLES = 50
BATCH = 10_000
AUDIT = 65_536
STEP = 1_024
REPORTED = 1_000


def _leaf_hash(repeats: int = 50_000) -> Reference:
    entries = entries_of(repeats)

    def work() -> None:
        for entry in entries:
            hashlib.sha256(entry).digest()

    return lambda: per_cpu_second(work, repeats), "bare SHA-256 of 200 bytes/s"


@contextmanager
def _singles() -> Iterator[Run]:
    """One submitter, who sends the next entry when the last one is published."""
    with TemporaryDirectory() as name, asyncio.Runner() as runner, processes(FilePath(name)) as url:
        client = HttpClient(url)
        number = 0

        async def send(bodies: list[bytes]) -> None:
            for body in bodies:
                await client.post(LOG_ADD, body)

        def sample() -> float:
            nonlocal number
            entries = [b"single %d" % (number + at) for at in range(SINGLES)]
            number += SINGLES
            bodies = [submit(SUBMITTER, ORIGIN, e, immediate=True).encode() for e in entries]
            return per_second(lambda: runner.run(send(bodies)), SINGLES)

        reference, named = sqlite_batches(FilePath(name), rows=1, batches=200)
        try:
            yield Run(sample, reference, named)
        finally:
            runner.run(client.close())


@contextmanager
def _batch() -> Iterator[Run]:
    entries = entries_of(BATCH)

    async def publish(folder: FilePath) -> float:
        async with fresh_log(folder) as log:
            start = time.perf_counter()
            log.append(entries)
            await log.publish()
            return BATCH / (time.perf_counter() - start)

    def sample() -> float:
        with TemporaryDirectory() as name:
            return asyncio.run(publish(FilePath(name)))

    with TemporaryDirectory() as name:
        reference, named = sqlite_batches(FilePath(name), rows=1_000, batches=10)
        yield Run(sample, reference, named)


@contextmanager
def _audit() -> Iterator[Run]:
    log = PublicLog(entries_of(AUDIT), STEP)
    reference, named = _leaf_hash()
    yield Run(lambda: per_cpu_second(log.audit, AUDIT), reference, named)


@contextmanager
def _report() -> Iterator[Run]:
    """What each leaf says, and who signed it: one Ed25519 verification a leaf at least."""
    key = SigningKey.from_seed(bytes(32))
    leaves = (sign_leaf(IngestLeaf(at, 900 + at, 2, bytes(32)), key) for at in range(REPORTED))
    entries = [(at, 900 + at, encode_leaf(leaf)) for at, leaf in enumerate(leaves)]

    def work() -> None:
        assert report(entries, 9_999).facts["invalid"] == 0

    reference, named = ed25519_verify()
    yield Run(lambda: per_cpu_second(work, REPORTED), reference, named)


Make = Callable[[], AbstractContextManager[Run]]
_SINGLES: Make = _singles
_BATCH: Make = _batch
_AUDIT: Make = _audit
_REPORT: Make = _report

PATHS = (
    Path("log: single entries, 3 witnesses", "entries/s", "higher", 100, _SINGLES),
    Path("log: batch of 10,000, 3 witnesses", "entries/s", "higher", 50_000, _BATCH),
    Path("log: full audit", "leaves/s", "higher", 200_000, _AUDIT),
    Path("log: report over signed leaves", "leaves/s", "higher", None, _REPORT),
)
