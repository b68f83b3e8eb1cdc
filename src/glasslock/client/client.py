"""A person's device as an asynchronous object: what a face or a bot calls.

Makes and opens the device's folder and hands commands to the running session. Takes no decision
about messages, members or keys.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from glasslock.client import enrolment
from glasslock.client.enrolment import Approval, LinkRequest
from glasslock.client.events import Alarm, Event, Notice, Standing
from glasslock.client.running import Running, ask_provider
from glasslock.client.schema import MIGRATIONS
from glasslock.client.session import Session
from glasslock.client.store import Message, Store
from glasslock.errors import (
    ConfigError,
    StateError,
)
from glasslock.ids import account_id, device_id
from glasslock.mls import SUITE_HYBRID, Device, Engine
from glasslock.runtime.clock import Clock, SystemClock
from glasslock.runtime.files import private_folder
from glasslock.runtime.http import HttpClient
from glasslock.runtime.keys import load_or_create_seed, load_seed
from glasslock.runtime.sqlite import Database, WritePoint, no_point
from glasslock.wire import api
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label
from glasslock.wire.policy import Policy

DEVICE_SIZE: Final = 16
GROUP_SIZE: Final = 16
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
        self._clock = clock
        self._running = Running(store, wrap_key, clock)

    @property
    def _session(self) -> Session:
        # Asked anew each time: it is another one after a failure of the disk.
        return self._running.session

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
        key, policies = await ask_provider(provider)
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

    # -- who this is --------------------------------------------------------------------------

    @property
    def account(self) -> str:
        """The account's name."""
        return self._running.device.account

    @property
    def device(self) -> bytes:
        """The device's id, 16 bytes."""
        return self._running.device.device

    @property
    def online(self) -> bool:
        """Whether this device is logged in at the moment."""
        return self._running.online.is_set()

    def link_request(self) -> LinkRequest:
        """Return what an existing device of the account must approve."""
        return LinkRequest(self.account, self.device, self._session.engine.signature_key)

    def approve(self, request: LinkRequest) -> Approval:
        """Let another device into this account; the person has compared what both screens show.

        Raises:
            StateError: the request is for another account.
        """
        return enrolment.approve(
            self._running.provider_key, self._running.device, self._session.engine, request
        )

    async def register(self, approval: Approval | None = None) -> None:
        """Enter this device at the provider; a later device of an account needs an approval.

        Raises:
            Denied: the account exists and nobody approved this device.
            TransportError: the provider cannot be reached.
        """
        engine = self._session.engine
        body = enrolment.registration(
            self._running.provider_key, self._running.device, engine, approval
        )
        http = HttpClient(self._running.url)
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
        await self._running.start(seconds)

    async def close(self) -> None:
        """Stop and close the store; everything is on disk already."""
        await self._running.stop()
        self._store.close()

    async def discard(self) -> None:
        """Close and delete this device, which nobody else has heard of (its making failed)."""
        await self.close()
        for path in self._folder.iterdir():
            if path.name.startswith((_KEY_FILE, _DATABASE)):
                path.unlink()

    async def caught_up(self, seconds: float) -> None:
        """Wait until everything the provider has for this device is read and stored.

        Raises:
            TransportError: that took longer than ``seconds``.
        """
        await self._running.caught_up(seconds)

    # -- what a person does -------------------------------------------------------------------

    def events(self) -> AsyncIterator[Event]:
        """Yield what happens, from now on and without end; older than 10,000 unread are dropped."""
        return self._running.events()

    async def learn_policies(self) -> list[Policy]:
        """Ask the provider which policies it serves now; returns all that are known.

        Raises:
            TransportError: the provider cannot be reached.
        """
        await self._running.learn_policies()
        return self.policies()

    def policies(self) -> list[Policy]:
        """Return the policies this provider serves."""
        return list(self._session.policies.known.values())

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

    def evidence(self, group_id: bytes, position: int) -> bytes:
        """Return what was kept of a seal mismatch at ``position``, empty when there was none.

        CBOR array: slot header, signed seal digest, slot signature, own tier 1 and seal digest.
        """
        return self._store.evidence(group_id, position)

    def alarms(self) -> list[Alarm]:
        """Return what stands against logs: two pasts, or entries that are kept from this device."""
        return self._store.alarms.all()

    def notices(self) -> list[Notice]:
        """Return the verified letters about orders that reached this person, the oldest first."""
        kept = [each for each in self._store.letters.all() if each.state == "verified"]
        if not kept:
            return []
        from glasslock.client import notices  # noqa: PLC0415 - as in ``noticing``

        policies = self._session.policies
        found = []
        for letter in kept:
            notice = notices.read_notice(letter.data, letter.number)
            parties = notices.registered(policies.books.get(notice.policy))
            ledger = notices.replay(self._store.letters.entries(notice.policy), parties)
            notice = notice.logged_by(policies.known[notice.policy].provider_key)
            found.append(notices.put_off(notice, ledger))
        return found

    def letter(self, number: int) -> bytes:
        """Return a verified letter as it came, for anybody to verify again.

        Raises:
            StateError: there is no such notice.
        """
        for kept in self._store.letters.all():
            if (kept.number, kept.state) == (number, "verified"):
                return kept.data
        raise StateError("there is no such notice", rule="client.notice")

    async def standing(self) -> list[Standing]:
        """Return how orders stand by the log of every known policy, read to its end and verified.

        A disclosure does not say whose order it was: that a person has no letter rests on the
        keyholders, the desk and the provider, each of which hands letters in.

        Raises:
            TransportError: a log cannot be reached.
            VerificationError: a log does not hold.
        """
        return await self._running.noticing.standing(self.notices())

    async def check_notices(self) -> None:
        """Judge the letters that wait by what their logs show now."""
        await self._running.noticing.check()

    async def compare_logs(self) -> None:
        """Compare what others were shown of the logs with what this device was shown, now."""
        await self._running.comparing.compare()

    async def create_conversation(
        self, accounts: Iterable[str] = (), policy: Policy | None = None
    ) -> bytes:
        """Create a conversation, by default under ``none``; returns its group id.

        All devices of the accounts are invited, and the other devices of this one.

        Raises:
            Denied: the provider refuses; Conflict, TransportError.
        """
        chosen = policy or self._none()
        await self._running.know(chosen)
        group_id = os.urandom(GROUP_SIZE)
        now = self._clock.now()
        await self._running.operate(lambda: self._session.membership.create(group_id, chosen, now))
        for account in (self.account, *accounts):
            await self.invite(group_id, account)
        return group_id

    def _none(self) -> Policy:
        for policy in self.policies():
            if policy.access is None:
                return policy
        raise StateError("the provider serves no policy without access", rule="client.policy")

    async def invite(self, group_id: bytes, account: str) -> None:
        """Add all devices of an account; returns once the commit is merged.

        Raises:
            Denied: there is no such account, or the provider refuses.
        """
        await self._running.operate(lambda: self._session.membership.invite(group_id, account))

    async def remove(self, group_id: bytes, account: str) -> None:
        """Remove all devices of an account; returns once the commit is merged."""
        await self._running.operate(lambda: self._session.membership.remove(group_id, account))

    async def refresh(self, group_id: bytes) -> None:
        """Start a new epoch with a fresh leaf key; returns once the commit is merged."""
        await self._running.operate(lambda: self._session.membership.refresh(group_id))

    async def change_policy(self, group_id: bytes, policy: Policy) -> None:
        """Put a conversation under another policy; returns once the commit is merged here.

        Every other device stops at that commit until its person has accepted the policy.

        Raises:
            Denied: the provider does not serve the policy.
            StateError: the conversation is under it, or has stopped.
            VerificationError: the policy does not stand in its log.
        """
        await self._running.know(policy)
        await self._running.operate(
            lambda: self._session.membership.change_policy(group_id, policy)
        )

    async def accept_policy(self, group_id: bytes) -> None:
        """Go on under a proposed policy after its person has read it; raises ``StateError``."""
        await self._running.carry_out(lambda: self._session.membership.accept_policy(group_id))

    async def accept(self, group_id: bytes) -> None:
        """Join a conversation after its person has read its policy; raises ``StateError``."""
        await self._running.carry_out(lambda: self._session.membership.accept(group_id))

    async def send(self, group_id: bytes, content: bytes | str) -> int:
        """Store a message for sending and return its number; ``MessageSent`` says when it stands.

        Raises:
            StateError: this device is not in the conversation, or it has stopped.
            WireError: the content is too long.
        """
        data = content.encode() if isinstance(content, str) else content
        now = self._clock.now()
        return await self._running.carry_out(lambda: self._session.send(group_id, data, now))

    async def send_again(self, number: int) -> None:
        """Send a message that was held back (state ``ask``) to the members there are now.

        Raises:
            StateError: the message is not waiting for that.
        """
        message = self._store.message(number)
        if message is None or message.state != "ask":
            raise StateError("this message does not wait for an answer", rule="client.again")
        await self._running.carry_out(
            lambda: self._session.again(message.group_id, number, message.content)
        )


def _open_database(folder: Path, seed: bytes, point: WritePoint) -> Database:
    return Database.open(folder / _DATABASE, MIGRATIONS, key=derive(seed, Label.STORE), point=point)
