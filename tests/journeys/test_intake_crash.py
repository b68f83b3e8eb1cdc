"""The provider is killed at every write of an order's life; one answer, one leaf, one letter."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest

from glasslock.client import Client
from glasslock.errors import TransportError
from glasslock.ids import account_id
from glasslock.orders.authority import Register
from glasslock.orders.commitment import Facts, letter_to
from glasslock.orders.ledger import Ledger, countersign, sign_leaf
from glasslock.orders.manifest import check_manifest
from glasslock.orders.review import AdmittedOrder, review
from glasslock.runtime.files import private_folder
from glasslock.runtime.keys import load_or_create_seed
from glasslock.signing import SigningKey
from glasslock.tlog.ingest import verify_heads
from glasslock.wire import api
from glasslock.wire.leaf import ExtendLeaf, RefusalLeaf, UnauthenticatedLeaf, encode_leaf
from glasslock.wire.manifest import decode_manifest
from glasslock.wire.order import Grant, Order
from glasslock.wire.policy import Policy
from tests.journeys.points import order_points, write_points
from tests.journeys.test_provider_crash import Place, create, enter, join, patiently
from tests.village.access import SMALL, clocks_of
from tests.village.institutions import (
    ISSUER,
    JUDGE,
    ORDERS,
    SECRET,
    SETTINGS,
    Institutions,
    TwoLogs,
    issue,
)
from tests.village.village import Clock, until

T = TypeVar("T")
PUT_OFF = sorted(point for point in order_points() if point.startswith("extend."))
POINTS = sorted(order_points() - set(PUT_OFF))
# The queue's entries: roots, the order, its refusal, disclosures.
LATE = [("logged.begin", 3), ("logged.commit", 2), ("logged.done", 4), ("intake.commit", 2)]
NOTICE_SECONDS = 5
UNSIGNED = 3


@dataclass
class Story:
    """What an order's life left behind."""

    order: Order
    verdict: api.OrderVerdict
    bundle: api.OrderBundle
    refused: api.OrderVerdict


async def again(work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` gives, asked again when the provider went away in the middle."""
    found: list[T] = []

    async def once() -> None:
        found.append(await work())

    await patiently(once)
    return found[-1]


async def write(people: list[Client], group: bytes) -> None:
    for number in range(2):
        for person in people:
            await person.send(group, f"{person.account} {number}")
    await until(lambda: all(len(p.messages(group)) == 4 for p in people))
    await until(lambda: not any(p._session._outbox for p in people))


async def tell_the_story(place: Place, law: Institutions, policy: Policy) -> Story:
    """Preview, hand in, be refused, be counted, disclose, notify."""
    people = [await join(place, "alice"), await join(place, "bob")]
    law.url = place.url
    try:
        group = await again(lambda: create(people[0], policy.name))
        await patiently(lambda: people[0].invite(group, "bob"))
        await enter(people[1], group, policy.name)
        await write(people, group)
        await asyncio.sleep(2 * policy.clocks.slot_seconds)
        grant = Grant(group, account_id("alice"), (law.slots_now(),))
        order = law.order(policy, grant, disclose_by=law.clock.now() + NOTICE_SECONDS)
        assert (await again(lambda: law.preview(order))).numbers.messages == 2
        verdict = await again(lambda: law.submit(order))
        late = replace(order, reference="late", issued=order.issued - 99, expires=order.issued - 9)
        refused = await again(lambda: law.submit(late))
        for _ in range(UNSIGNED):
            await again(lambda: law.submit(issue(order, key=JUDGE)))
        past_day(place.folder)
        bundle = await again(lambda: law.bundle(verdict))
        await notify(law, policy, order, verdict, bundle)
        await until(people[0].notices)
        assert people[1].notices() == []
        await settled(law)
        assert await again(lambda: law.submit(order)) == verdict
        assert await again(lambda: law.submit(late)) == refused
        assert len(people[0].notices()) == 1
        return Story(order, verdict, bundle, refused)
    finally:
        for person in people:
            await person.close()


async def order_something(place: Place, law: Institutions, policy: Policy, due: int) -> Order:
    """Have two people write, and an order about one of them be admitted."""
    people = [await join(place, "alice"), await join(place, "bob")]
    law.url = place.url
    try:
        group = await again(lambda: create(people[0], policy.name))
        await patiently(lambda: people[0].invite(group, "bob"))
        await enter(people[1], group, policy.name)
        await write(people, group)
    finally:
        for person in people:
            await person.close()
    await asyncio.sleep(2 * policy.clocks.slot_seconds)
    grant = Grant(group, account_id("alice"), (law.slots_now(),))
    return law.order(policy, grant, disclose_by=law.clock.now() + due)


def extension(order: Order, verdict: api.OrderVerdict) -> bytes:
    """The entry by which its two bodies put the notice off."""
    leaf = ExtendLeaf(verdict.index or 0, 1, order.disclose_by + 60, "x", bytes(32), bytes(64))
    leaf = countersign(verdict.commitment, ISSUER.public, leaf, JUDGE)
    return encode_leaf(sign_leaf(leaf, ISSUER))


def past_day(folder: Path) -> None:
    """Let a day be over in which unsigned requests were counted."""
    db = sqlite3.connect(folder / "data" / "provider.db", timeout=10)
    with db:
        db.execute("INSERT INTO unauthenticated VALUES (?, 1, ?)", (ORDERS, UNSIGNED))
    db.close()


async def notify(
    law: Institutions,
    policy: Policy,
    order: Order,
    verdict: api.OrderVerdict,
    bundle: api.OrderBundle,
) -> None:
    """Send the letter as a keyholder does, once its day has come."""
    register = Register(policy, law.records.values())
    admitted = review(issue(order), policy, register, order.issued)
    assert isinstance(admitted, AdmittedOrder)
    facts = Facts.of(admitted, decode_manifest(bundle.manifest).digest)
    letter = letter_to("alice", ORDERS, verdict.index or 0, facts, SECRET).encode()
    await asyncio.sleep(max(0.0, order.disclose_by + 0.1 - time.time()))
    await again(lambda: law.post(api.NOTICES, letter))


async def settled(law: Institutions) -> None:
    """Wait until the log has all of it."""
    for _ in range(200):
        ledger = await read(law)
        closed = [record.disclosed is not None for record in ledger.orders.values()]
        if closed == [True, True] and ledger.unauthenticated:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("something was not logged")


async def read(law: Institutions) -> Ledger:
    try:
        return (await law.read_orders())[0]
    except TransportError:
        return Ledger()


async def check_log(law: Institutions, policy: Policy, story: Story) -> None:
    """Every leaf stands once, and the manifest holds under roots that stood before."""
    ledger = await read(law)
    assert ledger.invalid == 0
    record, other = ledger.orders[story.verdict.index or 0], ledger.orders[story.refused.index or 0]
    assert len(ledger.orders) == 2
    assert record.said == []
    (said,) = other.said
    assert isinstance(said.leaf, RefusalLeaf)
    assert said.leaf.rule == story.refused.rule == "order.dates"
    assert [s.leaf for s in ledger.unauthenticated] == [UnauthenticatedLeaf(1, UNSIGNED)]
    manifest = decode_manifest(story.bundle.manifest)
    proven = verify_heads(manifest.proofs, ledger.roots(policy.provider_key, record.index))
    register = Register(policy, law.records.values())
    admitted = review(issue(story.order), policy, register, record.time)
    assert isinstance(admitted, AdmittedOrder)
    check_manifest(manifest, admitted, proven, policy.clocks)


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[tuple[Place, Institutions, Policy]]:
    """Open logs and witnesses, and a place whose provider serves a policy; it is not started."""
    seed = load_or_create_seed(private_folder(folder / "data") / "provider.key")
    logs = TwoLogs(folder / "logs", Clock())
    law = Institutions(folder, logs, clocks_of(SETTINGS))
    settings = await law.open()
    try:
        policy = law.policy("sealed", SigningKey.from_seed(seed).public, SMALL)
        await law.publish(policy)
        await law.register(policy)
        await law.publish_keys(sum(count for _, count in SMALL))
        yield Place(folder, settings), law, policy
    finally:
        await logs.close()


@pytest.mark.parametrize(("point", "count"), [*((p, 1) for p in POINTS), *LATE])
async def test_a_provider_killed_in_an_orders_life_answers_once(
    tmp_path: Path, point: str, count: int
) -> None:
    async with stage(tmp_path) as (place, law, policy):
        await place.open(point, count)
        try:
            story = await tell_the_story(place, law, policy)
            await check_log(law, policy, story)
        finally:
            await place.close()
        assert place.deaths == 1, f"{point} was not passed {count} times"


@pytest.mark.parametrize(
    ("point", "count"),
    [*((p, 1) for p in sorted(PUT_OFF)), ("logged.begin", 3), ("logged.done", 3)],
)
async def test_a_provider_killed_while_a_notice_is_put_off_keeps_one_date(
    tmp_path: Path, point: str, count: int
) -> None:
    """One leaf, one date, the same answer; nobody waits for that day here."""
    async with stage(tmp_path) as (place, law, policy):
        await place.open(point, count)
        try:
            order = await order_something(place, law, policy, 3_000)
            verdict = await again(lambda: law.submit(order))
            path = f"{api.ORDERS}/{verdict.commitment.hex()}{api.EXTENSION}"
            entry = extension(order, verdict)
            for _ in range(2):
                await again(lambda: law.post(path, entry))
            ledger = await read(law)
            assert ledger.invalid == 0
            record = ledger.orders[verdict.index or 0]
            assert [rule for _, rule in record.extensions()] == [None]
            assert record.date() == order.disclose_by + 60
        finally:
            await place.close()
        assert place.deaths == 1, f"{point} was not passed {count} times"
        db = sqlite3.connect(tmp_path / "data" / "provider.db", timeout=10)
        assert db.execute("SELECT disclose_by FROM cases").fetchall() == [(record.date(),)]
        kept = db.execute("SELECT number, entry, void FROM extensions").fetchall()
        assert kept == [(1, entry, 0)]
        db.close()


def test_the_points_of_orders_are_there() -> None:
    assert order_points() <= write_points("provider")
