"""An ASGI app on a loopback socket inside the test's own event loop."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from starlette.applications import Starlette

from glasslock.runtime.frames import FrameProtocol
from glasslock.runtime.service import bind


class Serving:
    """A port that keeps its number while what answers there comes and goes."""

    def __init__(self, listener: socket.socket) -> None:
        """Take over a listening socket, or only its port once it was stopped."""
        self._listener: socket.socket | None = listener
        self.port = int(listener.getsockname()[1])
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self, app: Starlette) -> None:
        """Answer with ``app``."""
        listener = self._listener or bind("127.0.0.1", self.port)
        self._listener = None
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            ws=FrameProtocol,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        self._server = server = uvicorn.Server(config)
        self._task = asyncio.create_task(server._serve(sockets=[listener]))
        while not server.started:
            assert not self._task.done()
            await asyncio.sleep(0.002)

    async def stop(self) -> None:
        """Stop answering."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await self._task
        self._server = None
