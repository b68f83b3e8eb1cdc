"""What the load generator plays: scenes over real streams, each bounded in count and in time.

A scene returns numbers and raises when anything was refused, lost, doubled or out of order.
"""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec

from glasslock.tlog.receipt import verify_receipt
from glasslock.wire import api
from glasslock.wire.entry import decode_receipt
from tests.bench.loadgen_people import Person, Place, Talk, people, talk
from tests.bench.loadgen_wire import Lost, Wire, masked

DEADLINE: Final = 50.0
TICK: Final = 0.001
# A line is read so many times over, since once is done in a moment.
READINGS: Final = 5
PERCENTILES: Final = (
    ("p50_ms", 0.5),
    ("p90_ms", 0.9),
    ("p99_ms", 0.99),
    ("p999_ms", 0.999),
    ("max_ms", 1.0),
)
Figures = dict[str, float]


class _Item(msgspec.Struct):
    """The part of an entry that the clock needs; the rest is skipped, not copied."""

    position: int


class Deliver(msgspec.Struct, tag_field="t"):
    """``api.Deliver`` as far as the clock needs it."""

    entries: list[_Item]


class Accepted(msgspec.Struct, tag_field="t"):
    """``api.Accepted`` as far as the clock needs it."""

    id: int


class Refused(msgspec.Struct, tag_field="t"):
    """``api.Refused``."""

    rule: str | None


class Following(msgspec.Struct, tag_field="t"):
    """``api.Following``."""

    newest: int


class InboxItem(msgspec.Struct, tag_field="t"):
    """``api.InboxItem``."""

    seq: int


_light = msgspec.msgpack.Decoder(Deliver | Accepted | Refused | Following | InboxItem)


def percentiles(latencies: array[float]) -> Figures:
    """Return how long half, 90, 99 and 99.9 per cent took at most, and the longest, in ms."""
    ranked = sorted(latencies)
    if not ranked:
        return {}
    last = len(ranked) - 1
    return {name: round(ranked[math.ceil(last * share)] * 1_000, 2) for name, share in PERCENTILES}


class Course:
    """One conversation under load: who writes, who reads, when each message left."""

    def __init__(self, each: Talk, frames: Sequence[bytes], writer: Wire) -> None:
        self._talk = each
        self._frames = frames
        self._writer = writer
        self._base = each.state.head.position
        self._sent = array("d", bytes(8 * len(frames)))
        self._next = 0
        self.accepted = 0
        self.got = [0]
        self.latencies = array("d")
        self._settled = 0
        self._behind: list[int] = []
        self.last: list[bytes] = []
        self.failure: Exception | None = None
        writer.take = self._answered

    def read(self, wire: Wire) -> None:
        """Have one more member's stream take part."""
        reader = len(self._behind)
        self._behind.append(0)
        self.last.append(b"")

        def take(came: list[bytes]) -> None:
            self._delivered(reader, wire, came)

        wire.take = take

    def write(self, count: int, due: float | None = None) -> None:
        """Send the next ``count`` messages now; their clocks began when they were ``due``."""
        first, end = self._next, min(self._next + count, len(self._frames))
        if first == end:
            return
        began = time.perf_counter() if due is None else due
        for at in range(first, end):
            self._sent[at] = began
        self._next = end
        self._writer.transport.write(b"".join(self._frames[first:end]))

    @property
    def done(self) -> bool:
        """Whether every reader has everything and every message was accepted."""
        if self.failure is not None:
            raise self.failure
        total = len(self._frames)
        return self.accepted == total and min(self._behind) == total

    @property
    def delivered(self) -> int:
        """How many messages arrived, at all readers together."""
        return sum(self._behind)

    def _answered(self, came: list[bytes]) -> None:
        for data in came:
            frame = _light.decode(data)
            if isinstance(frame, Accepted):
                self.accepted += 1
            elif isinstance(frame, Refused):
                self.failure = Lost(f"refused: {frame.rule}")

    def _delivered(self, reader: int, wire: Wire, came: list[bytes]) -> None:
        now = time.perf_counter()
        sent, latencies = self._sent, self.latencies
        got = self._behind[reader]
        for data in came:
            frame = _light.decode(data)
            if not isinstance(frame, Deliver):
                continue
            for item in frame.entries:
                if item.position != self._base + got + 1:
                    self.failure = Lost("an entry is missing, doubled or out of order")
                latencies.append(now - sent[got])
                got += 1
            self.last[reader] = data
        if got == self._behind[reader]:
            return
        self._behind[reader] = got
        ack = api.Ack(self._talk.group_id, self._base + got)
        wire.transport.write(masked(api.encode_frame(ack)))
        self.moved()

    def moved(self) -> None:
        """Write as much again as has reached every reader (closed loop)."""
        settled = min(self._behind)
        fresh, self._settled = settled - self._settled, settled
        if fresh and self.closed:
            self.write(fresh)

    closed = True

    def verify(self, place: Place) -> int:
        """Check the receipts of the last frame each reader got; returns how many."""
        count = 0
        for data in set(self.last):
            frame = api.decode_provider_frame(data)
            assert isinstance(frame, api.Deliver)
            for item in frame.entries:
                receipt = decode_receipt(item.receipt)
                verify_receipt(receipt, place.key)
                if (receipt.leaf.group_id, receipt.leaf.position) != (
                    frame.group_id,
                    item.position,
                ):
                    raise Lost("a receipt is of another entry")
                count += 1
        return count


async def _join(place: Place, each: Person, group_id: bytes, after: int) -> Wire:
    wire = await each.connect(place)
    wire.transport.write(masked(api.encode_frame(api.Follow(1, group_id, after))))
    while not isinstance(await wire.next(), api.Following):
        pass
    return wire


@dataclass(frozen=True)
class Load:
    """How much: conversations, readers in each, messages each, outstanding each or rate for all."""

    talks: int
    readers: int
    messages: int
    outstanding: int = 32
    rate: float = 0.0


async def converse(place: Place, load: Load) -> Figures:
    """Play conversations with everybody online, closed loop, or open loop at ``load.rate``."""
    courses, wires = await _prepare(place, load)
    try:
        start = time.perf_counter()
        late = await begin(courses, load, start)
        await _finish(courses, start)
        seconds = time.perf_counter() - start
        checked = sum(course.verify(place) for course in courses)
    finally:
        for wire in wires:
            wire.close()
    latencies = array("d")
    for course in courses:
        latencies.extend(course.latencies)
    messages = load.talks * load.messages
    delivered = sum(course.delivered for course in courses)
    if delivered != messages * load.readers or not checked:
        raise Lost("not everything arrived")
    return {
        "messages": messages,
        "deliveries": delivered,
        "seconds": round(seconds, 3),
        "messages_per_s": round(messages / seconds),
        "deliveries_per_s": round(delivered / seconds),
        **percentiles(latencies),
        **late,
        "receipts_verified": checked,
    }


async def _prepare(place: Place, load: Load) -> tuple[list[Course], list[Wire]]:
    now = int(time.time())
    crowd = await people(place, load.talks * (load.readers + 1), now)
    courses, wires = [], []
    for number in range(load.talks):
        writer, *readers = crowd[number * (load.readers + 1) : (number + 1) * (load.readers + 1)]
        wire = await writer.connect(place)
        each = await talk(place, writer, readers, wire, now)
        course = Course(each, each.frames(load.messages, now, number), wire)
        wires.append(wire)
        for reader in readers:
            wires.append(await _join(place, reader, each.group_id, each.state.head.position))
            course.read(wires[-1])
        courses.append(course)
    return courses, wires


class Writer(Protocol):
    """The end of a conversation that messages come from."""

    closed: bool

    def write(self, count: int, due: float | None = None) -> None:
        """Send the next ``count`` messages now; their clocks began when they were ``due``."""


async def begin(writers: Sequence[Writer], load: Load, start: float) -> Figures:
    """Start the closed loop, or send everything at ``load.rate``, the writers in turn.

    In open loop a message's clock begins when it was due, so that a generator which is held up
    hides nothing; how late it ever was is returned.
    """
    if not load.rate:
        for writer in writers:
            writer.write(load.outstanding)
        return {}
    for writer in writers:
        writer.closed = False
    sent, total, late = 0, load.talks * load.messages, 0.0
    while sent < total:
        now = time.perf_counter() - start
        late = max(late, now - sent / load.rate)
        end = min(int(now * load.rate) + 1, total)
        for number in range(sent, end):
            writers[number % len(writers)].write(1, start + number / load.rate)
        sent = end
        await asyncio.sleep(TICK)
        if now > DEADLINE:
            raise Lost("the time was up")
    return {"generator_late_ms": round(late * 1_000, 2)}


async def _finish(courses: Sequence[Course], start: float) -> None:
    while not all(course.done for course in courses):
        if time.perf_counter() - start > DEADLINE:
            raise Lost("the time was up")
        await asyncio.sleep(0.002)


async def catch_up(place: Place, messages: int) -> Figures:
    """Fill a line while a device is away, then time how it reads everything, again and again."""
    now = int(time.time())
    writer, away, awake = await people(place, 3, now)
    wire = await writer.connect(place)
    each = await talk(place, writer, [away, awake], wire, now)
    base = each.state.head.position
    course = Course(each, each.frames(messages, now, 0), wire)
    course.read(await _join(place, awake, each.group_id, base))
    course.write(256)
    await _finish([course], time.perf_counter())
    seconds = 0.0
    for _ in range(READINGS):
        seconds += await _read_all(place, away, each.group_id, (base, base + messages))
    wire.close()
    return {
        "entries": messages * READINGS,
        "seconds": round(seconds, 3),
        "entries_per_s": round(messages * READINGS / seconds),
    }


async def _read_all(place: Place, away: Person, group_id: bytes, span: tuple[int, int]) -> float:
    """Return how long a device that just came takes to get all entries of a span."""
    reader = await away.connect(place)
    at, end = span
    start = time.perf_counter()
    reader.transport.write(masked(api.encode_frame(api.Follow(1, group_id, at))))
    while at < end:
        frame = await reader.next()
        if isinstance(frame, api.Deliver):
            if frame.entries[0].position != at + 1:
                raise Lost("an entry is missing, doubled or out of order")
            at = frame.entries[-1].position
    seconds = time.perf_counter() - start
    reader.close()
    return seconds


async def storm(place: Place, devices: int) -> Figures:
    """Log all devices in, drop them at one moment, and time until all follow their line again."""
    now = int(time.time())
    writer, *others = await people(place, devices, now)
    first = await writer.connect(place)
    each = await talk(place, writer, others[:50], first, now)
    after = each.state.head.position
    crowd = [writer, *others]
    wires = [await one.connect(place) for one in crowd]
    for wire in wires:
        wire.close()
    took = array("d")
    members = {writer.device, *(one.device for one in others[:50])}
    start = time.perf_counter()

    async def back(one: Person) -> Wire:
        if one.device in members:
            wire = await _join(place, one, each.group_id, after)
        else:
            wire = await one.connect(place)
        took.append(time.perf_counter() - start)
        return wire

    wires = await asyncio.wait_for(asyncio.gather(*(back(one) for one in crowd)), DEADLINE)
    seconds = time.perf_counter() - start
    for wire in (*wires, first):
        wire.close()
    return {
        "devices": devices,
        "seconds": round(seconds, 3),
        "logins_per_s": round(devices / seconds),
        **percentiles(took),
    }


async def idle(place: Place, devices: int, pid: int) -> Figures:
    """Connect devices that do nothing, and read the provider's memory before and after."""
    crowd = await people(place, devices, int(time.time()))
    before = resident(pid)
    wires = [await one.connect(place) for one in crowd]
    await asyncio.sleep(1.0)
    after = resident(pid)
    for wire in wires:
        wire.close()
    return {
        "devices": devices,
        "before_mb": round(before / 1e6, 1),
        "after_mb": round(after / 1e6, 1),
        "kb_per_device": round((after - before) / devices / 1e3, 1),
        "mb_at_10000": round((before + (after - before) / devices * 10_000) / 1e6, 1),
    }


def resident(pid: int) -> int:
    """Return a process's resident memory in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    raise Lost("the process is gone")
