"""A device at work with nobody beside it: its real loop, session and encrypted store.

The provider is played here, with a real key: it receipts batches and takes what is sent. Knows
how to prepare work for a device; times nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Final, cast

from glasslock.client.changes import Effects
from glasslock.client.conversation import tree_of
from glasslock.client.running import Running
from glasslock.client.schema import MIGRATIONS
from glasslock.client.sending import Self, open_slot, write
from glasslock.client.state import GroupState
from glasslock.client.store import Store
from glasslock.errors import TransportError
from glasslock.ids import account_id, device_id
from glasslock.mls import Device, Engine, Group, Roster, context_digest
from glasslock.runtime.sqlite import Database, WritePoint, no_point
from glasslock.runtime.stream import ClientStream
from glasslock.sealing.slots import tau_at
from glasslock.signing import SigningKey
from glasslock.tlog.receipt import make_receipts
from glasslock.wire import api
from glasslock.wire.entry import (
    Head,
    ReceiptLeaf,
    decode_receipt,
    device_next,
    handshake_digest,
)
from glasslock.wire.envelope import decode_envelope
from glasslock.wire.policy import Clocks, Policy, PolicyExtension

PROVIDER: Final = SigningKey.from_seed(bytes(32))
POLICY: Final = Policy("none", "none", PROVIDER.public, Clocks(), None)
NOW: Final = 1_775_820_300
KEY: Final = bytes(32)
GROUP: Final = b"a measured group"
Row = tuple[bytes, bytes, bytes | None]


class Stopped:
    """A clock that stands still, so that one slot stays open for all of a run."""

    def now(self) -> int:
        """Return the same time for ever."""
        return NOW


@dataclass
class Wire:
    """A stream without a socket: frames for the device, and what it sent."""

    sent: list[bytes] = field(default_factory=list)
    _waiting: deque[bytes] = field(default_factory=deque)
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: bool = False

    def put(self, frames: Iterable[bytes]) -> None:
        """Let frames arrive."""
        self._waiting.extend(frames)
        self._filled.set()

    def end(self) -> None:
        """End the stream."""
        self._ended = True
        self._filled.set()

    async def receive(self) -> bytes:
        """Return the next frame, as ``ClientStream`` does."""
        while not self._waiting:
            if self._ended:
                raise TransportError("the stream was closed", rule="stream.closed")
            self._filled.clear()
            await self._filled.wait()
        return self._waiting.popleft()

    async def send(self, frame: bytes) -> None:
        """Take a frame of the device."""
        self.sent.append(frame)

    async def close(self) -> None:
        """Close."""


@dataclass
class Member:
    """One device's engine with everything that it would have stored."""

    device: Device
    engine: Engine
    package: bytes
    rows: dict[tuple[bytes, bytes], bytes]
    group: Group | None = None
    root: bytes = b""

    @classmethod
    def make(cls, name: str, suite: int, key: bytes = KEY) -> Member:
        """Make a device with one KeyPackage."""
        device = Device(account_id(name), device_id(os.urandom(16)))
        engine, written = Engine.create(key, suite, device.identity())
        rows = list(written.rows)
        written.confirm()
        package, written = engine.key_package(NOW, last_resort=False)
        rows += written.rows
        written.confirm()
        member = cls(device, engine, package, {})
        member.keep(rows)
        return member

    def keep(self, rows: Sequence[Row]) -> None:
        """Take in rows as a store does."""
        for scope, key, value in rows:
            if value is None:
                self.rows.pop((scope, key), None)
            else:
                self.rows[scope, key] = value

    def stored(self, scope: bytes | None = None) -> list[Row]:
        """Return the rows as they would be loaded."""
        wanted = (b"", GROUP) if scope is None else (scope,)
        return [(s, key, value) for (s, key), value in self.rows.items() if s in wanted]

    @property
    def members(self) -> Group:
        """The group, which it is in."""
        assert self.group is not None
        return self.group

    def state(self, head: Head) -> GroupState:
        """Return what a client keeps of the group at ``head``, just after it was entered."""
        view = self.members.view
        context = context_digest(view.context)
        tree = tree_of(self.root, POLICY, GROUP, view.epoch, context, NOW)
        closes = {m.leaf: None for m in view.members if m.leaf != view.own_leaf}
        return GroupState(
            GROUP, POLICY.digest, view.epoch, NOW, head, tree, closes=closes, refreshed=NOW
        )


def found(size: int, suite: int, key: bytes = KEY) -> tuple[Member, Member]:
    """Make a group of ``size``; returns its founder and another member, both ready to go on."""
    people = [Member.make(f"member-{number}", suite, key) for number in range(size)]
    founder, reader = people[:2]
    extension = PolicyExtension(POLICY.digest, 0).encode()
    founder.group, _, _, written = founder.engine.create_group(GROUP, extension)
    founder.keep(written.rows)
    written.confirm()
    packages = [each.package for each in people[1:]]
    commit, welcome, _, written = founder.group.commit(add=packages, remove=[], policy=None)
    founder.keep(written.rows)
    written.confirm()
    root, written = founder.group.stage(commit).accept()
    founder.keep(written.rows)
    written.confirm()
    founder.root = root or b""
    assert welcome is not None
    staged = reader.engine.stage_welcome(welcome)
    reader.group, reader.root, written = staged.accept(reader.engine)
    reader.keep(written.rows)
    written.confirm()
    return founder, reader


def start() -> Head:
    """Return the head that a fresh group stands at."""
    return Head(1, NOW, bytes(32))


def found_store(path: FilePath, member: Member, key: bytes = KEY) -> None:
    """Write a device's encrypted store that stands in the group at ``start``."""
    store = opened(path, key)
    facts = {
        "provider": b"http://127.0.0.1:1",
        "provider_key": PROVIDER.public,
        "identity": member.device.identity(),
        "last_resort": b"\x81\x1a" + NOW.to_bytes(4, "big"),
    }
    store.set_up(facts, member.stored())
    store.note({}, [POLICY])
    head = start()
    effects = Effects(states={GROUP: member.state(head)})
    effects.heads.append((GROUP, head.position, head.head))
    store.apply(effects)
    store.close()


def opened(path: FilePath, key: bytes = KEY, point: WritePoint = no_point) -> Store:
    """Open an encrypted store."""
    return Store(Database.open(path, MIGRATIONS, key=key, point=point))


class AtWork:
    """A device with its loop: ``run`` lets it work until something holds."""

    def __init__(self, path: FilePath, point: WritePoint = no_point) -> None:
        """Load the device whose store is at ``path`` and log it in."""
        self.loop = asyncio.new_event_loop()
        self.store = opened(path, point=point)
        self.running = Running(self.store, KEY, Stopped())
        self.wire = Wire()
        self.head = self.running.session.conversations[GROUP].state.head
        self._line = self.running.session._outbox._line
        stream = cast(ClientStream, self.wire)
        self._serving = self.loop.create_task(self.running._serve(stream, 1.0))
        nonce = api.encode_frame(api.Challenge(bytes(32), NOW))
        entered = api.encode_frame(api.LoggedIn(NOW, *self._line, 10))
        self.wire.put([nonce, entered])
        self.until(lambda: self.running.session.online)
        self.wire.sent.clear()

    def until(self, holds: Callable[[], object]) -> None:
        """Let the device work until ``holds()``."""

        async def wait() -> None:
            for _ in range(1_000_000):
                if holds():
                    return
                if self._serving.done():
                    self._serving.result()
                    raise RuntimeError("the stream has ended")
                await asyncio.sleep(0)
            raise RuntimeError("the device does not come to an end")

        self.loop.run_until_complete(wait())

    def deliver(self, frames: Sequence[bytes], position: int) -> None:
        """Let ``frames`` arrive and work until the line is stored up to ``position``."""
        conversation = self.running.session.conversations[GROUP]
        self.wire.put(frames)
        self.until(lambda: conversation.state.head.position == position and self._idle())

    def _idle(self) -> bool:
        return not self.running._lock.locked() and not self.wire._waiting

    def accept_all(self) -> None:
        """Play the provider: accept what was sent, and bring it back on the line."""
        submits = [api.decode_device_frame(frame) for frame in self.wire.sent]
        self.wire.sent.clear()
        wanted = [each for each in submits if isinstance(each, api.SubmitEnvelope)]
        entries = [(decode_envelope(each.envelope).digest, each.envelope) for each in wanted]
        items, self.head = receipted(self.head, entries, "envelope")
        frames = []
        q, line = self._line
        for each, (digest, _), item in zip(wanted, entries, items, strict=True):
            q, line = q + 1, device_next(line, q + 1, digest)
            head = decode_receipt(item.receipt).leaf.head
            verdict = api.Accepted(each.id, item.position, item.time, head, item.receipt, q, line)
            frames.append(api.encode_frame(verdict))
        self._line = (q, line)
        frames.append(api.encode_frame(api.Deliver(GROUP, items, items[-1].position)))
        self.deliver(frames, items[-1].position)
        self.until(lambda: not self.running.session._outbox)
        self.wire.sent.clear()

    def forget_messages(self) -> None:
        """Empty the table that grows."""
        with self.store._db.transaction("bench"):
            self.store._db.execute("DELETE FROM messages")

    def close(self) -> None:
        """Stop and close everything."""
        self.wire.end()
        self.loop.run_until_complete(asyncio.gather(self._serving, return_exceptions=True))
        self.store.close()
        self.loop.close()


class Writer:
    """The other member, who writes into the slot it has open."""

    def __init__(self, member: Member) -> None:
        """Take over a member at ``start``."""
        view = member.members.view
        self.head = start()
        self._state = member.state(self.head)
        self._me = Self(
            POLICY,
            context_digest(view.context),
            Roster.of(view.members),
            view.own_leaf,
            member.engine.sign,
        )

    def batch(self, count: int, content: bytes) -> list[api.EntryItem]:
        """Write ``count`` messages, put on the line and receipted as one batch."""
        entries = []
        for _ in range(count):
            opened_slot = None
            if self._state.sending is None:
                tau = tau_at(POLICY.clocks, NOW)
                self._state, opened_slot = open_slot(self._me, self._state, tau, NOW)
            envelope, self._state, _ = write(
                self._me, self._state, content, os.urandom(32), opened_slot
            )
            entries.append((envelope.digest, envelope.encode()))
        items, self.head = receipted(self.head, entries, "envelope")
        return items


def receipted(
    head: Head, entries: Sequence[tuple[bytes, bytes]], kind: str
) -> tuple[list[api.EntryItem], Head]:
    """Put ``(digest, bytes)`` on the line after ``head`` under one signature of the provider."""
    leaves = []
    for digest, _ in entries:
        head = head.next(NOW, digest)
        leaves.append(ReceiptLeaf(GROUP, head.position, head.time, digest, head.head))
    receipts = make_receipts(leaves, PROVIDER.sign)
    items = [
        api.EntryItem(leaf.position, leaf.time, kind, data, receipt.encode())
        for leaf, receipt, (_, data) in zip(leaves, receipts, entries, strict=True)
    ]
    return items, head


def handshake(commit: bytes) -> list[api.EntryItem]:
    """Put a commit on the line right after ``start``."""
    items, _ = receipted(start(), [(handshake_digest(commit), commit)], "handshake")
    return items
