"""The caller's half of a stream of binary frames; knows no frame by name."""

from __future__ import annotations

from typing import Final

import websockets

from glasslock.errors import TransportError
from glasslock.wire.api import MAX_FRAME

_TIMEOUT: Final = 10.0


class ClientStream:
    """The caller's end of a stream."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        """Wrap an open connection; use ``connect``."""
        self._socket = socket

    @classmethod
    async def connect(cls, base: str, path: str) -> ClientStream:
        """Open a stream to a daemon's ``http://`` base; raises ``TransportError``."""
        url = base.replace("http", "ws", 1) + path
        try:
            socket = await websockets.connect(
                url, compression=None, max_size=MAX_FRAME, open_timeout=_TIMEOUT, proxy=None
            )
        except (OSError, websockets.WebSocketException, TimeoutError) as error:
            raise TransportError("the provider cannot be reached", rule="stream.reach") from error
        return cls(socket)

    async def receive(self) -> bytes:
        """Return the next frame; raises ``TransportError`` when the stream ends."""
        try:
            data = await self._socket.recv()
        except websockets.WebSocketException as error:
            raise TransportError("the stream was closed", rule="stream.closed") from error
        if isinstance(data, str):
            raise TransportError("the provider sent text", rule="stream.frame")
        return bytes(data)

    async def send(self, frame: bytes) -> None:
        """Send a frame; raises ``TransportError`` when the stream ended."""
        try:
            await self._socket.send(frame)
        except websockets.WebSocketException as error:
            raise TransportError("the stream was closed", rule="stream.closed") from error

    async def close(self) -> None:
        """Close from this side."""
        await self._socket.close()
