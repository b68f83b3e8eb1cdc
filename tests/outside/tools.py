"""Other people's verifiers and witnesses, installed from a registry by pinned version and hash.

Knows how to make them and what is missing when that fails; knows no test. Nothing of theirs is in
the repository, and nothing of ours learns from them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
CACHE: Final = HERE.parents[1] / ".cache" / "outside"
SECONDS: Final = 150
PYTHONS: Final = ("python3.12", "python3.13", "python3.14")


class NotToBeHad(Exception):
    """A tool is not on this machine and cannot be made now."""


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Make a tool once, whoever else runs tests beside this process."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(*command: object, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command to its end; returns its output.

    Raises:
        NotToBeHad: it cannot be run, or it fails: with its last words.
    """
    words = [str(word) for word in command]
    settings = {**os.environ, **(env or {})}
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=settings,
            cwd=cwd,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotToBeHad(f"{Path(words[0]).name}: {type(error).__name__}") from None
    if done.returncode:
        raise NotToBeHad(f"{Path(words[0]).name}: {done.stderr.strip()[-300:]}")
    return done.stdout


def go_verifier() -> Path:
    """Return ``verifier/main.go``, built with Go's own note, tile and signature code.

    Raises:
        NotToBeHad: the pinned Go cannot be fetched or does not run here.
    """
    with _alone():
        return _verifier()


def _verifier() -> Path:
    made = CACHE / "verifier"
    source = (HERE / "verifier" / "main.go").read_bytes()
    stamp = CACHE / "verifier.source"
    if made.is_file() and stamp.is_file() and stamp.read_bytes() == source:
        return made
    root = _go() / "go"
    work = CACHE / "build"
    shutil.rmtree(work, ignore_errors=True)
    # The copy of x/mod that Go's own tools use: it has the checks that older releases leave out.
    shutil.copytree(root / "src" / "cmd" / "vendor" / "golang.org" / "x" / "mod", work / "mod")
    (work / "mod" / "go.mod").write_text("module golang.org/x/mod\n\ngo 1.25\n", encoding="utf-8")
    (work / "main.go").write_bytes(source)
    (work / "go.mod").write_text(
        "module verifier\n\ngo 1.27\n\nrequire golang.org/x/mod v0.0.0\n\n"
        "replace golang.org/x/mod => ./mod\n",
        encoding="utf-8",
    )
    env = {"GOROOT": str(root), "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    env["GOCACHE"] = str(CACHE / "gocache")
    run(root / "bin" / "go", "build", "-o", made, ".", env=env, cwd=work)
    stamp.write_bytes(source)
    return made


def _go() -> Path:
    folder = CACHE / "go"
    done = folder / "complete"
    if not done.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        options = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", folder)
        run(sys.executable, "-m", "pip", "install", "-q", *options, "-r", HERE / "go.txt")
        done.touch()
    return folder


def python_tools() -> Path:
    """Return the ``bin`` of a virtual environment with the Python verifier and witness.

    Raises:
        NotToBeHad: there is no Python 3.12, which they need, or they cannot be fetched.
    """
    with _alone():
        return _tools()


def _tools() -> Path:
    folder = CACHE / "python"
    done = folder / "complete"
    wanted = (HERE / "python.txt").read_bytes()
    if not (done.is_file() and done.read_bytes() == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        run(_python(), "-m", "venv", folder)
        options = ("--require-hashes", "--only-binary", ":all:")
        run(folder / "bin" / "pip", "install", "-q", *options, "-r", HERE / "python.txt")
        done.write_bytes(wanted)
    return folder / "bin"


def _python() -> str:
    onpath = [found for name in PYTHONS if (found := shutil.which(name))]
    # Where pyenv is used, a name on the path may stand for a version that is not chosen.
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    chosen = [path for name in PYTHONS for path in sorted(root.glob(f"versions/*/bin/{name}"))]
    for found in (*onpath, *map(str, chosen)):
        if _answers(found):
            return found
    raise NotToBeHad("there is no Python 3.12 or newer on this machine")


def _answers(python: str) -> bool:
    try:
        run(python, "-c", "import venv, ensurepip")
    except NotToBeHad:
        return False
    return True


def ends_well(command: Sequence[object]) -> bool:
    """Say whether a verifier accepts: it ran, and ended with 0."""
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == 0
