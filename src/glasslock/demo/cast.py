"""Who takes part in the story: people and daemons as processes, driven by what they print."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from glasslock.demo.stage import Actor, Stage
from glasslock.demo.story import Step
from glasslock.errors import TransportError

PEOPLE: Final = ("alice", "bob", "carol", "dave", "erin")
PATIENCE: Final = 20.0

SETTINGS: Final = """\
data = "{data}"
port = {port}

[clocks]
slot_seconds = 2
slots_per_day = 1440
skew_seconds = 4
ingest_seconds = 2
"""


@dataclass
class Cast:
    """The story's actors and what they have to remember from step to step."""

    stage: Stage
    url: str = ""
    policy_log: str = ""
    words: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Actor:
        """Return the actor called ``name``."""
        return self.stage.actors[name]

    def start_provider(self) -> Actor:
        """Start the provider on a free port and wait until it listens."""
        folder = self.stage.folder("provider")
        settings = folder / "provider.toml"
        if not settings.exists():
            self._settle(settings, 0)
        elif self.policy_log:
            self._settle(settings, int(self.url.rsplit(":", 1)[1]))
        provider = self.stage.start("provider", "serve", "provider", str(settings))
        port = provider.expect("ready")["port"]
        # A restart must be found where the people left it.
        self._settle(settings, port)
        self.url = f"http://127.0.0.1:{port}"
        return provider

    def _settle(self, settings: Path, port: int) -> None:
        text = SETTINGS.format(data=settings.parent / "data", port=port) + self.policy_log
        settings.write_text(text, encoding="utf-8")

    def make_people(self, names: Iterable[str]) -> None:
        """Make a device for each account and put it to work."""

        def make(name: str) -> None:
            device = str(self.stage.folder(name) / "device")
            self.stage.run("client", "create", device, "--provider", self.url, "--account", name)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(make, names))
        self.wake(names)

    def link(self, name: str, second: str) -> None:
        """Make a second device for account ``name``, approved by the first, and put it to work."""
        new = str(self.stage.folder(second) / "device")
        old = str(self.stage.folder(name) / "device")
        self[name].stop()
        arguments = ("--provider", self.url, "--account", name, "--link")
        code = self.stage.run("client", "create", new, *arguments).stdout.strip()
        answer = self.stage.run("client", "approve", old, code).stdout.strip()
        self.stage.run("client", "join", new, answer)
        self.wake((name, second))

    def wake(self, names: Iterable[str]) -> None:
        """Start the agents of people who have a device."""
        for name in names:
            device = str(self.stage.folder(name) / "device")
            self.stage.start(name, "client", "run", device, talks=True)
        for name in names:
            self[name].expect("ready")

    def texts(self, name: str, conversation: str) -> list[str]:
        """Return what a device has of a conversation, in the order of the line."""
        messages = self[name].ask("read", conversation=conversation)["messages"]
        placed = [message for message in messages if message["position"] is not None]
        return [message["text"] for message in sorted(placed, key=lambda m: m["position"])]

    def until_read(self, step: Step, name: str, before: int, wanted: list[str]) -> None:
        """Wait until a device has exactly ``wanted`` after its first ``before`` messages."""
        self.until(
            step,
            lambda: self.texts(name, self.facts["group"])[before:] == wanted,
            f"{name} has other messages than were written",
        )

    def until(
        self,
        step: Step,
        holds: Callable[[], object],
        otherwise: str,
        seconds: float = PATIENCE,
        pause: float = 0.05,
    ) -> None:
        """Wait until ``holds()``; the step fails with ``otherwise`` when it never does.

        ``pause`` is the time between two looks in seconds: longer where each look is a command,
        which would take the processor from those who are waited for.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if holds():
                    return
            except TransportError:
                pass
            time.sleep(pause)
        step.require(holds=False, otherwise=otherwise)
