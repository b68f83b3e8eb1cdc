"""Forks a log for every life it is told of, and says how each ended.

    forked.py SETTINGS

Reads one line of JSON a life: the write point at whose ``count``-th pass the log kills itself, and
the entries it is given, round by round. Writes lines of JSON: the process, each acknowledgement,
and the end. The process that forks opens nothing itself, so each life begins as a new one does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

import msgspec

from glasslock.errors import GlasslockError, QuorumNotMet
from glasslock.logserver.app import LogServer
from glasslock.logserver.config import LogConfig
from glasslock.runtime.clock import SystemClock
from glasslock.runtime.config import load_config
from glasslock.runtime.server import Handler, HttpRequest
from glasslock.tlog.submission import submit
from glasslock.wire.api import LOG_ADD, Added
from tests.journeys.launch import Killer
from tests.journeys.test_log_crash import ORIGIN, SUBMITTER


def say(**facts: object) -> None:
    """Write a line, whole or not at all."""
    os.write(1, json.dumps(facts).encode() + b"\n")


async def rounds(server: LogServer) -> None:
    """Do what the log's own loop does."""
    while True:
        with contextlib.suppress(QuorumNotMet):
            await server.work()


async def add(handler: Handler, entry: bytes) -> None:
    """Submit an entry until it is acknowledged, and say where it stands."""
    body = submit(SUBMITTER, ORIGIN, entry, immediate=True).encode()
    while True:
        try:
            reply = await handler(HttpRequest("POST", LOG_ADD, {}, {}, {}, body))
        except QuorumNotMet:
            continue
        say(acknowledged=msgspec.msgpack.decode(reply.body, type=Added).index, entry=entry.hex())
        return


async def live(settings: Path, life: dict[str, object]) -> None:
    """Open the log and give it one round after the other, to the last or to its death."""
    killer = Killer(str(life["point"]), int(str(life["count"])), settings)
    server = LogServer(load_config(settings, LogConfig), SystemClock(), killer)
    (handler,) = (each.handler for each in server.routes() if each.path == LOG_ADD)
    working = asyncio.create_task(rounds(server))
    told = life["rounds"]
    assert isinstance(told, list)
    for entries in told:
        adding = asyncio.gather(*(add(handler, bytes.fromhex(each)) for each in entries))
        await asyncio.wait((adding, working), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            adding.cancel()
            working.result()
        await adding
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await server.close()


def child(settings: Path, life: dict[str, object]) -> int:
    """Live a life in this process; what a log refuses is said, and no death."""
    try:
        asyncio.run(live(settings, life))
    except GlasslockError as error:
        say(refused=error.rule)
        return 1
    return 0


def main() -> None:
    """Fork one life after the other until there is none."""
    settings = Path(sys.argv[1])
    for line in sys.stdin:
        life = json.loads(line)
        pid = os.fork()
        if not pid:
            os._exit(child(settings, life))
        say(process=pid)
        _, status = os.waitpid(pid, 0)
        say(ended=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
