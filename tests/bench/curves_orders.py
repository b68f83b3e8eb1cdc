"""What an order costs its keyholders and its desk, against the slots it names and against the log.

One sender wrote one message in each slot of one conversation; the policy has eight seats in two
classes, of which five release. All parts are those of the product; the history is that of
``tests/unit/desk``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from glasslock.ids import account_id
from glasslock.keyholder.check import Logs
from glasslock.keyholder.release import Facts, Plan, decide, release
from glasslock.keyholder.seat import Seated
from glasslock.keyholder.watch import Bundle, Case
from glasslock.orders.ledger import Said
from glasslock.sealing.book import PolicyBook
from glasslock.wire.leaf import IngestLeaf, IntentLeaf
from glasslock.wire.order import Grant
from glasslock.wire.record import encode_record
from tests.bench.curve import Curve, Growth, Sample, cpu_seconds
from tests.unit.desk.cases import (
    KEYS,
    R,
    Script,
    make_manifest,
    make_order,
    records_of,
    sign_order,
)
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
from tests.unit.keyholder.bench import ORIGINS, own_key

SHAPE = ((2, 3), (3, 5))
SEAT = 2
RELEASING = (0, 2, 3, 5, 7)
GROUP = b"a growing group"
ALICE = Sender(account_id("alice"), secret("a device")[:16], 0)
FEW = 4


def _ordered(slots: int) -> Script:
    """An order for ``slots`` slots."""
    world = World(make_policy(SHAPE), "growth")
    world.handshake(GROUP)
    for number in range(slots):
        world.time += CLOCKS.slot_seconds
        world.write(GROUP, ALICE, b"message %d" % number)
    world.ingest()
    world.time += 2 * CLOCKS.slot_seconds
    first, last = START // CLOCKS.slot_seconds, world.time // CLOCKS.slot_seconds - 1
    order = make_order(
        world.policy, [Grant(GROUP, account_id("alice"), ((first, last),))], world.time
    )
    script = Script(world, order, make_manifest(world, order))
    script.log()
    return script


def _facts(script: Script) -> Facts:
    policy = script.policy
    book = PolicyBook()
    for number, record in enumerate(records_of(policy).values()):
        book.add(encode_record(record), number, script.world.time)
    logs = Logs(QUORUM, ORIGINS, book, script.ledger, 3_600)
    bundle = Bundle(sign_order(script.order).encode(), R, script.manifest.encoded)
    mine = Case(script.index, bundle, script.order.digest, "the issuing")
    key = own_key(policy, SEAT)
    return Facts(
        seated=Seated.of(policy, f"keyholder-{SEAT}", seat_key(SEAT)),
        logs=logs,
        record=script.ledger.orders[script.index],
        case=mine,
        cases={mine.index: mine},
        keys={key.key_id: key},
        answer=None,
        standing=True,
    )


def _deciding(facts: Facts, now: int, slots: int) -> Sample:
    def work() -> None:
        verdict = decide(facts, now)
        if not isinstance(verdict, Plan) or len(verdict.shares) != slots:
            raise RuntimeError(f"the order was not granted in full: {verdict}")
        release(verdict, bytes(96))

    return lambda: cpu_seconds(work, 1)


@contextmanager
def _decide(slots: int) -> Iterator[Sample]:
    script = _ordered(slots)
    yield _deciding(_facts(script), script.world.time, slots)


@contextmanager
def _open(slots: int) -> Iterator[Sample]:
    script = _ordered(slots)
    released, bundle = script.released(RELEASING), script.bundle()

    def work() -> None:
        found = script.open(bundle, released, KEYS)
        if (len(found.messages), found.opened_slots, found.gaps) != (slots, slots, ()):
            raise RuntimeError("the case was not opened in full")

    yield lambda: cpu_seconds(work, 1)


@contextmanager
def _roots(count: int) -> Iterator[Sample]:
    script = _ordered(FEW)
    key = script.policy.provider_key
    for number in range(1_000, 1_000 + count):
        said = Said(IngestLeaf(number, script.world.time, 1, bytes(32)), key, 0, 0)
        script.ledger.ingest[key, number] = said
    yield _deciding(_facts(script), script.world.time, FEW)


@contextmanager
def _orders(count: int) -> Iterator[Sample]:
    script = _ordered(FEW)
    record = script.ledger.orders[script.index]
    facts = _facts(script)
    # Old ones of the same authority, each answered by all seats and disclosed: nothing of an order
    # can be passed over at its first word.
    long_ago = script.world.time - 30 * 86_400
    cases = dict(facts.cases)
    for index in range(script.index + 1, script.index + 1 + count):
        said = [
            Said(IntentLeaf(index, seat, bytes(32)), seat_key(seat).public, index, long_ago)
            for seat in range(sum(total for _, total in SHAPE))
        ]
        script.ledger.orders[index] = replace(record, index=index, said=said, disclosed={})
        cases[index] = replace(facts.case, index=index, digest=index.to_bytes(32))
    yield _deciding(replace(facts, cases=cases), script.world.time, FEW)


SLOTS = (8, 32, 128, 512)
CURVES = (
    Curve(
        "keyholder: decide and release",
        "order",
        "slots named",
        SLOTS,
        Growth.LINEAR,
        "every slot named has its seal verified, its share opened and encrypted once",
        _decide,
    ),
    Curve(
        "desk: prove, combine and open",
        "order",
        "slots named",
        SLOTS,
        Growth.LINEAR,
        "every slot named has its seal verified and its shares combined once",
        _open,
    ),
    Curve(
        "keyholder: decide, ingest roots in the log",
        "order",
        "ingest roots",
        (256, 2_048, 16_384, 131_072),
        Growth.CONSTANT,
        "only the roots that the manifest's heads are proven under are looked up",
        _roots,
    ),
    Curve(
        "keyholder: decide, orders in the log",
        "order",
        "orders logged",
        (64, 512, 4_096, 32_768),
        Growth.LINEAR,
        "for budget and overdue notices every order is looked at, some 2 us each, as in each round",
        _orders,
    ),
)
