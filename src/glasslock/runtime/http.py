"""HTTP and streams for shells, both sides; knows no route and no frame by name.

Servers give handlers a body of bounded size and turn errors into problem bodies; callers turn
problem bodies back into the same errors.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import httpx
import msgspec
import websockets
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from glasslock.errors import GlasslockError, TransportError, WireError
from glasslock.runtime.problems import error_of, problem_of, status_of
from glasslock.wire.api import MAX_FRAME, Problem, read_body

T = TypeVar("T")

MSGPACK: Final = "application/msgpack"
MAX_BODY: Final = 8 * 1024 * 1024
_TIMEOUT: Final = 10.0
_encode = msgspec.msgpack.encode
_decode_problem = msgspec.msgpack.Decoder(Problem)


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

    async def receive(self) -> bytes:
        """Return the next frame.

        Raises:
            TransportError: the other side closed.
            WireError: the frame is text or too long.
        """
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            raise TransportError("the stream was closed", rule="stream.closed")
        data = message.get("bytes")
        if data is None or len(data) > MAX_FRAME:
            raise WireError("a frame is binary and of bounded size", rule="stream.frame")
        return bytes(data)

    async def send(self, frame: bytes) -> None:
        """Send a frame; raises ``TransportError`` when the other side closed."""
        try:
            await self._socket.send({"type": "websocket.send", "bytes": frame})
        except (RuntimeError, WebSocketDisconnect, OSError) as error:
            raise TransportError("the stream was closed", rule="stream.closed") from error

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
        return Response(reply.body, status_code=reply.status, media_type=reply.media_type)

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


class HttpClient:
    """Calls one daemon."""

    def __init__(self, base: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Call ``base`` (for example ``http://127.0.0.1:8001``)."""
        # Reading the system's roots takes longer than most calls; plain HTTP has no use for them.
        verify = not base.startswith("http://")
        self._client = httpx.AsyncClient(
            base_url=base, transport=transport, timeout=_TIMEOUT, verify=verify
        )

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the body at ``path``; raises the error of a problem, or ``TransportError``."""
        return await self._call("GET", path, b"", headers)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """Post ``body``; raises the error of a problem, or ``TransportError``."""
        return await self._call("POST", path, body, headers)

    async def _call(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None
    ) -> bytes:
        status, data = await self.exchange(method, path, body, headers)
        if 200 <= status < 300:
            return data
        raise _problem(status, data)

    async def exchange(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return status and body, whatever the status; raises ``TransportError``."""
        given = {"content-type": MSGPACK, **(headers or {})}
        try:
            async with self._client.stream(method, path, content=body, headers=given) as answer:
                data = bytearray()
                async for chunk in answer.aiter_raw():
                    data += chunk
                    if len(data) > MAX_BODY:
                        raise TransportError("the answer is too long", rule="http.length")
                return answer.status_code, bytes(data)
        except httpx.HTTPError as error:
            raise TransportError("the other side cannot be reached", rule="http.reach") from error


async def fetch(client: HttpClient, steps: Generator[str, bytes, T]) -> T:
    """Get each path that ``steps`` yields, send its bytes back in; returns what it returns.

    Raises:
        TransportError: a path cannot be had.
        GlasslockError: what ``steps`` raises about what came.
    """
    try:
        path = next(steps)
        while True:
            path = steps.send(await client.get("/" + path))
    except StopIteration as done:
        value: T = done.value
        return value


def _problem(status: int, body: bytes) -> GlasslockError:
    try:
        problem = read_body(_decode_problem, body)
    except WireError:
        return TransportError(f"the other side answered {status}", rule="http.status")
    return error_of(problem.slug, problem.rule, problem.message)


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
