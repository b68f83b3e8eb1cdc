"""A log with three witnesses to be measured: as real processes, in one process, and as bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath

from glasslock.logserver.app import LogServer
from glasslock.logserver.config import LogConfig, WitnessSettings
from glasslock.logserver.keys import load_signers
from glasslock.logserver.sequencer import Tree, files
from glasslock.runtime.clock import SystemClock
from glasslock.runtime.files import private_folder
from glasslock.runtime.keys import load_or_create_seed
from glasslock.runtime.server import build_app
from glasslock.runtime.service import bind
from glasslock.signing import SigningKey
from glasslock.tlog.checkpoint import add_signatures, sign_head
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.note import Signer, Verifier
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.tlog.reader import (
    CHECKPOINT,
    HISTORY,
    MAX_HISTORY,
    Part,
    catch_up,
    encode_history,
)
from glasslock.tlog.treehead import TreeHead
from glasslock.witness.app import Witness
from glasslock.witness.config import LogSettings, WitnessConfig
from tests.village.serving import Serving

ORIGIN = "bench.test/log"
SUBMITTER = SigningKey.from_seed(b"\x06" * 32)
NAMES = tuple(f"w{number}.test" for number in range(3))
LOG = """\
data = "{data}"
origin = "{origin}"
needed = 3
submitters = ["{submitter}"]
heartbeat_seconds = 3600
port = 0
"""
ASKED = """
[[witnesses]]
name = "{name}"
key = "{key}"
url = "{url}"
"""
WITNESS = """\
data = "{data}"
name = "{name}"
port = 0

[[logs]]
origin = "{origin}"
keys = {keys}
"""


def entries_of(count: int, size: int = 200) -> list[bytes]:
    """Return ``count`` entries of ``size`` bytes, all different."""
    return [number.to_bytes(8, "big") + bytes(size - 8) for number in range(count)]


def log_keys(folder: FilePath) -> list[str]:
    """Return the verifier keys of the log in ``folder``; makes keys when there are none."""
    return [each.vkey for each in load_signers(private_folder(folder), ORIGIN)]


@contextmanager
def processes(folder: FilePath) -> Iterator[str]:
    """Run a log and its witnesses as a person would, each as a process; gives the log's address."""
    keys = json.dumps(log_keys(folder / "log"))
    text = LOG.format(data=folder / "log", origin=ORIGIN, submitter=SUBMITTER.public.hex())
    with contextlib.ExitStack() as running:
        for name in NAMES:
            data = private_folder(folder / name)
            signer = Signer.witness(name, load_or_create_seed(data / "witness.key"))
            settings = WITNESS.format(data=data, name=name, origin=ORIGIN, keys=keys)
            url = running.enter_context(_process("witness", "run", folder, name, settings))
            text += ASKED.format(name=name, key=signer.vkey, url=url)
        yield running.enter_context(_process("serve", "log", folder, "log", text))


@contextmanager
def _process(noun: str, verb: str, folder: FilePath, name: str, text: str) -> Iterator[str]:
    settings = folder / f"{name}.toml"
    settings.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "glasslock", noun, verb, str(settings)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    finally:
        process.terminate()
        process.communicate()


@contextlib.asynccontextmanager
async def fresh_log(folder: FilePath) -> AsyncIterator[LogServer]:
    """Open an empty log in this process, and three witnesses that answer on sockets of it."""
    keys, clock = log_keys(folder / "log"), SystemClock()
    serving: list[Serving] = []
    asked: list[WitnessSettings] = []
    for name in NAMES:
        settings = WitnessConfig(folder / name, name, [LogSettings(ORIGIN, keys)])
        witness = Witness(settings, clock)
        serving.append(Serving(bind("127.0.0.1", 0)))
        await serving[-1].start(build_app(witness.routes(), witness.close))
        asked.append(WitnessSettings(name, witness.vkey, serving[-1].url))
    log = LogServer(LogConfig(folder / "log", ORIGIN, asked, len(asked)), clock)
    try:
        yield log
    finally:
        await log.close()
        await asyncio.gather(*(each.stop() for each in serving))


class PublicLog:
    """All files of a log of ``entries``, with a witnessed checkpoint after every ``step``."""

    def __init__(self, entries: list[bytes], step: int) -> None:
        tree = Tree(entries)
        logs = [Signer.log(ORIGIN, bytes(32)), Signer.ml_dsa(ORIGIN, bytes(32))]
        witnesses = [Signer.witness(name, bytes([at]) * 32) for at, name in enumerate(NAMES, 1)]
        keys = [WitnessKey(each.name, Verifier.parse(each.vkey)) for each in witnesses]
        quorum = QuorumFile.of([LogKey(each.verifier) for each in logs], keys, len(keys))
        self.size = tree.size
        self.replica = Replica(TrustedLog(quorum, ORIGIN))
        self._files = dict(files(tree, 0, tree.size, entries))
        self._notes: list[tuple[int, bytes]] = []
        for size in range(step, tree.size + 1, step):
            head = TreeHead(ORIGIN, size, tree.root(size))
            cosigned = [each.sign(head.body, time=1_000) for each in witnesses]
            self._notes.append((size, add_signatures(sign_head(head, logs), cosigned)))
            # Readers ask for the bundle as wide as the checkpoint makes it.
            for path, data in files(
                tree, size - size % 256, size, entries[size - size % 256 : size]
            ):
                self._files.setdefault(path, data)

    def get(self, path: str) -> bytes:
        """Return what stands at ``path``."""
        if path == CHECKPOINT:
            return self._notes[-1][1]
        if path.startswith(HISTORY):
            after = int(path.partition("/")[2])
            return encode_history(
                [note for size, note in self._notes if size > after][:MAX_HISTORY]
            )
        return self._files[path]

    def audit(self) -> None:
        """Read and verify all of it, as ``glasslock log verify`` does."""
        replica, read, newest = self.replica, 0, False
        while not newest:
            replica, logged, newest = self._part(replica)
            read += len(logged)
        assert replica.size == read == self.size

    def _part(self, replica: Replica) -> Part:
        steps = catch_up(replica, None)
        path = next(steps)
        try:
            while True:
                path = steps.send(self.get(path))
        except StopIteration as done:
            part: Part = done.value
            return part
