"""The loop under a device: one stream, one session, one store; knows no command by name.

Carries out the session's steps in the only order that a crash allows (store, then send, then
tell), connects again after a lost stream, and starts over from disk when storing failed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from glasslock.client.changes import Effects
from glasslock.client.comparing import Comparing, start_of
from glasslock.client.enrolment import read_provider
from glasslock.client.events import Event, Warned
from glasslock.client.noticing import Noticing
from glasslock.client.session import Session
from glasslock.client.store import Store
from glasslock.errors import GlasslockError, TransportError, VerificationError
from glasslock.mls import Device
from glasslock.runtime.clock import Clock
from glasslock.runtime.http import HttpClient, fetch_parts
from glasslock.runtime.stream import ClientStream
from glasslock.tlog.follow import Replica
from glasslock.tlog.reader import Part, catch_up
from glasslock.wire import api
from glasslock.wire.policy import Policy

T = TypeVar("T")

TICK_SECONDS: Final = 0.5
PAUSE: Final = 0.01
LOG_PAUSE: Final = 0.5
LOG_PAUSES: Final = 60
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 30.0
EVENTS: Final = 10_000
# Frames that wait for the session, and so the most that are stored as one step.
FRAMES: Final = 128


class Running:
    """A device at work."""

    def __init__(self, store: Store, wrap_key: bytes, clock: Clock) -> None:
        """Load the session from ``store``; nothing runs before ``start``."""
        self.store = store
        self.clock = clock
        self.url = (store.meta("provider") or b"").decode()
        self.provider_key = store.meta("provider_key") or b""
        self.device = Device.of(store.meta("identity") or b"")
        self._wrap_key = wrap_key
        self._lock = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._events: asyncio.Queue[Event] = asyncio.Queue(EVENTS)
        # Callers who wait: for an operation's end, for a command's last step, for their turn.
        self._futures: dict[int, asyncio.Future[None]] = {}
        self._told: dict[int, Callable[[Exception | None], None]] = {}
        self._commands: list[Callable[[], None]] = []
        self._last_command = 0
        self._commanding: asyncio.Task[None] | None = None
        self._stream: ClientStream | None = None
        self._frames: asyncio.Queue[bytes | GlasslockError] = asyncio.Queue(FRAMES)
        self.online = asyncio.Event()
        self._failure: GlasslockError | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._logs: dict[bytes, Replica | None] = {}
        self._session: Session | None = None
        try:
            self._session = self._load()
        except GlasslockError:
            store.close()
            raise
        self.noticing = Noticing(
            store.letters,
            self.device.account,
            clock,
            lambda: self.session.policies,
            self._step,
        )
        readers = (self.read_log, self.noticing.read)
        self.comparing = Comparing(store, clock, lambda: self.session.policies, readers, self._step)

    @property
    def session(self) -> Session:
        """The session: after a failure one that is loaded anew from what is stored.

        Raises:
            GlasslockError: what is stored cannot be read; it is tried again the next time.
        """
        if self._session is None:
            self._session = self._load()
        return self._session

    def _load(self) -> Session:
        engine = self.store.load_engine(self._wrap_key)
        return Session(self.store.load(self.device, engine, self.provider_key), os.urandom)

    # -- for the face -------------------------------------------------------------------------

    async def start(self, seconds: float) -> None:
        """Connect, and stay connected until ``stop``.

        Raises:
            GlasslockError: no log-in within ``seconds``: the last reason.
        """
        self._tasks = [
            asyncio.create_task(self._stay_connected()),
            asyncio.create_task(self._tick()),
            asyncio.create_task(self._read_logs()),
            asyncio.create_task(self.noticing.run()),
            asyncio.create_task(self.comparing.run()),
        ]
        try:
            await asyncio.wait_for(self.online.wait(), seconds)
        except TimeoutError:
            failure = self._failure or TransportError("the provider does not answer")
            await self.stop()
            raise failure from None

    async def stop(self) -> None:
        """Leave the stream; everything is on disk already."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._stream is not None:
            await self._stream.close()
        if self._commanding is not None:
            await asyncio.wait([self._commanding])
        self._fail_all(TransportError("this device was closed"))

    async def carry_out(self, command: Callable[[], T]) -> T:
        """Give the session a command; returns once what it did is stored, and sent if it can be.

        Raises:
            StorageError: its last step was not stored.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._commands.append(lambda: self._run(command, future))
        if self._commanding is None:
            self._commanding = asyncio.create_task(self._carry_out_all())
        return await future

    async def _carry_out_all(self) -> None:
        """Carry out the commands given at the same time as one step: it is stored once."""
        while self._commands:
            async with self._lock:
                try:
                    while self._commands:
                        self._commands.pop(0)()
                        if self.session.full:
                            break
                    await self._pump()
                except Exception as error:  # noqa: BLE001 - it is handed to every caller
                    self._fail_all(error)
        self._commanding = None

    def _run(self, command: Callable[[], T], future: asyncio.Future[T]) -> None:
        """Run a command whose caller still waits, who is told once its last step is stored."""
        if future.done():
            return
        try:
            result = command()
        except Exception as error:  # noqa: BLE001 - it is handed to the caller
            future.set_exception(error)
            return
        self._last_command += 1
        self._told[self._last_command] = lambda error: _settle(future, result, error)
        self.session.close_command(self._last_command)

    async def operate(self, begin: Callable[[], int]) -> None:
        """Begin an operation and wait until the session says that it is done.

        Raises:
            GlasslockError: it was refused, or the connection was lost before it was on its way.
        """
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def command() -> None:
            self._futures[begin()] = ended

        await asyncio.gather(self.carry_out(command), ended)

    async def events(self) -> AsyncIterator[Event]:
        """Yield what happens, without end."""
        while True:
            yield await self._events.get()

    async def caught_up(self, seconds: float) -> None:
        """Wait until everything the provider has for this device is read and stored.

        Raises:
            TransportError: that took longer than ``seconds``.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not self.session.caught_up:
            if asyncio.get_running_loop().time() > deadline:
                raise TransportError("the provider is slow", rule="client.slow")
            await asyncio.sleep(PAUSE)

    # -- the loop -----------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self.learn_policies()
                stream = await ClientStream.connect(self.url, api.STREAM)
                pause = await self._serve(stream, pause)
            except GlasslockError as error:
                self._fail(error)
            await asyncio.sleep(pause * (0.5 + os.urandom(1)[0] / 255))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _serve(self, stream: ClientStream, pause: float) -> float:
        """Work on one stream until it ends; returns the pause before the next."""
        async with self._lock:
            self._stream = stream
            self.session.connected()
            await self._pump()
        frames: asyncio.Queue[bytes | GlasslockError] = asyncio.Queue(FRAMES)
        self._frames = frames
        reading = asyncio.create_task(_read_frames(stream, frames))
        try:
            while self._stream is stream:
                await self._take_in(await _arrived(frames))
                if self.session.ready:
                    self.online.set()
                    pause = FIRST_PAUSE
        except TransportError:
            return pause
        finally:
            reading.cancel()
            self.online.clear()
            self._stream = None
            await stream.close()
            async with self._lock:
                self.session.disconnected()
                await self._pump()
        return pause

    async def _take_in(self, frames: list[bytes]) -> None:
        """Take in what has arrived, in order, as one step; what came before a bad frame stands."""
        async with self._lock:
            try:
                for data in frames:
                    if self.session.full:
                        await self._pump()
                    frame = api.decode_provider_frame(data)
                    self.session.received(frame, self.clock.now())
            finally:
                await self._pump()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                async with self._lock:
                    self.session.tick(self.clock.now())
                    await self._pump()
                    self.store.forget()
            except GlasslockError as error:
                self._failure = error

    async def _read_logs(self) -> None:
        while True:
            try:
                if self.session.wants_log:
                    await self.learn_policies()
                await self._read_all()
            except GlasslockError as error:
                self._fail(error)
            for _ in range(LOG_PAUSES):
                await asyncio.sleep(LOG_PAUSE)
                unread = self.session.policies.known.keys() != self._logs.keys()
                if unread or self.session.wants_log:
                    break

    async def _read_all(self) -> None:
        for policy in list(self.session.policies.known.values()):
            try:
                await self.read_log(policy)
            except GlasslockError as error:
                self._fail(error)

    def _fail(self, error: GlasslockError) -> None:
        self._failure = error
        if isinstance(error, VerificationError):
            self._tell(Warned(b"", error.rule or error.slug, 0, str(error)))

    async def know(self, policy: Policy) -> None:
        """Read a policy's log if this device never has.

        Raises:
            TransportError: it cannot be reached.
            VerificationError: it does not hold; nothing of it is used.
        """
        if self.session.policies.book(policy) is None:
            await self.read_log(policy)

    async def read_log(self, policy: Policy) -> None:
        """Read a policy's log on from where this device stands; stored before it is used.

        Raises:
            TransportError: it cannot be reached.
            VerificationError: it does not hold; nothing of it is used.
        """
        async with self._reading:
            await self._read_log(policy)

    async def _read_log(self, policy: Policy) -> None:
        replica = self._logs.get(policy.digest)
        if replica is None:
            replica = self._logs[policy.digest] = start_of(self.store, policy)
        if policy.access is None or replica is None or self._frozen(policy):
            return
        url = replica.log.quorum.log_url(policy.access.policy_origin)
        if url is None:
            return
        http = HttpClient(url)
        try:
            async for part in fetch_parts(http, replica, catch_up, self.clock):
                await self._keep_log(policy, part)
        finally:
            await http.close()

    async def _keep_log(self, policy: Policy, part: Part) -> None:
        reached = part.replica
        entries = [(each.index, each.checkpoint.median_time, each.entry) for each in part.entries]
        async with self._lock:
            checkpoint = reached.log.checkpoint
            if checkpoint is None or self._frozen(policy):
                return
            self.store.put_log(policy.digest, reached, entries)
            self._logs[policy.digest] = reached
            place = (policy.digest, reached.origin)
            self.session.policies.views.read(place, checkpoint.note)
            self.session.log_read(policy.digest, entries, checkpoint.median_time)
            # What is due is judged by the newest that the log shows, not on the way there.
            if part.newest:
                await self._pump()

    def _frozen(self, policy: Policy) -> bool:
        """Say whether a policy's log has shown two pasts: nothing more is taken from it."""
        access, views = policy.access, self.session.policies.views
        return access is not None and views.frozen(policy, access.policy_origin)

    async def learn_policies(self) -> None:
        """Ask the provider which policies it serves.

        Raises:
            TransportError: it cannot be reached.
            VerificationError: it is another provider.
        """
        key, policies = await ask_provider(self.url)
        if key != self.provider_key:
            raise VerificationError("this is another provider", rule="client.provider")
        async with self._lock:
            known = self.session.policies.known
            new = [policy for policy in policies if policy.digest not in known]
            if new:
                self.store.note({}, new)
                self.session.learnt(new)
                await self._pump()

    async def _step(self, effects: Effects) -> None:
        """Carry out a step that was made beside the session."""
        await self.carry_out(lambda: self.session.enqueue(effects))

    async def _pump(self) -> None:
        """Carry out the session's steps: store, send, tell."""
        while (effects := self._stored_step()) is not None:
            try:
                for frame in effects.frames:
                    await self._send(frame)
            finally:
                # It is stored: whoever waits is told, even if this task ends while it sends.
                self._tell_all(effects)

    def _stored_step(self) -> Effects | None:
        """Return the session's next step, stored; None when there is none."""
        effects = None
        try:
            effects = self.session.poll(self.clock.now())
            if effects is not None:
                self.store.apply(effects)
        except Exception as error:
            self._start_over(effects, error)
            raise
        return effects

    def _start_over(self, effects: Effects | None, error: Exception) -> None:
        # Memory ran ahead of the disk: throw it away and begin again from what is stored.
        for written in effects.written if effects is not None else ():
            written.abandon()
        self._session = None
        self._leave_stream()
        self._fail_all(error)

    def _leave_stream(self) -> None:
        """Let the loop that serves the stream connect again; awake it is where frames wait."""
        self._stream = None
        if self._frames.empty():
            self._frames.put_nowait(TransportError("the stream was left", rule="stream.closed"))

    def _fail_all(self, error: Exception) -> None:
        """Tell everybody who waits for something to be stored, or done, that it is not."""
        told, futures = self._told, self._futures
        self._told, self._futures = {}, {}
        for settle in told.values():
            settle(error)
        for future in futures.values():
            _settle(future, None, error)

    def _tell_all(self, effects: Effects) -> None:
        for event in effects.events:
            self._tell(event)
        if effects.letters:
            self.noticing.wake()
        if effects.heard:
            self.comparing.wake()
        for number, failure in effects.done:
            if (future := self._futures.pop(number, None)) is not None:
                _settle(future, None, failure)
        for command in effects.commands:
            if (settle := self._told.pop(command, None)) is not None:
                settle(None)

    async def _send(self, frame: api.DeviceFrame) -> None:
        if self._stream is None:
            return
        try:
            await self._stream.send(api.encode_frame(frame))
        except TransportError:
            # What matters is in the outbox and goes out again after the next log-in.
            self._leave_stream()

    def _tell(self, event: Event) -> None:
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(event)


async def ask_provider(url: str) -> tuple[bytes, list[Policy]]:
    """Return the receipt key and the policies of the provider at ``url``.

    Raises:
        TransportError: nobody answers, or it is no Glasslock provider.
    """
    http = HttpClient(url)
    try:
        health, documents = await http.get(api.HEALTH), await http.get(api.POLICIES)
    finally:
        await http.close()
    return read_provider(health, documents)


async def _read_frames(stream: ClientStream, to: asyncio.Queue[bytes | GlasslockError]) -> None:
    """Put frames into ``to`` until the stream ends, and last why it did."""
    try:
        while True:
            await to.put(await stream.receive())
    except GlasslockError as error:
        await to.put(error)


async def _arrived(frames: asyncio.Queue[bytes | GlasslockError]) -> list[bytes]:
    """Return all frames that have come, at least one; raises what ended the stream after them."""
    came: list[bytes] = []
    item = await frames.get()
    while isinstance(item, bytes):
        came.append(item)
        if frames.empty():
            return came
        item = frames.get_nowait()
    if came:
        # The room that the reason leaves is its own: nothing is read after it.
        frames.put_nowait(item)
        return came
    raise item


def _settle(future: asyncio.Future[T], result: T, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
