"""A case of a size that is met: a conversation's slots, an order for all of them, its releases.

Real seals, bodies, receipts in batches, manifest, logs and releases, made with the parts that the
unit tests of keyholder and desk use. Knows no clock and measures nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from glasslock.casefile.proving import ProvenCase
from glasslock.desk.evidence import open_case
from glasslock.ids import account_id
from glasslock.keyholder.check import Logs
from glasslock.keyholder.release import Facts, Plan, decide, release
from glasslock.keyholder.seat import Seated
from glasslock.keyholder.watch import Bundle, Case
from glasslock.sealing.book import PolicyBook
from glasslock.tlog.receipt import make_receipts
from glasslock.wire.api import KeptEntry
from glasslock.wire.entry import decode_receipt
from glasslock.wire.order import Grant
from glasslock.wire.policy import Limits
from glasslock.wire.record import encode_record
from tests.unit.desk.cases import KEYS, R, Script, make_script, records_of, sign_order
from tests.unit.desk.world import (
    CLOCKS,
    PROVIDER,
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
QUORUM_OF_SEATS = (0, 2, 3, 5, 7)
SEAT = 2
GROUP = b"group 0"
SENDERS = 5
MESSAGES = 5
CONTENT = b"x" * 450
# How many receipts one signature of the provider covers, at a quiet hour.
BATCH = 64
FRESH = bytes(range(96))


def make_case(slots: int) -> Script:
    """Return an order, logged, for ``slots`` slots of five senders with five messages each."""
    world = World(make_policy(SHAPE, Limits(granularity_seconds=3_600)), "bench")
    world.handshake(GROUP)
    people = [
        Sender(account_id(f"sender{number}"), secret("device", number)[:16], number)
        for number in range(SENDERS)
    ]
    for _ in range(slots // SENDERS):
        world.time += CLOCKS.slot_seconds
        for _ in range(MESSAGES):
            for person in people:
                world.write(GROUP, person, CONTENT)
    world.ingest()
    world.time += 2 * CLOCKS.slot_seconds
    span = (START // CLOCKS.slot_seconds, world.time // CLOCKS.slot_seconds - 1)
    return make_script(world, [Grant(GROUP, person.account, (span,)) for person in people])


@dataclass(frozen=True)
class AtKeyholder:
    """The order before one keyholder, whose person has left it to the rules."""

    facts: Facts
    now: int
    slots: int

    @classmethod
    def of(cls, script: Script) -> AtKeyholder:
        """Put the order of ``script`` before the keyholder of ``SEAT``."""
        policy, now = script.policy, script.world.time
        book = PolicyBook()
        for number, record in enumerate(records_of(policy).values()):
            book.add(encode_record(record), number, now)
        key = own_key(policy, SEAT)
        record = script.ledger.orders[script.index]
        bundle = Bundle(sign_order(script.order).encode(), R, script.manifest.encoded)
        case = Case(record.index, bundle, script.order.digest, "the issuing")
        facts = Facts(
            seated=Seated.of(policy, f"keyholder-{SEAT}", seat_key(SEAT)),
            logs=Logs(QUORUM, ORIGINS, book, script.ledger, 3_600),
            record=record,
            case=case,
            cases={case.index: case},
            keys={key.key_id: key},
            answer=None,
            standing=True,
        )
        return cls(facts, now, len(script.manifest.slots))

    def release(self) -> bytes:
        """Decide and release; raises RuntimeError unless every slot is in it."""
        plan = decide(self.facts, self.now)
        if not isinstance(plan, Plan) or len(plan.shares) != self.slots:
            raise RuntimeError("the keyholder did not release every slot")
        made = release(plan, FRESH)
        return made.digest + made.encode()


@dataclass(frozen=True)
class AtDesk:
    """The proven case with what provider and keyholders handed over."""

    case: ProvenCase
    entries: list[KeptEntry]
    releases: list[bytes]

    @classmethod
    def of(cls, script: Script) -> AtDesk:
        """Let five keyholders release, and the provider hand over."""
        releases = script.released(QUORUM_OF_SEATS)
        return cls(script.prove(), _in_batches(script.bundle()), releases)

    def open(self) -> None:
        """Open the case; raises RuntimeError unless every message is there and nothing is wrong."""
        opening = open_case(self.case, self.entries, self.releases, KEYS)
        whole = opening.complete and not opening.faults
        if not whole or len(opening.messages) != len(self.entries):
            raise RuntimeError("the desk did not open every message")
        if any(message.receipt is None for message in opening.messages):
            raise RuntimeError("a receipt did not hold")


def _in_batches(entries: list[KeptEntry]) -> list[KeptEntry]:
    """Return the entries with receipts as a provider gives them: many under one signature."""
    leaves = [decode_receipt(entry.receipt).leaf for entry in entries]
    receipts = [
        made
        for at in range(0, len(leaves), BATCH)
        for made in make_receipts(leaves[at : at + BATCH], PROVIDER.sign)
    ]
    return [
        KeptEntry(entry.group_id, entry.position, entry.kind, entry.data, receipt.encode())
        for entry, receipt in zip(entries, receipts, strict=True)
    ]
