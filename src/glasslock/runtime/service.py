"""How a daemon runs: bind, say that it is ready, work until told to stop; knows no protocol."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Final

from glasslock.errors import ConfigError, GlasslockError
from glasslock.runtime.logs import Log

Background = Callable[[], Coroutine[Any, Any, None]]
BACKLOG: Final = 1_024
# New objects before each of the three kinds of collection, the later two counted in the one before.
_COLLECT: Final = (100_000, 20, 10)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket on a loopback address; port 0 chooses one.

    Raises:
        ConfigError: the address is not loopback, or the port is in use.
    """
    if not ipaddress.ip_address(host).is_loopback:
        raise ConfigError(
            "daemons listen on loopback only: put a proxy before it", rule="bind.host"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By its name: asyncio lets a connection send at once only if its protocol says that it is TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"port {port} is in use", rule="bind.port") from error
    listener.listen(BACKLOG)
    return listener


def announce(event: str, **facts: str | int) -> None:
    """Tell whoever started this process something, as one JSON line on standard output."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


async def every(seconds: float, work: Background, log: Log) -> None:
    """Run ``work`` again and again; a failure is logged by its class and does not end the loop."""
    while True:
        try:
            await work()
        except GlasslockError as error:
            log.event("background.failed", error=error.slug, rule=error.rule)
        await asyncio.sleep(seconds)


def spare_collector() -> None:
    """Have the collector of cycles look at what came since the start, and seldom.

    A batch holds thousands of objects for a moment and makes no cycle: looking through them all
    the time took a sixth of a busy daemon.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)


def run_worker(background: Sequence[Background]) -> None:
    """Run a daemon that listens to nobody until SIGTERM or SIGINT."""
    asyncio.run(_work(background))


async def _work(background: Sequence[Background]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(background):
        spare_collector()
        announce("ready", port=0)
        await stop.wait()


@contextlib.asynccontextmanager
async def running(background: Sequence[Background]) -> AsyncIterator[None]:
    """Run ``background`` beside the body, and end it with the body."""
    tasks = [asyncio.create_task(work()) for work in background]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        sys.stdout.flush()
