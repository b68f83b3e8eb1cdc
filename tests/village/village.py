"""A provider and its people in one process, over loopback sockets, with one settable clock."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import uvicorn

from glasslock.client import Client
from glasslock.client.events import Event
from glasslock.mls import SUITE_CLASSIC
from glasslock.provider.app import Provider
from glasslock.provider.config import ClockSettings, PolicyLogSettings, ProviderConfig
from glasslock.runtime.frames import FrameProtocol
from glasslock.runtime.server import build_app
from glasslock.runtime.service import bind

E = TypeVar("E", bound=Event)
PATIENCE = 30.0


class Clock:
    """Real time, moved by hand."""

    def __init__(self) -> None:
        self.offset = 0

    def now(self) -> int:
        return int(time.time()) + self.offset


@dataclass
class Village:
    """One provider, and the clients that were made."""

    folder: Path
    settings: ClockSettings
    clock: Clock = field(default_factory=Clock)
    clients: list[Client] = field(default_factory=list)
    url: str = ""
    policy_log: PolicyLogSettings | None = None
    provider: Provider | None = None
    _server: uvicorn.Server | None = None
    _serving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start the provider, on the port it had before if it had one."""
        config = ProviderConfig(
            self.folder / "provider", clocks=self.settings, policy_log=self.policy_log
        )
        self.provider = Provider(config, self.clock)
        listener = bind("127.0.0.1", int(self.url.rsplit(":", 1)[1]) if self.url else 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(
                build_app(self.provider.routes()),
                log_config=None,
                access_log=False,
                ws=FrameProtocol,
                ws_per_message_deflate=False,
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._server = server
        self._serving = asyncio.create_task(server._serve(sockets=[listener]))
        await until(lambda: server.started)

    async def shut(self) -> None:
        """Stop the provider; its folder stays."""
        assert self._server is not None
        assert self._serving is not None
        assert self.provider is not None
        self._server.should_exit = True
        self._server.force_exit = True
        await self.provider.close()
        await self._serving

    async def person(
        self, account: str, device: str = "phone", *, suite: int = SUITE_CLASSIC
    ) -> Client:
        """Make, register and start a device; a later one is approved by the account's first."""
        folder = self.folder / f"{account}-{device}"
        client = await Client.create(folder, self.url, account, suite=suite, clock=self.clock)
        first = next((each for each in self.clients if each.account == account), None)
        await client.register(first.approve(client.link_request()) if first else None)
        await client.start(PATIENCE)
        self.clients.append(client)
        return client

    async def restart(self, client: Client) -> Client:
        """Close a device and open it again from its folder."""
        folder = self.folder_of(client)
        await client.close()
        self.clients.remove(client)
        again = Client.open(folder, clock=self.clock)
        await again.start(PATIENCE)
        self.clients.append(again)
        return again

    def folder_of(self, client: Client) -> Path:
        """Return the folder of a device."""
        return client._folder


@contextlib.asynccontextmanager
async def village(folder: Path, settings: ClockSettings | None = None) -> AsyncIterator[Village]:
    """Open a village in ``folder`` and close everything in it."""
    place = Village(folder, settings or ClockSettings(slot_seconds=2, skew_seconds=4))
    await place.open()
    try:
        yield place
    finally:
        for client in place.clients:
            await client.close()
        await place.shut()


async def until(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until ``holds()``; fails after ``seconds``."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not holds():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError("it did not happen in time")
        await asyncio.sleep(0.005)


async def event(client: Client, kind: type[E], **facts: object) -> E:
    """Wait for an event of ``kind`` with ``facts``; events before it are dropped."""

    async def find() -> E:
        async for each in client.events():
            if isinstance(each, kind) and all(getattr(each, k) == v for k, v in facts.items()):
                return each
        raise AssertionError

    return await asyncio.wait_for(find(), PATIENCE)


def texts(client: Client, group_id: bytes) -> list[str]:
    """Return what a device has stored of a conversation, in its order."""
    return [message.content.decode() for message in client.messages(group_id)]
