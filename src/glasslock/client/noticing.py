"""The loop that judges letters about orders; asleep, and without the law, while there are none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from glasslock.client.changes import Effects, LetterState, OrdersRead
from glasslock.client.events import Notice, NoticeReceived, Standing, Warned
from glasslock.client.letters import KeptLetter, Letters
from glasslock.client.policies import Policies
from glasslock.errors import (
    GlasslockError,
    StateError,
    TransportError,
    VerificationError,
    WireError,
)
from glasslock.runtime.clock import Clock
from glasslock.runtime.http import HttpClient, fetch_parts
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.reader import catch_up
from glasslock.wire.notice import decode_letter
from glasslock.wire.policy import Policy

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 60.0


class Noticing:
    """Judges the letters that wait; ``store`` carries out a step of the device."""

    def __init__(
        self,
        letters: Letters,
        account: str,
        clock: Clock,
        policies: Callable[[], Policies],
        store: Callable[[Effects], Awaitable[None]],
    ) -> None:
        """Take over; nothing runs before ``run``."""
        self._letters = letters
        self._account = account
        self._clock = clock
        self._policies = policies
        self._store = store
        self._new = asyncio.Event()
        self._judging = asyncio.Lock()

    def wake(self) -> None:
        """Look at letters soon: one has come."""
        self._new.set()

    async def run(self) -> None:
        """Judge letters when they come, and again while their log does not show enough."""
        pause = FIRST_PAUSE
        self._new.set()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._new.wait(), pause if self._letters.pending() else None)
                pause = FIRST_PAUSE
            pause = min(2 * pause, LONGEST_PAUSE)
            # What could not be stored now is judged again later.
            with contextlib.suppress(GlasslockError):
                await self.check()

    async def check(self) -> None:
        """Judge every letter that waits, each by its own log."""
        async with self._judging:
            self._new.clear()
            await self._check()

    async def standing(self, letters: Sequence[Notice]) -> list[Standing]:
        """Return how orders stand under every known policy; ``letters`` are verified ones.

        Raises:
            StateError: a log has shown two pasts.
            TransportError: a log cannot be reached.
            VerificationError: a log does not hold; nothing new of it is used.
        """
        from glasslock.client import notices  # noqa: PLC0415 - `none` never loads the law

        found = []
        for policy in self._policies().known.values():
            if policy.access is None:
                continue
            async with self._judging:
                replica = await self._read(policy, notices.concerns_letters)
            ledger = notices.replay(
                self._letters.entries(policy.digest),
                notices.registered(self._policies().book(policy)),
            )
            if replica.log.checkpoint is not None:
                found.append(notices.standing(policy, replica.log.checkpoint, ledger, letters))
        return found

    async def _check(self) -> None:
        for letter in self._letters.pending():
            try:
                await self._judge(letter)
            except (VerificationError, WireError) as error:
                rule = error.rule or error.slug
                state = LetterState(letter.number, "refused", rule)
                warned = Warned(b"", rule, 0, str(error))
                await self._store(Effects(letter_states=[state], events=[warned]))
            except GlasslockError:
                # Its log cannot be reached, or does not show the disclosure yet: later.
                continue

    async def _judge(self, letter: KeptLetter) -> None:
        from glasslock.client import notices  # noqa: PLC0415 - `none` never loads the law

        policy = notices.policy_of(decode_letter(letter.data), self._policies().known)
        replica = await self._read(policy, notices.concerns_letters)
        ledger = notices.replay(
            self._letters.entries(policy.digest), notices.registered(self._policies().book(policy))
        )
        found = notices.verify_for(letter.data, self._account, policy, ledger, replica.size)
        told = NoticeReceived(b"", found.numbered(letter.number))
        state = LetterState(letter.number, "verified", "")
        await self._store(Effects(letter_states=[state], events=[told]))

    async def read(self, policy: Policy) -> None:
        """Read the orders log of a policy on, as a letter would have it read.

        Raises:
            StateError: it has shown two pasts: nothing more is taken from it.
            TransportError: it cannot be reached.
            VerificationError: it does not hold; nothing new of it is used.
        """
        from glasslock.client import notices  # noqa: PLC0415 - `none` never loads the law

        async with self._judging:
            await self._read(policy, notices.concerns_letters)

    def _check_trusted(self, policy: Policy, origin: str) -> None:
        if self._policies().views.frozen(policy, origin):
            raise StateError("the orders log has shown two pasts", rule="log.split")

    async def _read(self, policy: Policy, wanted: Callable[[bytes], bool]) -> Replica:
        """Read the orders log of a policy on; what of it matters is stored before it is used."""
        access = policy.access
        origin = "" if access is None else access.orders_origin
        quorum = QuorumFile.parse("" if access is None else access.quorum)
        url = quorum.log_url(origin)
        if url is None:
            raise TransportError("the policy does not say where its log is", rule="notice.log")
        self._check_trusted(policy, origin)
        start = self._letters.replica(policy.digest, Replica(TrustedLog(quorum, origin)))
        http = HttpClient(url)
        try:
            reached = start
            async for part in fetch_parts(http, start, catch_up, self._clock):
                reached = part.replica
                entries = [
                    (each.index, each.checkpoint.median_time, each.entry)
                    for each in part.entries
                    if wanted(each.entry)
                ]
                self._check_trusted(policy, origin)
                read = OrdersRead(policy.digest, reached, entries)
                await self._store(Effects(orders_read=[read]))
        finally:
            await http.close()
        return reached
