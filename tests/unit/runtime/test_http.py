"""Who asks over HTTP takes one answer, from whom it asked, within bounds of time and size."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator

import pytest

from glasslock.errors import GlasslockError, NotFound, TransportError
from glasslock.runtime import http
from glasslock.runtime.http import HttpClient, fetch
from glasslock.runtime.service import bind

Answer = Callable[[asyncio.StreamWriter, asyncio.Event], Awaitable[None]]


@contextlib.asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[tuple[HttpClient, list[bytes]]]:
    """A server that answers every request by hand; yields who asks it, and what it was asked."""
    asked: list[bytes] = []
    serving: list[asyncio.Task[None] | None] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            await answer(writer, over)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = HttpClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield client, asked
    finally:
        over.set()
        await client.close()
        server.close()
        await asyncio.gather(*(task for task in serving if task is not None))


def sends(*parts: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter, _over: asyncio.Event) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return answer


async def nothing(_writer: asyncio.StreamWriter, over: asyncio.Event) -> None:
    """Send nothing as long as the other side may wait."""
    await over.wait()


async def drops(writer: asyncio.StreamWriter, over: asyncio.Event) -> None:
    """Begin an answer of a megabyte and send it byte by byte, always in time for the next."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not over.is_set():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


OK = b"HTTP/1.1 200 OK\r\n"


async def test_an_answer_is_taken() -> None:
    async with answering(sends(OK, b"Content-Length: 5\r\n\r\n", b"right")) as (client, _):
        assert await client.get("/checkpoint") == b"right"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_nobody_is_sent_on_to_another(status: int) -> None:
    """Whoever was asked answers: an address in the quorum file is the only one there is."""
    async with answering(sends(OK, b"Content-Length: 5\r\n\r\n", b"other")) as (other, asked):
        place = other._base.encode()
        moved = b"HTTP/1.1 %d Moved\r\nLocation: %s/checkpoint\r\nContent-Length: 0\r\n\r\n"
        async with answering(sends(moved % (status, place))) as (client, _):
            with pytest.raises(TransportError) as caught:
                await client.get("/checkpoint")
            assert caught.value.rule == "http.status"
        assert asked == []


async def test_who_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_TIMEOUTS", dict.fromkeys(("connect", "read", "write", "pool"), 0.1))
    async with answering(nothing) as (client, _):
        with pytest.raises(TransportError) as caught:
            await client.get("/checkpoint")
        assert caught.value.rule == "http.reach"


async def test_who_answers_drop_by_drop_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte is in time, the whole never: so a log could hold up all else its reader does."""
    monkeypatch.setattr(http, "CALL_SECONDS", 0.3)
    async with answering(drops) as (client, _):
        call = asyncio.create_task(client.get("/checkpoint"))
        ended, _ = await asyncio.wait([call], timeout=5)
        call.cancel()
        assert ended
        with pytest.raises(TransportError) as caught:
            call.result()
        assert caught.value.rule == "http.slow"


LONG = b"x" * 70_000


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 70000\r\n\r\n", b"Content-Length: 99999999999\r\n\r\n", b"\r\n"],
    ids=["said", "more-than-said", "unsaid"],
)
async def test_an_overlong_answer_is_not_taken_in(
    monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 1_000)
    async with answering(sends(OK + head, LONG)) as (client, _):
        with pytest.raises(TransportError) as caught:
            await client.get("/checkpoint")
        assert caught.value.rule == "http.length"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nright",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nright\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
    ],
    ids=["nothing", "not-http", "cut", "two-lengths", "bad-chunk", "endless-head"],
)
async def test_what_is_no_answer_is_none(answer: bytes) -> None:
    async with answering(sends(answer)) as (client, _):
        with pytest.raises(TransportError) as caught:
            await client.get("/checkpoint")
        assert caught.value.rule == "http.reach"


@pytest.mark.parametrize("status", [400, 403, 404, 409, 500, 502])
async def test_an_error_is_not_taken_for_what_was_asked_for(status: int) -> None:
    """A page in the place of a tile is none; only "not found" lets a reader go on without it."""
    page = b"<html>a page</html>"
    head = b"HTTP/1.1 %d Some\r\nContent-Length: %d\r\n\r\n" % (status, len(page))
    async with answering(sends(head, page)) as (client, _):
        with pytest.raises(GlasslockError) as caught:
            await client.get("/checkpoint")
        assert isinstance(caught.value, NotFound) == (status == 404)
        assert caught.value.rule == "http.status"


async def test_an_answer_is_sent_at_once() -> None:
    """No connection of a daemon waits with the rest of an answer for its first part to arrive."""
    found: list[int] = []

    async def look(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain = writer.get_extra_info("socket")
        found.append(plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = bind("127.0.0.1", 0)
    server = await asyncio.start_server(look, sock=listener)
    try:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    finally:
        server.close()
    assert found[0] != 0


async def test_a_path_that_cannot_be_had_ends_the_reading() -> None:
    def steps() -> Generator[str, bytes, None]:
        yield "checkpoint"

    async with answering(sends(b"HTTP/1.1 500 Some\r\nContent-Length: 0\r\n\r\n")) as (client, _):
        with pytest.raises(TransportError):
            await fetch(client, steps())
