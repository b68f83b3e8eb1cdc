"""The load generator's end of a stream: frames masked in advance, replies cut out in bulk.

Knows RFC 6455 framing and how a device logs in; knows no scenario. It is not the client's stream:
a generator that cost as much as what it measures would measure itself.
"""

from __future__ import annotations

import asyncio
import os
import urllib.parse
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from glasslock.mls import Device, Engine
from glasslock.wire import api
from glasslock.wire.labels import Label

PATIENCE: Final = 60.0
_BINARY: Final = 0x82
_CLOSE: Final = 0x88
_PING: Final = 0x89
_SHORT: Final = 126
_WIDE: Final = 127
_HEAD: Final = 2


class Lost(Exception):
    """The other side closed, or refused what had to be accepted."""


def masked(payload: bytes, lead: int = _BINARY) -> bytes:
    """Return one client frame around ``payload`` under a random mask."""
    size = len(payload)
    if size < _SHORT:
        head = bytes((lead, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((lead, 0x80 | _SHORT)) + size.to_bytes(2, "big")
    else:
        head = bytes((lead, 0x80 | _WIDE)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    pad = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ pad).to_bytes(size, "big")


class Wire(asyncio.Protocol):
    """One device's stream; ``take`` gets payloads as they come, else they wait for ``next``."""

    def __init__(self, url: str) -> None:
        self._opening: ClientProtocol | None = ClientProtocol(parse_uri(url))
        self._rest = b""
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._came: deque[bytes] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self.take: Callable[[list[bytes]], None] | None = None
        self.lost = False

    @classmethod
    async def open(cls, base: str, path: str = api.STREAM) -> Wire:
        """Connect to a daemon's ``http://`` base and finish the handshake."""
        url = base.replace("http", "ws", 1) + path
        parts = urllib.parse.urlsplit(url)
        loop = asyncio.get_running_loop()
        host, port = parts.hostname or "", parts.port or 0
        _, made = await loop.create_connection(lambda: cls(url), host, port)
        await asyncio.wait_for(made._opened, PATIENCE)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        opening = self._opening
        assert opening is not None
        opening.send_request(opening.connect())
        self.transport.write(b"".join(opening.data_to_send()))

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost = True
        for future in (self._opened, self._waiting):
            if future is not None and not future.done():
                future.set_exception(Lost("the stream was closed"))

    def data_received(self, data: bytes) -> None:
        if self._opening is not None:
            head, end, data = (self._rest + data).partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._rest = b""
            self._opening.receive_data(head + end)
            wrong = self._opening.handshake_exc
            self._opening = None
            if wrong is not None:
                self._opened.set_exception(wrong)
                return
            self._opened.set_result(None)
        came = self._cut(self._rest + data if self._rest else data)
        if came and self.take is not None:
            self.take(came)
        elif came:
            self._came.extend(came)
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(None)

    def _cut(self, data: bytes) -> list[bytes]:
        came: list[bytes] = []
        at, whole = 0, len(data)
        while whole - at >= _HEAD:
            lead, size, start = data[at], data[at + 1], at + _HEAD
            if size >= _SHORT:
                width = 2 if size == _SHORT else 8
                if whole - start < width:
                    break
                size, start = int.from_bytes(data[start : start + width], "big"), start + width
            if whole - start < size:
                break
            at = start + size
            if lead == _BINARY:
                came.append(data[start:at])
            elif lead == _PING:
                self.transport.write(masked(data[start:at], 0x8A))
            elif lead == _CLOSE:
                self.transport.close()
        self._rest = data[at:]
        return came

    async def next(self) -> api.ProviderFrame:
        """Return the next frame, decoded."""
        while not self._came:
            if self.lost:
                raise Lost("the stream was closed")
            self._waiting = asyncio.get_running_loop().create_future()
            await asyncio.wait_for(self._waiting, PATIENCE)
        return api.decode_provider_frame(self._came.popleft())

    async def ask(self, frame: api.Frame) -> api.ProviderFrame:
        """Send a frame and return the next one that comes; raises ``Lost`` for a refusal."""
        self.transport.write(masked(api.encode_frame(frame)))
        answer = await self.next()
        if isinstance(answer, api.Refused):
            raise Lost(f"refused: {answer.rule}")
        return answer

    async def log_in(self, device: Device, engine: Engine, provider_key: bytes) -> api.LoggedIn:
        """Prove the device's key as every device does."""
        challenge = await self.ask(api.Hello(device.account, device.device))
        assert isinstance(challenge, api.Challenge)
        content = api.login_content(provider_key, device.account, device.device, challenge.nonce)
        answer = await self.ask(api.Login(engine.sign(Label.SIGN_LOGIN, content)))
        assert isinstance(answer, api.LoggedIn)
        return answer

    def close(self) -> None:
        """Drop the connection."""
        self.transport.close()
