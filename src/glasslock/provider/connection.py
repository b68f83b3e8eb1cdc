"""One device's open stream: its frames go into batches, entries and inbox come out of them.

Whoever is up to date gets what a batch made at once, the same bytes as everybody else. Who is
behind, reads slowly, or may have left is served from the store, at its own pace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from glasslock.errors import GlasslockError, StorageError, TransportError, WireError
from glasslock.mls import Device
from glasslock.provider.batch import refused
from glasslock.provider.store import FRAME_BYTES, Unread
from glasslock.runtime.frames import frame_of
from glasslock.runtime.server import Stream
from glasslock.wire import api

# A device has at most so many frames in one batch, so that others have room in it.
SHARE: Final = 100


class Office(Protocol):
    """What a stream asks of its provider."""

    async def carry_out(
        self, device: Device, frames: Sequence[api.DeviceFrame]
    ) -> list[api.ProviderFrame | None]:
        """Return the answers to frames once they are durable."""

    async def unread(self, group_id: bytes, device: Device, after: int) -> Unread:
        """Return the next entries of a line that a device reads."""

    async def inbox(self, device: Device, after: int) -> list[api.InboxItem]:
        """Return what waits for a device."""

    def follow(self, group_id: bytes, connection: Connection) -> None:
        """Tell a connection when a line grows."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What one batch added to a line; ``frames`` brings it, unless it has to be read first."""

    group_id: bytes
    first: int
    last: int
    frames: bytes | None

    @classmethod
    def of(cls, group_id: bytes, items: list[api.EntryItem], *, settled: bool) -> Growth:
        """Frame ``items`` once for all; not if members changed among them, or there is too much."""
        last = items[-1].position
        frames = None
        if settled and sum(len(item.data) for item in items) <= FRAME_BYTES:
            frames = _framed((api.Deliver(group_id, items, last),))
        return cls(group_id, items[0].position, last, frames)


@dataclass(slots=True)
class _Followed:
    """How far a line was sent, and how far it may be: nowhere before the store was asked."""

    sent: int
    limit: int = 0


class Connection:
    """One device's open stream."""

    def __init__(self, office: Office, stream: Stream, device: Device) -> None:
        """Serve ``device`` on ``stream``, which it has logged in on."""
        self._office = office
        self._stream = stream
        self._device = device
        self.followed: dict[bytes, _Followed] = {}
        self._behind: set[bytes] = set()
        self._inbox_sent = 0
        self._inbox_grown = False
        self._catching_up: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until the other side closes."""
        self._running = asyncio.current_task()
        self.inbox_grew()
        try:
            while True:
                await self._take(await self._stream.receive_all())
        except (WireError, asyncio.CancelledError):
            return
        finally:
            if self._catching_up is not None:
                self._catching_up.cancel()

    async def stop(self) -> None:
        """End this stream, because a newer one took over or the provider stops."""
        await self._stream.close()
        if self._running is not None:
            self._running.cancel()

    def line_grew(self, growth: Growth) -> None:
        """Send what is new on a line: now, if nothing is missing before it; else soon."""
        line = self.followed[growth.group_id]
        ready = line.sent == growth.first - 1 and growth.last <= line.limit
        if ready and growth.frames is not None and self._stream.offer(growth.frames):
            line.sent = growth.last
        else:
            self._fall_behind(growth.group_id)

    def inbox_grew(self) -> None:
        """Send what is new in the inbox, soon."""
        self._inbox_grown = True
        self._catch_up()

    async def _take(self, came: Sequence[bytes]) -> None:
        """Carry out what came; what follows a malformed frame is not looked at.

        Raises:
            WireError: one of the frames is malformed.
        """
        for at in range(0, len(came), SHARE):
            frames: list[api.DeviceFrame] = []
            try:
                for data in came[at : at + SHARE]:
                    frames.append(api.decode_device_frame(data))  # noqa: PERF401 - up to the first
            finally:
                await self._carry_out(frames)

    async def _carry_out(self, frames: Sequence[api.DeviceFrame]) -> None:
        if not frames:
            return
        try:
            answers = await self._office.carry_out(self._device, frames)
        except StorageError as error:
            answers = [refused(getattr(frame, "id", 0), error) for frame in frames]
        for frame, answer in zip(frames, answers, strict=True):
            if isinstance(frame, api.Follow) and isinstance(answer, api.Following):
                self._follow(frame)
        await self._stream.send_framed(_framed(each for each in answers if each is not None))

    def _follow(self, frame: api.Follow) -> None:
        self.followed[frame.group_id] = _Followed(frame.after)
        self._office.follow(frame.group_id, self)
        self._fall_behind(frame.group_id)

    # -- what is read from the store ------------------------------------------------------------

    def _fall_behind(self, group_id: bytes) -> None:
        self._behind.add(group_id)
        self._catch_up()

    def _catch_up(self) -> None:
        if self._catching_up is None:
            self._catching_up = asyncio.create_task(self._read_on())

    async def _read_on(self) -> None:
        try:
            while self._inbox_grown or self._behind:
                if self._inbox_grown:
                    self._inbox_grown = False
                    await self._read_inbox()
                if self._behind:
                    await self._read_line(self._behind.pop())
        except (GlasslockError, TransportError):
            return
        finally:
            self._catching_up = None

    async def _read_inbox(self) -> None:
        while items := await self._office.inbox(self._device, self._inbox_sent):
            self._inbox_sent = items[-1].seq
            await self._stream.send_framed(_framed(items))

    async def _read_line(self, group_id: bytes) -> None:
        line = self.followed[group_id]
        while True:
            unread = await self._office.unread(group_id, self._device, line.sent)
            line.limit = unread.limit
            # Meanwhile a batch may have been sent already.
            entries = [item for item in unread.entries if item.position > line.sent]
            if not entries:
                return
            line.sent = entries[-1].position
            deliver = api.Deliver(group_id, entries, line.sent)
            await self._stream.send_framed(_framed((deliver,)))


def _framed(frames: Iterable[api.Frame]) -> bytes:
    return b"".join(frame_of(api.encode_frame(frame)) for frame in frames)
