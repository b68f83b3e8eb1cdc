"""The server's half of HTTP and streams, and how a daemon serves it; knows no route by name.

Handlers get a body of bounded size; what they raise becomes a problem body.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from glasslock.errors import GlasslockError, TransportError, WireError
from glasslock.runtime.frames import EXTENSION, FrameProtocol, frame_of
from glasslock.runtime.http import MAX_BODY, MSGPACK
from glasslock.runtime.problems import problem_of, status_of
from glasslock.runtime.service import Background, announce, running, spare_collector
from glasslock.wire.api import MAX_FRAME

STOP_SECONDS: Final = 5
_encode = msgspec.msgpack.encode


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request with its whole body."""

    method: str
    path: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    body: bytes = field(default=b"", repr=False)
    status: int = 200
    media_type: str = MSGPACK


class Stream:
    """The server's end of a websocket that carries binary frames."""

    def __init__(self, socket: WebSocket) -> None:
        """Wrap an accepted websocket."""
        self._socket = socket
        self._frames: FrameProtocol = socket.scope["extensions"][EXTENSION]["protocol"]
        self._came: list[bytes] = []

    async def receive(self) -> bytes:
        """Return the next frame.

        Raises:
            TransportError: the other side closed.
            WireError: the frame is text or too long.
        """
        if not self._came:
            self._came = await self._frames.payloads()
        return self._came.pop(0)

    async def receive_all(self) -> list[bytes]:
        """Return all frames that have come, at least one; raises as ``receive``."""
        came, self._came = self._came, []
        return came or await self._frames.payloads()

    async def send(self, frame: bytes) -> None:
        """Send a frame; raises ``TransportError`` when the other side closed."""
        await self.send_framed(frame_of(frame))

    async def send_framed(self, frames: bytes) -> None:
        """Send what ``frame_of`` made; raises ``TransportError`` when the other side closed."""
        self._frames.write(frames)
        await self._frames.drained()

    def offer(self, frames: bytes) -> bool:
        """Send what ``frame_of`` made unless the other side is slow or gone; says whether."""
        if self._frames.congested or self._frames.disconnected or self._frames.close_sent:
            return False
        self._frames.write(frames)
        return True

    async def close(self) -> None:
        """Close from this side."""
        try:
            await self._socket.close()
        except (RuntimeError, WebSocketDisconnect, OSError):
            return


Handler = Callable[[HttpRequest], Awaitable[Reply]]
StreamHandler = Callable[[Stream], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One method on one path."""

    method: str
    path: str
    handler: Handler
    limit: int = MAX_BODY


@dataclass(frozen=True, slots=True)
class StreamRoute:
    """A path on which streams are opened."""

    path: str
    handler: StreamHandler


def build_app(
    routes: Sequence[HttpRoute | StreamRoute], closing: Callable[[], Awaitable[None]] | None = None
) -> Starlette:
    """Return the ASGI app of a daemon; ``closing`` runs when it stops."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        if closing is not None:
            await closing()

    return Starlette(
        routes=[
            StarletteRoute(route.path, _http(route), methods=[route.method])
            if isinstance(route, HttpRoute)
            else WebSocketRoute(route.path, _stream(route))
            for route in routes
        ],
        lifespan=lifespan,
    )


def _http(route: HttpRoute) -> Callable[[StarletteRequest], Awaitable[Response]]:
    async def endpoint(request: StarletteRequest) -> Response:
        try:
            reply = await route.handler(await _read(request, route.limit))
        except GlasslockError as error:
            return Response(
                _encode(problem_of(error)), status_code=status_of(error), media_type=MSGPACK
            )
        # To the letter: as a media type, some would be sent with a charset that nobody asked for.
        return Response(reply.body, reply.status, {"content-type": reply.media_type})

    return endpoint


async def _read(request: StarletteRequest, limit: int) -> HttpRequest:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise WireError("the body is too long", rule="http.length")
    return HttpRequest(
        request.method,
        request.url.path,
        {key: str(value) for key, value in request.path_params.items()},
        dict(request.query_params),
        dict(request.headers),
        bytes(body),
    )


def _stream(route: StreamRoute) -> Callable[[WebSocket], Awaitable[None]]:
    async def endpoint(socket: WebSocket) -> None:
        await socket.accept()
        stream = Stream(socket)
        try:
            await route.handler(stream)
        except TransportError:
            return
        finally:
            await stream.close()

    return endpoint


def run_service(
    app: Starlette, listener: socket.socket, background: Sequence[Background] = ()
) -> None:
    """Serve an ASGI app on ``listener`` until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        ws=FrameProtocol,
        ws_per_message_deflate=False,
        ws_max_size=MAX_FRAME,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        lifespan="on",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(server, listener, background))


async def _serve(
    server: uvicorn.Server, listener: socket.socket, background: Sequence[Background]
) -> None:
    async with running(background):
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.005)
        if server.started:
            spare_collector()
            announce("ready", port=listener.getsockname()[1])
        await serving
