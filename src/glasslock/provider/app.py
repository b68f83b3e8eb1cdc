"""The provider's shell: streams and HTTP in, batches to the store, entries out to who waits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Final, TypeAlias

import msgspec

from glasslock.errors import Denied, GlasslockError, WireError
from glasslock.ids import account_id, device_id
from glasslock.mls import Device
from glasslock.provider import directory
from glasslock.provider.archive import Archive
from glasslock.provider.batch import Batcher, Outcome, Request, refused
from glasslock.provider.config import ProviderConfig, none_policy
from glasslock.provider.connection import SHARE, Connection, Growth
from glasslock.provider.orders_app import WORK_SECONDS, OrdersApp
from glasslock.provider.schema import MIGRATIONS
from glasslock.provider.store import Store, Unread
from glasslock.runtime.clock import Clock, SystemClock
from glasslock.runtime.commits import GroupCommit
from glasslock.runtime.files import private_folder, read_limited
from glasslock.runtime.http import HttpClient, fetch_parts
from glasslock.runtime.keys import load_or_create_seed
from glasslock.runtime.logs import Log
from glasslock.runtime.server import (
    HttpRequest,
    HttpRoute,
    Reply,
    Stream,
    StreamRoute,
    build_app,
    run_service,
)
from glasslock.runtime.service import bind, every
from glasslock.runtime.sqlite import Database, WritePoint, no_point
from glasslock.sealing.book import check_policy
from glasslock.signing import SigningKey
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.quorum import MAX_FILE, QuorumFile
from glasslock.tlog.reader import catch_up
from glasslock.wire import api
from glasslock.wire.policy import Policy
from glasslock.wire.record import AuthorityRecord, PolicyRecord, Record, decode_record

# With the last bundle in it no batch has more entries than a frame may bring.
BATCH: Final = api.MAX_FETCH - SHARE
NONCE_SIZE: Final = 32
# An entry with its receipt takes 1.3 KiB and more: pages of 4 KiB would be a quarter empty.
PAGE_SIZE: Final = 8_192
# Answers to a bundle of frames, and what its whole batch did.
_Carried: TypeAlias = tuple[list[api.ProviderFrame | None], Outcome]
_register = msgspec.msgpack.Decoder(api.RegisterDevice)


class Provider:
    """Delivery Service and Authentication Service over one folder."""

    def __init__(self, config: ProviderConfig, clock: Clock, point: WritePoint = no_point) -> None:
        """Open the folder of ``config``; makes key and database when there are none.

        Raises:
            ConfigError, StorageError: the folder cannot be used.
        """
        folder = private_folder(config.data)
        self._clock = clock
        self._key = SigningKey.from_seed(load_or_create_seed(folder / "provider.key"))
        self._db = Database.open(
            folder / "provider.db", MIGRATIONS, point=point, page_size=PAGE_SIZE
        )
        self._store = Store(self._db)
        self._archive = Archive(self._db)
        self._policy = none_policy(config, self._key.public)
        with self._db.transaction("start"):
            self._store.put_policy(self._policy)
        self._log, self._log_http = self._open_log(config)
        self._batcher = Batcher(self._db, self._store, self._archive, self._key)
        self._commits = GroupCommit(self._run, BATCH, lambda carried: self._tell(carried[0][1]))
        self.orders = OrdersApp(
            self._db,
            self._store,
            self._archive,
            self._key,
            clock,
            self._commits.call,
            lambda devices: self._tell(Outcome(inboxes=devices)),
            self.read_log,
        )
        self._reading = asyncio.Lock()
        self._connections: dict[Device, Connection] = {}
        self._followers: dict[bytes, set[Connection]] = {}

    def _open_log(self, config: ProviderConfig) -> tuple[Replica | None, HttpClient]:
        settings = config.policy_log
        if settings is None:
            return None, HttpClient("http://127.0.0.1")
        text = read_limited(settings.quorum, MAX_FILE).decode(errors="replace")
        start = Replica(TrustedLog(QuorumFile.parse(text), settings.origin))
        return self._archive.replica(start), HttpClient(settings.url)

    @property
    def key(self) -> bytes:
        """The raw public key that signs receipts."""
        return self._key.public

    def routes(self) -> list[HttpRoute | StreamRoute]:
        """Return what the provider serves."""
        return [
            StreamRoute(api.STREAM, self._serve_stream),
            HttpRoute("POST", api.DEVICES, self._post_device, 4_096),
            HttpRoute("GET", api.POLICIES, self._get_policies),
            HttpRoute("GET", api.HEALTH, self._get_health),
            *self.orders.routes(),
        ]

    async def close(self) -> None:
        """Finish what runs and close the store."""
        for connection in list(self._connections.values()):
            await connection.stop()
        await self._commits.close()
        await self._log_http.close()
        self._db.close()

    async def ingest(self) -> None:
        """Close an ingest interval (to be called every ``ingest_seconds``)."""
        await self._commits.call(self._close_interval)

    # -- HTTP -----------------------------------------------------------------------------------

    async def _post_device(self, request: HttpRequest) -> Reply:
        wanted = api.read_body(_register, request.body)
        await self._commits.call(lambda: self._register(wanted))
        return Reply()

    async def _get_policies(self, _request: HttpRequest) -> Reply:
        documents = await self._commits.call(self._store.policies)
        return Reply(msgspec.msgpack.encode(documents))

    async def _get_health(self, _request: HttpRequest) -> Reply:
        health = api.Health(self._key.public, self._policy.digest, self._clock.now())
        return Reply(msgspec.msgpack.encode(health))

    def _register(self, wanted: api.RegisterDevice) -> None:
        with self._db.transaction("register"):
            known = self._store.devices(wanted.account)
            device = directory.check_registration(wanted, known, self._key.public)
            self._store.register(device, wanted.entry, self._clock.now())

    # -- streams --------------------------------------------------------------------------------

    async def _serve_stream(self, stream: Stream) -> None:
        try:
            device = await self._log_in(stream)
        except GlasslockError as error:
            await stream.send(api.encode_frame(refused(0, error)))
            return
        connection = Connection(self, stream, device)
        before = self._connections.get(device)
        if before is not None:
            await before.stop()
        self._connections[device] = connection
        try:
            await connection.run()
        finally:
            if self._connections.get(device) is connection:
                del self._connections[device]
            self._unfollow(connection)

    async def _log_in(self, stream: Stream) -> Device:
        hello = api.decode_device_frame(await stream.receive())
        if not isinstance(hello, api.Hello):
            raise WireError("a stream begins with Hello", rule="stream.hello")
        device = Device(account_id(hello.account), device_id(hello.device))
        nonce = os.urandom(NONCE_SIZE)
        await stream.send(api.encode_frame(api.Challenge(nonce, self._clock.now())))
        login = api.decode_device_frame(await stream.receive())
        if not isinstance(login, api.Login):
            raise WireError("a challenge is answered by Login", rule="stream.login")
        known = await self._commits.call(lambda: self._store.devices(device.account))
        key = known.get(device.device)
        if key is None:
            raise Denied("this device is not registered", rule="stream.device")
        directory.check_login(device, key, self._key.public, nonce, login.signature)
        (q, head), left = await self._commits.call(lambda: self._standing(device))
        await stream.send(api.encode_frame(api.LoggedIn(self._clock.now(), q, head, left)))
        return device

    def _standing(self, device: Device) -> tuple[tuple[int, bytes], int]:
        return self._store.device_line(device), self._store.count_key_packages(device)

    async def carry_out(
        self, device: Device, frames: Sequence[api.DeviceFrame]
    ) -> list[api.ProviderFrame | None]:
        """Put a device's frames into the next batch and return their answers."""
        now = self._clock.now()
        answers: list[api.ProviderFrame | None] = [None] * len(frames)
        places, requests = [], []
        for place, frame in enumerate(frames):
            try:
                requests.append(Request.read(device, frame, now))
                places.append(place)
            except WireError as error:
                answers[place] = refused(getattr(frame, "id", 0), error)
        if requests:
            carried, _ = await self._commits.submit(requests)
            for place, answer in zip(places, carried, strict=True):
                answers[place] = answer
        return answers

    async def unread(self, group_id: bytes, device: Device, after: int) -> Unread:
        """Return the next entries of a line that a device reads after ``after``."""
        return await self._commits.call(lambda: self._store.unread(group_id, device, after))

    async def inbox(self, device: Device, after: int) -> list[api.InboxItem]:
        """Return what waits for a device."""
        return await self._commits.call(lambda: self._store.inbox(device, after, api.MAX_FETCH))

    def follow(self, group_id: bytes, connection: Connection) -> None:
        """Tell ``connection`` when the line grows."""
        self._followers.setdefault(group_id, set()).add(connection)

    def _unfollow(self, connection: Connection) -> None:
        for group_id in connection.followed:
            followers = self._followers[group_id]
            followers.discard(connection)
            if not followers:
                del self._followers[group_id]

    def _run(self, bundles: Sequence[Sequence[Request]]) -> list[_Carried]:
        outcome = self._batcher.run([request for bundle in bundles for request in bundle])
        answers = iter(outcome.answers)
        return [(list(islice(answers, len(bundle))), outcome) for bundle in bundles]

    def _tell(self, outcome: Outcome) -> None:
        """Send what a batch did to those who wait for it: every frame is made once."""
        for group_id, items in outcome.entries.items():
            followers = self._followers.get(group_id)
            if followers:
                growth = Growth.of(group_id, items, settled=group_id not in outcome.changed)
                for connection in followers:
                    connection.line_grew(growth)
        for device in outcome.inboxes:
            reader = self._connections.get(device)
            if reader is not None:
                reader.inbox_grew()

    async def read_log(self) -> None:
        """Read the policy log on and serve what it has for this provider.

        Raises:
            VerificationError: the log does not hold; nothing of it is used.
            TransportError: it cannot be reached.
        """
        async with self._reading:
            await self._read_log()

    async def _read_log(self) -> None:
        if self._log is None:
            return
        async for part in fetch_parts(self._log_http, self._log, catch_up, self._clock):
            entries = [each.entry for each in part.entries]
            await self._commits.call(partial(self._keep_log, part.replica, entries))
            self._log = part.replica

    def _served(self, record: Record) -> Policy | None:
        if not isinstance(record, PolicyRecord):
            return None
        try:
            check_policy(record.signed)
        except GlasslockError:
            return None
        policy = record.signed.policy
        return policy if policy.provider_key == self._key.public else None

    def _keep_log(self, replica: Replica, entries: Sequence[bytes]) -> None:
        records = [record for entry in entries if (record := _record(entry)) is not None]
        policies = [policy for record in records if (policy := self._served(record)) is not None]
        with self._db.transaction("log"):
            for policy in policies:
                self._store.put_policy(policy)
            self.orders.learn(policies, (r for r in records if isinstance(r, AuthorityRecord)))
            self._archive.put_log(replica)

    def _close_interval(self) -> None:
        with self._db.transaction("ingest"):
            self.orders.close_interval(self._clock.now())


def _record(entry: bytes) -> Record | None:
    """Return what a policy log's entry says; None for what everybody passes over."""
    try:
        return decode_record(entry)
    except GlasslockError:
        return None


def run(config: ProviderConfig, clock: Clock | None = None, point: WritePoint = no_point) -> None:
    """Run a provider until SIGTERM or SIGINT.

    Raises:
        ConfigError: the port is in use, or the folder cannot be used.
    """
    log = Log("provider")
    listener = bind(config.host, config.port)
    provider = Provider(config, clock or SystemClock(), point)

    async def ingest() -> None:
        await every(config.clocks.ingest_seconds, provider.ingest, log)

    async def read_log() -> None:
        if config.policy_log is not None:
            await every(config.policy_log.interval_seconds, provider.read_log, log)

    async def orders() -> None:
        await every(WORK_SECONDS, provider.orders.work, log)

    run_service(build_app(provider.routes(), provider.close), listener, [ingest, read_log, orders])
