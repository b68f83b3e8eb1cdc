"""Keys of those who order: stolen one by one and in pairs, and orders changed after the judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from random import Random
from typing import Any, Final

from glasslock import hpke
from glasslock.errors import GlasslockError, TransportError
from glasslock.ids import account_id
from glasslock.lab.evidence import Evidence
from glasslock.lab.founding import vouch
from glasslock.lab.logs import ORDERS, POLICY
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import copied, opened_by_release, stolen_slots
from glasslock.lab.world import World
from glasslock.orders.ledger import countersign, sign_leaf
from glasslock.runtime.http import HttpClient
from glasslock.signing import SigningKey
from glasslock.wire import api
from glasslock.wire.api import OrderVerdict
from glasslock.wire.leaf import ExtendLeaf, IntentLeaf, RefusalLeaf, encode_leaf
from glasslock.wire.order import Grant, IssuedOrder, Order, entry_digest
from glasslock.wire.record import AGENCY, COUNTERSIGNER, ISSUING, REGISTRY, encode_record
from glasslock.wire.release import decode_release

ROLES: Final = (ISSUING, COUNTERSIGNER, AGENCY, REGISTRY)


async def written(world: World, found: Evidence, rng: Random) -> tuple[bytes, str]:
    """Have Alice write the word that the orders are about; returns the conversation."""
    word = found.plant(rng, "content")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, word, bob)
    world.clock.offset += 2 * world.policy.clocks.slot_seconds
    world.open_keyholders()
    return group, word


async def handed_in(world: World, issued: IssuedOrder) -> None:
    """Hand an order in, whatever comes of it, and have keyholders do what they would.

    Whoever hands it in receives what is released from then on, and nothing of any other case.
    """
    world.inbox.bodies.clear()
    try:
        await world.ask(issued)
    except TransportError:
        # Nobody refused anything.
        raise
    except GlasslockError:
        await world.logs.tick()
    for _ in range(3):
        for daemon in world.daemons:
            await daemon.round()


def opened(world: World, agency: hpke.DecryptionKey, court: hpke.DecryptionKey) -> list[bytes]:
    """Return what two case keys open with everything that a desk was sent so far."""
    slots = stolen_slots(copied(world.database, world.folder / f"copy-{world.rng.random()}"))
    releases = [decode_release(body) for body in world.inbox.bodies]
    return opened_by_release(slots, world.policy, releases, agency, court)[0]


async def refusals(world: World) -> set[str]:
    """Return the rules by which anybody refused an order, as the log shows them."""
    ledger = await world.ledger()
    return {
        f"the orders log: {said.leaf.rule}"
        for record in ledger.orders.values()
        for said in record.said
        if isinstance(said.leaf, RefusalLeaf)
    }


async def thefts(world: World, rng: Random) -> Evidence:
    """Every single key and every pair of keys of the four bodies is stolen, and used."""
    found = Evidence()
    group, _ = await written(world, found, rng)
    thief = [SigningKey.from_seed(rng.randbytes(32)) for _ in range(2)]
    lock = [hpke.DecryptionKey.from_seed(rng.randbytes(32)) for _ in range(2)]
    bodies, tried = world.bodies, 0
    for stolen in (*combinations(ROLES, 1), *combinations(ROLES, 2)):
        tried += 1
        order = world.order(world.grant(group, "alice"), reference=f"THEFT {tried}")
        issuer = bodies.issuer if ISSUING in stolen else thief[0]
        judge = bodies.judge if COUNTERSIGNER in stolen else thief[1]
        agency = bodies.agency if AGENCY in stolen else lock[0]
        court = bodies.court if REGISTRY in stolen else lock[1]
        await handed_in(world, world.issue(order, issuer, judge))
        found.take(f"with the keys of {', '.join(stolen)}", *opened(world, agency, court))
    found.refused = await refusals(world)
    ledger = await world.ledger()
    announced = sum(
        any(isinstance(said.leaf, IntentLeaf) for said in record.said)
        for record in ledger.orders.values()
    )
    found.fact(
        f"{tried} thefts; orders released by keyholders, all of them in the log: {announced}"
    )
    # The one pair that gets an order released has no key to what is released.
    await handed_in(world, world.issue(world.order(world.grant(group, "alice"))))
    found.control(
        "all four bodies together open it", "content", opened(world, bodies.agency, bodies.court)
    )
    return found


async def registrar(world: World, rng: Random) -> Evidence:
    """The key that says who may act in orders is stolen: the thief appoints four bodies."""
    found = Evidence()
    group, word = await written(world, found, rng)
    keys = [SigningKey.from_seed(rng.randbytes(32)) for _ in range(2)]
    lock = [hpke.DecryptionKey.from_seed(rng.randbytes(32)) for _ in range(2)]
    publics = [keys[0].public, keys[1].public, lock[0].public, lock[1].public]
    records = {
        role: vouch(world.bodies.registrar, world.policy, role, key, "the")
        for role, key in zip(ROLES, publics, strict=True)
    }
    await world.logs.add(POLICY, *map(encode_record, records.values()))
    await world.provider.read_log()
    names = dict(zip(("authority", "countersigner", "agency", "registry"), ROLES, strict=True))
    facts = {name: entry_digest(encode_record(records[role])) for name, role in names.items()}
    order = world.order(world.grant(group, "alice"), **facts)
    await handed_in(world, world.issue(order, *keys))
    found.take("with the four keys that the thief appointed", *opened(world, *lock))
    (record,) = (await world.ledger()).orders.values()
    seats = sum(isinstance(said.leaf, IntentLeaf) for said in record.said)
    _, entries = await world.logs.read(POLICY)
    logged = {each.entry for each in entries}
    seen = sum(encode_record(each) in logged for each in records.values())
    found.fact(
        f"in the policy log: {seen} appointments; in the orders log: the order, {seats} intents"
    )
    found.control("it was written", "content", [word.encode()])
    return found


async def altered(world: World, rng: Random) -> Evidence:
    """Every field of an order is changed after the judge signed it."""
    found = Evidence()
    group, _ = await written(world, found, rng)
    honest = world.order(world.grant(group, "bob"), reference="CASE 8")
    signed = world.issue(honest)
    span = honest.grants[0].spans
    changes: dict[str, Any] = {
        "reference": "CASE 9",
        "policy": rng.randbytes(32),
        "authority": rng.randbytes(32),
        "countersigner": honest.authority,
        "agency": honest.registry,
        "registry": honest.agency,
        "legal_basis": "Act 2",
        "offence": "theft",
        "issued": honest.issued - 1,
        "expires": honest.expires + 1,
        "hold": honest.hold + 1,
        "disclose_by": honest.disclose_by + 1,
        "grants": (Grant(group, account_id("alice"), span),),
    }
    for field, value in changes.items():
        document = replace(honest, **{field: value}).document
        await handed_in(world, replace(signed, document=document))
    found.take(
        "opened with both case keys", *opened(world, world.bodies.agency, world.bodies.court)
    )
    ledger = await world.ledger()
    found.fact(f"{len(changes)} fields changed; orders that reached the log: {len(ledger.orders)}")
    order = world.order(world.grant(group, "alice"))
    await world.ask(world.issue(order))
    await world.released(world.plan.seats)
    now = opened(world, world.bodies.agency, world.bodies.court)
    found.control("an order that nobody changed opens it", "content", now)
    return found


async def oversize(world: World, rng: Random) -> Evidence:
    """Well signed orders over everybody, for ever, and for more than the policy allows."""
    found = Evidence()
    group, _ = await written(world, found, rng)
    fine = world.grant(group, "alice")
    end = fine.spans[0][1]
    many = tuple(
        replace(fine, account=account_id(f"person-{number}"))
        for number in range(world.policy.access.limits.accounts + 1)  # type: ignore[union-attr]
    )
    asks: tuple[Callable[[], Order], ...] = (
        lambda: world.order(replace(fine, spans=((end - 1_000_000, end),)), reference="all slots"),
        lambda: world.order(replace(fine, spans=((0, 1 << 31),)), reference="for ever"),
        lambda: world.order(*many, reference="everybody"),
        lambda: world.order(replace(fine, group_id=b"*"), reference="any conversation"),
        lambda: world.order(fine, expires=world.clock.now() + (1 << 30), reference="no end"),
        lambda: world.order(fine, disclose_by=world.clock.now() + (1 << 40), reference="no notice"),
    )
    for make in asks:
        await handed_in(world, world.issue(make()))
    found.take(
        "opened with both case keys", *opened(world, world.bodies.agency, world.bodies.court)
    )
    found.refused = await refusals(world)
    await world.ask(world.issue(world.order(fine)))
    await world.released(world.plan.seats)
    now = opened(world, world.bodies.agency, world.bodies.court)
    found.control("an order within the limits opens it", "content", now)
    return found


async def delays(world: World, rng: Random) -> Evidence:
    """Both bodies put the notice off again and again: by the provider, in the log, too late."""
    found = Evidence()
    group, _ = await written(world, found, rng)
    reference = found.sample(rng, "reference")
    order = world.order(world.grant(group, "alice"), reference=reference)
    verdict = await world.ask(world.issue(order))
    place, first = verdict.index or 0, order.disclose_by
    for number in range(1, 6):
        entry = put_off(world, verdict, number, first + number * 300)
        await handed_on(world, verdict, entry, found)
        if number > 3:
            await world.logs.add(ORDERS, entry)
    later = first + 3 * 300 + 5
    world.clock.offset += later - world.clock.now()
    # Its day is over: another rescue, of which the provider knows nothing.
    await world.logs.add(ORDERS, put_off(world, verdict, 3, later + 300))
    for _ in range(4):
        for daemon in world.daemons:
            await daemon.round()
        await world.provider.orders.work()
        await world.logs.tick()
    record = (await world.ledger()).orders[place]
    rules = [rule for _, rule in record.extensions()]
    found.refused |= {f"the orders log: {rule}" for rule in rules if rule is not None}
    found.fact(
        f"extensions that hold: {rules.count(None)}; disclosed: {record.disclosed is not None}"
    )
    alice = world.people[0]
    await alice.check_notices()
    told = [each.reference.encode() for each in alice.notices()]
    found.control("the person is told on the day after the third", "reference", told)
    return found


def put_off(world: World, verdict: OrderVerdict, number: int, date: int) -> bytes:
    """Return the entry by which the two bodies of an order put its notice off."""
    leaf = ExtendLeaf(verdict.index or 0, number, date, "still searching", bytes(32), bytes(64))
    issuer = world.bodies.issuer
    leaf = countersign(verdict.commitment, issuer.public, leaf, world.bodies.judge)
    return encode_leaf(sign_leaf(leaf, issuer))


async def handed_on(world: World, verdict: OrderVerdict, entry: bytes, found: Evidence) -> None:
    """Hand an extension to the provider, and note by which rule it refuses."""
    http = HttpClient(world.port.url)
    try:
        await http.post(f"{api.ORDERS}/{verdict.commitment.hex()}{api.EXTENSION}", entry)
    except TransportError:
        # Nobody refused anything.
        raise
    except GlasslockError as error:
        found.refused.add(f"the provider: {error.rule}")
    finally:
        await http.close()


SCENARIOS: Final = (
    Scenario(
        "authority-alters",
        24,
        Actor.AUTHORITY,
        "an order that issuing authority and countersigner signed, and both case keys",
        "to widen it, or change any other field, after the signatures",
        Expected(Outcome.NOTHING, "no changed order reaches the log, and none is released"),
        altered,
    ),
    Scenario(
        "authority-delays",
        27,
        Actor.AUTHORITY,
        "the keys of issuing authority and countersigner, and the log's ear",
        "to put off a notice for ever: a fourth and a fifth time, and when its day is over",
        Expected(
            Outcome.REFUSED,
            "three times hold and are counted; provider and every reader of the log refuse each "
            "other, and the person is told on the last day that holds",
            marks=("the orders log: extend.most", "the provider: extend.most"),
        ),
        delays,
    ),
    Scenario(
        "authority-oversize",
        28,
        Actor.AUTHORITY,
        "all keys of issuing authority, countersigner, agency and court registry",
        "to order everything: all slots, all accounts, any conversation, without end or notice",
        Expected(
            Outcome.REFUSED,
            "each is refused by a rule of its own, on the record",
            marks=tuple(
                f"the orders log: order.{rule}"
                for rule in ("accounts", "conversation", "dates", "future", "notice", "slots")
            ),
        ),
        oversize,
    ),
    Scenario(
        "authority-thefts",
        29,
        Actor.AUTHORITY,
        "each single key, and each pair of keys, of issuing authority, countersigner, agency and "
        "court registry",
        "to open a message with them and with keys of the thief's own",
        Expected(
            Outcome.REFUSED,
            "nothing opens; the one pair that gets an order released cannot read what is released, "
            "and the order stands in the log",
            marks=("the orders log: order.countersigner",),
        ),
        thefts,
    ),
    Scenario(
        "authority-registrar",
        31,
        Actor.AUTHORITY,
        "the registrar's key, which says who may act in orders",
        "to appoint four bodies of the thief's own and order with them",
        Expected(
            Outcome.SUCCEEDS,
            "what keyholders release on their standing yes opens for the thief; four appointments "
            "and the order stand in the logs",
            gains=("content",),
        ),
        registrar,
    ),
)
