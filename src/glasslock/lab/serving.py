"""An ASGI app on a loopback socket inside the lab's own event loop; knows no party."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import uvicorn

from glasslock.runtime.frames import FrameProtocol
from glasslock.runtime.server import HttpRoute, StreamRoute, build_app
from glasslock.runtime.service import bind

HOST = "127.0.0.1"


class Port:
    """A port that keeps its number while what answers there comes and goes."""

    def __init__(self) -> None:
        """Take a free port."""
        self._listener = bind(HOST, 0)
        self._taken = False
        self.number = int(self._listener.getsockname()[1])
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: Callable[[], Awaitable[None]] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.number}"

    async def start(
        self,
        routes: Sequence[HttpRoute | StreamRoute],
        closing: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Answer with ``routes``; ``closing`` runs when the port stops."""
        listener = bind(HOST, self.number) if self._taken else self._listener
        self._taken, self._closing = True, closing
        config = uvicorn.Config(
            build_app(routes),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws=FrameProtocol,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        self._server = server = uvicorn.Server(config)
        # Signals are for the whole lab and not for one of its parties.
        self._task = asyncio.create_task(server._serve(sockets=[listener]))
        while not server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.002)

    async def stop(self) -> None:
        """Stop answering; a second time does nothing."""
        if self._server is None or self._task is None:
            self._listener.close()
            return
        self._server.should_exit = self._server.force_exit = True
        await self._task
        self._server = None
        if self._closing is not None:
            await self._closing()
