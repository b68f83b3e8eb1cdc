"""The server's frames: whole binary ones are cut out of what came in bulk; knows no ASGI message.

The handshake, pings, closing, fragments and whatever breaks RFC 6455 stay with the library. Only
the one kind of frame that a stream is made of, whole and binary, takes the short way.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, apply_mask  # type: ignore[attr-defined]
from websockets.http11 import Request

from glasslock.errors import TransportError, WireError
from glasslock.wire.api import MAX_FRAME

EXTENSION: Final = "glasslock.frames"
WAITING_BYTES: Final = 1 << 20
# What a waiting frame takes beside its bytes, so that very many very small ones count as well.
FRAME_COST: Final = 64
MAX_FRAGMENTS: Final = 1_024
WRITE_BYTES: Final = 1 << 18
_WHOLE_BINARY: Final = 0x82
_MASKED: Final = 0x80
_HEAD: Final = 2
_MASK: Final = 4
_TWO_BYTES: Final = 126


def frame_of(payload: bytes) -> bytes:
    """Return the server's frame around ``payload``: the same bytes for everybody it is sent to."""
    size = len(payload)
    if size < _TWO_BYTES:
        return bytes((_WHOLE_BINARY, size)) + payload
    if size < 1 << 16:
        return b"\x82\x7e" + size.to_bytes(2, "big") + payload
    return b"\x82\x7f" + size.to_bytes(8, "big") + payload


def extent(data: bytes, at: int) -> tuple[int, int]:
    """Return where the payload of the frame at ``at`` begins and where the frame ends.

    An end beyond ``data`` is how far it must be filled before it is worth looking again. A frame
    that is longer than any may be has no payload (the beginning is ``at``) and ends with ``data``:
    it is not waited for.
    """
    end = len(data)
    if end - at < _HEAD:
        return at, at + _HEAD
    size, start = data[at + 1] & 0x7F, at + _HEAD
    if size >= _TWO_BYTES:
        width = 2 if size == _TWO_BYTES else 8
        if end - start < width:
            return at, start + width
        size, start = int.from_bytes(data[start : start + width], "big"), start + width
    if size > MAX_FRAME:
        return at, end
    start += _MASK if data[at + 1] & _MASKED else 0
    return start, start + size


class FrameProtocol(WebSocketsSansIOProtocol):
    """A websocket whose binary messages are taken in bulk, beside its ASGI events."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        """Take what uvicorn gives."""
        super().__init__(*args, **kwargs)
        # The beginning of a frame, and how many bytes of it are needed to go on with it.
        self._begun = bytearray()
        self._wanted = _HEAD
        self._came: list[bytes] = []
        self._size = 0
        self._text = False
        self._held = False
        self._reader: asyncio.Future[None] | None = None

    # -- what comes ---------------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        """Show this object to the application beside the ASGI scope."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.transport.set_write_buffer_limits(WRITE_BYTES)
            self.scope["extensions"][EXTENSION] = {"protocol": self}

    def data_received(self, data: bytes) -> None:
        """Cut frames out of ``data`` once the handshake is over."""
        if not self.handshake_initiated:
            super().data_received(data)
            return
        if self.handshake_complete and not self._begun:
            self._cut(data)
            return
        self._begun += data
        if not self.handshake_complete:
            # Early bytes wait for the answer to the handshake, and no more are read till then.
            self._hold()
        elif len(self._begun) >= self._wanted:
            self._go_on()

    def _go_on(self) -> None:
        data = bytes(self._begun)
        self._begun.clear()
        self._cut(data)

    def _cut(self, data: bytes) -> None:
        """Take every whole frame; what is left waits, and is not looked at until it is enough.

        So each byte is copied a fixed number of times, in however small pieces it comes.
        """
        came: list[bytes] = []
        at, end = 0, len(data)
        start, stop = extent(data, at)
        while stop <= end:
            whole = start > at and data[at] == _WHOLE_BINARY and data[at + 1] & _MASKED
            # Between the fragments of a message the library decides, as about all else.
            if whole and self.conn.current_size is None:
                came.append(apply_mask(data[start:stop], data[start - _MASK : start]))
            else:
                self._take(came)
                came = []
                self._take_long(data[at:stop])
                if self.transport.is_closing():
                    return
            at = stop
            start, stop = extent(data, at)
        self._begun += memoryview(data)[at:]
        self._wanted = stop - at
        self._take(came)

    def _take_long(self, frame: bytes) -> None:
        super().data_received(frame)
        if len(self.frames) > MAX_FRAGMENTS and not self.transport.is_closing():
            # Fragments count by their bytes with the library: endless empty ones would be free.
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()
        if self.congested:
            # Who does not read its pongs is not read from either.
            self._hold()

    def resume_writing(self) -> None:
        """Read on from a side that reads again."""
        super().resume_writing()
        if self._size <= WAITING_BYTES:
            self._release()

    def _take(self, came: list[bytes]) -> None:
        if not came or self.close_sent:
            return
        self._came += came
        self._size += sum(map(len, came)) + len(came) * FRAME_COST
        if self._size > WAITING_BYTES:
            self._hold()
        self._wake()

    def send_receive_event_to_app(self) -> None:
        """Take a message that came the long way."""
        self._text = self._text or self.curr_msg_data_type == "text"
        data, self.frames = b"".join(self.frames), []
        self._take([data])

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader, too."""
        super().connection_lost(exc)
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _hold(self) -> None:
        if not self._held and not self.transport.is_closing():
            self._held = True
            self.transport.pause_reading()

    async def payloads(self) -> list[bytes]:
        """Return all binary messages that have come, at least one; one reader at a time.

        Raises:
            TransportError: the other side is gone.
            WireError: it sent text.
        """
        if len(self._begun) >= self._wanted:
            self._go_on()
        while not self._came:
            if self.disconnected or self.close_sent:
                raise TransportError("the stream was closed", rule="stream.closed")
            self._release()
            self._reader = self.loop.create_future()
            await self._reader
        if self._text:
            raise WireError("a frame is binary and of bounded size", rule="stream.frame")
        came, self._came, self._size = self._came, [], 0
        self._release()
        return came

    def _release(self) -> None:
        if self._held and not self.congested and not self.transport.is_closing():
            self._held = False
            self.transport.resume_reading()

    # -- what goes ----------------------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """Whether the other side reads more slowly than it is sent to."""
        return not self.writable.is_set()

    def write(self, frames: bytes) -> None:
        """Send frames made by ``frame_of``, now; raises ``TransportError`` after the end."""
        if self.disconnected or self.close_sent:
            raise TransportError("the stream was closed", rule="stream.closed")
        self.transport.write(frames)

    async def drained(self) -> None:
        """Wait until the other side has read on; raises ``TransportError`` after the end."""
        await self.writable.wait()
        if self.disconnected:
            raise TransportError("the stream was closed", rule="stream.closed")
