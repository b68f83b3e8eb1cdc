"""A notice put off on real parts, and an order called over: who is held back, and who is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from glasslock.client import NoticeReceived, PutOff
from glasslock.desk.extending import (
    close_order,
    countersign_extension,
    draft_extension,
    sign_extension,
    submit_extension,
)
from glasslock.errors import Denied, GlasslockError, StateError
from glasslock.monitor.report import orders_report
from glasslock.orders.ledger import OrderRecord, countersign, sign_leaf
from glasslock.orders.lifecycle import State
from glasslock.signing import SigningKey
from glasslock.wire import api
from glasslock.wire.leaf import (
    CloseLeaf,
    DoneLeaf,
    ExtendLeaf,
    IntentLeaf,
    RefusalLeaf,
    encode_leaf,
)
from tests.village.desk import KEYS, Scene, scene
from tests.village.institutions import ISSUER, JUDGE, ORDERS, OrdersVillage, orders_village
from tests.village.keyholders import KeyholderVillage, keyholder_village
from tests.village.test_desk import Commands
from tests.village.test_keyholders import record_of, said
from tests.village.test_orders_intake import grant, talk
from tests.village.village import event

STRANGER = SigningKey.from_seed(b"\x66" * 32)


async def record(place: OrdersVillage, verdict: api.OrderVerdict) -> OrderRecord:
    ledger, _ = await place.read_orders()
    return ledger.orders[verdict.index or 0]


def extension(
    at: OrderRecord,
    number: int = 1,
    key: SigningKey = ISSUER,
    judge: SigningKey = JUDGE,
    *,
    by: int = 500,
) -> bytes:
    """The next entry of an order's extensions: ``by`` seconds more than the first date."""
    date = at.leaf.disclose_by + by * number
    leaf = ExtendLeaf(at.index, number, date, "still searching", bytes(32), bytes(64))
    return encode_leaf(sign_leaf(countersign(at.leaf.commitment, key.public, leaf, judge), key))


async def hand_in(place: OrdersVillage, verdict: api.OrderVerdict, entry: bytes) -> None:
    await place.post(f"{api.ORDERS}/{verdict.commitment.hex()}{api.EXTENSION}", entry)


async def rule_of(work: Callable[[], Awaitable[object]]) -> str:
    with pytest.raises(GlasslockError) as caught:
        await work()
    return caught.value.rule or caught.value.slug


async def pass_by(place: KeyholderVillage, seconds: int) -> None:
    """Let time pass, and everybody do what is due."""
    place.clock.offset += seconds
    await place.tick_both()
    for _ in range(4):
        await asyncio.gather(*(daemon.round() for daemon in place.daemons))
        await place.work()


async def test_an_extension_holds_the_notice_back_everywhere(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path) as (place, policy):
        await place.fill_roster(policy)
        group, people = await place.talk(policy, 1)
        verdict = await place.ask(policy, group)
        await place.rounds(lambda: len(place.desk.releases) == 4)
        found = await record(place, verdict)
        await hand_in(place, verdict, extension(found))
        # The same again is the same answer, and the same leaf.
        await hand_in(place, verdict, extension(found))
        await pass_by(place, 700)
        ledger, entries = await place.read_orders()
        found = ledger.orders[found.index]
        assert found.disclosed is None
        assert not ledger.overdue(found)
        assert [rule for _, rule in found.extensions()] == [None]
        assert not any(daemon.cases[found.index].noticed for daemon in place.daemons)
        assert people[0].notices() == []
        raw = [(each.index, each.checkpoint.median_time, each.entry) for each in entries]
        report = orders_report(raw, ledger.time)
        assert (report.rows[0]["extensions"], report.facts["overdue"]) == (1, 0)
        await pass_by(place, 500)
        ledger, found = await record_of(place, verdict)
        assert found.disclosed is not None
        assert all(daemon.cases[found.index].noticed for daemon in place.daemons)
        notice = (await event(people[0], NoticeReceived)).notice
        until = found.leaf.disclose_by + 500
        assert (notice.index, notice.put_off) == (found.index, (PutOff(until, "still searching"),))
        assert people[0].notices() == [notice]
        (standing,) = [one for one in await people[0].standing() if one.orders]
        assert (standing.put_off, standing.overdue) == ((found.index,), ())


async def test_three_are_taken_and_a_fourth_is_refused_by_name(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        verdict = await ordered(place, policy)
        found = await record(place, verdict)
        for number in range(1, 4):
            await hand_in(place, verdict, extension(found, number))
        fourth = extension(found, 4)
        assert await rule_of(lambda: hand_in(place, verdict, fourth)) == "extend.most"
        await place.orders_log.add(fourth)
        found = await record(place, verdict)
        assert [rule for _, rule in found.extensions()] == [None, None, None, "extend.most"]
        assert found.date() == found.leaf.disclose_by + 1_500
        # Three times put off, and then told.
        place.clock.offset += 1_500
        await place.orders_log.add(b"a breath")
        await place.work()
        assert (await record(place, verdict)).disclosed is None
        place.clock.offset += 700
        await place.work()
        assert (await record(place, verdict)).disclosed is not None


async def ordered(place: OrdersVillage, policy: object) -> api.OrderVerdict:
    """Have an order about Alice admitted."""
    group, _ = await talk(place, policy, 1)  # type: ignore[arg-type]
    place.clock.offset += 4
    verdict = await place.submit(place.order(policy, grant(place, group)))  # type: ignore[arg-type]
    assert verdict.admitted
    return verdict


async def test_nobody_puts_a_notice_off_alone(tmp_path: Path) -> None:
    """The provider with its own key, the agency alone, two strangers: refused, and without effect
    where they write it into the log themselves.
    """
    async with keyholder_village(tmp_path) as (place, policy):
        await place.fill_roster(policy)
        group, _ = await place.talk(policy, 1)
        verdict = await place.ask(policy, group)
        await place.rounds(lambda: len(place.desk.releases) == 4)
        found = await record(place, verdict)
        assert place.people.provider is not None
        own = place.people.provider.orders._key
        alone = sign_leaf(
            ExtendLeaf(found.index, 1, found.leaf.disclose_by + 500, "x", JUDGE.public, bytes(64)),
            ISSUER,
        )
        forged = {
            "extend.parties": [
                extension(found, key=own),
                extension(found, judge=own),
                extension(found, key=STRANGER, judge=own),
                extension(found, key=JUDGE, judge=ISSUER),
                extension(found, judge=ISSUER),
            ],
            "signature": [encode_leaf(alone)],
        }
        for rule, entries in forged.items():
            for entry in entries:
                assert await rule_of(lambda one=entry: hand_in(place, verdict, one)) == rule  # type: ignore[misc]
                await place.orders_log.add(entry)
        unknown = f"{api.ORDERS}/{bytes(32).hex()}{api.EXTENSION}"
        assert await rule_of(lambda: place.post(unknown, extension(found))) == "case.reader"
        await pass_by(place, 700)
        assert (await record(place, verdict)).disclosed is not None
        index = verdict.index or 0
        assert all(daemon.cases[index].noticed for daemon in place.daemons)


async def test_what_is_being_told_is_not_put_off(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        verdict = await ordered(place, policy)
        found = await record(place, verdict)
        provider = place.people.provider
        assert provider is not None
        # It is decided, and waits for the log.
        place.clock.offset += found.leaf.disclose_by - place.clock.now()
        provider.orders._disclose(found.leaf.disclose_by)
        assert await rule_of(lambda: hand_in(place, verdict, extension(found))) == (
            "extend.disclosed"
        )
        await place.work()
        assert (await record(place, verdict)).disclosed is not None


async def test_an_extension_that_its_log_had_too_late_holds_for_nobody(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        verdict = await ordered(place, policy)
        found = await record(place, verdict)
        provider = place.people.provider
        assert provider is not None
        now = place.clock.now()
        provider.orders._extend(verdict.commitment, extension(found), found.time, now)
        await place.work()
        (row,) = provider._db.all("SELECT earlier, void FROM extensions")
        assert row == (found.leaf.disclose_by, 0)
        second = extension(found, 2)
        at = found.leaf.disclose_by + 500
        provider.orders._extend(verdict.commitment, second, found.time, now)
        # The log stands still until the day has come.
        place.clock.offset += at + 1 - now
        assert await rule_of(lambda: hand_in(place, verdict, second)) == "extend.late"
        assert provider._db.all("SELECT number, void FROM extensions") == [(1, 0), (2, 1)]
        ledger, _ = await place.read_orders()
        assert ledger.overdue(ledger.orders[found.index])
        await place.work()
        assert (await record(place, verdict)).disclosed is not None


async def test_the_desk_puts_off_by_two_stations_and_without_a_provider(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        case = await here.logged()
        first = case.order.disclose_by
        wanted = first + 400
        for rule, until in (("extend.forward", first), ("extend.length", first + 9_999)):
            assert await rule_of(lambda u=until: draft_extension(here.office, case, u, "x")) == rule  # type: ignore[misc]
        with pytest.raises(StateError):
            await submit_extension(here.office, case)
        await draft_extension(here.office, case, wanted, "still searching")
        with pytest.raises(StateError):
            sign_extension(here.office, case, ISSUER)
        for key, role in ((ISSUER, countersign_extension), (JUDGE, sign_extension)):
            with pytest.raises(Denied):
                role(here.office, case, key)
        countersign_extension(here.office, case, JUDGE)
        sign_extension(here.office, case, ISSUER)
        assert await rule_of(lambda: draft_extension(here.office, case, first + 300, "x")) == (
            "extend.signed"
        )
        await here.place.people.shut()
        await submit_extension(here.office, case)
        assert here.office.date(case) == wanted
        kept = here.office.store.extension(case)
        assert kept is not None
        assert not kept.taken
        # It comes back, is told, and keeps to the date.
        await here.place.people.open()
        await here.desk.work()
        kept = here.office.store.extension(case)
        assert kept is not None
        assert kept.taken
        here.place.clock.offset += first + 5 - here.place.clock.now()
        await here.place.orders_log.add(b"a breath")
        await here.place.work()
        await here.desk.work()
        record = here.desk.office.record(here.again(case))
        assert record is not None
        assert record.disclosed is None
        here.place.clock.offset += 400
        await here.place.orders_log.add(b"another breath")
        await here.desk.work()
        assert here.again(case).noticed


async def test_a_provider_that_was_not_told_tells_on_its_own_date(tmp_path: Path) -> None:
    """It does not read the log. A notice that comes early puts nobody in the wrong."""
    async with orders_village(tmp_path) as (place, policy):
        verdict = await ordered(place, policy)
        found = await record(place, verdict)
        await place.orders_log.add(extension(found))
        place.clock.offset += 700
        await place.work()
        ledger, _ = await place.read_orders()
        assert ledger.orders[found.index].disclosed is not None
        assert not ledger.overdue(ledger.orders[found.index])
        assert ledger.invalid == 0


async def test_after_the_end_nothing_is_released_and_the_notice_comes(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path) as (place, policy):
        await place.fill_roster(policy)
        group, people = await place.talk(policy, 1)
        verdict = await place.ask(policy, group)
        index = verdict.index or 0
        first, others = place.daemons[:1], place.daemons[1:]
        await place.rounds(lambda: len(place.desk.releases) == 1, first)
        # One more has announced its release, and not sent it.
        for _ in range(2):
            await others[0].round()
        assert others[0].cases[index].release is not None
        assert not others[0].cases[index].sent
        leaf = CloseLeaf(index, "withdrawn")
        await place.orders_log.add(encode_leaf(sign_leaf(leaf, STRANGER)))
        await place.orders_log.add(encode_leaf(sign_leaf(leaf, ISSUER)))
        for _ in range(5):
            for daemon in others:
                await daemon.round()
        assert len(place.desk.releases) == 1
        _, found = await record_of(place, verdict)
        assert said(found, DoneLeaf) == [0]
        refused = {s.leaf.seat: s.leaf.rule for s in found.said if isinstance(s.leaf, RefusalLeaf)}
        assert refused == {2: "release.closed", 3: "release.closed"}
        assert 1 in said(found, IntentLeaf)
        await pass_by(place, 700)
        assert (await record(place, verdict)).disclosed is not None
        assert (await event(people[0], NoticeReceived)).notice.index == index


async def test_a_desk_calls_an_order_over_and_opens_nothing_more(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        case = await here.logged()
        release = await here.release(case, 0)
        await here.announce(case, release)
        await here.post(release.encode())
        case = here.again(case)
        with pytest.raises(StateError):
            await close_order(here.office, case, "done", ISSUER)
        with pytest.raises(Denied):
            await close_order(here.office, case, "withdrawn", JUDGE)
        await close_order(here.office, case, "withdrawn", ISSUER)
        case = here.again(case)
        assert case.state == State.WITHDRAWN
        evidence = await here.office.evidence(case, ISSUER)
        proven = here.office.prove(case, evidence.manifest)
        assert await rule_of(lambda: opened(here, case, proven, evidence)) == "case.over"
        with pytest.raises(Denied):
            await here.post((await here.release(case, 1)).encode())
        here.place.clock.offset += 700
        await here.place.orders_log.add(b"a breath")
        for _ in range(3):
            await here.desk.work()
        assert here.again(case).noticed
        assert here.again(case).state == State.CLOSED


async def test_a_desk_takes_no_release_of_an_order_that_is_over(tmp_path: Path) -> None:
    """Said at another station: this desk's own state does not show it."""
    async with scene(tmp_path) as here:
        case = await here.logged()
        release = await here.release(case, 0)
        leaf = CloseLeaf(case.logged().index or 0, "unused")
        await here.office.add(ORDERS, encode_leaf(sign_leaf(leaf, ISSUER)))
        await here.desk.work()
        with pytest.raises(Denied):
            await here.post(release.encode())
        assert here.office.store.releases(case.order.digest) == []


async def opened(here: Scene, case: object, proven: object, evidence: object) -> object:
    return here.office.open(case, proven, evidence, KEYS, ISSUER)  # type: ignore[arg-type]


async def test_extend_and_close_by_their_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with scene(tmp_path) as here:
        monkeypatch.setattr("glasslock.cli.order.SystemClock", lambda: here.place.clock)
        case = await here.logged()
        order = Commands(here, tmp_path, capsys)
        new = ("--until", case.order.disclose_by + 300, "--ground", "still searching")
        await order("extend", case.id, *new, "--countersign-key", order.key("judge"))
        told = await order("extend", case.id, "--key", order.key("prosecutor"))
        assert told.startswith("extended, notice is due on ")
        await here.desk.work()
        assert here.desk.office.date(here.again(case)) == case.order.disclose_by + 300
        assert await rule_of(lambda: order("extend", case.id, "--until", "5")) == "order.ground"
        end = ("close", case.id, "--key", order.key("prosecutor"), "--outcome")
        assert await rule_of(lambda: order(*end, "pardoned")) == "order.outcome"
        assert (await order(*end, "unused")).startswith("closed, entry ")
        assert here.again(case).state == State.LAPSED


async def test_the_providers_counts_are_the_monitors(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        await place.work()
        group, _ = await talk(place, policy, 1)
        place.clock.offset += 4
        order = place.order(policy, grant(place, group))
        verdict = await place.submit(order)
        found = await record(place, verdict)
        late = replace(order, reference="late", issued=order.issued - 99, expires=order.issued - 9)
        assert not (await place.submit(late)).admitted
        await hand_in(place, verdict, extension(found))
        place.clock.offset += 31 * policy.clocks.day_seconds
        await place.work()
        ledger, entries = await place.read_orders()
        (counts,) = [each.leaf for each in ledger.counts]
        assert [row[1:] for row in counts.classes] == [(2, 1)]  # type: ignore[union-attr]
        raw = [(each.index, each.checkpoint.median_time, each.entry) for each in entries]
        assert orders_report(raw, ledger.time).facts["miscounted"] == []
        place.clock.offset += 31 * policy.clocks.day_seconds
        await place.work()
        ledger, _ = await place.read_orders()
        assert [each.leaf.first for each in ledger.counts][1] == counts.end  # type: ignore[union-attr]
