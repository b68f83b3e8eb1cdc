"""Frames are cut out of whatever pieces they come in; what a peer sends costs what it weighs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from glasslock.errors import TransportError, WireError
from glasslock.runtime import frames
from glasslock.runtime.frames import FRAME_COST, MAX_FRAGMENTS, WAITING_BYTES, FrameProtocol
from glasslock.runtime.server import Stream, StreamRoute, build_app
from glasslock.wire.api import MAX_FRAME

PATH = "/stream"


def framed(payload: bytes, opcode: Opcode = Opcode.BINARY, *, fin: bool = True) -> bytes:
    """A client's frame, as the library writes it."""
    return Frame(opcode, payload, fin).serialize(mask=True)


@dataclass
class Peer:
    """A raw client, and the server's end of its stream."""

    protocol: FrameProtocol
    stream: Stream
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def feed(self, data: bytes, size: int) -> None:
        """Have ``data`` arrive in pieces of ``size`` bytes."""
        for at in range(0, len(data), size):
            self.protocol.data_received(data[at : at + size])

    def waiting(self) -> list[bytes]:
        """What was cut and nobody has taken yet."""
        return self.protocol._came

    async def ended(self) -> bytes:
        """Everything that the server still says until it closes."""
        return await asyncio.wait_for(self.reader.read(), 10)


def opening(port: int) -> bytes:
    client = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}{PATH}"))
    client.send_request(client.connect())
    return b"".join(client.data_to_send())


@contextlib.asynccontextmanager
async def connected(early: bytes = b"") -> AsyncIterator[Peer]:
    """Open a stream; ``early`` goes out with the handshake, before its answer."""
    streams: asyncio.Queue[Stream] = asyncio.Queue()
    over = asyncio.Event()

    async def serve(stream: Stream) -> None:
        streams.put_nowait(stream)
        await over.wait()

    config = uvicorn.Config(
        build_app([StreamRoute(PATH, serve)]), ws_max_size=MAX_FRAME, ws_per_message_deflate=False
    )
    config.load()
    state, made = ServerState(), []

    def protocol() -> FrameProtocol:
        made.append(FrameProtocol(config, state, {}))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(opening(port) + early)
        await reader.readuntil(b"\r\n\r\n")
        yield Peer(made[0], await streams.get(), reader, writer)
    finally:
        over.set()
        writer.close()
        server.close()
        await asyncio.gather(*state.tasks, return_exceptions=True)


async def took(stream: Stream, count: int) -> list[bytes]:
    came: list[bytes] = []
    while len(came) < count:
        came += await asyncio.wait_for(stream.receive_all(), 10)
    return came


PAYLOADS = [b"", b"a", os.urandom(125), os.urandom(126), os.urandom(70_000), b"end"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000, 100_000])
async def test_pieces_of_any_size_make_the_same_frames(size: int) -> None:
    async with connected() as peer:
        peer.feed(b"".join(map(framed, PAYLOADS)), size)
        assert await took(peer.stream, len(PAYLOADS)) == PAYLOADS


async def test_what_comes_before_the_answer_to_the_handshake_is_not_lost() -> None:
    async with connected(b"".join(map(framed, PAYLOADS))) as peer:
        assert await took(peer.stream, len(PAYLOADS)) == PAYLOADS
        peer.writer.write(framed(b"more"))
        assert await took(peer.stream, 1) == [b"more"]


@pytest.mark.parametrize("size", [1, 5, 64])
async def test_a_large_frame_in_small_pieces_is_looked_at_a_few_times(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    extent = frames.extent

    def counted(data: bytes, at: int) -> tuple[int, int]:
        looks.append(len(data) - at)
        return extent(data, at)

    monkeypatch.setattr(frames, "extent", counted)
    payload = os.urandom(400_000)
    async with connected() as peer:
        peer.feed(framed(payload) + framed(b"next"), size)
        assert await took(peer.stream, 2) == [payload, b"next"]
    # Each look is at bytes that were copied together for it: not once per piece, and in sum not
    # more than the frame and its head are long.
    assert len(looks) <= 12
    assert sum(looks) <= len(payload) + 200


async def test_fragments_control_frames_and_whole_frames_keep_their_order() -> None:
    pieces = [
        framed(b"one"),
        framed(b"tw", fin=False),
        framed(b"hello", Opcode.PING),
        framed(b"o", Opcode.CONT),
        framed(b"three"),
    ]
    async with connected() as peer:
        peer.feed(b"".join(pieces), 4)
        assert await took(peer.stream, 3) == [b"one", b"two", b"three"]
        pong = Frame(Opcode.PONG, b"hello").serialize(mask=False)
        assert await peer.reader.readexactly(len(pong)) == pong


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_a_frame_that_is_too_long_is_refused_by_its_head(size: int) -> None:
    head = b"\x82\xff" + (MAX_FRAME + 1).to_bytes(8, "big") + b"mask"
    async with connected() as peer:
        peer.feed(head, size)
        assert peer.waiting() == []
        assert b"\x03\xf1" in await peer.ended()
        with pytest.raises(TransportError):
            await peer.stream.receive()


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x82\x01a",
        framed(b"a", Opcode.CONT),
        framed(b"a", fin=False) + framed(b"b"),
        b"\xc2" + framed(b"a")[1:],
        b"\x83" + framed(b"a")[1:],
    ],
    ids=["unmasked", "nothing to continue", "inside a message", "reserved bit", "unknown kind"],
)
async def test_what_breaks_the_rules_of_frames_ends_the_stream(wrong: bytes) -> None:
    async with connected() as peer:
        peer.feed(framed(b"good") + wrong + framed(b"never"), 1_000)
        assert await took(peer.stream, 1) == [b"good"]
        assert b"\x03\xea" in await peer.ended()
        with pytest.raises(TransportError):
            await peer.stream.receive()


async def test_text_is_refused() -> None:
    async with connected() as peer:
        peer.feed(framed(b"text", Opcode.TEXT), 100)
        with pytest.raises(WireError) as caught:
            await peer.stream.receive()
        assert caught.value.rule == "stream.frame"


@pytest.mark.parametrize("payload", [b"", b"a"])
async def test_very_many_very_small_frames_stop_the_reading(payload: bytes) -> None:
    one = framed(payload)
    async with connected() as peer:
        for _ in range(WAITING_BYTES // FRAME_COST):
            peer.protocol.data_received(one)
        peer.protocol.data_received(one)
        assert peer.protocol._held
        await took(peer.stream, len(peer.waiting()))
        assert not peer.protocol._held


async def test_fragments_without_end_are_refused() -> None:
    async with connected() as peer:
        peer.feed(framed(b"", fin=False) + framed(b"", Opcode.CONT, fin=False) * MAX_FRAGMENTS, 600)
        assert b"\x03\xf1" in await peer.ended()
        assert len(peer.protocol.frames) <= MAX_FRAGMENTS + 1


async def test_who_does_not_read_pongs_is_not_read_from() -> None:
    ping = framed(bytes(125), Opcode.PING) * 1_000
    async with connected() as peer:
        buffered: Sequence[int] = []
        for _ in range(400):
            if peer.protocol._held:
                break
            peer.protocol.data_received(ping)
            await asyncio.sleep(0)
        assert peer.protocol._held
        assert peer.protocol.congested
        while peer.protocol.congested:
            buffered = [*buffered, len(await asyncio.wait_for(peer.reader.read(1 << 20), 10))]
        assert not peer.protocol._held
        peer.feed(framed(b"still here"), 100)
        assert await took(peer.stream, 1) == [b"still here"]


async def test_streams_in_random_pieces_are_cut_as_they_were_written() -> None:
    chance = random.Random(1)
    for _ in range(20):
        wanted = [chance.randbytes(chance.choice((0, 1, 125, 126, 300, 65_536))) for _ in range(5)]
        data = b"".join(map(framed, wanted))
        async with connected() as peer:
            while data:
                size = chance.choice((1, 2, 3, 10, 500, 5_000, 100_000))
                peer.protocol.data_received(data[:size])
                data = data[size:]
            assert await took(peer.stream, len(wanted)) == wanted
