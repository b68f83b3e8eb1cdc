"""Key files under a passphrase: a person at a terminal is asked, and nobody else is."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from glasslock.cli.keyfiles import open_seed
from glasslock.errors import ConfigError
from glasslock.runtime.keys import load_seed, new_seed, save_seed

READ = "import sys, pathlib; from glasslock.cli.keyfiles import open_seed\n"
READ += "print(open_seed(pathlib.Path(sys.argv[1])).hex())"


def at_a_terminal(command: list[str], *answers: str) -> tuple[int, str]:
    """Run a command at a terminal of its own, and answer each prompt; returns code and output."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)  # noqa: S606 - a child of the test
    said = b""
    waiting = list(answers)
    while True:
        try:
            data = os.read(terminal, 4_096)
        except OSError:
            break
        if not data:
            break
        said += data
        # The space comes once the terminal has stopped to echo: what is typed before is dropped.
        if waiting and said.endswith(b": "):
            os.write(terminal, waiting.pop(0).encode() + b"\n")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), said.decode()


def test_a_protected_key_file_asks_for_its_passphrase(tmp_path: Path) -> None:
    seed = new_seed()
    save_seed(tmp_path / "judge.key", seed, "open, please")
    command = [sys.executable, "-c", READ, str(tmp_path / "judge.key")]
    code, said = at_a_terminal(command, "open, please")
    assert (code, said.split()[-1]) == (0, seed.hex())
    assert "open, please" not in said
    code, said = at_a_terminal(command, "open sesame")
    assert code != 0
    assert seed.hex() not in said
    assert "the passphrase is wrong" in said


def test_where_nobody_can_be_asked_it_stays_shut(tmp_path: Path) -> None:
    path = tmp_path / "judge.key"
    save_seed(path, new_seed(), "open, please")
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "needs its passphrase" in done.stderr


def test_a_plain_key_file_asks_nothing(tmp_path: Path) -> None:
    seed = new_seed()
    save_seed(tmp_path / "plain.key", seed)
    assert open_seed(tmp_path / "plain.key") == seed


def test_a_new_key_is_put_under_a_passphrase_that_was_typed_twice(tmp_path: Path) -> None:
    path = tmp_path / "judge.key"
    command = [sys.executable, "-m", "glasslock", "order", "key", str(path)]
    command += ["--role", "countersigner", "--protect"]
    code, said = at_a_terminal(command, "open, please", "open, please")
    assert code == 0, said
    with pytest.raises(ConfigError):
        load_seed(path)
    assert len(load_seed(path, "open, please")) == 32
