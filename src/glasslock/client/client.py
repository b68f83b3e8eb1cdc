"""A person's device as an asynchronous object: the one shell around the sans-IO session.

Stores each step, then sends, then tells, in that order; connects again by itself after a lost
stream. Takes no decision about messages, members or keys.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from glasslock.client import enrolment
from glasslock.client.changes import Effects
from glasslock.client.enrolment import Approval, LinkRequest
from glasslock.client.events import Event, Warned
from glasslock.client.schema import MIGRATIONS
from glasslock.client.session import Session
from glasslock.client.store import Message, Store
from glasslock.errors import (
    ConfigError,
    GlasslockError,
    StateError,
    TransportError,
    VerificationError,
)
from glasslock.ids import account_id, device_id
from glasslock.mls import SUITE_HYBRID, Device, Engine
from glasslock.runtime.clock import Clock, SystemClock
from glasslock.runtime.files import private_folder
from glasslock.runtime.http import ClientStream, HttpClient
from glasslock.runtime.keys import load_or_create_seed, load_seed
from glasslock.runtime.sqlite import Database, WritePoint, no_point
from glasslock.wire import api
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label
from glasslock.wire.policy import Policy

DEVICE_SIZE: Final = 16
GROUP_SIZE: Final = 16
TICK_SECONDS: Final = 0.5
PAUSE: Final = 0.01
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 30.0
EVENTS: Final = 10_000
_KEY_FILE: Final = "device.key"
_DATABASE: Final = "device.db"


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation as its person may see it; ``stopped`` says why nothing moves any more."""

    group_id: bytes
    policy: Policy
    accounts: tuple[str, ...]
    epoch: int
    devices: int
    stopped: str


class Client:
    """One device of one account: an asynchronous context manager, or ``start`` and ``close``.

    A bot in ten lines stands in ``docs/architecture.md``.
    """

    def __init__(self, folder: Path, store: Store, wrap_key: bytes, clock: Clock) -> None:
        """Take over an open store; use ``create`` or ``open``."""
        self._folder = folder
        self._store = store
        self._wrap_key = wrap_key
        self._clock = clock
        self._url = _text(store.meta("provider"))
        self._provider_key = store.meta("provider_key") or b""
        self._device = Device.of(store.meta("identity") or b"")
        self._lock = asyncio.Lock()
        self._events: asyncio.Queue[Event] = asyncio.Queue(EVENTS)
        self._futures: dict[int, asyncio.Future[None]] = {}
        self._stream: ClientStream | None = None
        self._online = asyncio.Event()
        self._failure: GlasslockError | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._session = self._load()

    # -- making and opening -------------------------------------------------------------------

    @classmethod
    async def create(
        cls,
        folder: Path,
        provider: str,
        account: str,
        *,
        passphrase: str | None = None,
        suite: int = SUITE_HYBRID,
        clock: Clock | None = None,
        point: WritePoint = no_point,
    ) -> Self:
        """Make a device in ``folder`` and pin the provider at ``provider`` (an http address).

        Raises:
            ConfigError: there is a device in the folder already.
            TransportError: the provider cannot be reached.
        """
        device = Device(account_id(account), device_id(os.urandom(DEVICE_SIZE)))
        key, policies = await _ask_provider(provider)
        seed = load_or_create_seed(private_folder(folder) / _KEY_FILE, passphrase)
        store = Store(_open_database(folder, seed, point))
        if store.meta("identity") is not None:
            store.close()
            raise ConfigError("there is a device in this folder already", rule="client.folder")
        wrap_key = derive(seed, Label.WRAP)
        _engine, written = Engine.create(wrap_key, suite, device.identity())
        facts = {
            "provider": provider.encode(),
            "provider_key": key,
            "identity": device.identity(),
        }
        store.set_up(facts, written.rows)
        written.confirm()
        store.note({}, policies)
        return cls(folder, store, wrap_key, clock or SystemClock())

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        passphrase: str | None = None,
        clock: Clock | None = None,
        point: WritePoint = no_point,
    ) -> Self:
        """Open the device in ``folder``.

        Raises:
            ConfigError: there is none, or the passphrase is wrong.
        """
        seed = load_seed(folder / _KEY_FILE, passphrase)
        store = Store(_open_database(folder, seed, point))
        if store.meta("identity") is None:
            # A crash came between the key file and the device's first transaction.
            store.close()
            text = "this device was never finished: create it again"
            raise ConfigError(text, rule="client.unfinished")
        return cls(folder, store, derive(seed, Label.WRAP), clock or SystemClock())

    def _load(self) -> Session:
        try:
            engine = self._store.load_engine(self._wrap_key)
            loaded = self._store.load(self._device, engine, self._provider_key)
        except GlasslockError:
            self._store.close()
            raise
        return Session(loaded, os.urandom)

    # -- who this is --------------------------------------------------------------------------

    @property
    def account(self) -> str:
        """The account's name."""
        return self._device.account

    @property
    def device(self) -> bytes:
        """The device's id, 16 bytes."""
        return self._device.device

    @property
    def online(self) -> bool:
        """Whether this device is logged in at the moment."""
        return self._online.is_set()

    def link_request(self) -> LinkRequest:
        """Return what an existing device of the account must approve."""
        return LinkRequest(self.account, self.device, self._session.engine.signature_key)

    def approve(self, request: LinkRequest) -> Approval:
        """Let another device into this account; the person has compared what both screens show.

        Raises:
            StateError: the request is for another account.
        """
        return enrolment.approve(self._provider_key, self._device, self._session.engine, request)

    async def register(self, approval: Approval | None = None) -> None:
        """Enter this device at the provider; a later device of an account needs an approval.

        Raises:
            Denied: the account exists and nobody approved this device.
            TransportError: the provider cannot be reached.
        """
        engine = self._session.engine
        body = enrolment.registration(self._provider_key, self._device, engine, approval)
        http = HttpClient(self._url)
        try:
            await http.post(api.DEVICES, body)
        finally:
            await http.close()

    # -- running ------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close."""
        await self.close()

    async def start(self, seconds: float = 10.0) -> None:
        """Connect, and stay connected until ``close``.

        Raises:
            GlasslockError: no log-in within ``seconds``: the last reason.
        """
        self._tasks = [
            asyncio.create_task(self._stay_connected()),
            asyncio.create_task(self._tick()),
        ]
        try:
            await asyncio.wait_for(self._online.wait(), seconds)
        except TimeoutError:
            failure = self._failure or TransportError("the provider does not answer")
            await self._stop()
            raise failure from None

    async def close(self) -> None:
        """Stop and close the store; everything is on disk already."""
        await self._stop()
        self._store.close()

    async def discard(self) -> None:
        """Close and delete this device, which nobody else has heard of (its making failed)."""
        await self.close()
        for path in self._folder.iterdir():
            if path.name.startswith((_KEY_FILE, _DATABASE)):
                path.unlink()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._stream is not None:
            await self._stream.close()

    async def _stay_connected(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._learn_policies()
                stream = await ClientStream.connect(self._url, api.STREAM)
                pause = await self._serve(stream, pause)
            except GlasslockError as error:
                self._failure = error
                if isinstance(error, VerificationError):
                    self._tell(Warned(b"", error.rule or error.slug, 0, str(error)))
            await asyncio.sleep(pause * (0.5 + os.urandom(1)[0] / 255))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _serve(self, stream: ClientStream, pause: float) -> float:
        """Work on one stream until it ends; returns the pause before the next."""
        async with self._lock:
            self._stream = stream
            self._session.connected()
            await self._pump()
        try:
            while self._stream is stream:
                frame = api.decode_provider_frame(await stream.receive())
                async with self._lock:
                    self._session.received(frame, self._clock.now())
                    await self._pump()
                if self._session.ready:
                    self._online.set()
                    pause = FIRST_PAUSE
        except TransportError:
            return pause
        finally:
            self._online.clear()
            self._stream = None
            await stream.close()
            async with self._lock:
                self._session.disconnected()
                await self._pump()
        return pause

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                async with self._lock:
                    self._session.tick(self._clock.now())
                    await self._pump()
            except GlasslockError as error:
                self._failure = error

    async def _learn_policies(self) -> None:
        key, policies = await _ask_provider(self._url)
        if key != self._provider_key:
            raise VerificationError("this is another provider", rule="client.provider")
        async with self._lock:
            new = [policy for policy in policies if policy.digest not in self._session.policies]
            if new:
                self._store.note({}, new)
                self._session.policies.update({policy.digest: policy for policy in new})

    async def _pump(self) -> None:
        """Carry out the session's steps: store, send, tell."""
        while (effects := self._session.poll(self._clock.now())) is not None:
            try:
                self._store.apply(effects)
            except GlasslockError as error:
                self._start_over(effects, error)
                raise
            for frame in effects.frames:
                await self._send(frame)
            for event in effects.events:
                self._tell(event)
            for number, failure in effects.done:
                _settle(self._futures.pop(number, None), failure)

    def _start_over(self, effects: Effects, error: GlasslockError) -> None:
        # Memory ran ahead of the disk: throw it away and begin again from what is stored.
        for written in effects.written:
            written.abandon()
        for future in self._futures.values():
            _settle(future, error)
        self._futures.clear()
        self._stream = None
        self._session = self._load()

    async def _send(self, frame: api.DeviceFrame) -> None:
        if self._stream is None:
            return
        try:
            await self._stream.send(api.encode_frame(frame))
        except TransportError:
            # What matters is in the outbox and goes out again after the next log-in.
            self._stream = None

    def _tell(self, event: Event) -> None:
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(event)

    async def caught_up(self, seconds: float) -> None:
        """Wait until everything the provider has for this device is read and stored.

        Raises:
            TransportError: that took longer than ``seconds``.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not self._session.caught_up:
            if asyncio.get_running_loop().time() > deadline:
                raise TransportError("the provider is slow", rule="client.slow")
            await asyncio.sleep(PAUSE)

    # -- what a person does -------------------------------------------------------------------

    def events(self) -> AsyncIterator[Event]:
        """Yield what happens, from now on and without end; older than 10,000 unread are dropped."""
        return _forever(self._events)

    def policies(self) -> list[Policy]:
        """Return the policies this provider serves."""
        return list(self._session.policies.values())

    def conversations(self) -> list[ConversationView]:
        """Return all conversations this device is in."""
        return [
            ConversationView(
                group_id,
                each.policy,
                each.accounts,
                each.state.epoch,
                len(each.roster.leaves),
                each.stopped,
            )
            for group_id, each in self._session.conversations.items()
        ]

    def messages(self, group_id: bytes, after: int = 0, limit: int = 1_000) -> list[Message]:
        """Return stored messages of a conversation after number ``after``."""
        return self._store.messages(group_id, after, limit)

    def records(self, group_id: bytes) -> list[tuple[int, str]]:
        """Return position and rule of every entry that was refused."""
        return self._store.records(group_id)

    async def create_conversation(
        self, accounts: Iterable[str] = (), policy: Policy | None = None
    ) -> bytes:
        """Create a conversation, by default under ``none``; returns its group id.

        All devices of the accounts are invited, and the other devices of this one.

        Raises:
            Denied: the provider refuses; Conflict, TransportError.
        """
        chosen = policy or self._none()
        group_id = os.urandom(GROUP_SIZE)
        now = self._clock.now()
        await self._operate(lambda: self._session.membership.create(group_id, chosen, 0, now))
        for account in (self.account, *accounts):
            await self.invite(group_id, account)
        return group_id

    def _none(self) -> Policy:
        for policy in self._session.policies.values():
            if policy.access is None:
                return policy
        raise StateError("the provider serves no policy without access", rule="client.policy")

    async def invite(self, group_id: bytes, account: str) -> None:
        """Add all devices of an account; returns once the commit is merged.

        Raises:
            Denied: there is no such account, or the provider refuses.
        """
        await self._operate(lambda: self._session.membership.invite(group_id, account))

    async def remove(self, group_id: bytes, account: str) -> None:
        """Remove all devices of an account; returns once the commit is merged."""
        await self._operate(lambda: self._session.membership.remove(group_id, account))

    async def refresh(self, group_id: bytes) -> None:
        """Start a new epoch with a fresh leaf key; returns once the commit is merged."""
        await self._operate(lambda: self._session.membership.refresh(group_id))

    async def accept(self, group_id: bytes) -> None:
        """Join a conversation after its person has read its policy; raises ``StateError``."""
        async with self._lock:
            self._session.membership.accept(group_id)
            await self._pump()

    async def send(self, group_id: bytes, content: bytes | str) -> int:
        """Store a message for sending and return its number; ``MessageSent`` says when it stands.

        Raises:
            StateError: this device is not in the conversation, or it has stopped.
        """
        data = content.encode() if isinstance(content, str) else content
        async with self._lock:
            number = self._session.send(group_id, data, self._clock.now())
            await self._pump()
        return number

    async def send_again(self, number: int) -> None:
        """Send a message that was held back (state ``ask``) to the members there are now.

        Raises:
            StateError: the message is not waiting for that.
        """
        message = self._store.message(number)
        if message is None or message.state != "ask":
            raise StateError("this message does not wait for an answer", rule="client.again")
        async with self._lock:
            self._session.again(message.group_id, number, message.content)
            await self._pump()

    async def _operate(self, begin: Callable[[], int]) -> None:
        async with self._lock:
            number = begin()
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._futures[number] = future
            await self._pump()
        await future


async def _ask_provider(url: str) -> tuple[bytes, list[Policy]]:
    http = HttpClient(url)
    try:
        health, documents = await http.get(api.HEALTH), await http.get(api.POLICIES)
    finally:
        await http.close()
    return enrolment.read_provider(health, documents)


def _open_database(folder: Path, seed: bytes, point: WritePoint) -> Database:
    return Database.open(folder / _DATABASE, MIGRATIONS, key=derive(seed, Label.STORE), point=point)


def _settle(future: asyncio.Future[None] | None, error: GlasslockError | None) -> None:
    if future is None or future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _text(data: bytes | None) -> str:
    return (data or b"").decode()


async def _forever(queue: asyncio.Queue[Event]) -> AsyncIterator[Event]:
    while True:
        yield await queue.get()
