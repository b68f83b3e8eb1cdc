"""What goes wrong before anything runs: one clear line, a hint, no traceback, nothing half-done."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from glasslock.cli.output import HINTS
from glasslock.client import Client
from glasslock.errors import VerificationError
from tests.house.source import SRC, modules
from tests.village.village import Clock, village


def run(
    *arguments: str, before: tuple[str, ...] = (), folder: Path | None = None
) -> tuple[int, str]:
    done = subprocess.run(
        [*before, sys.executable, "-m", "glasslock", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def settings(folder: Path, *lines: str) -> str:
    path = folder / "settings.toml"
    path.write_text("\n".join([f'data = "{folder / "data"}"', *lines]) + "\n", encoding="utf-8")
    return str(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    code, said = run("serve", "provider", str(tmp_path / "nothing.toml"))
    assert code == 3
    assert "cannot read nothing.toml" in said
    assert "hint:" in said


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    code, said = run("serve", "provider", settings(tmp_path, "portt = 1"))
    assert code == 3
    assert "portt" in said
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = run("serve", "provider", settings(tmp_path, f"port = {port}"))
    assert code == 3
    assert f"port {port} is in use [bind.port]" in said
    assert HINTS["bind.port"] in said
    assert not (tmp_path / "data").exists()


def test_an_address_that_others_could_reach_is_refused(tmp_path: Path) -> None:
    code, said = run("serve", "provider", settings(tmp_path, 'host = "0.0.0.0"', "port = 0"))
    assert code == 3
    assert "loopback" in said


async def test_a_wrong_passphrase_opens_nothing_and_changes_nothing(tmp_path: Path) -> None:
    async with village(tmp_path / "village") as place:
        folder = tmp_path / "device"
        client = await Client.create(folder, place.url, "alice", passphrase="right")
        await client.register()
        await client.close()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    wrong = tmp_path / "wrong"
    wrong.write_text("left\n", encoding="utf-8")
    code, said = run("client", "list", str(folder), "--passphrase-file", str(wrong))
    assert code == 3
    assert "the passphrase is wrong" in said
    assert HINTS["keys.passphrase"] in said
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_full_disk_is_told_and_the_same_command_works_later(tmp_path: Path) -> None:
    """On a file system of 48 KiB in a name space of its own; where there is none, it says so."""
    unshare = shutil.which("unshare")
    small = tmp_path / "small"
    small.mkdir()
    mount = f'mount -t tmpfs -o size=48k none {small} && exec "$@"'
    before = (unshare or "unshare", "-rm", "sh", "-c", mount, "sh")
    probe = subprocess.run([*before, "true"], capture_output=True, check=False) if unshare else None
    if probe is None or probe.returncode:
        # No name spaces here: a limit on the size of files is the next best way to run out.
        before = ("sh", "-c", 'ulimit -f 24; exec "$@"', "sh")
    path = tmp_path / "settings.toml"
    path.write_text(f'data = "{small / "data"}"\nport = 0\n', encoding="utf-8")
    code, said = run("serve", "provider", str(path), before=before)
    assert code == 8
    assert said.count("\n") == 1 or HINTS["storage.full"] in said


async def test_a_clock_far_off_stops_loudly(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        wrong = Clock()
        wrong.offset = 86_400
        client = await Client.create(tmp_path / "device", place.url, "alice", clock=wrong)
        await client.register()
        # A device that could not start has closed its stream; only its store is left open.
        with pytest.raises(VerificationError, match="seconds apart") as refusal:
            await client.start(3.0)
        await client.close()
        assert refusal.value.rule == "session.clock"


def test_every_hint_hangs_on_a_rule_that_exists() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in modules(SRC) if path.name != "output.py"
    )
    assert [rule for rule in HINTS if f'"{rule}"' not in source] == []


def test_no_command_needs_more_of_the_environment_than_a_path() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "glasslock", "version"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "glasslock" in done.stdout
