"""Their witnesses before our log, their log before our witnesses, readers and monitor."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from glasslock.errors import LogInconsistent
from glasslock.logserver.app import LogServer
from glasslock.logserver.config import LogConfig, WitnessSettings
from glasslock.logserver.keys import ED25519_FILE, ML_DSA_FILE, load_signers
from glasslock.monitor.app import look
from glasslock.monitor.audit import AGREES, Seen, audit
from glasslock.monitor.store import Store
from glasslock.runtime.clock import SystemClock
from glasslock.runtime.files import private_folder
from glasslock.runtime.server import build_app
from glasslock.runtime.service import bind
from glasslock.tlog.checkpoint import verify_checkpoint
from glasslock.tlog.note import Signer, Verifier
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.witness.app import Witness
from glasslock.witness.config import LogSettings, WitnessConfig
from tests.conftest import NOT_CHECKED
from tests.outside.readers import Record
from tests.outside.tools import NotToBeHad, python_tools, run
from tests.village.serving import Serving

ORIGIN = "log.test/ours"
FOREIGN = "foreign.test/log"
SEED = 9
COUNT = 3


@pytest.fixture
def tools(record_property: Record) -> Path | None:
    """The folder of their commands; a test without them says so and compares nothing."""
    try:
        return python_tools()
    except NotToBeHad as missing:
        record_property(NOT_CHECKED, str(missing))
        return None


# -- their witnesses --------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.asynccontextmanager
async def their_witnesses(
    tools: Path, folder: Path, vkeys: list[str]
) -> AsyncIterator[list[WitnessSettings]]:
    """Run three of their witnesses, which know our log by its Ed25519 key."""
    command, found, running = tools / "aics-witness", [], []
    for number in range(COUNT):
        config, port = folder / f"w{number}" / "witness.json", free_port()
        config.parent.mkdir()
        name = f"w{number}.outside.test"
        said = run(command, "init", "--config", config, "--name", name)
        (vkey,) = [word for word in said.split() if word.startswith(f"{name}+")]
        run(command, "add-log", "--config", config, "--origin", ORIGIN, "--vkey", vkeys[0])
        listen = ("--listen", f"127.0.0.1:{port}")
        running.append(
            await asyncio.create_subprocess_exec(
                str(command), "serve", "--config", str(config), *listen, "--log-level", "ERROR"
            )
        )
        found.append(WitnessSettings(f"w{number}", vkey, f"http://127.0.0.1:{port}"))
    try:
        for each in found:
            await _listening(int(each.url.rpartition(":")[2]))
        yield found
    finally:
        for process in running:
            process.terminate()
            await process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


async def test_their_witnesses_cosign_our_log_and_show_a_copy_of_it_that_it_is_not_alone(
    tools: Path | None, tmp_path: Path
) -> None:
    if tools is None:
        return
    data = private_folder(tmp_path / "log")
    vkeys = [each.vkey for each in load_signers(data, ORIGIN)]
    async with their_witnesses(tools, tmp_path, vkeys) as witnesses:
        log = LogServer(LogConfig(data, ORIGIN, witnesses, COUNT), SystemClock())
        for first, count in ((0, 1), (1, 300), (301, 1)):
            assert log.append([b"entry %d" % n for n in range(first, first + count)]) == first
            await log.publish()
        note = (data / "public" / "checkpoint").read_bytes()
        assert verify_checkpoint(note, log.quorum).size == 302
        # Nothing new: the same size again, with a later time.
        await log.publish()
        await log.close()
        fork = private_folder(tmp_path / "fork")
        for name in (ED25519_FILE, ML_DSA_FILE):
            (fork / name).write_bytes((data / name).read_bytes())
            (fork / name).chmod(0o600)
        other = LogServer(LogConfig(fork, ORIGIN, witnesses, COUNT), SystemClock())
        other.append([b"other %d" % n for n in range(400)])
        with pytest.raises(LogInconsistent):
            await other.publish()
        await other.close()
        assert not (fork / "public" / "checkpoint").exists()


# -- their log --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def our_witnesses(folder: Path) -> AsyncIterator[list[WitnessKey]]:
    """Run three of our witnesses, which know the foreign log."""
    key = Signer.log(FOREIGN, bytes([SEED]) * 32).vkey
    found, running = [], []
    for number in range(COUNT):
        name = f"w{number}.test"
        config = WitnessConfig(folder / name, name, [LogSettings(FOREIGN, [key])])
        witness = Witness(config, SystemClock())
        running.append(Serving(bind("127.0.0.1", 0)))
        await running[-1].start(build_app(witness.routes(), witness.close))
        found.append(WitnessKey(name, Verifier.parse(witness.vkey), running[-1].url))
    try:
        yield found
    finally:
        for each in running:
            await each.stop()


@contextlib.asynccontextmanager
async def web_server(tools: Path, folder: Path) -> AsyncIterator[str]:
    """Serve a folder as any web server would."""
    port = free_port()
    command = (str(tools / "python"), "-m", "http.server", "--bind", "127.0.0.1", "--directory")
    process = await asyncio.create_subprocess_exec(
        *command, str(folder), str(port), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def grown(tools: Path, folder: Path, size: int, witnesses: list[WitnessKey]) -> str:
    """Grow the foreign log to ``size`` and have it cosigned; returns its vkey."""
    asked = [word for each in witnesses for word in (each.url or "", each.verifier.vkey)]
    script = Path(__file__).with_name("foreign_log.py")
    command = (tools / "python", script, folder, FOREIGN, SEED, size, *asked)
    return (await asyncio.to_thread(run, *command)).strip()


async def test_our_witnesses_readers_and_monitor_handle_their_log(
    tools: Path | None, tmp_path: Path
) -> None:
    if tools is None:
        return
    public = tmp_path / "foreign"
    async with our_witnesses(tmp_path) as witnesses, web_server(tools, tmp_path) as root:
        vkey = await grown(tools, public, 5, witnesses)
        logs = [LogKey(Verifier.parse(vkey), f"{root}/foreign")]
        quorum = QuorumFile.of(logs, witnesses, COUNT)
        store = Store(private_folder(tmp_path / "monitor"))

        async def seen() -> Seen:
            (found,) = await look(quorum, None, store, SystemClock())
            return found

        first = await seen()
        assert (first.failure, len(first.entries)) == (None, 5)
        await grown(tools, public, 700, witnesses)
        later = await seen()
        assert later.failure is None
        assert [entry for _, _, entry in later.entries] == [b"foreign %d" % n for n in range(700)]
        assert {each.verdict for each in later.views} == {AGREES}
        assert audit([later], SystemClock().now(), 60).findings == []
        entries = next(path for path in public.rglob("entries/000*") if path.is_file())
        entries.write_bytes(entries.read_bytes().replace(b"foreign 7", b"foreign 8"))
        fresh = Store(private_folder(tmp_path / "another"))
        (found,) = await look(quorum, None, fresh, SystemClock())
        assert found.failure is not None
        assert len(found.entries) == 0
        for each in (store, fresh):
            each.db.close()
