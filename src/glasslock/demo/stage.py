"""Starts, watches and ends the story's processes; knows commands and files, no actor's objects."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from glasslock.errors import StateError, TransportError

READY_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 5.0


@dataclass
class Actor:
    """One running process with JSON lines on standard output and, if it talks, on input."""

    name: str
    command: Sequence[str]
    folder: Path
    process: subprocess.Popen[str]
    lines: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    backlog: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    @property
    def pid(self) -> int:
        """The operating system's process id."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def tell(self, **command: object) -> None:
        """Send one JSON line; raises ``TransportError`` when nobody reads it any more."""
        if self.process.stdin is None:
            raise StateError(f"{self.name} takes no commands")
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise TransportError(f"{self.name} has gone") from error

    def ask(self, do: str, **command: object) -> dict[str, Any]:
        """Send a command and return its answer.

        Raises:
            StateError: the command was refused.
        """
        self.asked += 1
        self.tell(do=do, id=self.asked, **command)
        answer = self._wait({"id": self.asked}, ANSWER_SECONDS)
        if answer["event"] == "refused":
            raise StateError(f"{self.name}: {answer['text']}", rule=answer["rule"])
        return answer

    def expect(
        self, kind: str, *, seconds: float = ANSWER_SECONDS, **facts: object
    ) -> dict[str, Any]:
        """Wait for a line with ``"event": kind`` and all ``facts``; other lines are kept.

        Raises:
            TransportError: none came in time; the message tells the last lines of the log.
        """
        return self._wait({"event": kind, **facts}, seconds)

    def _wait(self, wanted: dict[str, object], seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        kept, self.backlog = self.backlog, []
        while True:
            while kept:
                line = kept.pop(0)
                if wanted.items() <= line.items():
                    self.backlog += kept
                    return line
                self.backlog.append(line)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TransportError(f"{self.name} said no {wanted} in time. {self.tail()}")
            with contextlib.suppress(queue.Empty):
                kept.append(self.lines.get(timeout=min(left, 0.5)))
            if not self.alive and self.lines.empty() and not kept:
                raise TransportError(f"{self.name} ended early. {self.tail()}")

    def tail(self, count: int = 5) -> str:
        """Return the last ``count`` lines of the process's log."""
        log = self.folder / "log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return " | ".join(lines[-count:])

    def kill(self) -> None:
        """Kill -9 and wait until the system has buried it."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask to end, then kill."""
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()


class Stage:
    """All actors of one telling, in one temporary folder; leaves no process behind."""

    def __init__(self, root: Path) -> None:
        """Use ``root``, an existing empty folder."""
        self.root = root
        self.actors: dict[str, Actor] = {}
        root.chmod(0o700)

    def folder(self, name: str) -> Path:
        """Return the folder of actor ``name``, made private to its owner."""
        folder = self.root / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def start(
        self, name: str, *arguments: str, talks: bool = False, module: str = "glasslock"
    ) -> Actor:
        """Start ``glasslock ARGUMENTS`` as actor ``name``, with its log in its own folder.

        Another ``module`` than ours is what a villain runs.
        """
        folder = self.folder(name)
        command = [sys.executable, "-m", module, *arguments]
        with (folder / "log").open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_environment(),
                start_new_session=True,
            )
        actor = Actor(name, command, folder, process)
        threading.Thread(target=_read, args=(actor,), daemon=True).start()
        self.actors[name] = actor
        return actor

    def restart(self, actor: Actor) -> Actor:
        """Start the same command again after it ended."""
        talks = actor.process.stdin is not None
        return self.start(actor.name, *actor.command[3:], talks=talks)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one ``glasslock`` command to its end.

        Raises:
            StateError: it failed although ``check`` asked for success.
        """
        done = subprocess.run(
            [sys.executable, "-m", "glasslock", *arguments],
            capture_output=True,
            text=True,
            env=_environment(),
            timeout=60,
            check=False,
        )
        if check and done.returncode:
            raise StateError(f"glasslock {' '.join(arguments[:2])}: {done.stderr.strip()}")
        return done

    def close(self) -> None:
        """End every process."""
        for actor in self.actors.values():
            if actor.alive:
                actor.process.send_signal(signal.SIGTERM)
        for actor in self.actors.values():
            actor.stop()


def planted_word() -> str:
    """Return 24 random letters and digits that occur nowhere by chance."""
    return secrets.token_hex(12)


def _read(actor: Actor) -> None:
    stream = actor.process.stdout
    if stream is None:
        return
    for line in stream:
        try:
            value = json.loads(line)
        except ValueError:
            value = {"event": "text", "line": line.rstrip("\n")}
        actor.lines.put(value if isinstance(value, dict) else {"event": "text", "line": line})


def _environment() -> Mapping[str, str]:
    # Actors get no more of the caller's environment than a program needs to start.
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ}
