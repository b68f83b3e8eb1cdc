"""The loop that compares what others were shown of the logs with what this device was shown.

Asleep while nothing waits. A claim over no more than this device has read is held against its own
tree: the policy log's from what is stored, the orders log's from the log's tiles, which are
believed by this device's checkpoint. A claim over more has the log read on first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby
from typing import Final

from glasslock.client.changes import AGREED, SPLIT, WITHHELD, Compared, Effects, Heard
from glasslock.client.events import Event, LogSplit, LogWithheld, Warned
from glasslock.client.policies import Policies
from glasslock.client.store import Store
from glasslock.errors import GlasslockError, StateError, VerificationError
from glasslock.runtime.clock import Clock
from glasslock.runtime.http import HttpClient, fetch
from glasslock.tlog.checkpoint import VerifiedCheckpoint
from glasslock.tlog.claim import SplitView
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.merkle import Frontier, complete_root
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.roots import Earlier, earlier_root, earlier_roots
from glasslock.wire.policy import Policy

# A log that answers must show within this what it signed for others (seconds).
WITHHELD_SECONDS: Final = 600
# However much comes in, logs are asked no more often than this (seconds).
SHORTEST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
_LEAVES: Final = 4_096


class Comparing:
    """Compares the claims that wait; ``step`` carries out a step of the device."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        policies: Callable[[], Policies],
        read: tuple[Callable[[Policy], Awaitable[object]], Callable[[Policy], Awaitable[object]]],
        step: Callable[[Effects], Awaitable[None]],
    ) -> None:
        """Take over; nothing runs before ``run``. ``read`` read on a policy's two logs."""
        self._store = store
        self._clock = clock
        self._policies = policies
        self._read_policy, self._read_orders = read
        self._step = step
        self._new = asyncio.Event()
        self._comparing = asyncio.Lock()
        self._warned: set[tuple[str, str]] = set()
        # How far the policy log's tree was last built: most claims are over a little more.
        self._frontiers: dict[bytes, Frontier] = {}

    def wake(self) -> None:
        """Look at claims soon: one has come."""
        self._new.set()

    async def run(self) -> None:
        """Compare claims when they come, and again while their log does not show enough."""
        pause = SHORTEST_PAUSE
        self._new.set()
        while True:
            waits = any(True for _ in self._store.alarms.waiting())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._new.wait(), pause if waits else None)
                pause = SHORTEST_PAUSE
            pause = min(2 * pause, LONGEST_PAUSE)
            # What could not be read or stored now is looked at again later.
            with contextlib.suppress(GlasslockError):
                await self.compare()
            await asyncio.sleep(SHORTEST_PAUSE)

    async def compare(self) -> None:
        """Compare everything that waits, each log once."""
        async with self._comparing:
            self._new.clear()
            waiting = list(self._store.alarms.waiting())
            for (digest, origin), claims in groupby(waiting, lambda h: (h.policy, h.origin)):
                policy = self._policies().known.get(digest)
                if policy is not None and not self._policies().views.frozen(policy, origin):
                    try:
                        await self._compare(policy, origin, list(claims))
                    except VerificationError as error:
                        await self._warn(origin, error)
                    except GlasslockError:
                        # It cannot be reached, or nothing could be stored: later.
                        continue

    async def _warn(self, origin: str, error: VerificationError) -> None:
        """Say once that a log answers with what does not fit its own checkpoint."""
        rule = error.rule or error.slug
        if (origin, rule) not in self._warned:
            self._warned.add((origin, rule))
            await self._step(Effects(events=[Warned(b"", rule, 0, f"{origin}: {error}")]))

    async def _compare(self, policy: Policy, origin: str, claims: Sequence[Heard]) -> None:
        held, answered = self._held(policy, origin), False
        if held is not None and held.origin == origin and claims[-1].size > held.size:
            # A log that cannot be read now may still be compared as far as it was read.
            with contextlib.suppress(GlasslockError):
                await self._read_on(policy, origin)
                answered = True
            held = self._held(policy, origin)
        if held is None or held.origin != origin:
            # A later shard is another tree: what was said of the one before says nothing of it.
            return
        if answered:
            await self._blame_withheld(held, [each for each in claims if each.size > held.size])
        within = [each for each in claims if each.size <= held.size]
        if within:
            await self._compare_within(policy, held, within)

    async def _compare_within(
        self, policy: Policy, held: VerifiedCheckpoint, claims: Sequence[Heard]
    ) -> None:
        roots = await self._roots(policy, held, {each.size for each in claims})
        effects = Effects()
        for heard in claims:
            if roots[heard.size].root == heard.root:
                effects.compared.append(Compared(heard, AGREED, held.size))
                continue
            effects.compared.append(self._split(policy, held, heard, roots[heard.size]))
            effects.events.append(_event(LogSplit, heard, held.size))
            break
        await self._step(effects)

    def _split(
        self, policy: Policy, held: VerifiedCheckpoint, heard: Heard, own: Earlier
    ) -> Compared:
        path = own.path
        if held.origin == _policy_origin(policy):
            path = earlier_root(_Kept(self._store, policy.digest), heard.size, held.head).path
        proof = SplitView(held.note, heard.note, own.root, path)
        return Compared(heard, SPLIT, held.size, proof.encode())

    async def _blame_withheld(self, held: VerifiedCheckpoint, claims: Iterable[Heard]) -> None:
        """Say that the log answers and has not shown for too long what it signed for others."""
        late = [each for each in claims if self._clock.now() - each.time >= WITHHELD_SECONDS]
        known = {(each.policy, each.origin, each.rule) for each in self._store.alarms.all()}
        if late and (late[0].policy, held.origin, "log.withheld") not in known:
            found = Compared(late[-1], WITHHELD, held.size)
            told = _event(LogWithheld, late[-1], held.size)
            await self._step(Effects(compared=[found], events=[told]))

    async def _read_on(self, policy: Policy, origin: str) -> None:
        if origin == _policy_origin(policy):
            await self._read_policy(policy)
        else:
            await self._read_orders(policy)

    def _held(self, policy: Policy, origin: str) -> VerifiedCheckpoint | None:
        """Return the newest checkpoint of a log that this device has verified."""
        start = Replica(TrustedLog(self._policies().views.quorum(policy), origin))
        kept = self._store if origin == _policy_origin(policy) else self._store.letters
        return kept.replica(policy.digest, start).log.checkpoint

    async def _roots(
        self, policy: Policy, held: VerifiedCheckpoint, sizes: set[int]
    ) -> dict[int, Earlier]:
        if held.origin == _policy_origin(policy):
            return await self._stored_roots(policy.digest, sizes)
        url = self._policies().views.quorum(policy).log_url(held.origin)
        if url is None:
            raise StateError("the policy does not say where its log is", rule="views.log")
        http = HttpClient(url)
        try:
            return await fetch(http, earlier_roots(held.head, sizes))
        finally:
            await http.close()

    async def _stored_roots(self, policy: bytes, sizes: set[int]) -> dict[int, Earlier]:
        """Return roots of the policy log, of which every entry is stored; nobody is asked."""
        frontier = self._frontiers.get(policy)
        if frontier is None or frontier.size > min(sizes):
            frontier = Frontier()
        found = {}
        for size in sorted(sizes):
            while frontier.size < size:
                end = min(size, frontier.size + _LEAVES)
                frontier.extend(self._store.leaves(policy, frontier.size, end))
                await asyncio.sleep(0)
            found[size] = Earlier(frontier.root(), ())
        self._frontiers[policy] = frontier
        return found


class _Kept:
    """A ``HashReader`` over the stored entries of a policy log."""

    def __init__(self, store: Store, policy: bytes) -> None:
        self._store = store
        self._policy = policy

    def hash(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree."""
        first, end = index << level, (index + 1) << level
        return complete_root(self._store.leaves(self._policy, first, end))


def start_of(store: Store, policy: Policy) -> Replica | None:
    """Return how far a policy's log was read; None for a policy without one."""
    if policy.access is None:
        return None
    quorum = QuorumFile.parse(policy.access.quorum)
    return store.replica(policy.digest, Replica(TrustedLog(quorum, policy.access.policy_origin)))


def _policy_origin(policy: Policy) -> str:
    return "" if policy.access is None else policy.access.policy_origin


def _event(kind: type[LogSplit | LogWithheld], heard: Heard, held: int) -> Event:
    return kind(
        heard.group_id,
        heard.policy,
        heard.origin,
        held,
        heard.size,
        heard.account,
        heard.device,
    )
