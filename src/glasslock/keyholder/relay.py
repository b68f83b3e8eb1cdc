"""The relay of a keyholder without a network: it fetches and delivers, holds no key, and may lie.

It reads the logs on from where the keyholder stands, with the keyholder's own reader, so that the
file has what that reader will ask for; what it checks on the way only saves a walk.
"""

from __future__ import annotations

from collections.abc import Mapping

from glasslock.errors import GlasslockError, NotFound, TransportError
from glasslock.keyholder.gap import Asked, asked_of
from glasslock.runtime.clock import Clock
from glasslock.runtime.http import Caller, HttpClient, fetch_parts
from glasslock.runtime.logs import Log
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.reader import catch_up
from glasslock.wire.api import KEY_HEADER, REQUEST_SKEW_SECONDS, SIGNATURE_HEADER, TIME_HEADER
from glasslock.wire.gap import GET, Answered, Carried, Errand, Errands, Position


class Noting:
    """Gets from one place and notes every answer; asked the same again, it says the same."""

    def __init__(self, place: str, caller: Caller, noted: dict[Asked, bytes | None]) -> None:
        """Note into ``noted`` what ``caller`` gets."""
        self._place, self._caller, self._noted = place, caller, noted

    async def close(self) -> None:
        """Close connections."""
        await self._caller.close()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the body at ``path``; raises as the caller does."""
        asked = asked_of(self._place, GET, path, b"")
        if asked not in self._noted:
            try:
                self._noted[asked] = await self._caller.get(path, headers)
            except NotFound:
                self._noted[asked] = None
        found = self._noted[asked]
        if found is None:
            raise NotFound("there is no such thing", rule="gap.none")
        return found

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """Deliver ``body`` and note the answer; raises as the caller does."""
        answer = await self._caller.post(path, body, headers)
        self._noted[asked_of(self._place, "POST", path, body)] = answer
        return answer


async def run_errands(errands: Errands, clock: Clock, log: Log) -> Carried:
    """Do the errands and read both logs on; what fails is left out, and asked for again.

    Raises:
        TransportError: a log cannot be read.
        VerificationError: a log does not hold: there is nothing to carry.
    """
    noted: dict[Asked, bytes | None] = {}
    calls = {place: Noting(place, HttpClient(url), noted) for place, url in errands.addresses}
    try:
        for errand in errands.errands:
            try:
                await _run(errand, errands, calls, clock.now())
            except GlasslockError as error:
                log.event("errand.failed", kind=errand.method, error=error.slug, rule=error.rule)
        for position in errands.positions:
            start = _start(errands, position)
            call = _place(calls, position.origin)
            try:
                async for _ in fetch_parts(call, start, catch_up, clock):
                    pass
            except NotFound:
                log.event("relay.empty")
    finally:
        for each in calls.values():
            await each.close()
    return Carried(errands.exchange, tuple(Answered(*at, body) for at, body in noted.items()))


async def _run(errand: Errand, errands: Errands, calls: Mapping[str, Noting], now: int) -> None:
    call = _place(calls, errand.place)
    if errand.method != GET:
        await call.post(errand.path, errand.body)
        return
    headers = None
    if errand.passes:
        headers = _headers(errand, errands, now)
    await call.get(errand.path, headers)


def _headers(errand: Errand, errands: Errands, now: int) -> dict[str, str]:
    """Take the pass that is for now; raises ``TransportError`` when they have run out."""
    time, signature = min(errand.passes, key=lambda each: abs(each[0] - now))
    if abs(time - now) > REQUEST_SKEW_SECONDS:
        raise TransportError("these errands are too old for this request", rule="gap.passes")
    return {
        KEY_HEADER: errands.key.hex(),
        TIME_HEADER: str(time),
        SIGNATURE_HEADER: signature.hex(),
    }


def _start(errands: Errands, position: Position) -> Replica:
    start = Replica(TrustedLog(QuorumFile.parse(errands.quorum), position.origin))
    return start.restore(position.note, list(position.nodes)) if position.note else start


def _place(calls: Mapping[str, Noting], name: str) -> Noting:
    found = calls.get(name)
    if found is None:
        raise TransportError("the errands give no address of this place", rule="gap.address")
    return found
