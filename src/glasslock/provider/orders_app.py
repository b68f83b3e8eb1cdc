"""The provider's shell for orders: requests in, cases frozen, leaves out, notices to inboxes.

What must stand in an orders log is queued in the transaction that decides it and goes out in that
order, each entry after the log's quorum has cosigned the one before. So a root stands before every
order leaf that relies on it, and after a crash the same bytes go out again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol, TypeVar

import msgspec

from glasslock.errors import Denied, GlasslockError, TransportError, VerificationError
from glasslock.ids import account_id, device_id
from glasslock.mls import Device
from glasslock.orders.commitment import disclose
from glasslock.orders.ledger import sign_leaf
from glasslock.orders.proportion import sign_preview
from glasslock.orders.requests import check_headers
from glasslock.orders.review import AdmittedOrder, Refusal
from glasslock.provider.archive import Archive
from glasslock.provider.cases import Bundle, Cases, Extended, OrdersLog, Waiting
from glasslock.provider.counting import close_period, is_over
from glasslock.provider.extension import Extendable, check_extension, holds
from glasslock.provider.freezing import Frozen, freeze, preview
from glasslock.provider.ingest import TouchedLine, ingest_root
from glasslock.provider.intake import (
    MAX_CARRIED,
    Handed,
    Judged,
    Known,
    LoggedCase,
    Unknown,
    check_notice,
    check_preview,
    judge,
    names_unknown,
    open_case,
)
from glasslock.provider.lines import Lines
from glasslock.provider.store import Store
from glasslock.runtime.clock import Clock
from glasslock.runtime.http import HttpClient, fetch
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply
from glasslock.runtime.sqlite import Database
from glasslock.signing import SigningKey
from glasslock.tlog.follow import TrustedLog
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.reader import witnessed
from glasslock.tlog.submission import submit
from glasslock.wire import api
from glasslock.wire.leaf import (
    MAX_LEAF,
    IngestLeaf,
    RefusalLeaf,
    SignedKind,
    UnauthenticatedLeaf,
    encode_leaf,
)
from glasslock.wire.notice import MAX_LETTER, decode_letter
from glasslock.wire.order import MAX_ORDER, decode_issued_order, decode_order
from glasslock.wire.policy import Policy
from glasslock.wire.preview import Preview
from glasslock.wire.record import AuthorityRecord

T = TypeVar("T")

WORK_SECONDS: Final = 1.0
# Anybody can make the provider look at its log: not more often than this.
REFRESH_SECONDS: Final = 0.5
BLIND_SIZE: Final = 32
_SLACK: Final = 4_096
_order: Final = msgspec.msgpack.Decoder(api.SubmitOrder)
_preview: Final = msgspec.msgpack.Decoder(api.RequestPreview)
_added: Final = msgspec.msgpack.Decoder(api.Added)


class Call(Protocol):
    """Runs work in the store's thread."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns."""


class OrdersApp:
    """What the provider does about orders, over the provider's own database and worker."""

    def __init__(
        self,
        db: Database,
        store: Store,
        archive: Archive,
        key: SigningKey,
        clock: Clock,
        call: Call,
        wake: Callable[[set[Device]], None],
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        """Work on the provider's tables.

        ``call`` runs work in the provider's one store thread, between batches; ``wake`` tells
        devices that their inbox grew; ``refresh`` reads the policy log on.
        """
        self._db = db
        self._store = store
        self._archive = archive
        self._cases = Cases(db)
        self._lines = Lines(db)
        self._key = key
        self._clock = clock
        self._call = call
        self._wake = wake
        self._refresh = refresh
        self._refreshed = 0.0
        self._known = Known(self._cases.served, self._cases.handed)
        self._sending: dict[str, asyncio.Lock] = {}

    def routes(self) -> list[HttpRoute]:
        """Return what is served about orders."""
        return [
            HttpRoute("POST", api.ORDERS, self._post_order, MAX_ORDER + _SLACK),
            HttpRoute("POST", api.PREVIEWS, self._post_preview, MAX_ORDER + _SLACK),
            HttpRoute("GET", api.ORDERS + "/{commitment}", self._get_bundle, 0),
            HttpRoute("GET", api.ORDERS + "/{commitment}/evidence", self._get_evidence, 0),
            HttpRoute(
                "POST", api.ORDERS + "/{commitment}" + api.EXTENSION, self._post_extension, MAX_LEAF
            ),
            HttpRoute("POST", api.NOTICES, self._post_notice, MAX_LETTER),
        ]

    async def work(self) -> None:
        """Do what is due: counts of past days, disclosures, what waits for a log.

        Raises:
            QuorumNotMet, TransportError: an orders log did not take an entry; it waits.
        """
        now = self._clock.now()
        await self._call(lambda: self._close_days(now))
        self._wake(await self._call(lambda: self._disclose(now)))
        failed: GlasslockError | None = None
        for log in await self._call(self._cases.logs):
            try:
                await self.flush(log.origin)
            except GlasslockError as error:
                failed = error
        if failed is not None:
            raise failed

    # -- called in the provider's own transactions --------------------------------------------

    def learn(self, policies: Iterable[Policy], authorities: Iterable[AuthorityRecord]) -> None:
        """Keep what the policy log says about orders; call inside a transaction."""
        for record in authorities:
            self._cases.put_authority(record)
        for policy in policies:
            log = _orders_log(policy)
            if log is not None and self._cases.put_log(log):
                # Lines that began before the log was known stand under its roots as well.
                for interval, time, count, root in self._cases.roots():
                    self._queue(log.origin, IngestLeaf(interval, time, count, root))

    def close_interval(self, now: int) -> None:
        """Close an ingest interval and have its root logged; call inside a transaction."""
        touched = [
            TouchedLine(line, position, head, os.urandom(BLIND_SIZE))
            for line, position, head in self._archive.touched_lines()
        ]
        if not touched:
            return
        root = ingest_root(touched)
        interval = self._archive.put_ingest(now, touched, root)
        for log in self._cases.logs():
            self._queue(log.origin, IngestLeaf(interval, now, len(touched), root))

    def _queue(self, origin: str, leaf: SignedKind) -> None:
        self._cases.queue(origin, encode_leaf(sign_leaf(leaf, self._key)))

    # -- orders -------------------------------------------------------------------------------

    async def _post_order(self, request: HttpRequest) -> Reply:
        wanted = api.read_body(_order, request.body)
        await self._catch_up(wanted)
        now = self._clock.now()
        taken = await self._call(lambda: self._take(wanted, now))
        if isinstance(taken, Refusal):
            verdict = api.OrderVerdict(admitted=False, rule=taken.rule, ground=taken.ground)
            return _reply(verdict)
        number, origin = taken
        await self.flush(origin)
        return _reply(await self._call(lambda: self._cases.verdict(number)))

    async def _catch_up(self, wanted: api.SubmitOrder) -> None:
        """Read the policy log first when an order names somebody not known yet.

        An answer is final: it must not come from a register that is behind.
        """
        passed = asyncio.get_running_loop().time() - self._refreshed
        if passed < REFRESH_SECONDS or not await self._call(
            lambda: names_unknown(wanted.issued, self._known)
        ):
            return
        self._refreshed += passed
        with contextlib.suppress(TransportError):
            await self._refresh()

    def _take(self, wanted: api.SubmitOrder, now: int) -> Refusal | tuple[int, str]:
        """Judge an order and keep the case; what was refused unsigned is only counted."""
        with self._db.transaction("intake"):
            decision = judge(wanted.issued, wanted.secret, self._known, now)
            match decision:
                case Unknown():
                    self._count(decision, now)
                    return decision.refusal
                case Handed():
                    return decision.number, self._cases.origin(decision.number)
                case Judged():
                    return self._open(decision, now)

    def _count(self, unknown: Unknown, now: int) -> None:
        """Count it in the log of the policy that it names, or in all when it names none."""
        policy = None if unknown.policy is None else self._cases.policy(unknown.policy)
        for log in self._cases.logs():
            if policy is None or policy.access is None or policy.access.orders_origin == log.origin:
                self._cases.count_unauthenticated(log.origin, _day(log, now))

    def _open(self, judged: Judged, now: int) -> tuple[int, str]:
        """Freeze and keep an order; its leaf waits behind the roots that its manifest names."""
        frozen: Frozen | None = None
        if isinstance(judged.answer, AdmittedOrder):
            self.close_interval(now)
            try:
                frozen = freeze(self._lines, judged.answer, judged.policy, MAX_CARRIED)
            except Denied as error:
                judged = judged.refused(error.rule or "order.size")
        case = open_case(judged, None if frozen is None else frozen.manifest)
        leaf = sign_leaf(case.leaf, self._key)
        origin = judged.origin
        kept = () if frozen is None or case.refusal is not None else frozen.evidence
        number = self._cases.open(case, origin, leaf, kept)
        self._cases.queue(origin, encode_leaf(leaf), number)
        return number, origin

    async def _post_preview(self, request: HttpRequest) -> Reply:
        wanted = api.read_body(_preview, request.body)
        now = self._clock.now()
        counted = await self._call(lambda: self._count_reach(wanted, now))
        return _reply(api.Previewed(counted.encode()))

    def _count_reach(self, wanted: api.RequestPreview, now: int) -> Preview:
        """Return what an order would reach, in numbers; only that somebody asked is kept."""
        order, policy = check_preview(wanted, self._known, now)
        with self._db.transaction("preview"):
            self._cases.count("previews")
            return sign_preview(order, preview(self._lines, order, policy), now, self._key)

    # -- what the case's readers get ----------------------------------------------------------

    async def _get_bundle(self, request: HttpRequest) -> Reply:
        key, found = await self._asked(request)
        policy = (
            None if found is None else await self._call(lambda: self._cases.policy(found.policy))
        )
        access = None if policy is None else policy.access
        if found is None or access is None or key not in {s.signing_key for s in access.seats}:
            raise _no_reader()
        return _reply(api.OrderBundle(found.issued, found.secret, found.manifest))

    async def _get_evidence(self, request: HttpRequest) -> Reply:
        key, found = await self._asked(request)
        if found is None or key != found.issuing_key:
            raise _no_reader()
        entries = await self._call(lambda: self._cases.evidence(found.number))
        return _reply(api.Evidence(found.manifest, entries))

    async def _asked(self, request: HttpRequest) -> tuple[bytes, Bundle | None]:
        now = self._clock.now()
        key = check_headers(request.headers, request.method, request.path, request.body, now)
        commitment = _commitment(request)
        return key, await self._call(lambda: self._cases.bundle(commitment))

    # -- extensions ---------------------------------------------------------------------------

    async def _post_extension(self, request: HttpRequest) -> Reply:
        """Take an extension; it proves itself, so whoever has it may hand it in."""
        entry, commitment = request.body, _commitment(request)
        case = await self._call(lambda: self._cases.extendable(commitment))
        if case is None:
            raise _no_reader()
        time = await self._witnessed(case.origin, case.index)
        now = self._clock.now()
        await self._call(lambda: self._extend(commitment, entry, time, now))
        await self.flush(case.origin)
        if await self._call(lambda: self._cases.earlier(entry)) is None:
            raise VerificationError("the log had it too late", rule="extend.late")
        return Reply()

    def _extend(self, commitment: bytes, entry: bytes, time: int, now: int) -> None:
        """Move a case's date and queue the leaf that says so, or refuse; the same again is taken.

        In one transaction with the look at the case: what is being disclosed is not put off.
        """
        with self._db.transaction("extend"):
            case = self._cases.extendable(commitment)
            if case is None or self._cases.extended(entry):
                return
            leaf = check_extension(entry, self._extendable(case, time), now)
            self._cases.extend(case, leaf.number, leaf.disclose_by, entry)

    def _extendable(self, case: Extended, time: int) -> Extendable:
        served = self._cases.served(case.policy)
        if served is None or served.policy.access is None:
            raise _no_reader()
        order = decode_order(decode_issued_order(case.issued).document)
        return Extendable(
            order,
            served.register,
            case.leaf,
            case.index,
            time,
            case.date,
            case.count,
            case.disclosed,
            served.policy.access.limits.granularity_seconds,
        )

    async def _witnessed(self, origin: str, index: int) -> int:
        """Ask a log when a quorum first saw its entry at ``index``."""
        log = await self._call(lambda: self._cases.log(origin))
        quorum = await self._call(lambda: self._cases.quorum(origin))
        if log is None or quorum is None:
            raise _no_reader()
        http = HttpClient(log.url)
        try:
            return await fetch(http, witnessed(TrustedLog(quorum, origin), index))
        finally:
            await http.close()

    # -- notice -------------------------------------------------------------------------------

    async def _post_notice(self, request: HttpRequest) -> Reply:
        now = self._clock.now()
        self._wake(await self._call(lambda: self._take_notice(request.body, now)))
        return Reply()

    def _take_notice(self, data: bytes, now: int) -> set[Device]:
        letter = decode_letter(data)
        case = self._cases.at(letter.origin, letter.index)
        if case is None or not case.admitted:
            raise Denied("no order of this provider stands there", rule="notice.case")
        account = check_notice(data, case, now)
        with self._db.transaction("notice"):
            return self._deliver(account, data)

    def _deliver(self, account: str, letter: bytes) -> set[Device]:
        """Put a letter into the inboxes of an account's devices, once."""
        if not self._cases.note_letter(letter):
            return set()
        devices = {
            Device(account_id(account), device_id(device))
            for device in self._store.devices(account)
        }
        for device in sorted(devices):
            self._store.put_inbox(device, api.InboxItem(0, "notice", letter))
        return devices

    def _disclose(self, now: int) -> set[Device]:
        """Open the orders whose date has come: to everybody in the log, to persons by letter."""
        told: set[Device] = set()
        if not self._cases.due(now):
            return told
        with self._db.transaction("disclose"):
            for case in self._cases.due(now):
                told |= self._open_up(case)
        return told

    def _open_up(self, case: LoggedCase) -> set[Device]:
        leaf = disclose(case.index, case.facts, case.secret)
        self._cases.queue(case.origin, encode_leaf(leaf))
        told: set[Device] = set()
        for account, letter in case.letters().items():
            told |= self._deliver(account, letter)
        self._cases.disclosed(case.number)
        return told

    # -- the logs -----------------------------------------------------------------------------

    def _close_days(self, now: int) -> None:
        """Have what was counted logged: each day that is over, and a period that is."""
        logs = self._cases.logs()
        over = [log for log in logs if self._cases.has_days(log.origin, _day(log, now))]
        counted = [log for log in logs if is_over(self._cases, log.origin, _day(log, now))]
        if not over and not counted:
            return
        with self._db.transaction("days"):
            for log in over:
                for day, count in self._cases.take_days(log.origin, _day(log, now)):
                    self._queue(log.origin, UnauthenticatedLeaf(day, count))
            for log in counted:
                leaf = close_period(self._cases, log.origin, _day(log, now), self._key.public)
                if leaf is not None:
                    self._queue(log.origin, leaf)

    async def flush(self, origin: str) -> None:
        """Hand an orders log all that waits for it, one entry after the other.

        Raises:
            QuorumNotMet, TransportError: the log did not take one; it and what follows wait.
        """
        async with self._sending.setdefault(origin, asyncio.Lock()):
            log = await self._call(lambda: self._cases.log(origin))
            if log is None:
                return
            http = HttpClient(log.url)
            try:
                while (item := await self._call(lambda: self._cases.waiting(origin))) is not None:
                    await self._submit(http, item)
            finally:
                await http.close()

    async def _submit(self, http: HttpClient, item: Waiting) -> None:
        body = submit(self._key, item.origin, item.entry).encode()
        index = api.read_body(_added, await http.post(api.LOG_ADD, body)).index
        earlier = await self._call(lambda: self._cases.earlier(item.entry))
        late = False
        if earlier is not None:
            late = not holds(earlier, await self._witnessed(item.origin, index))
        await self._call(lambda: self._logged(item, index, late=late))

    def _logged(self, item: Waiting, index: int, *, late: bool) -> None:
        """Write down where an entry stands; an extension that came too late holds for nobody."""
        with self._db.transaction("logged"):
            self._cases.logged(item, index)
            if late:
                self._cases.void(item.entry)
            refused = None if item.case is None else self._cases.refusal(item.case)
            if refused is not None:
                self._queue(item.origin, RefusalLeaf(index, None, *refused))


def _orders_log(policy: Policy) -> OrdersLog | None:
    """Return where a policy's orders are logged; None when its quorum file does not say."""
    if policy.access is None:
        return None
    origin = policy.access.orders_origin
    try:
        url = QuorumFile.parse(policy.access.quorum).log_url(origin)
    except GlasslockError:
        return None
    return None if url is None else OrdersLog(origin, url, policy.clocks.day_seconds)


def _day(log: OrdersLog, now: int) -> int:
    return now // log.day_seconds


def _commitment(request: HttpRequest) -> bytes:
    try:
        return bytes.fromhex(request.parts["commitment"])
    except ValueError:
        raise _no_reader() from None


def _no_reader() -> Denied:
    # The same for a case that is not there: nobody learns from it which are.
    return Denied("there is no such case for this key", rule="case.reader")


def _reply(value: msgspec.Struct) -> Reply:
    return Reply(msgspec.msgpack.encode(value))
