"""The loop under a keyholder: it reads, decides, writes and sends, in that order, once a round.

Each step starts from what is stored, so a round after a crash is like any other; where the order of
two writes matters, the line says so. Judges nothing: what is due and whether it may be done stand
in the pure files beside.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from glasslock.errors import Denied, GlasslockError, StateError
from glasslock.keyholder import drill, notice, period, release, watch
from glasslock.keyholder.check import Logs, is_over
from glasslock.keyholder.config import KeyholderConfig, log_url, pinned_quorum, policy_digest
from glasslock.keyholder.release import Facts, Plan, Verdict
from glasslock.keyholder.seat import Seated
from glasslock.keyholder.store import Outgoing, Read, Store
from glasslock.keyholder.watch import Announced, Bundle, Case, Step
from glasslock.orders.authority import Registers
from glasslock.orders.ledger import Ledger, OrderRecord
from glasslock.orders.requests import signed_headers
from glasslock.orders.review import Refusal
from glasslock.runtime.clock import Clock
from glasslock.runtime.http import Caller, HttpClient, fetch_parts
from glasslock.runtime.keys import new_seed
from glasslock.runtime.logs import Log
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.drill import SHORTEST_PART, DrillBook
from glasslock.sealing.possession import COINS
from glasslock.sealing.releasing import FRESH
from glasslock.signing import Signer
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.reader import Part, catch_up
from glasslock.tlog.submission import submit
from glasslock.wire import api
from glasslock.wire.drill import Drilled, encode_drill
from glasslock.wire.gap import DESK, PROVIDER
from glasslock.wire.leaf import MARK
from glasslock.wire.order import decode_issued_order, decode_order
from glasslock.wire.record import Record, encode_record

SUBMIT_SECONDS: Final = 3.0
FIRST_PAUSE: Final = 1
LONGEST_PAUSE: Final = 300
# How much older than the newest the stored word of the witnesses may be, when nothing else is new.
NOTE_SECONDS: Final = 60


@dataclass(frozen=True)
class PolicyReading:
    """What is read in the policy log: rosters by the one, drills by the other."""

    book: PolicyBook
    drills: DrillBook

    def add(self, entry: bytes, index: int, time: int) -> None:
        """Read the entry at ``index``, witnessed at ``time`` (unix seconds)."""
        self.book.add(entry, index, time)
        self.drills.add(entry, index, time)

    def seen(self, time: int) -> None:
        """Take note that the log was seen whole at ``time``."""
        self.book.seen(time)


@dataclass
class FollowedLog:
    """A log and how far it was read; ``stored`` is the witnessed time last written down."""

    origin: str
    url: str
    replica: Replica
    told: PolicyReading | Ledger
    stored: int = 0


class Office:
    """What a keyholder knows, rebuilt from its store: both logs, its keys, its orders."""

    def __init__(self, config: KeyholderConfig, key: Signer, store: Store, clock: Clock) -> None:
        """Read the store.

        Raises:
            ConfigError: the quorum file or the policy's digest is not usable.
            VerificationError: the stored logs do not hold under the pinned quorum.
        """
        self.config, self.key, self.store, self.clock = config, key, store, clock
        self.quorum = pinned_quorum(config)
        self.policy = policy_digest(config)
        self.book, self.drills = PolicyBook(), DrillBook()
        self.ledger = Ledger(self._may_extend)
        self._registers = Registers()
        reading = PolicyReading(self.book, self.drills)
        self.policy_log = self._follow(config.policy_origin, reading)
        self.orders_log = self._follow(config.orders_origin, self.ledger)
        self.keys, self.coins = store.keys(), store.coins()
        self.cases = store.cases()

    def _follow(self, origin: str, told: PolicyReading | Ledger) -> FollowedLog:
        start = Replica(TrustedLog(self.quorum, origin))
        replica = self.store.replica(origin, start)
        for each in self.store.entries(origin):
            told.add(each.entry, each.index, each.time)
        checkpoint = replica.log.checkpoint
        if checkpoint is not None:
            told.seen(checkpoint.median_time)
        return FollowedLog(origin, log_url(self.quorum, origin), replica, told)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    @property
    def seated(self) -> Seated | None:
        """The keyholder in its seat, once the policy stands in the log.

        Raises:
            StateError: the policy has no seat for it, or another key in it.
        """
        logged = self.book.policies.get(self.policy)
        if logged is None:
            return None
        return Seated.of(logged.record.signed.policy, self.config.name, self.key)

    def _may_extend(self, issuing: bytes, countersigner: bytes, time: int) -> bool:
        policies = (logged.record.signed.policy for logged in self.book.policies.values())
        records = (logged.record for logged in self.book.authorities)
        known = self._registers.at(self.book.size, policies, records)
        return known.may_extend(issuing, countersigner, time)

    def date(self, record: OrderRecord, case: Case) -> int:
        """Return the date of an order's disclosure, with the extensions that count."""
        seated = self.seated
        if seated is None:
            return record.leaf.disclose_by
        return notice.date_of(seated, self.book, self.ledger, record, case.bundle)

    def facts(self, seated: Seated, record: OrderRecord, case: Case) -> Facts:
        """Return what a decision on an order rests on now."""
        config = self.config
        origins = (config.policy_origin, config.orders_origin)
        logs = Logs(self.quorum.text, origins, self.book, self.ledger, config.max_age)
        answer = self.store.answers().get(record.index)
        return Facts(seated, logs, record, case, self.cases, self.keys, answer, config.standing)

    def known(self, seated: Seated) -> period.Known:
        """Return what period keys are judged by now."""
        return period.Known(
            seated,
            self.book,
            self.keys,
            self.coins,
            lambda entry: self.store.written(self.policy_log.origin, entry),
            self.config.ahead_days,
            self.config.period_days,
        )

    def drill_facts(self, seated: Seated) -> drill.DrillFacts:
        """Return what this keyholder's part in drills rests on now."""
        answered, secrets = self.store.drills()
        return drill.DrillFacts(
            seated,
            self.book,
            self.drills,
            self.keys,
            answered,
            secrets,
            lambda entry: self.store.written(self.policy_log.origin, entry),
        )


class Keyholder(Office):
    """A keyholder at work."""

    def __init__(
        self, config: KeyholderConfig, key: Signer, store: Store, clock: Clock, log: Log
    ) -> None:
        """Read the store; nothing is done before ``round``. Raises as ``Office``."""
        super().__init__(config, key, store, clock)
        self._log = log
        logs = (self.policy_log, self.orders_log)
        self._http = {log.origin: self._call(log.origin, log.url) for log in logs}
        self._provider = self._call(PROVIDER, config.provider)
        self._desks = {name: self._call(DESK + name, url) for name, url in config.desks.items()}
        self._judged: tuple[int, int, int] | None = None
        self._drilled: tuple[int, int, int] | None = None
        self._pauses: dict[tuple[int, Step], tuple[int, int]] = {}
        self._failed: dict[str, str] = {}
        self._submitting: asyncio.Task[None] | None = None

    def _call(self, place: str, url: str) -> Caller:
        """Return the way to a place; ``gap`` has another."""
        del place
        return HttpClient(url)

    async def stop(self) -> None:
        """Stop sending, close connections and the store."""
        if self._submitting is not None:
            self._submitting.cancel()
            await asyncio.gather(self._submitting, return_exceptions=True)
        for client in (*self._http.values(), self._provider, *self._desks.values()):
            await client.close()
        self.close()

    async def round(self) -> None:
        """Do whatever is due, once."""
        await self._step("policy-log", lambda: self._read(self.policy_log))
        await self._step("orders-log", lambda: self._read(self.orders_log))
        await self._step("periods", self._keep_periods)
        await self._step("drills", self._drill)
        await self._step("orders", self._work)
        await self._step("submit", self._submit)

    async def _step(self, kind: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do one step; a failure is told once, by its class, and does not stop the others."""
        try:
            await work()
        except GlasslockError as error:
            if self._failed.get(kind) != error.slug:
                self._failed[kind] = error.slug
                self._log.event("step.failed", kind=kind, error=error.slug, rule=error.rule)
        else:
            self._failed.pop(kind, None)

    # -- logs ---------------------------------------------------------------------------------

    async def _read(self, log: FollowedLog) -> None:
        http = self._http[log.origin]
        async for part in fetch_parts(http, log.replica, catch_up, self.clock):
            self._keep(log, part)

    def _keep(self, log: FollowedLog, part: Part) -> None:
        reached = part.replica
        entries = [
            Read(each.index, each.checkpoint.median_time, each.entry) for each in part.entries
        ]
        checkpoint = reached.log.checkpoint
        time = 0 if checkpoint is None else checkpoint.median_time
        if entries or time > log.stored + NOTE_SECONDS:
            # Stored before anything is done about an entry: after a crash the log must still
            # continue what was acted upon.
            self.store.put_log(log.origin, reached, entries)
            log.stored = time
        log.replica = reached
        for each in entries:
            log.told.add(each.entry, each.index, each.time)
        log.told.seen(time)

    async def _submit(self) -> None:
        """Hand over what is on its way; it stays there until the log itself shows it."""
        if self._submitting is None or self._submitting.done():
            waiting = self.store.outbox()
            if not waiting:
                return
            self._submitting = asyncio.create_task(self._hand_over(waiting))
        done, _ = await asyncio.wait({self._submitting}, timeout=SUBMIT_SECONDS)
        for task in done:
            task.result()

    async def _hand_over(self, waiting: list[Outgoing]) -> None:
        answers = await asyncio.gather(*map(self._add, waiting), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def _add(self, outgoing: Outgoing) -> None:
        body = submit(self.key, outgoing.origin, outgoing.entry).encode()
        await self._http[outgoing.origin].post(api.LOG_ADD, body)

    def _to_policy_log(self, record: Record) -> Outgoing:
        return Outgoing(self.policy_log.origin, encode_record(record))

    def _to_orders_log(self, entry: bytes) -> Outgoing:
        return Outgoing(self.orders_log.origin, entry)

    # -- period keys --------------------------------------------------------------------------

    async def _keep_periods(self) -> None:
        seated = self.seated
        if seated is None:
            return
        now = self.clock.now()
        # A person's verb may have destroyed a key since the last round.
        self.keys = self.store.keys()
        live = sum(key.seed is not None for key in self.keys.values())
        state = (self.book.size, max(now, self.book.time) * 8 // seated.day, live)
        if state == self._judged:
            return
        work = period.work_due(self.known(seated), now)
        self._judged = state if work.nothing else None
        if work.ends or work.late:
            self._end_keys(work)
        if work.make is not None:
            made = period.make_key(seated, new_seed(), work.make, self.config.period_days)
            # The seed is on disk before the world may seal to its key.
            self.keys[made.key_id] = self.store.put_key(made, self._to_policy_log(made.record))
        if work.keys:
            drawn = [period.make_challenge(seated, key, os.urandom(COINS)) for key in work.keys]
            # The coins are on disk before the challenge leaves: lost ones leave a key unproven.
            self.store.put_coins((coins, self._to_policy_log(proof)) for coins, proof in drawn)
            self.coins.update({coins.key_id: coins for coins, _ in drawn})
        if work.proofs:
            self.store.queue(map(self._to_policy_log, work.proofs))

    def _end_keys(self, work: period.Work) -> None:
        ends: dict[bytes, Outgoing | None] = dict.fromkeys(work.late)
        ends |= {end.key_id: self._to_policy_log(end) for end in work.ends}
        # Seed and announcement in one transaction: neither a key that is said to be gone and is
        # not, nor one that is gone and nobody is told.
        self.store.end_keys(ends)
        for key_id in ends:
            self.keys[key_id] = replace(self.keys[key_id], seed=None)

    # -- drills -------------------------------------------------------------------------------

    async def _drill(self) -> None:
        seated = self.seated
        if seated is None:
            return
        facts, now = self.drill_facts(seated), self.clock.now()
        hour = max(now, self.book.time) * SHORTEST_PART // seated.day
        state = (self.book.size, len(facts.secrets), hour)
        if state == self._drilled:
            return
        for answer in drill.answers_due(facts, now):
            # That it was answered goes with the answer: a key that is lost or found in between
            # does not give a drill a second one.
            self.store.put_drill_answer(answer.context, self._to_drills(answer))
            self._log.event("drill.answered", passed=answer.share is not None)
        self.store.queue(map(self._to_drills, drill.secrets_due(facts, now)))
        self._drilled = state

    def _to_drills(self, record: Drilled) -> Outgoing:
        return Outgoing(self.policy_log.origin, encode_drill(record))

    # -- orders -------------------------------------------------------------------------------

    async def _work(self) -> None:
        seated = self.seated
        if seated is None:
            return
        for record, step in list(watch.steps(self.ledger, seated, self.cases, self.date)):
            now = self.clock.now()
            since, pause = self._pauses.get((record.index, step), (0, 0))
            if abs(now - since) < pause:
                continue
            try:
                await self._do(step, seated, record)
                self._pauses.pop((record.index, step), None)
            except GlasslockError as error:
                # What failed may have been written all the same: go on from the disk.
                self.cases = self.store.cases()
                longer = min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)
                self._pauses[record.index, step] = (now, longer)
                # Not where the order stands: that would tell which log entries belong together.
                self._log.event("order.waits", kind=step, error=error.slug, rule=error.rule)

    async def _do(self, step: Step, seated: Seated, record: OrderRecord) -> None:
        match step:
            case Step.FETCH:
                await self._fetch(seated, record)
            case Step.JUDGE:
                self._judge(seated, record, self.cases[record.index])
            case Step.SEND:
                announced = watch.announced(record, seated, self.cases[record.index])
                if announced is not None:
                    await self._send(seated, announced)
            case Step.NOTIFY:
                await self._notify(seated, record, self.cases[record.index])

    async def _fetch(self, seated: Seated, record: OrderRecord) -> None:
        path = f"{api.ORDERS}/{record.leaf.commitment.hex()}"
        headers = signed_headers(self.key, "GET", path, self.clock.now())
        body = await self._provider.get(path, headers)
        found = api.read_body(msgspec.msgpack.Decoder(api.OrderBundle), body)
        bundle = Bundle(found.issued, found.secret, found.manifest)
        case = Case(record.index, bundle, *notice.about(bundle, self.book, seated))
        self.store.put_order(case)
        self.cases[case.index] = case

    def _judge(self, seated: Seated, record: OrderRecord, case: Case) -> Verdict:
        facts = self.facts(seated, record, case)
        verdict = release.decide(facts, self.clock.now())
        if isinstance(verdict, Plan):
            made = release.release(verdict, os.urandom(FRESH))
            entry = self._to_orders_log(release.intent_entry(seated, record.index, made))
            # Release bytes and intent in one transaction, before either leaves: after a crash the
            # same bytes are announced and the same bytes are sent.
            case = replace(case, release=made.encode())
            self.store.put_verdict(record.index, entry, release=case.release, rule=None)
            self._log.event("order.released", count=len(made.slots))
        elif isinstance(verdict, Refusal):
            # Every refusal has a mark: nobody is to see which of them say something by it.
            mark = (facts.answer and facts.answer.mark) or os.urandom(MARK)
            entry = self._to_orders_log(release.refusal_entry(seated, record.index, verdict, mark))
            case = replace(case, rule=verdict.rule)
            self.store.put_verdict(record.index, entry, release=None, rule=verdict.rule)
            self._log.event("order.refused", rule=verdict.rule)
        self.cases[record.index] = case
        return verdict

    async def _send(self, seated: Seated, announced: Announced) -> None:
        """Send a release whose intent the log shows; only such a one gets here (L1)."""
        case = self.cases[announced.index]
        order = decode_order(decode_issued_order(case.bundle.issued).document)
        if self.clock.now() > order.expires:
            raise Denied("the order has expired", rule="keyholder.expired")
        record = self.ledger.orders[announced.index]
        issuing = notice.key_of(order.authority, self.book, seated)
        if issuing is not None and is_over(record, issuing):
            raise Denied("its authority has said that the order is over", rule="release.closed")
        agency = notice.name_of(order.agency, self.book, seated)
        desk = self._desks.get(agency)
        if desk is None:
            raise StateError("the settings name no desk of this agency", rule="keyholder.desk")
        await desk.post(api.RELEASES, announced.release)
        # A crash before this line sends the same bytes once more, which the desk has already.
        entry = self._to_orders_log(release.done_entry(seated, announced.index, announced.release))
        self.store.put_progress(announced.index, sent=entry)
        self.cases[announced.index] = replace(case, sent=True)

    async def _notify(self, seated: Seated, record: OrderRecord, case: Case) -> None:
        made = notice.make_notice(seated, self.book, record, case.bundle)
        if made is not None and record.disclosed is None:
            if not self.store.written(self.orders_log.origin, made.disclosure):
                self.store.queue([self._to_orders_log(made.disclosure)])
            return
        # Letters after the disclosure stands in the log: a person's client looks for it there.
        for letter in () if made is None else made.letters.values():
            await self._provider.post(api.NOTICES, letter)
        self.store.put_progress(record.index, noticed=True)
        self.cases[record.index] = replace(case, noticed=True)
