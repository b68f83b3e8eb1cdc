"""One logged order in front of one keyholder; a test breaks a single thing and asks again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from glasslock.ids import account_id
from glasslock.keyholder.check import Logs
from glasslock.keyholder.notice import date_of
from glasslock.keyholder.period import OwnKey
from glasslock.keyholder.release import Answer, Facts, Verdict, decide
from glasslock.keyholder.seat import Seated
from glasslock.keyholder.watch import Bundle, Case
from glasslock.orders.ledger import Ledger, OrderRecord, sign_leaf
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.possession import period_public_key
from glasslock.wire.leaf import IntentLeaf, encode_leaf
from glasslock.wire.order import Grant, Order
from glasslock.wire.policy import Limits, Policy
from glasslock.wire.record import PeriodKeyRecord, encode_record
from tests.unit.desk.cases import R, Script, make_manifest, make_order, records_of, sign_order
from tests.unit.desk.world import (
    CLOCKS,
    QUORUM,
    START,
    Sender,
    World,
    make_policy,
    seat_key,
    secret,
)

SHAPE = ((2, 3), (3, 5))
LIMITS = Limits(granularity_seconds=3_600, orders_per_period=3)
ALICE = Sender(account_id("alice"), secret("a device")[:16], 0)
ORIGINS = ("log.test/policy", "log.test/orders")
GROUP = b"group 0"


def make_world(policy: Policy) -> World:
    """Alice writes in three slots of one conversation."""
    world = World(policy, "bench")
    world.handshake(GROUP)
    for number in range(3):
        world.time += CLOCKS.slot_seconds
        world.write(GROUP, ALICE, b"message %d" % number)
    world.ingest()
    world.time += 2 * CLOCKS.slot_seconds
    return world


def grants(world: World) -> list[Grant]:
    first, last = START // CLOCKS.slot_seconds, world.time // CLOCKS.slot_seconds - 1
    return [Grant(GROUP, account_id("alice"), ((first, last),))]


def own_key(policy: Policy, seat: int) -> OwnKey:
    """The period key that the world seals to."""
    assert policy.access is not None
    name = policy.access.seats[seat].keyholder
    public = period_public_key(secret("period", seat))
    return OwnKey(PeriodKeyRecord(name, 20_553, 20_559, public), secret("period", seat))


@dataclass
class Bench:
    """Facts for a decision that says yes, in parts that can be changed."""

    seat: int = 2
    limits: Limits = LIMITS
    order_changes: dict[str, object] = field(default_factory=dict)
    quorum: str = QUORUM
    standing: bool = True
    answer: Answer | None = None
    late: int = 0
    max_age: int = 3_600

    def __post_init__(self) -> None:
        self.policy = make_policy(SHAPE, self.limits)
        self.world = make_world(self.policy)
        order = make_order(self.policy, grants(self.world), self.world.time)
        order = replace(order, **self.order_changes)  # type: ignore[arg-type]
        self.script = Script(self.world, order, make_manifest(self.world, order))
        self.keys = {(key := own_key(self.policy, self.seat)).key_id: key}
        self.cases: dict[int, Case] = {}
        self.bundle = Bundle(sign_order(order).encode(), R, self.script.manifest.encoded)
        self.book = PolicyBook()
        for number, record in enumerate(records_of(self.policy).values()):
            self.book.add(encode_record(record), number, self.world.time)

    @property
    def order(self) -> Order:
        return self.script.order

    @property
    def ledger(self) -> Ledger:
        return self.script.ledger

    @property
    def seated(self) -> Seated:
        return Seated.of(self.policy, f"keyholder-{self.seat}", seat_key(self.seat))

    @property
    def record(self) -> OrderRecord:
        return self.ledger.orders[self.script.index]

    def case(self, index: int, digest: bytes, authority: str = "the issuing") -> Case:
        return Case(index, self.bundle, digest, authority)

    def intent(self, index: int, release: bytes = bytes(32), seat: int | None = None) -> None:
        """Put an intent of this keyholder into the log."""
        leaf = IntentLeaf(index, self.seat if seat is None else seat, release)
        self.script.add(encode_leaf(sign_leaf(leaf, seat_key(self.seat))))

    def date(self, record: OrderRecord, case: Case) -> int:
        return date_of(self.seated, self.book, self.ledger, record, case.bundle)

    def decide(self) -> Verdict:
        if not self.ledger.orders:
            self.script.log()
        logs = Logs(self.quorum, ORIGINS, self.book, self.ledger, self.max_age)
        mine = self.case(self.record.index, self.order.digest)
        cases = {**self.cases, mine.index: mine}
        facts = Facts(
            self.seated, logs, self.record, mine, cases, self.keys, self.answer, self.standing
        )
        return decide(facts, self.world.time + self.late)
