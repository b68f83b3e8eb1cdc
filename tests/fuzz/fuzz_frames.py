"""Fuzz target for the cutter of frames: it takes what the library takes, in whatever pieces."""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from uvicorn.server import ServerState
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import State
from websockets.server import ServerProtocol

from glasslock.runtime.frames import FrameProtocol
from glasslock.wire.api import MAX_FRAME

LOOP = asyncio.new_event_loop()


async def _app(scope: object, receive: object, send: object) -> None:
    """No application: nothing here gets as far as one."""
    del scope, receive, send


CONFIG = uvicorn.Config(_app, ws_max_size=MAX_FRAME, ws_per_message_deflate=False)
CONFIG.load()


class _Sink(asyncio.Transport):
    """The other side, which takes everything and says nothing."""

    _closing = False

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def _cut(pieces: list[bytes], *, refused: bool) -> list[bytes]:
    """What our protocol makes of ``pieces`` after a handshake.

    What is ``refused`` it refuses as well, unless it waits for the end of the frame before that.
    """
    sink = _Sink()
    protocol = FrameProtocol(CONFIG, ServerState(), {}, LOOP)
    protocol.connection_made(sink)
    protocol.handshake_initiated = protocol.handshake_complete = True
    protocol.conn = ServerProtocol(state=State.OPEN, max_size=MAX_FRAME)
    for piece in pieces:
        if not sink.is_closing():
            protocol.data_received(piece)
    if sink.is_closing() != refused and not protocol._begun:
        raise RuntimeError("what is refused depends on who is asked")
    return protocol._came


def _parsed(data: bytes) -> tuple[list[bytes], bool]:
    """What the library alone makes of ``data``."""
    alone = ServerProtocol(state=State.OPEN, max_size=MAX_FRAME)
    alone.receive_data(data)
    messages: list[bytes] = []
    begun = b""
    for event in alone.events_received():
        if isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            begun += event.data
            if event.fin:
                messages.append(begun)
                begun = b""
    return messages, alone.parser_exc is not None or alone.close_rcvd is not None


def _pieces(data: bytes) -> None:
    size, data = 1 + data[0] if data else 1, data[1:]
    wanted, refused = _parsed(data)
    for pieces in ([data], [data[at : at + size] for at in range(0, len(data), size)]):
        if _cut(pieces, refused=refused) != wanted:
            raise RuntimeError("frames depend on the pieces that they come in")


def _good(data: bytes) -> None:
    """Bytes as frames that are well formed, of kinds and lengths that ``data`` chooses."""
    stream = bytearray()
    while data:
        head, payload, data = data[0], data[1 : 2 + data[0] % 200], data[2 + data[0] % 200 :]
        lead = (0x82, 0x82, 0x02, 0x80, 0x00, 0x89, 0x8A, 0x01)[head % 8]
        length = min(len(payload), 125)
        stream += bytes((lead, 0x80 | length)) + b"mask" + payload[:length]
    _pieces(bytes((7,)) + bytes(stream))


TARGETS = (_pieces, _good)


def one_input(data: bytes) -> None:
    """Feed ``data`` to the target that its first byte chooses."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
