"""A village whose orders can be logged: two logs under one quorum, authorities, a desk of keys."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec

from glasslock import _core
from glasslock.client import Client
from glasslock.logserver.app import LogServer
from glasslock.logserver.config import LogConfig, WitnessSettings
from glasslock.orders.ledger import Ledger
from glasslock.orders.proportion import verify_preview
from glasslock.orders.requests import signed_headers
from glasslock.provider.config import ClockSettings, PolicyLogSettings
from glasslock.runtime.http import HttpClient
from glasslock.runtime.server import build_app
from glasslock.signing import SigningKey
from glasslock.tlog.proof import LoggedEntry
from glasslock.tlog.quorum import LogKey, QuorumFile
from glasslock.wire import api
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.order import (
    Grant,
    IssuedOrder,
    Order,
    countersigned_content,
    entry_digest,
    preview_content,
)
from glasslock.wire.policy import Clocks, Limits, Policy
from glasslock.wire.preview import Preview, decode_preview
from glasslock.wire.record import (
    AGENCY,
    COUNTERSIGNER,
    ISSUING,
    REGISTRY,
    AuthorityRecord,
    encode_record,
)
from glasslock.witness.app import Witness
from glasslock.witness.config import LogSettings, WitnessConfig
from tests.village.access import SMALL, AccessVillage, PolicyLog, Shape, clocks_of
from tests.village.logs import ORIGIN, SUBMITTER, LogVillage
from tests.village.village import Clock, Village, until

ORDERS = "log.test/orders"
SECRET = b"\x51" * 32
SETTINGS = ClockSettings(slot_seconds=2, slots_per_day=1_440, skew_seconds=4)
LIMITS = Limits(granularity_seconds=1, hold_seconds=0)


def seed(name: str) -> bytes:
    """Return a seed that belongs to a name."""
    return digest(Label.PROOF, b"institution", name.encode())


REGISTRY_KEY = SigningKey.from_seed(seed("registry office"))
ISSUER = SigningKey.from_seed(seed("prosecutor"))
JUDGE = SigningKey.from_seed(seed("judge"))


class TwoLogs(LogVillage):
    """A policy log and an orders log, cosigned by the same four witnesses."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder, clock)
        self.orders = _OrdersLog(folder / "orders", clock, ORDERS)
        self.orders.witnesses, self.orders._keys = self.witnesses, self._keys

    async def start_witness(self, number: int) -> None:
        """Start a witness that knows both logs."""
        if self.orders.server is None:
            self.orders._make_server()
        logs = []
        for log, origin in ((self, ORIGIN), (self.orders, ORDERS)):
            keys = (log.folder / "log" / "vkey").read_text(encoding="ascii").split()
            logs.append(LogSettings(origin, keys))
        config = WitnessConfig(self.folder / f"w{number}", f"w{number}.test", logs)
        witness = Witness(config, self.clock)
        await self.witnesses[number].start(build_app(witness.routes(), witness.close))

    async def start_log(self) -> None:
        """Start both logs."""
        await super().start_log()
        await self.orders.start_log()

    async def close(self) -> None:
        """Stop everything."""
        if self.orders.server is not None:
            await self.orders.stop_log()
        await super().close()

    @property
    def quorum(self) -> str:
        """The quorum file of both logs, with their addresses."""
        assert self.server is not None
        assert self.orders.server is not None
        known = self.server.quorum
        orders = self.orders.server.quorum
        logs = [LogKey(key, self.url) for key in known.log_keys(ORIGIN)]
        logs += [LogKey(key, self.orders.url) for key in orders.log_keys(ORDERS)]
        return QuorumFile.of(logs, known.witnesses, known.needed).text


class _OrdersLog(LogVillage):
    """Takes entries from anybody who signs them."""

    def _make_server(self) -> None:
        witnesses = [
            WitnessSettings(f"w{n}", key, self.witnesses[n].url) for n, key in enumerate(self._keys)
        ]
        config = LogConfig(
            self.folder / "log",
            self.origin,
            witnesses,
            3,
            [],
            batch_seconds=0.02,
            heartbeat_seconds=3_600,
        )
        self.server = LogServer(config, self.clock)


@dataclass
class Institutions(PolicyLog):
    """Both logs, and the bodies that act in orders; ``url`` is where the provider answers."""

    records: dict[str, AuthorityRecord] = field(default_factory=dict)
    limits: Limits = LIMITS
    url: str = ""

    @property
    def quorum(self) -> str:
        assert isinstance(self.logs, TwoLogs)
        return self.logs.quorum

    @property
    def orders_log(self) -> LogVillage:
        assert isinstance(self.logs, TwoLogs)
        return self.logs.orders

    def policy(
        self, name: str, provider: bytes, shape: Shape, clocks: Clocks | None = None
    ) -> Policy:
        bare = super().policy(name, provider, shape, clocks)
        assert bare.access is not None
        access = replace(bare.access, registry_key=REGISTRY_KEY.public, limits=self.limits)
        return replace(bare, access=access)

    async def register(self, policy: Policy, until: int = 1 << 40) -> None:
        """Log the four bodies of a policy."""
        for role, key in (
            (ISSUING, ISSUER.public),
            (COUNTERSIGNER, JUDGE.public),
            (AGENCY, _core.xwing_public_key(seed("agency"))),
            (REGISTRY, _core.xwing_public_key(seed("court"))),
        ):
            bare = AuthorityRecord(
                f"the {role}", role, f"owner of {role}", "court", key, 0, until, policy.digest
            )
            signature = REGISTRY_KEY.sign(Label.SIGN_RECORD, bare.signed_part())
            self.records[role] = replace(bare, signature=signature)
        await self.add(*self.records.values())

    def order(self, policy: Policy, *grants: Grant, **facts: object) -> Order:
        """Return an order of now over ``grants``."""
        named = {role: entry_digest(encode_record(r)) for role, r in self.records.items()}
        now = self.clock.now()
        order = Order(
            reference="CASE 7",
            policy=policy.digest,
            authority=named[ISSUING],
            countersigner=named[COUNTERSIGNER],
            agency=named[AGENCY],
            registry=named[REGISTRY],
            legal_basis="Act 1, section 2",
            offence="fraud",
            issued=now,
            expires=now + 3_600,
            hold=now,
            disclose_by=now + 600,
            grants=grants,
        )
        return replace(order, **facts)  # type: ignore[arg-type]

    def slots_now(self) -> tuple[int, int]:
        """Return the slots from a minute ago up to the last one that is over."""
        end = self.clock.now() // self.clocks.slot_seconds - 1
        return end - 40, end

    async def submit(
        self, order: Order | IssuedOrder, secret: bytes = SECRET, *, raw: bytes | None = None
    ) -> api.OrderVerdict:
        """Hand an order to the provider."""
        issued = issue(order) if isinstance(order, Order) else order
        body = msgspec.msgpack.encode(api.SubmitOrder(raw or issued.encode(), secret))
        return msgspec.msgpack.decode(await self.post(api.ORDERS, body), type=api.OrderVerdict)

    async def preview(self, order: Order, key: SigningKey = ISSUER, late: int = 0) -> Preview:
        """Ask for numbers; they are the provider's, about this order."""
        time = self.clock.now() - late
        signature = key.sign(Label.SIGN_PREVIEW, preview_content(order.document, time))
        body = msgspec.msgpack.encode(api.RequestPreview(order.document, time, signature))
        answer = await self.post(api.PREVIEWS, body)
        preview = decode_preview(msgspec.msgpack.decode(answer, type=api.Previewed).preview)
        health = msgspec.msgpack.decode(await self.get(api.HEALTH, key), type=api.Health)
        verify_preview(preview, order, health.provider_key)
        return preview

    async def post(self, path: str, body: bytes) -> bytes:
        """Post to the provider."""
        http = HttpClient(self.url)
        try:
            return await http.post(path, body)
        finally:
            await http.close()

    async def get(self, path: str, key: SigningKey) -> bytes:
        """Get something from the provider under a key."""
        http = HttpClient(self.url)
        try:
            headers = signed_headers(key, "GET", path, self.clock.now())
            return await http.get(path, headers)
        finally:
            await http.close()

    async def bundle(self, verdict: api.OrderVerdict) -> api.OrderBundle:
        """Get a case as a keyholder."""
        path = f"{api.ORDERS}/{verdict.commitment.hex()}"
        data = await self.get(path, self.keyholders[0].signing)
        return msgspec.msgpack.decode(data, type=api.OrderBundle)

    async def read_orders(self) -> tuple[Ledger, list[LoggedEntry]]:
        """Read the whole orders log."""
        replica, found = await self.orders_log.read(self.orders_log.replica())
        ledger = Ledger()
        for each in found:
            ledger.add(each.entry, each.index, each.checkpoint.median_time)
        assert replica.log.checkpoint is not None
        ledger.seen(replica.log.checkpoint.median_time)
        return ledger, found


@dataclass
class OrdersVillage(AccessVillage, Institutions):
    """A village with a way in whose orders are logged."""

    async def open(self) -> PolicyLogSettings:
        settings = await super().open()
        self.url = self.people.url
        return settings

    async def register(self, policy: Policy, until: int = 1 << 40) -> None:
        """Log the four bodies of a policy and have the provider read of them."""
        await super().register(policy, until)
        assert self.people.provider is not None
        await self.people.provider.read_log()

    async def work(self) -> None:
        """Have the provider do what is due."""
        assert self.people.provider is not None
        await self.people.provider.orders.work()

    async def write(self, group: bytes, *texts: tuple[Client, str], seconds: int = 2) -> None:
        """Have people write one after the other, each in a slot of its own."""
        for person, text in texts:
            number = await person.send(group, text)
            await until(partial(_accepted, person, number))
            self.clock.offset += seconds


def _accepted(person: Client, number: int) -> bool:
    message = person._store.message(number)
    return message is not None and message.state == "accepted"


def issue(order: Order, key: SigningKey = ISSUER, judge: SigningKey = JUDGE) -> IssuedOrder:
    """Sign and countersign an order."""
    signature = key.sign(Label.SIGN_ORDER, order.document)
    content = countersigned_content(order.document, signature)
    return IssuedOrder(order.document, signature, judge.sign(Label.SIGN_COUNTERSIGN, content))


@contextlib.asynccontextmanager
async def orders_village(
    folder: Path,
    *,
    shape: Shape = SMALL,
    settings: ClockSettings = SETTINGS,
    limits: Limits = LIMITS,
) -> AsyncIterator[tuple[OrdersVillage, Policy]]:
    """Open a village under one published policy with its authorities; close it at the end."""
    people = Village(folder / "people", settings)
    people.folder.mkdir(parents=True)
    logs = TwoLogs(folder / "logs", people.clock)
    clocks = clocks_of(settings)
    place = OrdersVillage(people.folder, logs, clocks, limits=limits, people=people)
    await place.open()
    try:
        policy = place.sealed("sealed", shape)
        await place.publish(policy)
        await place.register(policy)
        await place.publish_keys(sum(count for _, count in shape))
        yield place, policy
    finally:
        await place.close()


__all__ = ["ISSUER", "JUDGE", "ORDERS", "SUBMITTER", "OrdersVillage", "issue", "orders_village"]
