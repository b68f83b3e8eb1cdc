"""Keyholders at work in a village: real logs, witnesses and provider, a desk that only takes in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from glasslock import hpke
from glasslock.client import Client
from glasslock.ids import account_id
from glasslock.keyholder.app import open_keyholder
from glasslock.keyholder.config import KeyholderConfig
from glasslock.keyholder.keys import KEY_FILE
from glasslock.keyholder.running import Keyholder
from glasslock.logserver.app import LogServer
from glasslock.logserver.config import LogConfig, WitnessSettings
from glasslock.runtime.files import private_folder
from glasslock.runtime.keys import save_seed
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply, build_app
from glasslock.runtime.service import bind
from glasslock.runtime.sqlite import WritePoint, no_point
from glasslock.sealing.book import PolicyBook
from glasslock.wire import api
from glasslock.wire.order import Grant
from glasslock.wire.policy import Limits, Policy
from glasslock.wire.release import Release, decode_release
from tests.village import access
from tests.village.access import SMALL, Shape, clocks_of
from tests.village.institutions import LIMITS, ORDERS, SETTINGS, OrdersVillage, TwoLogs, seed
from tests.village.logs import ORIGIN
from tests.village.serving import Serving
from tests.village.village import Village

AGENCY, COURT = (hpke.DecryptionKey.from_seed(seed(name)) for name in ("agency", "court"))
DAYS = 10 * 86_400


class OpenLogs(TwoLogs):
    """Two logs that take entries from anybody who signs them."""

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
class Inbox:
    """A desk that keeps whatever is posted."""

    bodies: list[bytes] = field(default_factory=list)
    serving: Serving = field(default_factory=lambda: Serving(bind("127.0.0.1", 0)))

    async def open(self) -> None:
        await self.serving.start(build_app([HttpRoute("POST", api.RELEASES, self._take)]))

    async def _take(self, request: HttpRequest) -> Reply:
        self.bodies.append(request.body)
        return Reply()

    @property
    def releases(self) -> list[Release]:
        """Every different release that came, in order."""
        return [decode_release(body) for body in dict.fromkeys(self.bodies)]


@dataclass
class KeyholderVillage(OrdersVillage):
    """A village whose keyholders are daemons, stepped round by round."""

    desk: Inbox = field(default_factory=Inbox)
    policies: list[Policy] = field(default_factory=list)
    daemons: list[Keyholder] = field(default_factory=list)

    def config(self, number: int, policy: Policy, **changes: object) -> KeyholderConfig:
        """Return the settings of a keyholder, with its key on disk."""
        folder = private_folder(self.folder / f"keyholder-{number}")
        if not (folder / KEY_FILE).exists():
            save_seed(folder / KEY_FILE, access.Keyholder.of(number).signing.seed)
        quorum = self.folder / "both"
        quorum.write_text(self.quorum, encoding="utf-8")
        values: dict[str, object] = {
            "data": folder,
            "name": f"keyholder-{number}",
            "quorum": quorum,
            "policy_origin": ORIGIN,
            "orders_origin": ORDERS,
            "provider": self.url,
            "policy": policy.digest.hex(),
            "desks": {"the agency": self.desk.serving.url},
            "standing": True,
            "max_age": DAYS,
        }
        return KeyholderConfig(**{**values, **changes})  # type: ignore[arg-type]

    def keyholder(
        self, number: int, policy: Policy, point: WritePoint = no_point, **changes: object
    ) -> Keyholder:
        """Open a keyholder from its folder."""
        return open_keyholder(self.config(number, policy, **changes), self.clock, point)

    async def restart(self, number: int, policy: Policy, **changes: object) -> Keyholder:
        """Close a keyholder and open it again."""
        await self.daemons[number].stop()
        self.daemons[number] = self.keyholder(number, policy, **changes)
        return self.daemons[number]

    async def rounds(
        self, holds: Callable[[], object], daemons: Sequence[Keyholder] | None = None
    ) -> None:
        """Have keyholders do rounds until ``holds()``."""
        for _ in range(40):
            chosen = self.daemons if daemons is None else daemons
            await asyncio.gather(*(daemon.round() for daemon in chosen))
            if holds():
                return
        raise AssertionError("it did not happen in time")

    async def fill_roster(self, policy: Policy) -> None:
        """Have period keys published and proven, and go on to a day that they serve."""
        book, day = self.daemons[0].book, policy.clocks.day_seconds
        today = self.clock.now() // day

        def ready() -> list[int]:
            records = [key.record for key in book.vetted(policy)]
            return [record.first_day for record in records if record.last_day >= today]

        await self.rounds(lambda: len(ready()) == len(self.daemons))
        first = max(ready())
        while self.clock.now() < first * day + 60:
            self.clock.offset += 60
        await self.tick_both()
        assert self.people.provider is not None
        await self.people.provider.read_log()

    async def tick_both(self) -> None:
        """Have the witnesses sign both logs at the clock's present."""
        entry = b"nothing at %d" % self.clock.now()
        await self.logs.add(entry)
        await self.orders_log.add(entry)

    def seats_filled(self, policy: Policy) -> int:
        """Say how many seats have a key today, as any reader of the log sees it."""
        book: PolicyBook = self.daemons[0].book
        day = self.clock.now() // policy.clocks.day_seconds
        roster = book.rosters(policy, day, self.clock.now())[0]
        return sum(seat is not None for seat in roster.seats)

    async def talk(self, policy: Policy, rounds: int = 2) -> tuple[bytes, list[Client]]:
        """Have Alice and Bob write to each other, each time in a slot of its own."""
        people = [await self.people.person(name) for name in ("alice", "bob")]
        group = await people[0].create_conversation(["bob"], policy)
        await self.accept(group, people[1])
        texts = [(each, f"{each.account} {n}") for n in range(rounds) for each in people]
        await self.write(group, *texts)
        self.clock.offset += 4
        return group, people

    async def ask(self, policy: Policy, group: bytes, **facts: object) -> api.OrderVerdict:
        """Submit an order over what Alice wrote lately; the logs are seen at that time."""
        order = self.order(policy, Grant(group, account_id("alice"), (self.slots_now(),)), **facts)
        verdict = await self.submit(order)
        assert verdict.admitted, verdict
        await self.tick_both()
        return verdict

    async def close(self) -> None:
        for daemon in self.daemons:
            await daemon.stop()
        await self.desk.serving.stop()
        await super().close()


@contextlib.asynccontextmanager
async def keyholder_village(
    folder: Path, *, shape: Shape = SMALL, limits: Limits = LIMITS, daemons: int | None = None
) -> AsyncIterator[tuple[KeyholderVillage, Policy]]:
    """Open a village under a policy whose keyholders are daemons that have done nothing yet."""
    people = Village(folder / "people", SETTINGS)
    people.folder.mkdir(parents=True)
    logs = OpenLogs(folder / "logs", people.clock)
    place = KeyholderVillage(people.folder, logs, clocks_of(SETTINGS), limits=limits, people=people)
    await place.open()
    await place.desk.open()
    try:
        policy = place.sealed("sealed", shape)
        await place.publish(policy)
        await place.register(policy)
        count = sum(seats for _, seats in shape) if daemons is None else daemons
        place.daemons = [place.keyholder(number, policy) for number in range(count)]
        yield place, policy
    finally:
        await place.close()
