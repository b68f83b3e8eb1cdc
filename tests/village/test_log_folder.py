"""A log's folder, and what it serves of it: full disks, damage, rounds that failed, odd asks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import httpcore
import pytest

from glasslock.errors import (
    ConfigError,
    GlasslockError,
    LogInconsistent,
    QuorumNotMet,
    StorageError,
    WireError,
)
from glasslock.logserver import app
from glasslock.logserver.app import LogServer
from glasslock.logserver.config import LogConfig, WitnessSettings
from glasslock.runtime.clock import SystemClock
from glasslock.runtime.files import private_folder
from glasslock.runtime.http import HttpClient
from glasslock.tlog.checkpoint import sign_head, verify_checkpoint
from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.tlog.note import Signer
from glasslock.tlog.submission import MAX_ENTRY, Submission, submit
from glasslock.tlog.tile import TreeTiles, bundles, edge, open_bundle, tiles
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.api import LOG_ADD
from glasslock.wire.codec import encode
from glasslock.wire.labels import Label
from glasslock.witness.app import Witness
from glasslock.witness.config import WitnessConfig
from tests.village.logs import ORIGIN, SUBMITTER, LogVillage, log_village

MANY = [b"entry %d" % number for number in range(600)]


def shown(server: LogServer, *, size: int | None = None) -> list[bytes]:
    """All entries that the files of a log prove, every tile checked against the one above."""
    public = server._store.public
    head = verify_checkpoint((public / "checkpoint").read_bytes(), server.quorum).head
    assert size in (None, head.size)
    tree = TreeTiles(
        head.size, head.root, {t: (public / t.path).read_bytes() for t in edge(head.size)}
    )
    rows = {
        t: tree.take(t, (public / t.path).read_bytes()) for t in reversed([*tiles(0, head.size)])
    }
    leaves = {(t.index, t.width): row for t, row in rows.items() if t.level == 0}
    found: list[bytes] = []
    for each in bundles(0, head.size):
        data = (public / each.path).read_bytes()
        found.extend(open_bundle(each, data, leaves[each.index, each.width]))
    return found


@contextlib.asynccontextmanager
async def still(folder: Path) -> AsyncIterator[tuple[LogVillage, LogServer]]:
    """A log that does nothing by itself: rounds are made by hand."""
    async with log_village(folder) as place:
        await quiet(place)
        assert place.server is not None
        yield place, place.server


async def quiet(place: LogVillage) -> None:
    assert place._rounds is not None
    place._rounds.cancel()
    await asyncio.gather(place._rounds, return_exceptions=True)


@contextlib.contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """A disk that takes ``limit`` bytes of a file: the write is short, and the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# -- rounds that fail -------------------------------------------------------------------------


def no_signature(_head: TreeHead, _signers: Sequence[Signer]) -> bytes:
    raise StorageError("the key cannot be read")


async def without_signature(
    _place: LogVillage, server: LogServer, patch: pytest.MonkeyPatch
) -> None:
    with patch.context() as context:
        context.setattr(app, "sign_head", no_signature)
        with pytest.raises(StorageError):
            await server.publish()


async def without_witnesses(
    place: LogVillage, server: LogServer, _patch: pytest.MonkeyPatch
) -> None:
    for number in (0, 1):
        await place.witnesses[number].stop()
    with pytest.raises(QuorumNotMet):
        await server.publish()
    for number in (0, 1):
        await place.start_witness(number)


async def without_room(_place: LogVillage, server: LogServer, _patch: pytest.MonkeyPatch) -> None:
    # Only files are short of room here, not the database: that rolls back by itself.
    with full_disk(100), pytest.raises(StorageError) as caught:
        server._write_files(server._tree.size)
    assert caught.value.rule == "files.write"


FAILURES = [without_signature, without_witnesses, without_room]
Failure = Callable[[LogVillage, LogServer, pytest.MonkeyPatch], object]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: each.__name__)
async def test_after_a_round_that_failed_other_leaves_make_a_log_that_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    """What was sequenced stays, what was written is not changed, and every tile is the root's."""
    async with still(tmp_path) as (place, server):
        server.append(MANY[:3])
        await server.publish()
        for size in (200, 256, 300):
            server.append(MANY[server._tree.size : size])
            await failure(place, server, monkeypatch)  # type: ignore[misc]
            assert shown(server, size=3) == MANY[:3]
        server.append(MANY[300:])
        await server.publish()
        assert shown(server, size=600) == MANY
        _, found = await place.read(place.replica())
        assert [each.entry for each in found] == MANY


async def test_a_short_write_leaves_no_file(tmp_path: Path) -> None:
    """The first write takes a part and says so; a tile that is cut is never shown."""
    async with still(tmp_path) as (_, server):
        target = server._store.public / "tile" / "0" / "000"
        with full_disk(1_000), pytest.raises(StorageError) as caught:
            server._store.put_files([("tile/0/000", bytes(8_192))])
        assert caught.value.rule == "files.write"
        assert [*target.parent.iterdir()] == []
        server._store.put_files([("tile/0/000", bytes(8_192))])
        assert target.read_bytes() == bytes(8_192)


# -- damaged folders --------------------------------------------------------------------------


def flip(path: Path, at: int = 7) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def root(entries: Sequence[bytes]) -> bytes:
    return root_of(map(leaf_hash, entries))


async def again(place: LogVillage) -> LogServer:
    """Start the log anew, to be still."""
    await place.start_log()
    await quiet(place)
    assert place.server is not None
    return place.server


@pytest.mark.parametrize(
    "file",
    [
        "tile/0/000",
        "tile/entries/000",
        "tile/0/000.p/3",
        "tile/1/000.p/1",
        "tile/entries/001.p/44",
    ],
)
async def test_a_damaged_file_is_not_signed_over(tmp_path: Path, file: str) -> None:
    """A log hashes what it sequenced, never what lies in its public folder."""
    async with still(tmp_path) as (place, server):
        for size in (3, 300):
            server.append(MANY[server._tree.size : size])
            await server.publish()
        await place.stop_log()
        path = tmp_path / "log" / "public" / file
        flip(path)
        damaged = path.read_bytes()
        later = await again(place)
        later.append(MANY[300:520])
        await later.publish()
        note = (later._store.public / "checkpoint").read_bytes()
        assert verify_checkpoint(note, later.quorum).root == root(MANY[:520])
        assert path.read_bytes() == damaged
        # The larger tree has its own partial tiles; full ones are its as well.
        if ".p/" not in file:
            with pytest.raises(LogInconsistent):
                shown(later)
            flip(path)
        assert shown(later) == MANY[:520]


async def test_a_file_that_was_damaged_before_it_was_shown_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with still(tmp_path) as (place, server):
        server.append(MANY[:3])
        await without_signature(place, server, monkeypatch)
        path = server._store.public / "tile" / "0" / "000.p" / "3"
        flip(path)
        with pytest.raises(LogInconsistent) as caught:
            await server.publish()
        assert caught.value.rule == "log.file"
        assert not (server._store.public / "checkpoint").exists()
        flip(path)
        await server.publish()
        assert shown(server) == MANY[:3]


async def not_started(place: LogVillage) -> str | None:
    """Why a log does not start; whoever keeps the error keeps the log's lock with it."""
    try:
        await place.start_log()
    except GlasslockError as error:
        return error.rule
    return None


DAMAGES = {
    "changed": "UPDATE entries SET entry = x'00' WHERE idx = 1",
    "last-lost": "DELETE FROM entries WHERE idx = 2",
    "one-lost": "DELETE FROM entries WHERE idx = 1",
    "all-lost": "DELETE FROM entries",
    "swapped": "UPDATE entries SET idx = 2 - idx + 10; UPDATE entries SET idx = idx - 10",
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_log_whose_entries_are_not_what_it_published_does_not_start(
    tmp_path: Path, damage: str
) -> None:
    async with still(tmp_path) as (place, server):
        server.append(MANY[:3])
        await server.publish()
        await place.stop_log()
        with contextlib.closing(sqlite3.connect(tmp_path / "log" / "log.db")) as db:
            db.executescript(DAMAGES[damage])
        assert await not_started(place) == "log.entries"


async def test_a_folder_that_shows_another_past_does_not_start(tmp_path: Path) -> None:
    """Its checkpoint file is of this size or less, and of another tree than its database."""
    async with still(tmp_path) as (place, server):
        server.append(MANY[:3])
        await server.publish()
        await place.stop_log()
        file = tmp_path / "log" / "public" / "checkpoint"
        real = file.read_bytes()
        log = Signer.log(ORIGIN, (tmp_path / "log" / "log.key").read_bytes()[-32:])
        for entries in (MANY[5:8], MANY[5:7], MANY[:4], MANY[5:9]):
            file.write_bytes(sign_head(TreeHead(ORIGIN, len(entries), root(entries)), [log]))
            assert await not_started(place) == "log.restored"
        file.write_bytes(b"nothing that is a note")
        assert await not_started(place) == "note.separator"
        # An older one of its own is what a crash leaves, and so is none: it is written anew.
        file.write_bytes(sign_head(TreeHead(ORIGIN, 2, root(MANY[:2])), [log]))
        await again(place)
        assert file.read_bytes() == real


async def test_what_is_public_can_be_read_by_a_web_server_and_keys_by_nobody(
    tmp_path: Path,
) -> None:
    mask = os.umask(0o022)
    try:
        async with still(tmp_path) as (_, server):
            server.append(MANY)
            await server.publish()
            public, folder = server._store.public, tmp_path / "log"
            modes = {path.stat().st_mode & 0o777 for path in public.rglob("*") if path.is_file()}
            assert modes == {0o644}
            assert {path.stat().st_mode & 0o777 for path in public.rglob("*") if path.is_dir()} == {
                0o755
            }
            assert {path.stat().st_mode & 0o777 for path in folder.glob("*.key")} == {0o600}
            assert folder.stat().st_mode & 0o777 == 0o700
            assert not list(public.rglob(".*"))
    finally:
        os.umask(mask)


# -- what is asked and handed in --------------------------------------------------------------

ODD_PATHS = [
    "/history/008",
    "/history/+8",
    "/history/-1",
    "/history/0_0",
    "/history/%D9%A0",
    "/history/%EF%BC%90",
    "/history/9223372036854775808",
    "/history/" + "9" * 5_000,
    "/history/",
    "/tile/0/0",
    "/tile/0/000.p/0",
    "/tile/0/000.p/256",
    "/tile/0/%D9%A0%D9%A0%D9%A0",
    "/tile/../log.key",
    "/tile/..%2flog.key",
    "/tile/0/..%2f..%2f..%2flog.key",
    "/tile//etc/passwd",
    "/tile/0/000%00",
    "/tile/64/000",
    "/log.key",
    "/log.db",
    "/checkpoint/",
]


async def test_odd_paths_show_nothing(tmp_path: Path) -> None:
    async with still(tmp_path) as (place, server), httpcore.AsyncConnectionPool() as pool:
        server.append(MANY[:3])
        await server.publish()
        for path, status in (("/checkpoint", 200), ("/history/0", 200), ("/tile/0/000.p/3", 200)):
            assert (await pool.request("GET", place.url + path)).status == status
        secret = (tmp_path / "log" / "log.key").read_bytes()
        for path in ODD_PATHS:
            answer = await pool.request("GET", place.url + path)
            assert answer.status in (307, 400, 404), path
            assert secret not in answer.content
        assert (await pool.request("GET", place.url + "/history/9")).content == b""


def reencoded(entry: bytes) -> bytes:
    """A submission that is signed for this log, in CBOR that is not the one form of it."""
    good = submit(SUBMITTER, ORIGIN, entry).encode()
    return b"\x98" + good[:1].replace(b"\x84", b"\x04") + good[1:]


def signed(entry: bytes) -> bytes:
    """A submission of any length, rightly signed."""
    content = encode((ORIGIN, 0, entry))
    signature = SUBMITTER.sign(Label.SIGN_SUBMIT, content)
    return Submission(SUBMITTER.public, immediate=False, entry=entry, signature=signature).encode()


async def test_entries_that_cannot_stand_in_a_log_are_not_taken_and_stop_nothing(
    tmp_path: Path,
) -> None:
    async with log_village(tmp_path) as place:
        client = HttpClient(place.url)
        try:
            for body in (
                signed(b""),
                signed(bytes(MAX_ENTRY + 1)),
                signed(bytes(65_535)),
                signed(bytes(65_536)),
                signed(bytes(1 << 20)),
                reencoded(b"entry"),
                submit(SUBMITTER, ORIGIN, b"entry").encode() + b"\x00",
                b"",
            ):
                with pytest.raises(WireError):
                    await client.post(LOG_ADD, body)
        finally:
            await client.close()
        assert await place.add(bytes(MAX_ENTRY)) == [0]
        assert place.server is not None
        assert shown(place.server) == [bytes(MAX_ENTRY)]


# -- settings ---------------------------------------------------------------------------------


async def test_three_witnesses_on_one_key_file_are_one(tmp_path: Path) -> None:
    """They sign under three names with one key, and no log takes them for three."""
    keys = []
    for number in range(3):
        folder = private_folder(tmp_path / f"w{number}")
        if number:
            shutil.copy2(tmp_path / "w0" / "witness.key", folder / "witness.key")
        keys.append(Witness(WitnessConfig(folder, f"w{number}.test"), SystemClock()).vkey)
    assert len({key.split("+")[1] for key in keys}) == 3
    witnesses = [WitnessSettings(f"w{n}", key, "http://127.0.0.1:1") for n, key in enumerate(keys)]
    with pytest.raises(ConfigError) as caught:
        LogServer(LogConfig(tmp_path / "log", ORIGIN, witnesses, 3), SystemClock())
    assert caught.value.rule == "log.witnesses"
    assert isinstance(caught.value.__cause__, WireError)
    assert caught.value.__cause__.rule == "quorum.key"


@pytest.mark.parametrize("needed", [0, 1, 2, 5])
async def test_a_log_does_not_start_below_a_safe_quorum(tmp_path: Path, needed: int) -> None:
    signers = [Signer.witness(f"w{n}.test", bytes((32 + n,)) * 32) for n in range(4)]
    witnesses = [
        WitnessSettings(f"w{n}", s.vkey, "http://127.0.0.1:1") for n, s in enumerate(signers)
    ]
    with pytest.raises(ConfigError) as caught:
        LogServer(LogConfig(tmp_path / "log", ORIGIN, witnesses, needed), SystemClock())
    assert caught.value.rule == "log.witnesses"
