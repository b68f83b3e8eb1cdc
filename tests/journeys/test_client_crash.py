"""A device is killed at every write point of its store; what it had acknowledged is sent once.

``step`` is the transaction of every step of a session, so it is struck again and again: after the
device's first rows, KeyPackages, a new group, commits, messages, receipts and what others wrote.
The story is told under ``none``, and under a policy with keyholders, whose log the device reads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from glasslock.client import Client, Invited
from tests.journeys.points import MOMENTS, write_points
from tests.journeys.process import PATIENCE, Gone, Process
from tests.village.access import SMALL, access_village
from tests.village.village import Village, until, village

LOG_POINTS = sorted(p for p in write_points("client") if p.startswith("log."))
POINTS = sorted(write_points("client") - set(LOG_POINTS))
# A device makes 30 steps and more in this story, fewer when much happens at once; the first ones
# prepare KeyPackages.
STEPS = [
    (f"step.{moment}", count)
    for count, moment in zip((2, 5, 9, 13, *range(15, 30)), MOMENTS * 9, strict=False)
]
# With seals in flight: the new group, the commits, envelopes with seals, verdicts, other's seals.
SEALED = [
    (f"step.{moment}", count)
    for count, moment in zip(
        (14, 17, 19, 20, 21, 22, 24, 26, 28, 30, 32), MOMENTS * 4, strict=False
    )
]
MOST_DEATHS = 3


class Device:
    """Alice's device as a process that dies once."""

    def __init__(self, folder: Path, point: str, count: int) -> None:
        self.folder = folder
        self.deaths = 0
        self._point, self._count = point, count
        self._process: Process | None = None

    async def process(self) -> Process:
        """Return the running process, a new one after a death."""
        while self._process is None:
            assert self.deaths < MOST_DEATHS, "the device does not come back"
            launched = await Process.launch("client", self.folder, self._point, self._count)
            try:
                await launched.expect("ready")
                self._process = launched
            except Gone:
                self._died()
        return self._process

    def _died(self) -> None:
        self.deaths += 1
        self._process = None
        self._point = "none"

    async def ask(self, do: str, **command: object) -> dict[str, object] | None:
        """Return an answer, or None when the device died before it gave one."""
        process = await self.process()
        try:
            return await process.ask(do, **command)
        except Gone:
            self._died()
            return None

    async def conversations(self) -> list[dict[str, object]]:
        """Return the device's conversations."""
        while (answer := await self.ask("list")) is None:
            pass
        return answer["conversations"]  # type: ignore[return-value]

    async def texts(self, group: str) -> list[tuple[str, str]]:
        """Return state and text of its messages, in the order of the line."""
        while (answer := await self.ask("read", conversation=group)) is None:
            pass
        messages: list[dict[str, object]] = answer["messages"]  # type: ignore[assignment]
        ordered = sorted(messages, key=lambda m: (m["position"] is None, m["position"] or 0))
        return [(str(m["state"]), str(m["text"])) for m in ordered]

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.stop()


async def found_group(device: Device, bob: Client, policy: str) -> str:
    """Have the device create a conversation with Bob in it, however often it takes."""
    answer = await device.ask("create", accounts=["bob"], policy=policy)
    if answer is not None:
        return str(answer["conversation"])
    known = await device.conversations()
    group = str(known[0]["conversation"]) if known else ""
    if not known:
        created = await device.ask("create", accounts=["bob"], policy=policy)
        assert created is not None
        return str(created["conversation"])
    if "bob" not in known[0]["accounts"]:  # type: ignore[operator]
        await device.ask("invite", conversation=group, account="bob")
    await until(bob.conversations)
    return group


async def say_yes(bob: Client) -> None:
    """Accept whatever Bob is invited to."""
    async for told in bob.events():
        if isinstance(told, Invited):
            await bob.accept(told.group_id)


async def tell_the_story(device: Device, bob: Client, policy: str) -> None:
    """Create, write, read, renew: every kind of step; then compare both sides."""
    group = await found_group(device, bob, policy)
    group_id = bytes.fromhex(group)
    await until(lambda: any(c.group_id == group_id for c in bob.conversations()))
    acknowledged, unanswered = [], []
    for number in range(5):
        text = f"alice {number}"
        answer = await device.ask("send", conversation=group, text=text)
        (unanswered if answer is None else acknowledged).append(text)
        await bob.send(group_id, f"bob {number}")
    if await device.ask("refresh", conversation=group) is None:
        await device.ask("refresh", conversation=group)
    text = "alice after"
    answer = await device.ask("send", conversation=group, text=text)
    (unanswered if answer is None else acknowledged).append(text)
    await compare(device, bob, group, acknowledged, unanswered)


async def compare(
    device: Device, bob: Client, group: str, acknowledged: list[str], unanswered: list[str]
) -> None:
    group_id = bytes.fromhex(group)

    def at_bob() -> list[str]:
        got = sorted(bob.messages(group_id), key=lambda m: m.position or 0)
        return [m.content.decode() for m in got if m.position is not None]

    await until(lambda: set(acknowledged) <= set(at_bob()))
    # A command without an answer may have been stored or not; then it is sent or not, never twice.
    deadline = time.monotonic() + PATIENCE
    settled = False
    while not settled and time.monotonic() < deadline:
        mine = await device.texts(group)
        settled = not {state for state, _ in mine} & {"queued", "sent"}
        settled = settled and [text for _, text in mine] == at_bob()
        settled = settled and all(m.position is not None for m in bob.messages(group_id))
        await asyncio.sleep(0.02)
    texts = [text for _, text in mine]
    assert texts == at_bob()
    assert len(set(texts)) == len(texts)
    assert set(acknowledged) | {f"bob {n}" for n in range(5)} <= set(texts)
    assert set(texts) <= set(acknowledged) | set(unanswered) | {f"bob {n}" for n in range(5)}
    assert bob.records(group_id) == []


@asynccontextmanager
async def stage(folder: Path, policy: str) -> AsyncIterator[Village]:
    """Open a village that serves ``policy``."""
    if policy == "none":
        async with village(folder) as people:
            yield people
    else:
        async with access_village(folder, shape=SMALL) as (place, _):
            yield place.people


@pytest.mark.parametrize(
    ("policy", "point", "count"),
    [
        *(("none", point, 1) for point in POINTS),
        *(("none", *step) for step in STEPS),
        *(("sealed", point, 1) for point in LOG_POINTS),
        *(("sealed", *step) for step in SEALED),
    ],
)
async def test_a_device_killed_at_any_write_loses_nothing(
    tmp_path: Path, policy: str, point: str, count: int
) -> None:
    async with stage(tmp_path / "village", policy) as place:
        bob = await place.person("bob")
        (tmp_path / "who").write_text(f"{place.url} alice", encoding="utf-8")
        device = Device(tmp_path / "alice", point, count)
        saying_yes = asyncio.create_task(say_yes(bob))
        try:
            await tell_the_story(device, bob, policy)
        finally:
            saying_yes.cancel()
            await device.stop()
        assert device.deaths == 1, f"{point} was not passed {count} times"
