"""What others may read, reach or send too much of: files, keys, ports, bodies, databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasslock.errors import ConfigError, StorageError, TransportError, WireError
from glasslock.runtime import http
from glasslock.runtime.files import check_private, private_folder, read_limited
from glasslock.runtime.http import HttpClient
from glasslock.runtime.keys import load_seed, save_seed
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply, build_app
from glasslock.runtime.service import bind
from glasslock.runtime.sqlite import Database
from tests.village.serving import Serving

SEED = bytes(range(32))


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o666, 0o620])
def test_a_key_that_others_can_touch_is_not_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.key"
    save_seed(path, SEED)
    assert load_seed(path) == SEED
    path.chmod(mode)
    for read in (check_private, load_seed):
        with pytest.raises(ConfigError) as caught:
            read(path)
        assert caught.value.rule == "files.private"


def test_a_folder_is_its_owners(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True, mode=0o777)
    assert private_folder(folder).stat().st_mode & 0o777 == 0o700


def test_a_sealed_key_opens_by_its_passphrase_only(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    save_seed(path, SEED, "a passphrase")
    assert SEED not in path.read_bytes()
    assert load_seed(path, "a passphrase") == SEED
    for passphrase in (None, "", "another"):
        with pytest.raises(ConfigError) as caught:
            load_seed(path, passphrase)
        assert caught.value.rule == "keys.passphrase"


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(10))
    assert read_limited(path, 10) == bytes(10)
    with pytest.raises(ConfigError) as caught:
        read_limited(path, 9)
    assert caught.value.rule == "files.length"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104
def test_daemons_listen_on_loopback_only(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bind(host, 0)
    assert caught.value.rule == "bind.host"


def test_a_database_opens_by_its_key_and_by_who_knows_its_version(tmp_path: Path) -> None:
    path, one = tmp_path / "a.db", ("CREATE TABLE one (a INTEGER) STRICT",)
    Database.open(path, (*one, "CREATE TABLE two (b INTEGER) STRICT"), key=SEED).close()
    for key in (bytes(32), SEED[:31]):
        with pytest.raises(ConfigError) as wrong:
            Database.open(path, one, key=key)
        assert wrong.value.rule == "storage.key"
    with pytest.raises(StorageError) as caught:
        Database.open(path, one, key=SEED)
    assert caught.value.rule == "storage.version"


async def test_bodies_have_a_bound_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    async def echo(request: HttpRequest) -> Reply:
        return Reply(request.body * 2)

    serving = Serving(bind("127.0.0.1", 0))
    await serving.start(build_app([HttpRoute("POST", "/echo", echo, 10)]))
    client = HttpClient(serving.url)
    try:
        assert await client.post("/echo", bytes(10)) == bytes(20)
        with pytest.raises(WireError) as long:
            await client.post("/echo", bytes(11))
        assert long.value.rule == "http.length"
        monkeypatch.setattr(http, "MAX_BODY", 19)
        with pytest.raises(TransportError) as answer:
            await client.post("/echo", bytes(10))
        assert answer.value.rule == "http.length"
    finally:
        await client.close()
        await serving.stop()
