"""The world of an attack: real parties with real stores in one folder, on a clock moved by hand.

Everything meets over loopback sockets, as it does between machines. A scenario takes over what it
attacks with; the rest goes on as shipped.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, TypeVar

import msgspec

from glasslock.client import Client, Invited, Joined, Warned
from glasslock.errors import StateError
from glasslock.ids import account_id
from glasslock.keyholder.app import open_keyholder
from glasslock.keyholder.config import KeyholderConfig
from glasslock.keyholder.keys import KEY_FILE
from glasslock.keyholder.running import Keyholder
from glasslock.keyholder.store import Outgoing
from glasslock.lab.founding import (
    CLOCKS,
    SETTINGS,
    Bodies,
    Plan,
    Seats,
    make_policy,
    seat_name,
    signed_policy,
)
from glasslock.lab.logs import ORDERS, POLICY, Logs
from glasslock.lab.serving import Port
from glasslock.orders.ledger import Ledger
from glasslock.provider.app import Provider
from glasslock.provider.config import PolicyLogSettings, ProviderConfig
from glasslock.runtime.files import private_folder
from glasslock.runtime.http import HttpClient
from glasslock.runtime.keys import save_seed
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply
from glasslock.signing import SigningKey
from glasslock.wire import api
from glasslock.wire.labels import Label
from glasslock.wire.order import Grant, IssuedOrder, Order, countersigned_content, entry_digest
from glasslock.wire.policy import Policy
from glasslock.wire.record import AGENCY, COUNTERSIGNER, ISSUING, REGISTRY, encode_record
from glasslock.wire.release import Release, decode_release

E = TypeVar("E", Invited, Joined, Warned)
PATIENCE: Final = 30.0
ROUNDS: Final = 40
LONG_AGO: Final = 10 * 86_400
MORNING: Final = 100


class HandClock:
    """Real time, moved by hand; every party of a world has the same."""

    def __init__(self) -> None:
        """Begin with the machine's policy day."""
        self.offset = 0
        # Always the same time of the policy day, so that no run meets its end by chance.
        self._early = (int(time.time()) - MORNING) % CLOCKS.day_seconds

    def now(self) -> int:
        """Return unix seconds."""
        return int(time.time()) - self._early + self.offset


class Inbox:
    """Where a desk takes releases in; keeps the bytes and looks at none."""

    def __init__(self) -> None:
        """Begin empty."""
        self.port, self.bodies = Port(), list[bytes]()

    def routes(self) -> list[HttpRoute]:
        """Return the one place to put releases."""
        return [HttpRoute("POST", api.RELEASES, self._take)]

    async def _take(self, request: HttpRequest) -> Reply:
        if request.body not in self.bodies:
            self.bodies.append(request.body)
        return Reply()


class World:
    """All parties of one attack."""

    def __init__(self, folder: Path, rng: Random, plan: Plan) -> None:
        """Plan a world under ``folder``; nothing runs before ``start``."""
        self.folder, self.rng, self.plan = folder, rng, plan
        self.clock = HandClock()
        self.logs = Logs(folder / "logs", self.clock, SigningKey.from_seed(rng.randbytes(32)))
        self.port, self.inbox = Port(), Inbox()
        self.bodies = Bodies.draw(rng)
        self.keys = [SigningKey.from_seed(rng.randbytes(32)) for _ in range(plan.seats)]
        self.people: list[Client] = []
        self.daemons: list[Keyholder] = []
        self._provider: Provider | None = None
        self._seats: Seats | None = None

    # -- founding -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Start logs, witnesses and provider; log policy, bodies and period keys."""
        today = self.clock.now() // CLOCKS.day_seconds
        self.clock.offset = -2 * CLOCKS.day_seconds
        await self.logs.start()
        self.quorum_file.write_text(self.logs.quorum.text, encoding="utf-8")
        await self.inbox.port.start(self.inbox.routes())
        await self.start_provider()
        policy = self.make_policy("sealed")
        self._seats = Seats(policy, self.keys)
        await self.logs.add(POLICY, signed_policy(policy, self.keys))
        await self.logs.add(POLICY, *self.bodies.register(policy))
        await self._seats.make_periods(self.logs, self.rng, today, self.plan.periods)
        self.clock.offset = 0
        await self.logs.tick()
        await self.provider.read_log()

    async def stop(self) -> None:
        """Stop everybody."""
        for client in self.people:
            await client.close()
        for daemon in self.daemons:
            await daemon.stop()
        await self.stop_provider()
        await self.inbox.port.stop()
        await self.logs.stop()

    @property
    def quorum_file(self) -> Path:
        """The quorum file that everybody pins."""
        return self.folder / "quorum"

    @property
    def policy(self) -> Policy:
        """The policy of this world."""
        return self.seats.policy

    @property
    def seats(self) -> Seats:
        """The keyholders' keys."""
        if self._seats is None:
            raise StateError("this world is not founded", rule="lab.world")
        return self._seats

    def make_policy(self, name: str) -> Policy:
        """Return a policy of this world's keyholders and provider."""
        return make_policy(
            name,
            self.plan,
            self.keys,
            self.provider.key,
            self.bodies.registrar.public,
            self.logs.quorum.text,
        )

    # -- provider and people ------------------------------------------------------------------

    @property
    def provider(self) -> Provider:
        """The provider at work."""
        if self._provider is None:
            raise StateError("there is no provider just now", rule="lab.provider")
        return self._provider

    @property
    def database(self) -> Path:
        """The provider's database."""
        return self.folder / "provider" / "provider.db"

    async def start_provider(self) -> None:
        """Start the provider on its port."""
        log = PolicyLogSettings(POLICY, self.logs.logs[POLICY].port.url, self.quorum_file)
        config = ProviderConfig(self.folder / "provider", clocks=SETTINGS, policy_log=log)
        self._provider = Provider(config, self.clock)
        await self.port.start(self._provider.routes())

    async def stop_provider(self) -> None:
        """Stop the provider; its folder stays."""
        if self._provider is not None:
            await self._provider.close()
            self._provider = None
        await self.port.stop()

    async def person(
        self, account: str, device: str = "phone", passphrase: str | None = None
    ) -> Client:
        """Make, register and start a device; a later one is approved by the account's first."""
        client = await Client.create(
            self.device_folder(account, device),
            self.port.url,
            account,
            passphrase=passphrase,
            clock=self.clock,
        )
        first = next((each for each in self.people if each.account == account), None)
        await client.register(first.approve(client.link_request()) if first else None)
        self.people.append(client)
        await client.start(PATIENCE)
        return client

    async def close(self, person: Client) -> None:
        """Have a device's program end in order."""
        await person.close()
        self.people.remove(person)

    async def restart(self, person: Client, device: str = "phone") -> Client:
        """End a device's program and start it again."""
        await self.close(person)
        again = Client.open(self.device_folder(person.account, device), clock=self.clock)
        self.people.append(again)
        await again.start(PATIENCE)
        return again

    def device_folder(self, account: str, device: str = "phone") -> Path:
        """Return where a device keeps everything it has."""
        return self.folder / f"{account}-{device}"

    async def talk(self, *accounts: str) -> tuple[bytes, list[Client]]:
        """Have the first account open a sealed conversation with the others."""
        people = [await self.person(account) for account in accounts]
        group = await people[0].create_conversation(accounts[1:], self.policy)
        await self.accept(group, *people[1:])
        return group, people

    async def accept(self, group: bytes, *clients: Client) -> None:
        """Have invited people say yes."""
        for client in clients:
            await _event(client, Invited, group)
            await client.accept(group)
            await _event(client, Joined, group)

    async def write(self, group: bytes, person: Client, text: str, *readers: Client) -> None:
        """Have a person write in a slot of its own, and ``readers`` receive it."""
        number = await person.send(group, text)
        await until(partial(state_is, person, number, "accepted"))
        for reader in readers:
            await until(partial(_has, reader, group, text))
        self.clock.offset += CLOCKS.slot_seconds

    # -- orders -------------------------------------------------------------------------------

    def order(self, *grants: Grant, **facts: object) -> Order:
        """Return an order of now over ``grants``, by the bodies of this world."""
        named = {r: entry_digest(encode_record(x)) for r, x in self.bodies.records.items()}
        now = self.clock.now()
        values: dict[str, object] = {
            "reference": "CASE 7",
            "policy": self.policy.digest,
            "authority": named[ISSUING],
            "countersigner": named[COUNTERSIGNER],
            "agency": named[AGENCY],
            "registry": named[REGISTRY],
            "legal_basis": "Act 1, section 2",
            "offence": "fraud",
            "issued": now,
            "expires": now + 3_600,
            "hold": now,
            "disclose_by": now + 600,
            "grants": grants,
        }
        return Order(**{**values, **facts})  # type: ignore[arg-type]

    def grant(self, group: bytes, account: str) -> Grant:
        """Return a grant of what an account wrote lately, up to the last slot that is over."""
        end = self.clock.now() // CLOCKS.slot_seconds - 1
        return Grant(group, account_id(account), ((end - 60, end),))

    def issue(
        self, order: Order, issuer: SigningKey | None = None, judge: SigningKey | None = None
    ) -> IssuedOrder:
        """Sign and countersign an order, by default with the keys of this world's bodies."""
        signature = (issuer or self.bodies.issuer).sign(Label.SIGN_ORDER, order.document)
        content = countersigned_content(order.document, signature)
        second = (judge or self.bodies.judge).sign(Label.SIGN_COUNTERSIGN, content)
        return IssuedOrder(order.document, signature, second)

    async def submit(self, issued: IssuedOrder) -> api.OrderVerdict:
        """Hand an order to the provider."""
        body = msgspec.msgpack.encode(api.SubmitOrder(issued.encode(), self.rng.randbytes(32)))
        http = HttpClient(self.port.url)
        try:
            answer = await http.post(api.ORDERS, body)
        finally:
            await http.close()
        return msgspec.msgpack.decode(answer, type=api.OrderVerdict)

    async def ask(self, issued: IssuedOrder) -> api.OrderVerdict:
        """Hand an order in, and have the witnesses sign the logs at that time."""
        verdict = await self.submit(issued)
        await self.logs.tick()
        return verdict

    async def released(self, count: int) -> list[Release]:
        """Have keyholders work until a desk has ``count`` releases; returns all of them."""
        await self.rounds(lambda: len(self.inbox.bodies) >= count)
        return [decode_release(body) for body in self.inbox.bodies]

    async def ledger(self) -> Ledger:
        """Read the whole orders log as a stranger does."""
        replica, found = await self.logs.read(ORDERS)
        ledger = Ledger()
        for each in found:
            ledger.add(each.entry, each.index, each.checkpoint.median_time)
        if replica.log.checkpoint is not None:
            ledger.seen(replica.log.checkpoint.median_time)
        return ledger

    # -- keyholders ---------------------------------------------------------------------------

    def keyholder(self, number: int) -> Keyholder:
        """Open the daemon of a seat, with the keys it has made."""
        folder = private_folder(self.folder / seat_name(number))
        first = not (folder / KEY_FILE).exists()
        if first:
            save_seed(folder / KEY_FILE, self.keys[number].seed)
        config = KeyholderConfig(
            data=folder,
            name=seat_name(number),
            quorum=self.quorum_file,
            policy_origin=POLICY,
            orders_origin=ORDERS,
            provider=self.port.url,
            policy=self.policy.digest.hex(),
            desks={f"the {AGENCY}": self.inbox.port.url},
            standing=True,
            max_age=LONG_AGO,
        )
        daemon = open_keyholder(config, self.clock)
        if first:
            for own in self.seats.periods[number]:
                daemon.store.put_key(own, Outgoing(POLICY, encode_record(own.record)))
            daemon.keys = daemon.store.keys()
        return daemon

    def open_keyholders(self) -> None:
        """Open all daemons; ``rounds`` has them work."""
        self.daemons = [self.keyholder(number) for number in range(self.plan.seats)]

    async def rounds(
        self, holds: Callable[[], object], daemons: Sequence[Keyholder] | None = None
    ) -> None:
        """Have keyholders do rounds until ``holds()``; raises ``TimeoutError``."""
        for _ in range(ROUNDS):
            chosen = self.daemons if daemons is None else daemons
            await asyncio.gather(*(daemon.round() for daemon in chosen))
            if holds():
                return
        raise TimeoutError("keyholders did not get there")


@contextlib.asynccontextmanager
async def founded(folder: Path, rng: Random, plan: Plan) -> AsyncIterator[World]:
    """Found a world, and stop everybody in it at the end."""
    world = World(folder, rng, plan)
    try:
        await world.start()
        yield world
    finally:
        await world.stop()


async def until(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until ``holds()``; raises ``TimeoutError``."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for stands on somebody's disk
            await asyncio.sleep(0.005)


async def warning(client: Client, group: bytes) -> str:
    """Return the rule of the next warning on a person's screen about a conversation."""
    found = await _event(client, Warned, group)
    return found.rule


async def _event(client: Client, kind: type[E], group: bytes) -> E:
    async with asyncio.timeout(PATIENCE):
        async for event in client.events():
            if isinstance(event, kind) and event.group_id == group:
                return event
    raise AssertionError("events end with the client only")


def shown(client: Client, group: bytes) -> list[bytes]:
    """Return what a device has on its disk of a conversation."""
    return [message.content for message in client.messages(group)]


def state_is(person: Client, number: int, state: str) -> bool:
    """Say whether a device keeps one of its messages as ``state``."""
    message = person._store.message(number)
    return message is not None and message.state == state


def _has(client: Client, group: bytes, text: str) -> bool:
    return text.encode() in shown(client, group)
