"""Keyholders among real logs, witnesses and a provider: keys by themselves, answers by rule."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from glasslock.desk.app import Desk
from glasslock.desk.config import DeskConfig
from glasslock.desk.running import Office as DeskOffice
from glasslock.errors import StateError
from glasslock.keyholder import app, running
from glasslock.keyholder.app import answer, pending
from glasslock.keyholder.release import Answer
from glasslock.orders.ledger import Ledger, OrderRecord
from glasslock.runtime.server import build_app
from glasslock.sealing.releasing import check_release, unlock
from glasslock.wire import api
from glasslock.wire.leaf import DoneLeaf, IntentLeaf, RefusalLeaf
from glasslock.wire.order import decode_issued_order, decode_order
from glasslock.wire.policy import Policy
from glasslock.wire.record import PeriodKeyRecord, ProofRecord, decode_record
from tests.village.access import TWO_CLASSES
from tests.village.desk import KEYS, Scene
from tests.village.institutions import ISSUER, ORDERS
from tests.village.keyholders import AGENCY, COURT, KeyholderVillage, keyholder_village
from tests.village.logs import ORIGIN


async def record_of(
    place: KeyholderVillage, verdict: api.OrderVerdict
) -> tuple[Ledger, OrderRecord]:
    ledger, _ = await place.read_orders()
    return ledger, ledger.orders[verdict.index or 0]


def said(record: OrderRecord, kind: type) -> list[int | None]:
    """Return the seats that said something of this kind."""
    return [s.leaf.seat for s in record.said if isinstance(s.leaf, kind)]  # type: ignore[union-attr]


async def test_eight_keyholders_prove_their_keys_and_answer_an_order(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path, shape=TWO_CLASSES) as (place, policy):
        await place.fill_roster(policy)
        assert place.seats_filled(policy) == 8
        _, entries = await place.logs.read(place.logs.replica())
        records = [decode_record(each.entry) for each in entries if each.entry[:9] == b"glasslock"]
        assert sum(isinstance(each, PeriodKeyRecord) for each in records) == 8
        assert sum(isinstance(each, ProofRecord) for each in records) == 8 * 7 * 3
        group, _ = await place.talk(policy)
        verdict = await place.ask(policy, group)
        await place.rounds(lambda: len(place.desk.releases) == 8)
        await place.rounds(lambda: not any(d.store.outbox() for d in place.daemons))
        _, record = await record_of(place, verdict)
        assert sorted(said(record, IntentLeaf)) == sorted(said(record, DoneLeaf)) == [*range(8)]
        assert policy.access is not None
        for made in place.desk.releases:
            signer = policy.access.seats[made.seat].signing_key
            check_release(made, signer)
            unlock(made, AGENCY, COURT)
            assert record.intent(made.seat, signer, made.digest) is not None
            assert len(made.slots) == 2
        assert len(place.desk.bodies) == 8


async def stop_witnesses(place: KeyholderVillage, *numbers: int) -> None:
    for number in numbers:
        await place.logs.witnesses[number].stop()


async def test_l1_no_release_without_a_logged_cosigned_intent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two of four witnesses gone, nothing is cosigned: then nothing is sent."""
    monkeypatch.setattr(running, "SUBMIT_SECONDS", 0.2)
    async with keyholder_village(tmp_path) as (place, policy):
        await place.fill_roster(policy)
        group, _ = await place.talk(policy, 1)
        verdict = await place.ask(policy, group)
        await stop_witnesses(place, 2, 3)
        for _ in range(5):
            await asyncio.gather(*(daemon.round() for daemon in place.daemons))
        cases = [daemon.cases[verdict.index or 0] for daemon in place.daemons]
        assert all(case.release is not None and not case.sent for case in cases)
        assert place.desk.bodies == []
        # The log has the intents, and its own signature under them; the quorum has not.
        size = place.orders_log.server._store.size()  # type: ignore[union-attr]
        assert size > place.daemons[0].ledger.size
        assert said(place.daemons[0].ledger.orders[verdict.index or 0], IntentLeaf) == []
        for number in (2, 3):
            await place.logs.start_witness(number)
        await place.rounds(lambda: len(place.desk.releases) == 4)
        _, record = await record_of(place, verdict)
        digests = {made.seat: made.digest for made in place.desk.releases}
        stored = {n: d.cases[record.index].release for n, d in enumerate(place.daemons)}
        assert [body for body in place.desk.bodies if body not in stored.values()] == []
        for said_ in record.said:
            if isinstance(said_.leaf, IntentLeaf):
                assert digests[said_.leaf.seat] == said_.leaf.release


async def test_a_release_that_comes_too_late_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decided in time, and announced only when its order has expired."""
    monkeypatch.setattr(running, "SUBMIT_SECONDS", 0.2)
    async with keyholder_village(tmp_path) as (place, policy):
        await place.fill_roster(policy)
        group, _ = await place.talk(policy, 1)
        verdict = await place.ask(policy, group)
        await stop_witnesses(place, 2, 3)
        for _ in range(5):
            await asyncio.gather(*(daemon.round() for daemon in place.daemons))
        cases = [daemon.cases[verdict.index or 0] for daemon in place.daemons]
        assert all(case.release is not None for case in cases)
        order = decode_order(decode_issued_order(cases[0].bundle.issued).document)
        place.clock.offset += order.expires + 1 - place.clock.now()
        for number in (2, 3):
            await place.logs.start_witness(number)
        index = verdict.index or 0
        ledgers = [daemon.ledger for daemon in place.daemons]
        await place.rounds(
            lambda: all(len(said(each.orders[index], IntentLeaf)) == 4 for each in ledgers)
        )
        await asyncio.gather(*(daemon.round() for daemon in place.daemons))
        assert place.desk.bodies == []


async def test_a_person_answers_beside_the_daemon(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path) as (place, policy):
        await place.fill_roster(policy)
        for number in range(4):
            await place.restart(number, policy, standing=False)
        group, _ = await place.talk(policy, 1)
        verdict = await place.ask(policy, group)
        for _ in range(3):
            for daemon in place.daemons:
                await daemon.round()
        assert place.desk.bodies == []
        offices = [app.open_office(d.config, place.clock) for d in place.daemons[:2]]
        try:
            (shown,) = app.pending(offices[0])
            assert shown.commitment == verdict.commitment.hex()
            assert (shown.authority, shown.countersigner) == ("the issuing", "the countersigner")
            assert (shown.persons, shown.third_parties, shown.stored_slots) == (1, 0, 1)
            assert "alice" not in str(shown)
            app.answer(offices[0], verdict.commitment, Answer(yes=True))
            app.answer(offices[1], verdict.commitment, Answer(yes=False, ground="not needed"))
            assert app.pending(offices[0]) == []
            with pytest.raises(StateError):
                app.answer(offices[0], verdict.commitment, Answer(yes=False))
        finally:
            for office in offices:
                office.close()
        await place.rounds(lambda: len(place.desk.releases) == 1)
        await place.rounds(lambda: not any(d.store.outbox() for d in place.daemons))
        _, record = await record_of(place, verdict)
        assert (said(record, IntentLeaf), said(record, RefusalLeaf)) == ([0], [1])
        (no,) = [s.leaf for s in record.said if isinstance(s.leaf, RefusalLeaf)]
        assert (no.rule, no.ground) == ("release.person", "not needed")


async def test_on_its_day_an_order_is_disclosed_though_the_provider_sleeps(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path) as (place, policy):
        await place.fill_roster(policy)
        group, _ = await place.talk(policy, 1)
        verdict = await place.ask(policy, group)
        await place.rounds(lambda: len(place.desk.releases) == 4)
        place.clock.offset += 700
        await place.tick_both()
        index = verdict.index or 0
        await place.rounds(lambda: all(d.cases[index].noticed for d in place.daemons))
        _, record = await record_of(place, verdict)
        assert record.disclosed is not None
        assert record.disclosed["offence"] == "fraud"
        provider = place.people.provider
        assert provider is not None
        # Four keyholders handed in the same letter; it is passed on once.
        assert provider._db.all("SELECT COUNT(*) FROM notices") == [(1,)]


async def test_after_destruction_the_same_order_finds_nothing(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path) as (place, policy):
        await place.fill_roster(policy)
        group, _ = await place.talk(policy, 1)
        office = app.open_office(place.daemons[0].config, place.clock)
        (own,) = app.periods(office)
        assert own.state == "proven"
        app.destroy(office, bytes.fromhex(own.key_id))
        with pytest.raises(StateError):
            app.destroy(office, bytes.fromhex(own.key_id))
        office.close()
        await place.rounds(lambda: place.daemons[0].book.ends)
        verdict = await place.ask(policy, group)
        await place.rounds(lambda: len(place.desk.releases) == 3)
        await place.rounds(lambda: not any(d.store.outbox() for d in place.daemons))
        _, record = await record_of(place, verdict)
        (no,) = [s.leaf for s in record.said if isinstance(s.leaf, RefusalLeaf)]
        assert (no.seat, no.rule) == (0, "release.destroyed")
        (end,) = place.daemons[1].book.ends
        assert (end.record.kind, end.record.key_id.hex()) == ("destroyed", own.key_id)


async def test_keys_end_by_themselves_when_retention_is_over(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path) as (place, policy):
        await place.fill_roster(policy)
        day = policy.clocks.day_seconds
        old = {k.record.key_id: k.record.last_day for k in place.daemons[0].book.keys}
        place.clock.offset += 38 * day
        await place.tick_both()
        await place.rounds(lambda: len(place.daemons[0].book.ends) == 4)
        assert {end.record.key_id for end in place.daemons[0].book.ends} == old.keys()
        for daemon in place.daemons:
            gone = [key for key in daemon.store.keys().values() if key.seed is None]
            assert [key.key_id in old for key in gone] == [True]
        # And their successors fill the roster again.
        await place.fill_roster(policy)
        assert place.seats_filled(policy) == 4


async def test_a_lying_provider_gets_a_refusal_on_the_record(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path) as (place, policy):
        await place.fill_roster(policy)
        group, _ = await place.talk(policy, 1)
        verdict = await place.ask(policy, group)
        other = await place.ask(policy, group, reference="CASE 8")
        provider = place.people.provider
        assert provider is not None
        with provider._db.transaction("lie"):
            provider._db.execute(
                "UPDATE cases SET secret = ? WHERE idx = ?", (bytes(32), verdict.index)
            )
        await place.rounds(lambda: len(place.desk.releases) == 4)
        await place.rounds(lambda: not any(d.store.outbox() for d in place.daemons))
        ledger, record = await record_of(place, verdict)
        rules = {s.leaf.rule for s in record.said if isinstance(s.leaf, RefusalLeaf)}
        assert rules == {"release.commitment"}
        assert len(said(ledger.orders[other.index or 0], DoneLeaf)) == 4


async def test_a_log_that_is_away_stops_nothing_else(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path) as (place, policy):
        await place.orders_log.stop_log()
        await place.rounds(lambda: len(place.daemons[0].book.vetted(policy)) == 4)
        await place.orders_log.start_log()
        await asyncio.gather(*(daemon.round() for daemon in place.daemons))
        assert isinstance(policy, Policy)


async def test_a_desk_opens_what_keyholders_release_after_one_has_refused(tmp_path: Path) -> None:
    """All parties with their own code: a judicial 2 of 3 and an independent 3 of 5."""
    async with keyholder_village(tmp_path, shape=TWO_CLASSES) as (place, policy):
        await place.fill_roster(policy)
        begin = place.clock.now()
        group, people = await place.talk(policy, 1)
        place.clock.offset += 20
        quorum = place.folder / "both"
        config = DeskConfig(
            tmp_path / "desk", quorum, ORIGIN, ORDERS, policy.digest.hex(), place.url, port=0
        )
        desk, office = Desk(config, place.clock), DeskOffice(config, place.clock)
        await place.desk.serving.stop()
        await place.desk.serving.start(build_app(desk.routes(), desk.close))
        await place.restart(1, policy, standing=False)
        here = Scene(
            place, policy, group, people, config, desk, office, place.desk.serving.url, begin
        )
        try:
            case = await here.logged()
            await place.tick_both()
            # Two of the eight stay away.
            awake = place.daemons[:4] + place.daemons[5:7]
            await place.rounds(lambda: place.daemons[1].cases, awake)
            (asked,) = pending(place.daemons[1])
            said_no = Answer(yes=False, ground="not now")
            answer(place.daemons[1], bytes.fromhex(asked.commitment), said_no)
            await place.rounds(lambda: not any(d.store.outbox() for d in awake), awake)
            await desk.work()
            classes = [(c.released, c.threshold) for c in desk.progress(here.again(case))]
            assert classes == [(2, 2), (3, 3)]
            await office.follow()
            evidence = await office.evidence(here.again(case), ISSUER)
            proven = office.prove(here.again(case), evidence.manifest)
            opening, _ = office.open(here.again(case), proven, evidence, KEYS, ISSUER)
            assert [b"alice 0" in m.content for m in opening.messages] == [True]
            assert (opening.gaps, opening.faults) == ((), ())
        finally:
            office.close()
