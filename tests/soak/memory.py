"""Memory of long-lived processes: what they hold after many messages is what they held before.

A provider and two devices, each a process, write to each other. First until caches are full; then
their resident memory is read, many more messages follow, and it is read again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.journeys.process import Process

WARM_MESSAGES: Final = 4_500
"""Running heads of 4,096 entries are kept per conversation: beyond that nothing has to grow."""
WARM_TEXT: Final = 2_500
"""Characters of each: together they fill a device's page cache, which holds 8 MB of its store."""
SETTINGS: Final = 'data = "{data}"\nport = 0\n'
TOLERANCE: Final = 0.05
ROUND: Final = 250


@dataclass(frozen=True, slots=True)
class Held:
    """Resident bytes of one process, before and after."""

    process: str
    before: int
    after: int

    @property
    def growth(self) -> float:
        """How much more it holds, as a part of what it held."""
        return self.after / self.before - 1

    @property
    def flat(self) -> bool:
        """Whether it holds what it held, within the tolerance."""
        return self.after <= self.before * (1 + TOLERANCE)


async def soak(folder: Path, messages: int) -> list[Held]:
    """Have ``messages`` written after the warm-up; returns what each process held."""
    (folder / "provider.toml").write_text(SETTINGS.format(data=folder / "data"), encoding="utf-8")
    running = [provider := await Process.launch("provider", folder / "provider.toml")]
    try:
        url = f"http://127.0.0.1:{(await provider.expect('ready'))['port']}"
        people = []
        for name in ("alice", "bob"):
            (folder / "who").write_text(f"{url} {name}", encoding="utf-8")
            running.append(await Process.launch("client", folder / name))
            await running[-1].expect("ready")
            people.append(running[-1])
        alice, bob = people
        group = (await alice.ask("create", accounts=["bob"], policy="none"))["conversation"]
        await bob.expect("joined", conversation=group)
        await _talk(alice, bob, str(group), WARM_MESSAGES, WARM_TEXT)
        before = [_resident(each) for each in running]
        await _talk(alice, bob, str(group), messages)
        after = [_resident(each) for each in running]
    finally:
        for each in running:
            await each.stop()
    names = ("provider", "device of Alice", "device of Bob")
    return [Held(*row) for row in zip(names, before, after, strict=True)]


async def _talk(alice: Process, bob: Process, group: str, messages: int, length: int = 0) -> None:
    """Have both write in rounds, and wait after each until both have everything."""
    both = (alice, bob)
    for first in range(0, messages // 2, ROUND):
        for number in range(first, first + ROUND):
            text = f"message {number} of a long conversation".ljust(length, ".")
            await asyncio.gather(*(e.ask("send", conversation=group, text=text) for e in both))
        await asyncio.gather(*(each.expect("received", text=text) for each in both))
        for each in both:
            # What is kept here of their lines is no memory of theirs, and not needed again.
            each.lines.clear()


def _resident(process: Process) -> int:
    status = Path(f"/proc/{process.process.pid}/status").read_text(encoding="ascii")
    (line,) = [each for each in status.splitlines() if each.startswith("VmRSS:")]
    return int(line.split()[1]) * 1_024
