"""The caller's half of HTTP; knows no route by name. Problem bodies become the errors they tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeVar

import httpcore
import msgspec

from glasslock.errors import GlasslockError, NotFound, TransportError, WireError
from glasslock.runtime.clock import Clock
from glasslock.runtime.problems import error_of
from glasslock.wire.api import Problem, read_body

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

MSGPACK: Final = "application/msgpack"
MAX_BODY: Final = 8 * 1024 * 1024
_CONNECTIONS: Final = 100
# Seconds for a call from its first byte to its last, and for each step of it.
CALL_SECONDS: Final = 60.0
_TIMEOUTS: Final = dict.fromkeys(("connect", "read", "write", "pool"), 10.0)
_FAILURES: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)
_decode_problem = msgspec.msgpack.Decoder(Problem)


class Caller(Protocol):
    """Whoever brings a request to one place and its answer back."""

    async def close(self) -> None:
        """End it."""

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the body at ``path``; raises the error of a problem, or ``TransportError``."""
        ...

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """Post ``body``; raises the error of a problem, or ``TransportError``."""
        ...


class HttpClient:
    """Calls one daemon."""

    def __init__(self, base: str) -> None:
        """Call ``base`` (for example ``http://127.0.0.1:8001``)."""
        self._base = base.rstrip("/")
        self._pool = httpcore.AsyncConnectionPool(max_connections=_CONNECTIONS)

    async def close(self) -> None:
        """Close connections."""
        await self._pool.aclose()

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
            async with (
                asyncio.timeout(CALL_SECONDS),
                self._pool.stream(
                    method,
                    self._base + path,
                    headers=list(given.items()),
                    content=body,
                    extensions={"timeout": _TIMEOUTS},
                ) as answer,
            ):
                data = bytearray()
                async for chunk in answer.aiter_stream():
                    data += chunk
                    if len(data) > MAX_BODY:
                        raise TransportError("the answer is too long", rule="http.length")
                return answer.status, bytes(data)
        except TimeoutError:
            raise TransportError("the other side is too slow", rule="http.slow") from None
        except _FAILURES as error:
            raise TransportError("the other side cannot be reached", rule="http.reach") from error


async def fetch(client: Caller, steps: Generator[str, bytes, T]) -> T:
    """Get each path that ``steps`` yields, send its bytes back in; returns what it returns.

    What cannot be had is thrown into ``steps``, which may go on without it.

    Raises:
        TransportError: a path cannot be had.
        GlasslockError: what ``steps`` raises about what came.
    """
    try:
        path = next(steps)
        while True:
            try:
                data = await client.get("/" + path)
            except NotFound as error:
                path = steps.throw(error)
                continue
            path = steps.send(data)
    except StopIteration as done:
        value: T = done.value
        return value


class Reached(Protocol[R_co]):
    """A part of what is read in parts: ``replica`` is where the next begins, if there is one."""

    @property
    def replica(self) -> R_co:
        """Return where this part ends."""
        ...

    @property
    def newest(self) -> bool:
        """Say whether there is nothing after it."""
        ...


P = TypeVar("P", bound=Reached[Any])


async def fetch_parts(
    client: Caller, start: R, steps: Callable[[R, int], Generator[str, bytes, P]], clock: Clock
) -> AsyncIterator[P]:
    """Yield one part after the other, from ``start`` to the newest, as ``fetch`` gets them.

    Nothing of the next part is asked for before the caller comes back for it: what it stores in
    the loop is stored before. ``steps`` makes the steps of a part; see ``tlog.reader.catch_up``.

    Raises:
        TransportError, GlasslockError: as ``fetch``; the parts before it stay good.
    """
    part = await fetch(client, steps(start, clock.now()))
    yield part
    while not part.newest:
        part = await fetch(client, steps(part.replica, clock.now()))
        yield part


def _problem(status: int, body: bytes) -> GlasslockError:
    try:
        problem = read_body(_decode_problem, body)
    except WireError:
        kind = NotFound if status == HTTPStatus.NOT_FOUND else TransportError
        return kind(f"the other side answered {status}", rule="http.status")
    return error_of(problem.slug, problem.rule, problem.message)
