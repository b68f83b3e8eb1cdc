"""A keyholder is killed at every write point of its store, from its first key to its last.

Around it are real logs and witnesses, three keyholders in this process, and a provider and a desk
that only hand out and take in. It proves a period key, answers a drill and makes one, releases one
order, refuses another, gives notice of both, and destroys the key. Afterwards the log holds each of
its records once, and what it sent is what the log announced.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from glasslock.ids import account_id
from glasslock.keyholder.app import open_keyholder, open_office, start_drill
from glasslock.keyholder.config import KeyholderConfig
from glasslock.keyholder.duress import DURESS, read_marks
from glasslock.keyholder.keys import KEY_FILE
from glasslock.keyholder.running import Keyholder
from glasslock.orders.commitment import make_leaf
from glasslock.orders.ledger import Ledger, sign_leaf
from glasslock.runtime.config import load_config
from glasslock.runtime.files import private_folder, write_atomic
from glasslock.runtime.keys import save_seed
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply, build_app
from glasslock.runtime.service import bind
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.drill import Drill, Making, State
from glasslock.wire import api
from glasslock.wire.contact import decode_contact
from glasslock.wire.labels import Label
from glasslock.wire.leaf import (
    DoneLeaf,
    IntentLeaf,
    RefusalLeaf,
    encode_leaf,
)
from glasslock.wire.order import Grant
from glasslock.wire.policy import Limits, Policy, SignedPolicy
from glasslock.wire.record import PolicyRecord, encode_record
from glasslock.wire.release import decode_release
from tests.journeys.points import MOMENTS, write_points
from tests.journeys.process import PATIENCE, Gone, Process
from tests.unit.desk.cases import R, admit, make_manifest, make_order, records_of, sign_order
from tests.unit.desk.world import CLOCKS, PROVIDER, Sender, World, make_policy, seat_key, secret
from tests.village.institutions import ORDERS
from tests.village.keyholders import DAYS, Inbox, OpenLogs
from tests.village.logs import ORIGIN
from tests.village.serving import Serving
from tests.village.village import Clock

# Only a keyholder behind an air gap passes `gap`: tests/village/test_airgap.py.
NAMES = sorted({point.rpartition(".")[0] for point in write_points("keyholder")} - {"gap"})
Deaths = tuple[tuple[str, int], ...]
# Who passes which points, where it is not the daemon.
VERBS = {"answer": "answer", "codes": "answer", "drill": "drill"}
# One story for each transaction: it dies at its beginning, then before it is written, then after.
FIRST: list[Deaths] = [tuple((f"{name}.{m}", 1) for m in MOMENTS) for name in NAMES]
# The second verdict is the refusal, the second progress a notice; logs are read all the time. How
# many entries one visit of the queue takes depends on when they come, so it has no second here.
LATE: list[Deaths] = [
    *(
        tuple((f"{name}.{m}", 2 if m == "begin" else 1) for m in MOMENTS)
        for name in ("verdict", "progress")
    ),
    tuple((f"log.{m}", count) for m, count in zip(MOMENTS, (3, 2, 2), strict=True)),
]
SHAPE = ((2, 2), (2, 2))
LIMITS = Limits(granularity_seconds=3_600, batch_seconds=60, retention_days=2)
DAY = CLOCKS.day_seconds
ALICE = Sender(account_id("alice"), secret("a device")[:16], 0)
GROUP = b"group 0"
SETTINGS = """\
data = "{data}"
name = "keyholder-{number}"
quorum = "{quorum}"
policy_origin = "{policy_origin}"
orders_origin = "{orders_origin}"
provider = "{provider}"
policy = "{policy}"
standing = {standing}
poll_seconds = 0.05
max_age = {max_age}

[desks]
"the agency" = "{desk}"
"""


@dataclass
class Shelf:
    """A provider that hands out what a test put there, and takes letters."""

    bundles: dict[str, api.OrderBundle] = field(default_factory=dict)
    letters: list[bytes] = field(default_factory=list)
    serving: Serving = field(default_factory=lambda: Serving(bind("127.0.0.1", 0)))

    async def open(self) -> None:
        routes = [
            HttpRoute("GET", api.ORDERS + "/{commitment}", self._give),
            HttpRoute("POST", api.NOTICES, self._take),
        ]
        await self.serving.start(build_app(routes))

    async def _give(self, request: HttpRequest) -> Reply:
        found = self.bundles.get(request.parts["commitment"])
        return Reply(b"", 404) if found is None else Reply(msgspec.msgpack.encode(found))

    async def _take(self, request: HttpRequest) -> Reply:
        self.letters.append(request.body)
        return Reply()


@dataclass
class Place:
    """The keyholder's process and all around it."""

    folder: Path
    to_come: list[tuple[str, int]]
    clock: Clock = field(default_factory=Clock)
    shelf: Shelf = field(default_factory=Shelf)
    desk: Inbox = field(default_factory=Inbox)
    others: list[Keyholder] = field(default_factory=list)
    settings: Path = Path()
    _watch: asyncio.Task[None] | None = None
    _process: Process | None = None
    _rounds: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Found the policy; at an early hour of a policy day, so that the first key is in time."""
        now = self.clock.now()
        self.clock.offset = (now // DAY + 1) * DAY + 3_600 - now
        self.logs = OpenLogs(self.folder / "logs", self.clock)
        await self.logs.open()
        await self.shelf.open()
        await self.desk.open()
        self.policy: Policy = make_policy(SHAPE, LIMITS, self.logs.quorum)
        signed = tuple(seat_key(n).sign(Label.SIGN_POLICY, self.policy.document) for n in range(4))
        await self.logs.add(
            encode_record(PolicyRecord(SignedPolicy(self.policy, signed))),
            *map(encode_record, records_of(self.policy).values()),
        )
        self.settings = self._settings(0, standing=False)
        self.others = [
            open_keyholder(
                load_config(self._settings(n, standing=True), KeyholderConfig), self.clock
            )
            for n in range(1, 4)
        ]
        self._rounds = asyncio.create_task(self._others_work())
        self._watch = asyncio.create_task(self._keep_alive())

    def _settings(self, number: int, *, standing: bool) -> Path:
        data = private_folder(self.folder / f"keyholder-{number}")
        save_seed(data / KEY_FILE, seat_key(number).seed)
        quorum, path = self.folder / "quorum", self.folder / f"{number}.toml"
        quorum.write_text(self.logs.quorum, encoding="utf-8")
        text = SETTINGS.format(
            data=data,
            number=number,
            quorum=quorum,
            policy_origin=ORIGIN,
            orders_origin=ORDERS,
            provider=self.shelf.serving.url,
            policy=self.policy.digest.hex(),
            standing=json.dumps(standing),
            max_age=DAYS,
            desk=self.desk.serving.url,
        )
        path.write_text(text, encoding="utf-8")
        Path(f"{path}.offset").write_text(str(self.clock.offset), encoding="ascii")
        return path

    async def _others_work(self) -> None:
        while True:
            await asyncio.gather(*(each.round() for each in self.others))
            await asyncio.sleep(0.05)

    async def _keep_alive(self) -> None:
        """Start the process again whenever it is gone; it dies as often as it is told to."""
        while True:
            point, count = self._next("daemon")
            self._process = await Process.launch("keyholder", self.settings, point, count)
            await self._process.process.wait()
            self._died(point)

    async def verb(self, name: str) -> None:
        """Run a person's verb, again if it was killed."""
        while True:
            point, count = self._next(name)
            process = await Process.launch(name, self.settings, point, count)
            with contextlib.suppress(Gone):
                await process.line()
            await process.stop()
            if process.process.returncode == 0:
                return
            self._died(point)

    def _next(self, who: str) -> tuple[str, int]:
        if self.to_come:
            name = self.to_come[0][0].partition(".")[0]
            if who == VERBS.get(name, "daemon"):
                return self.to_come[0]
        return "none", 1

    def _died(self, point: str) -> None:
        assert self.to_come, "it ends without being told to"
        assert self.to_come.pop(0)[0] == point

    async def go_to(self, time: int) -> None:
        """Move everybody's clock on, and have the witnesses sign both logs then."""
        self.clock.offset += max(0, time - self.clock.now())
        write_atomic(Path(f"{self.settings}.offset"), str(self.clock.offset).encode())
        entry = b"nothing at %d" % self.clock.now()
        await self.logs.add(entry)
        await self.logs.orders.add(entry)

    @property
    def book(self) -> PolicyBook:
        """The policy log as another keyholder sees it."""
        return self.others[0].book

    @property
    def ledger(self) -> Ledger:
        """The orders log as another keyholder sees it."""
        return self.others[0].ledger

    async def until(self, holds: Callable[[], object]) -> None:
        deadline = asyncio.get_running_loop().time() + 3 * PATIENCE
        while True:
            if holds():
                return
            assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        for task in (self._watch, self._rounds):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._process is not None:
            await self._process.stop()
        for each in self.others:
            await each.stop()
        await self.shelf.serving.stop()
        await self.desk.serving.stop()
        await self.logs.close()

    # -- the story ----------------------------------------------------------------------------

    async def tell(self) -> None:
        await self.until(self._all_vetted)
        keys = self.book.vetted(self.policy)
        await self.go_to(max(key.record.first_day for key in keys) * DAY + 60)
        start_drill(self.others[0], None, None)
        await self.verb("drill")
        await self.until(self._drilled)
        indexes = await self._orders()
        await self.until(lambda: self._kept(lambda c: len(c) == 2))
        await self.verb("answer")
        await self.until(lambda: self._said(indexes[0], DoneLeaf))
        await self.until(lambda: self._said(indexes[1], RefusalLeaf))
        order = self.ledger.orders[indexes[0]]
        await self.go_to(order.leaf.disclose_by + 60)
        await self.until(lambda: self._kept(lambda c: all(each.noticed for each in c.values())))
        # Another keyholder reads the same log in rounds of its own.
        await self.until(
            lambda: all(self.ledger.orders[index].disclosed is not None for index in indexes)
        )
        last = max(key.record.last_day for key in keys)
        await self.go_to((last + 1 + LIMITS.retention_days) * DAY + 60)
        await self.until(self._ended)

    def _all_vetted(self) -> bool:
        return len(self.book.vetted(self.policy)) >= 4

    def _drills(self) -> list[Drill]:
        return self.others[0].drills.of(self.policy, self.book)

    def _drilled(self) -> bool:
        """Both makers' drills are over, and shown to be made right."""
        results = [self.others[0].drills.result(each, self.clock.now()) for each in self._drills()]
        right = all(result.making is Making.RIGHT for result in results)
        return right and {each.maker for each in self._drills()} == {0, 1}

    def _ended(self) -> bool:
        return any(e.record.keyholder == "keyholder-0" for e in self.book.ends)

    def _kept(self, holds: Callable[[dict], bool]) -> bool:  # type: ignore[type-arg]
        office = open_office(load_config(self.settings, KeyholderConfig), self.clock)
        try:
            return holds(office.cases)
        finally:
            office.close()

    def _said(self, index: int, kind: type) -> bool:
        said = self.ledger.orders[index].by(seat_key(0).public)
        return any(isinstance(each.leaf, kind) for each in said)

    async def _orders(self) -> list[int]:
        """Alice writes, the provider fixes it, and two orders over it are logged."""
        world = World(self.policy, "journey")
        world.time = self.clock.now()
        for later in (0, 900):
            day = (world.time + later) // DAY
            roster = self.book.rosters(self.policy, day, world.time)[0]
            world._rosters[self.policy.digest, day] = roster
        world.handshake(GROUP)
        for number in range(2):
            world.write(GROUP, ALICE, b"message %d" % number)
            world.time += CLOCKS.slot_seconds
        world.ingest()
        world.time += 2 * CLOCKS.slot_seconds
        await self.go_to(world.time)
        entries = [encode_leaf(sign_leaf(each.leaf, PROVIDER)) for each in world.intervals]
        tau = world.time // CLOCKS.slot_seconds
        grant = Grant(GROUP, account_id("alice"), ((tau - 6, tau - 1),))
        await self.logs.orders.add(*entries)
        found = []
        for offence in ("fraud", "gossip"):
            order = replace(make_order(self.policy, [grant], world.time), offence=offence)
            manifest = make_manifest(world, order)
            leaf = make_leaf(admit(self.policy, order, world.time), self.policy, manifest.digest, R)
            self.shelf.bundles[leaf.commitment.hex()] = api.OrderBundle(
                sign_order(order).encode(), R, manifest.encoded
            )
            found += await self.logs.orders.add(encode_leaf(sign_leaf(leaf, PROVIDER)))
        return found

    # -- what must hold -----------------------------------------------------------------------

    def check(self) -> None:
        book, ledger = self.book, self.ledger
        mine = "keyholder-0"
        keys = Counter(k.record.first_day for k in book.keys if k.record.keyholder == mine)
        assert set(keys.values()) == {1}
        own = {k.record.key_id for k in book.keys if k.record.keyholder == mine}
        steps = Counter(
            (p.record.step, p.record.key_id, p.record.challenger)
            for p in book.proofs
            if p.record.key_id in own or p.record.challenger == mine
        )
        assert set(steps.values()) == {1}
        ends = Counter(e.record.key_id for e in book.ends if e.record.keyholder == mine)
        assert set(ends.values()) == {1}
        assert {kind for kind, _, _ in steps} == {"challenge", "answer", "reveal"}
        self._check_drills()
        self._check_orders(ledger)
        office = open_office(load_config(self.settings, KeyholderConfig), self.clock)
        try:
            assert all(office.keys[key_id].seed is None for key_id in ends)
        finally:
            office.close()

    def _check_drills(self) -> None:
        """Everybody passed in each; a verb that died when all was written was run once more."""
        board = self.others[0].drills
        assert 2 <= len(self._drills()) <= 3
        for each in self._drills():
            states = Counter(board.result(each, self.clock.now()).seats)
            assert states == {State.MAKER: 1, State.PASSED: 3}
            assert len(board.answers[each.record.context]) == 3
            assert len(board.secrets[each.record.context]) == 1

    def _check_orders(self, ledger: Ledger) -> None:
        first, second = (ledger.orders[index] for index in sorted(ledger.orders))
        kinds = Counter(said.leaf.kind for said in first.by(seat_key(0).public))
        assert kinds == {"intent": 1, "done": 1}
        assert Counter(s.leaf.kind for s in second.by(seat_key(0).public)) == {"refusal": 1}
        sent = {body for body in self.desk.bodies if decode_release(body).seat == 0}
        (body,) = sent
        (intent,) = [s.leaf for s in first.by(seat_key(0).public) if isinstance(s.leaf, IntentLeaf)]
        key = decode_contact((self.folder / "keyholder-0" / "contact").read_bytes())
        assert [told.meaning for told in read_marks(key, ledger)] == [DURESS]
        assert intent.release == decode_release(body).digest
        assert len(decode_release(body).slots) == 2
        assert first.disclosed is not None
        assert second.disclosed is not None
        assert len(set(self.shelf.letters)) == 2


@contextlib.asynccontextmanager
async def place(folder: Path, deaths: Deaths) -> AsyncIterator[Place]:
    made = Place(folder, list(deaths))
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("deaths", FIRST + LATE, ids=lambda d: f"{d[0][0]}-{d[0][1]}")
async def test_a_keyholder_killed_at_any_write_says_everything_once(
    tmp_path: Path, deaths: Deaths
) -> None:
    async with place(tmp_path, deaths) as here:
        await here.tell()
        assert here.to_come == [], "not all of these points were passed"
        here.check()
