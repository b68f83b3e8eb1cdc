"""A keyholder without a network: the same rounds, on what a relay has carried in a file.

Whatever a keyholder reads it believes only as far as it proves itself, so nothing is different
here but the way: requests are answered from the file, and what is not in it goes into the next
errands. Replicas, orders, answers and counters are the store's own, as with a network.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from glasslock.errors import Denied, NotFound, StateError, TransportError
from glasslock.keyholder.config import KeyholderConfig
from glasslock.keyholder.running import FollowedLog, Keyholder
from glasslock.keyholder.store import Store
from glasslock.orders.requests import signed_headers
from glasslock.runtime.clock import Clock
from glasslock.runtime.http import Caller
from glasslock.runtime.logs import Log
from glasslock.signing import Signer
from glasslock.wire.api import REQUEST_SKEW_SECONDS, SIGNATURE_HEADER
from glasslock.wire.digest import digest
from glasslock.wire.gap import (
    DESK,
    EXCHANGE,
    GET,
    POST,
    PROVIDER,
    Answered,
    Carried,
    Errand,
    Errands,
    Position,
)
from glasslock.wire.labels import Label

# How long a relay may take with the requests that it is given passes for.
PASS_SECONDS: Final = 86_400
# What was fetched in one round is judged in the next.
_ROUNDS: Final = 3

Asked = tuple[str, str, str, bytes]


def asked_of(place: str, method: str, path: str, body: bytes) -> Asked:
    """Return by what a request and its answer are known as belonging together."""
    return place, method, path, digest(Label.CONTENT, body)


@dataclass
class Bag:
    """What the relay brought, and what it is sent for next."""

    brought: Mapping[Asked, bytes | None]
    errands: dict[Asked, Errand] = field(default_factory=dict)

    @classmethod
    def of(cls, answers: tuple[Answered, ...]) -> Bag:
        """Open a file's answers."""
        return cls({(a.place, a.method, a.path, a.asked): a.body for a in answers})


class Carrier:
    """Calls one place by file."""

    def __init__(
        self, place: str, bag: Bag, passes: Callable[[str], tuple[tuple[int, bytes], ...]]
    ) -> None:
        """Answer from ``bag`` and put into it; ``passes`` signs requests ahead."""
        self._place, self._bag, self._passes = place, bag, passes

    async def close(self) -> None:
        """There is nothing to close."""

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return what was brought; raises ``NotFound``, ``TransportError``."""
        passes = () if headers is None else self._passes(path)
        return self._ask(GET, path, b"", passes)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the answer if the relay says that it delivered this; raises ``TransportError``."""
        del headers
        return self._ask(POST, path, body, ())

    def _ask(
        self, method: str, path: str, body: bytes, passes: tuple[tuple[int, bytes], ...]
    ) -> bytes:
        asked = asked_of(self._place, method, path, body)
        if asked not in self._bag.brought:
            self._bag.errands[asked] = Errand(self._place, method, path, body, passes)
            raise TransportError("the relay has not brought this yet", rule="gap.missing")
        found = self._bag.brought[asked]
        if found is None:
            raise NotFound("the relay was told that there is no such thing", rule="gap.none")
        return found


class Gapped(Keyholder):
    """A keyholder whose rounds are files."""

    def __init__(
        self, config: KeyholderConfig, key: Signer, store: Store, clock: Clock, log: Log
    ) -> None:
        """Read the store; nothing is done before a file comes. Raises as ``Office``."""
        self._bag = Bag({})
        super().__init__(config, key, store, clock, log)

    def _call(self, place: str, url: str) -> Caller:
        del url
        return Carrier(place, self._bag, self._passes)

    def _passes(self, path: str) -> tuple[tuple[int, bytes], ...]:
        """Sign a request for every time from now on at which the relay may make it."""
        now = self.clock.now()
        times = range(now, now + PASS_SECONDS, 2 * REQUEST_SKEW_SECONDS)
        found = []
        for time in times:
            signature = signed_headers(self.key, GET, path, time)[SIGNATURE_HEADER]
            found.append((time, bytes.fromhex(signature)))
        return tuple(found)

    def begin(self) -> bytes:
        """Return the first errands, which only read the logs; raises ``StateError`` if begun."""
        if self.store.exchanges():
            raise StateError("errands are under way already", rule="gap.begun")
        return self._errands()

    def again(self) -> bytes:
        """Return the last errands once more; raises ``StateError`` when there are none."""
        last = self.store.errands()
        if last is None:
            raise StateError("no errands are under way", rule="gap.none")
        return last

    async def take(self, carried: Carried) -> bytes:
        """Do all that a file allows; returns the next errands, which are stored first.

        What a log shows in it is taken whole or not at all, before anything else is done.

        Raises:
            Denied: the file is not the answer to the last errands: an old one, or somebody's.
            VerificationError, TransportError, WireError: a log in it does not hold, or not all of
                it is there; the errands under way stay.
        """
        known = self.store.exchanges()
        if carried.exchange in known[:-1]:
            raise Denied("this file was taken before, or is older", rule="gap.replayed")
        if carried.exchange not in known:
            raise Denied("this file belongs to no errands of this keyholder", rule="gap.foreign")
        self._bag.brought = Bag.of(carried.answers).brought
        for log in (self.policy_log, self.orders_log):
            try:
                await self._read(log)
            except NotFound:
                # A log may be empty; one that was read is not.
                if log.replica.log.checkpoint is not None:
                    raise
        for _ in range(_ROUNDS):
            await self._step("periods", self._keep_periods)
            await self._step("orders", self._work)
            await self._step("submit", self._submit)
        return self._errands()

    def _errands(self) -> bytes:
        config = self.config
        desks = ((DESK + name, url) for name, url in config.desks.items())
        addresses = (
            (PROVIDER, config.provider),
            *((log.origin, log.url) for log in (self.policy_log, self.orders_log)),
            *desks,
        )
        logs = {self.policy_log.origin, self.orders_log.origin}
        errands = Errands(
            os.urandom(EXCHANGE),
            self.key.public,
            self.quorum.text,
            (_position(self.policy_log), _position(self.orders_log)),
            addresses,
            # The relay reads logs on by itself; what a log was asked for and had not is no errand.
            tuple(e for e in self._bag.errands.values() if e.method == POST or e.place not in logs),
        )
        data = errands.encode()
        self.store.put_errands(errands.exchange, data)
        return data


def _position(log: FollowedLog) -> Position:
    checkpoint = log.replica.log.checkpoint
    if checkpoint is None:
        return Position(log.origin)
    return Position(log.origin, checkpoint.note, tuple(log.replica.nodes))
