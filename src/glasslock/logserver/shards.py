"""A log as the chain of its shards: one process, one address, and the steps over a year's end.

A shard is ended only when a quorum of witnesses follows its successor. Then, each step on disk
before the next, and done again with the same bytes after a crash: the shard-end is sequenced, and
published; the genesis is sequenced in the successor, and published. Nothing else is lost or taken
twice meanwhile: what is submitted waits in the successor.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import msgspec

from glasslock.errors import ConfigError, GlasslockError, QuorumNotMet
from glasslock.logserver.app import TEXT, LogServer
from glasslock.logserver.config import LogConfig
from glasslock.logserver.plan import Plan, ShardPlace, read_plan, remove_plan
from glasslock.runtime.clock import Clock, SystemClock
from glasslock.runtime.logs import Log
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply, build_app, run_service
from glasslock.runtime.service import bind, every
from glasslock.runtime.sqlite import WritePoint, no_point
from glasslock.tlog.chain import SHARDS
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.submission import MAX_SUBMISSION, decode_submission
from glasslock.wire.api import LOG_ADD, Added
from glasslock.wire.shard import MAX_FINAL_NOTE, Genesis, ShardEnd

# How long a plan waits that could not be carried out: witnesses learn of a log by hand.
PLAN_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Shard:
    """A shard of the chain, its place in the address, and how many entries stand before it."""

    server: LogServer
    place: str
    base: int


class ShardedLog:
    """One log over one folder: the shard that its settings name, and its successors."""

    def __init__(self, config: LogConfig, clock: Clock, point: WritePoint = no_point) -> None:
        """Open all shards and repair what a crash left unfinished; raises as ``LogServer``."""
        self._config = config
        self._clock = clock
        self._point = point
        self._shards = [_Shard(LogServer(config, clock, point), "", 0)]
        self._not_before = 0.0
        while (end := self._newest.server.ending) is not None:
            self._shards.append(self._succeeding(self._open(Plan(end.origin, end.place)), end))

    @property
    def _newest(self) -> _Shard:
        return self._shards[-1]

    @property
    def _origins(self) -> list[str]:
        return [each.server.origin for each in self._shards]

    def _open(self, plan: Plan) -> LogServer:
        place = ShardPlace.later(self._config, plan, self._origins)
        return LogServer(self._config, self._clock, self._point, place)

    def _succeeding(self, server: LogServer, end: ShardEnd) -> _Shard:
        before = self._newest
        return _Shard(server, end.place, before.base + before.server.size)

    @property
    def quorum(self) -> QuorumFile:
        """The quorum file that readers need who begin at the first shard."""
        return self._shards[0].server.quorum

    @property
    def set_back(self) -> int:
        """How many witnesses have forgotten what they signed, shard by shard."""
        return sum(each.server.set_back for each in self._shards)

    def routes(self) -> list[HttpRoute]:
        """Return what the log serves: submissions, and the files of every shard."""
        below = f"/{SHARDS}/{{path:path}}"
        return [
            HttpRoute("POST", LOG_ADD, self._add, MAX_SUBMISSION),
            *self._shards[0].server.file_routes(),
            HttpRoute("GET", below, self._get_below),
            HttpRoute("POST", below, self._post_below, MAX_SUBMISSION),
        ]

    async def close(self) -> None:
        """Close every shard."""
        for each in self._shards:
            await each.server.close()

    # -- HTTP ---------------------------------------------------------------------------------

    async def _add(self, request: HttpRequest) -> Reply:
        submission = decode_submission(request.body)
        self._newest.server.admit(submission, self._origins[:-1])
        # What stands in a shard that has ended keeps the place that it has there.
        known = (each for each in self._shards if each.server.knows(submission.entry))
        shard = next(known, self._newest)
        return Reply(msgspec.msgpack.encode(Added(shard.base + await shard.server.add(submission))))

    async def _get_below(self, request: HttpRequest) -> Reply:
        shard, rest = self._find(request.parts["path"])
        return _absent() if shard is None else await shard.server.serve(rest)

    async def _post_below(self, request: HttpRequest) -> Reply:
        shard, rest = self._find(request.parts["path"])
        return _absent() if shard is None or "/" + rest != LOG_ADD else await self._add(request)

    def _find(self, path: str) -> tuple[_Shard | None, str]:
        """Return the shard in which ``path`` ends, and the rest.

        Who begins to read at a later shard finds the next below that one's address.
        """
        places = {each.place: each for each in self._shards[1:]}
        while True:
            place, _, path = path.partition("/")
            shard = places.get(place)
            if shard is None or not path.startswith(SHARDS + "/"):
                return shard, path
            path = path.removeprefix(SHARDS + "/")

    # -- rounds -------------------------------------------------------------------------------

    async def work(self) -> None:
        """Do a round of the newest shard, and of the year's end when there is one.

        To be called again and again, as ``LogServer.work``.

        Raises:
            ConfigError: the plan for a successor is none.
            QuorumNotMet: too few witnesses, of the log or yet of its successor: the log goes on.
        """
        failure: GlasslockError | None = None
        newest = self._newest.server
        if newest.size == 0 and len(self._shards) > 1:
            ended = self._shards[-2].server
            if ended.behind:
                await ended.work()
                return
            newest.append([Genesis(self._newest.base, ended.origin, ended.note).encode()])
        elif not newest.behind:
            try:
                await self._plan()
            except GlasslockError as error:
                failure = error
        await newest.work()
        if failure is not None:
            raise failure

    async def _plan(self) -> None:
        """Carry out the plan that the operator has left, if there is one and it can be.

        Raises:
            ConfigError: it cannot be; nothing has ended.
            QuorumNotMet: too few witnesses follow the successor yet; nothing has ended.
        """
        now = asyncio.get_running_loop().time()
        if now < self._not_before or (plan := read_plan(self._config)) is None:
            return
        if any(each.place == plan.place for each in self._shards[1:]):
            remove_plan(self._config)
            return
        self._not_before = now + PLAN_SECONDS
        if plan.origin in self._origins:
            raise ConfigError("the log has such a shard already", rule="log.place")
        newest = self._newest.server
        # Other witnesses may sign the last one: with so much room left, it still fits.
        if not newest.note or 2 * len(newest.note) > MAX_FINAL_NOTE:
            raise ConfigError("this shard's checkpoint is none to begin with", rule="log.final")
        successor = self._open(plan)
        end = ShardEnd(plan.origin, successor.vkeys, plan.place)
        try:
            await self._followed(successor)
            # From here without a pause: nothing is sequenced after the end, and nothing waits
            # for ever.
            newest.end(end)
        except BaseException:
            await successor.close()
            raise
        self._shards.append(self._succeeding(successor, end))
        self._not_before = 0.0
        remove_plan(self._config)

    async def _followed(self, successor: LogServer) -> None:
        try:
            await successor.ask()
        except QuorumNotMet as error:
            raise QuorumNotMet(
                "too few witnesses follow the successor: the shard goes on", rule="log.successor"
            ) from error


def _absent() -> Reply:
    return Reply(b"no such shard\n", 404, TEXT)


def tell_set_back(log: Log, count: int, told: int) -> int:
    """Say how many witnesses were set back when they are more than ``told``; returns the count."""
    if count > told:
        log.event("witness.set-back", count=count)
    return count


def run(config: LogConfig, clock: Clock | None = None, point: WritePoint = no_point) -> None:
    """Run a log until SIGTERM or SIGINT; raises ``ConfigError``."""
    listener = bind(config.host, config.port)
    log = Log("log")
    server = ShardedLog(config, clock or SystemClock(), point)

    told = 0

    async def work() -> None:
        nonlocal told
        told = tell_set_back(log, server.set_back, told)
        await server.work()

    async def rounds() -> None:
        # The waiting is done in ``work``, which an immediate entry cuts short.
        await every(0.0, work, log)

    run_service(build_app(server.routes(), server.close), listener, [rounds])
