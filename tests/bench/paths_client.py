"""What a person's device does, in its real loop over its encrypted store.

Measured under the policy ``none`` with the slot open: what a seal costs on top stands among the
primitives. Batches reach the device as one frame of the stream, receipted as one batch.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

from glasslock.client.changes import Effects, NewMessage
from glasslock.client.enrolment import make_entry
from glasslock.mls import SUITE_CLASSIC, SUITE_HYBRID, CommitPreview
from glasslock.runtime.files import private_folder
from glasslock.runtime.keys import load_or_create_seed
from glasslock.wire import api
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label
from tests.bench.client_scene import (
    GROUP,
    NOW,
    PROVIDER,
    AtWork,
    Member,
    Writer,
    found,
    found_store,
    handshake,
    opened,
)
from tests.bench.harness import Path, Run, milliseconds, per_cpu_second
from tests.bench.references import MESSAGE, as_milliseconds, ed25519_sign, ed25519_verify

BATCH = 100
BATCHES = 10
SINGLES = 20


@contextmanager
def _device(size: int = 2) -> Iterator[tuple[AtWork, Member]]:
    founder, reader = found(size, SUITE_CLASSIC)
    with TemporaryDirectory() as folder:
        path = FilePath(folder) / "device.db"
        found_store(path, reader)
        work = AtWork(path)
        try:
            yield work, founder
        finally:
            work.close()


def _received(work: AtWork, writer: Writer, frames: int, entries: int) -> Callable[[], float]:
    def sample() -> float:
        work.forget_messages()
        batches = [writer.batch(entries, MESSAGE) for _ in range(frames)]
        told = [
            api.encode_frame(api.Deliver(GROUP, batch, batch[-1].position)) for batch in batches
        ]
        last = batches[-1][-1].position
        rate = per_cpu_second(lambda: work.deliver(told, last), frames * entries)
        stored = len(work.store.messages(GROUP, limit=10 * frames * entries))
        if stored != frames * entries or work.store.records(GROUP):
            raise RuntimeError(f"{stored} messages of {frames * entries} are stored")
        while not work.running._events.empty():
            work.running._events.get_nowait()
        return rate

    return sample


@contextmanager
def _receive() -> Iterator[Run]:
    with _device() as (work, founder):
        verify, name = ed25519_verify()
        yield Run(_received(work, Writer(founder), BATCHES, BATCH), verify, name)


def _send(work: AtWork, count: int) -> None:
    session, now = work.running.session, NOW
    send = [work.running.carry_out(lambda: session.send(GROUP, MESSAGE, now)) for _ in range(count)]

    async def all_of_them() -> None:
        await asyncio.gather(*send)

    work.loop.run_until_complete(all_of_them())


def _leave(work: AtWork, count: int) -> None:
    if len(work.wire.sent) != count:
        raise RuntimeError(f"{len(work.wire.sent)} frames of {count} have left")
    work.accept_all()
    work.forget_messages()


@contextmanager
def _send_batches() -> Iterator[Run]:
    with _device() as (work, _):

        def sample() -> float:
            spent = 0.0
            for _ in range(BATCHES):
                start = time.process_time()
                _send(work, BATCH)
                spent += time.process_time() - start
                _leave(work, BATCH)
            return BATCH * BATCHES / spent

        sign, name = ed25519_sign()
        yield Run(sample, sign, name)


@contextmanager
def _send_one() -> Iterator[Run]:
    with _device() as (work, _):

        def sample() -> float:
            spent = 0.0
            for _ in range(SINGLES):
                spent += milliseconds(lambda: _send(work, 1))
                _leave(work, 1)
            return spent / SINGLES

        sign, name = as_milliseconds(ed25519_sign(), "bare Ed25519 sign, ms")
        yield Run(sample, sign, name)


@contextmanager
def _verdicts() -> Iterator[Run]:
    with _device() as (work, _):

        def sample() -> float:
            spent = 0.0
            for _ in range(BATCHES):
                _send(work, BATCH)
                start = time.process_time()
                _leave(work, BATCH)
                spent += time.process_time() - start
            return BATCH * BATCHES / spent

        verify, name = ed25519_verify()
        yield Run(sample, verify, name)


def _cpu_milliseconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1_000


def _add(size: int, suite: int) -> Callable[[], AbstractContextManager[Run]]:
    @contextmanager
    def make() -> Iterator[Run]:
        founder, _ = found(size, suite)
        newcomer = Member.make("newcomer", suite)
        with TemporaryDirectory() as folder:
            kept = FilePath(folder) / "kept.db"
            found_store(kept, founder)
            rows = founder.stored(GROUP)

            def bare() -> float:
                group = founder.engine.load_group(rows)

                def work() -> None:
                    _, _, _, written = group.commit(add=[newcomer.package], remove=[], policy=None)
                    written.confirm()

                return _cpu_milliseconds(work)

            yield Run(lambda: _adding(kept, newcomer), bare, "bare engine: commit, ms")

    typed: Callable[[], AbstractContextManager[Run]] = make
    return typed


def _adding(kept: FilePath, newcomer: Member) -> float:
    work = _copy_at_work(kept)
    try:
        session = work.running.session
        number = session._next_request + 1
        account, device = newcomer.device.account, newcomer.device.device
        claimed = [api.DeviceKeyPackage(device, newcomer.package)]
        entry = make_entry(PROVIDER.public, newcomer.device, newcomer.engine, None)
        answer = api.encode_frame(api.KeyPackages(number, claimed, [], [entry]))
        command = work.running.carry_out(lambda: session.membership.invite(GROUP, account))
        work.loop.run_until_complete(command)
        work.wire.sent.clear()
        work.wire.put([answer])
        return _cpu_milliseconds(lambda: work.until(lambda: work.wire.sent))
    finally:
        work.close()


def _process(size: int, suite: int) -> Callable[[], AbstractContextManager[Run]]:
    @contextmanager
    def make() -> Iterator[Run]:
        founder, reader = found(size, suite)
        newcomer = Member.make("newcomer", suite)
        commit, *_ = founder.members.commit(add=[newcomer.package], remove=[], policy=None)
        items = handshake(commit)
        frame = api.encode_frame(api.Deliver(GROUP, items, items[-1].position))
        with TemporaryDirectory() as folder:
            kept = FilePath(folder) / "kept.db"
            found_store(kept, reader)
            rows = reader.stored(GROUP)

            def bare() -> float:
                group = reader.engine.load_group(rows)

                def work() -> None:
                    staged = group.stage(commit)
                    preview: CommitPreview = staged.preview
                    _, written = staged.accept()
                    written.confirm()
                    assert preview.epoch == group.view.epoch

                return _cpu_milliseconds(work)

            def sample() -> float:
                work = _copy_at_work(kept)
                try:
                    return _cpu_milliseconds(lambda: work.deliver([frame], items[-1].position))
                finally:
                    work.close()

            yield Run(sample, bare, "bare engine: stage and accept, ms")

    typed: Callable[[], AbstractContextManager[Run]] = make
    return typed


def _copy_at_work(kept: FilePath) -> AtWork:
    copy = kept.with_name("device.db")
    for path in kept.parent.glob("device.db*"):
        path.unlink()
    shutil.copy(kept, copy)
    return AtWork(copy)


STORED = 100_000
OPEN = """
import sys
from pathlib import Path
from glasslock.client import Client
if len(sys.argv) > 1:
    client = Client.open(Path(sys.argv[1]))
    group = client.conversations()[0].group_id
    found = client.messages(group, after=int(sys.argv[2]) - 100)
    assert len(found) == 100, len(found)
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@contextmanager
def _long_lived() -> Iterator[list[str]]:
    """Make the folder of a device that keeps 100,000 messages; yields a command that opens it."""
    with TemporaryDirectory() as name:
        folder = private_folder(FilePath(name) / "device")
        seed = load_or_create_seed(folder / "device.key", None)
        _, reader = found(2, SUITE_CLASSIC, derive(seed, Label.WRAP))
        database, key = folder / "device.db", derive(seed, Label.STORE)
        found_store(database, reader, key)
        store = opened(database, key)
        for first in range(1, STORED, 10_000):
            numbers = range(first, first + 10_000)
            store.apply(Effects(messages=[_old_message(number, reader) for number in numbers]))
        store.close()
        yield [sys.executable, "-c", OPEN, str(folder), str(STORED)]


def _old_message(number: int, sender: Member) -> NewMessage:
    account, device = sender.device.account, sender.device.device
    return NewMessage(number, GROUP, "received", account, device, MESSAGE, NOW, number + 1)


def _opened(command: list[str]) -> float:
    """Run a command to its end; returns the megabytes that it had at most."""
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return int(done.stdout) / 1_024


@contextmanager
def _start() -> Iterator[Run]:
    with _long_lived() as command:
        bare = [*command[:2], "import glasslock.client; print(0)"]
        yield Run(
            lambda: milliseconds(lambda: _opened(command)),
            lambda: milliseconds(lambda: _opened(bare)),
            "Python that loads the client and ends, ms",
        )


@contextmanager
def _memory() -> Iterator[Run]:
    with _long_lived() as command:
        bare = [*command[:2], "from glasslock.client import Client\n" + OPEN]
        yield Run(
            lambda: _opened(command), lambda: _opened(bare), "Python that loads the client, MB"
        )


def _group(size: int, suite: int, kind: str) -> tuple[Path, Path]:
    name = f"client: group of {size:,} ({kind})"
    return (
        Path(f"{name}, add a member", "ms", "lower", None, _add(size, suite), slow=True),
        Path(f"{name}, process its Commit", "ms", "lower", None, _process(size, suite), slow=True),
    )


PATHS = (
    Path("client: receive, batches of 100", "messages/s", "higher", 8_000, _receive),
    Path("client: send, batches of 100", "messages/s", "higher", 8_000, _send_batches),
    Path("client: send, one message", "ms", "lower", 3, _send_one),
    Path("client: verdicts and own line, batches of 100", "messages/s", "higher", None, _verdicts),
    *_group(1_000, SUITE_CLASSIC, "0x0001"),
    *_group(250, SUITE_HYBRID, "hybrid"),
    Path("client: start with 100,000 messages", "ms", "lower", 1_000, _start, slow=True),
    Path("client: memory with 100,000 messages", "MB", "lower", 150, _memory, slow=True),
)
