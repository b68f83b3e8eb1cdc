"""Orders at the provider: admitted with what was stored, refused on the record, or only counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from glasslock.client import Client
from glasslock.errors import BadSignature, Conflict, Denied, GlasslockError, VerificationError
from glasslock.ids import account_id
from glasslock.orders.authority import Register
from glasslock.orders.commitment import check_leaf
from glasslock.orders.manifest import CheckedManifest, check_manifest
from glasslock.orders.review import RULES, AdmittedOrder, review
from glasslock.provider import orders_app
from glasslock.tlog.ingest import verify_heads
from glasslock.wire import api
from glasslock.wire.envelope import decode_envelope
from glasslock.wire.leaf import RefusalLeaf, UnauthenticatedLeaf
from glasslock.wire.manifest import decode_manifest
from glasslock.wire.order import Grant, Order
from glasslock.wire.policy import Policy
from tests.village.access import Keyholder
from tests.village.institutions import (
    ISSUER,
    JUDGE,
    LIMITS,
    ORDERS,
    SECRET,
    Institutions,
    OrdersVillage,
    issue,
    orders_village,
)
from tests.village.logs import ORIGIN


async def talk(place: OrdersVillage, policy: Policy, rounds: int = 2) -> tuple[bytes, list[Client]]:
    """Have Alice and Bob write to each other, each time in a slot of its own."""
    people = [await place.people.person("alice"), await place.people.person("bob")]
    group = await people[0].create_conversation(["bob"], policy)
    await place.accept(group, people[1])
    texts = [(each, f"{each.account} {n}") for n in range(rounds) for each in people]
    await place.write(group, *texts)
    return group, people


def grant(place: OrdersVillage, group: bytes, account: str = "alice") -> Grant:
    return Grant(group, account_id(account), (place.slots_now(),))


async def checked(
    place: OrdersVillage, policy: Policy, order: Order, verdict: api.OrderVerdict
) -> CheckedManifest:
    """Judge a case as a keyholder does: from the log, and what the provider hands out."""
    ledger, _ = await place.read_orders()
    record = ledger.find(verdict.commitment)
    assert record is not None
    assert record.index == verdict.index
    assert ledger.invalid == 0
    bundle = await place.bundle(verdict)
    manifest = decode_manifest(bundle.manifest)
    admitted = review(issue(order), policy, Register(policy, place.records.values()), record.time)
    assert isinstance(admitted, AdmittedOrder)
    check_leaf(record.leaf, admitted, policy, manifest.digest, bundle.secret)
    proven = verify_heads(manifest.proofs, ledger.roots(policy.provider_key, record.index))
    return check_manifest(manifest, admitted, proven, policy.clocks)


async def test_an_admitted_order_is_frozen_with_all_that_proves_it(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        assert place.people.provider is not None
        group, (alice, bob) = await talk(place, policy)
        await place.people.provider.ingest()
        other = await alice.create_conversation(policy=policy)
        await place.write(other, (alice, "to herself"))
        await place.write(group, (alice, "more"), (bob, "more"))
        order = place.order(policy, grant(place, group))
        verdict = await place.submit(order)
        assert (verdict.admitted, verdict.rule) == (True, None)
        found = await checked(place, policy, order, verdict)
        assert [slot.account for slot in found.slots] == ["alice"] * 3
        manifest = found.manifest
        assert manifest.digest == verdict.manifest
        assert manifest.nexts == ()
        (line,), (device,) = manifest.lines, manifest.devices
        stored = place.people.provider._db.all("SELECT digest FROM entries WHERE account = 'alice'")
        # All of hers in that time, whatever the conversation.
        assert {entry for (entry,) in stored} >= set(device.entries)
        assert len(set(device.entries) - {entry.digest for entry in line.entries}) == 1
        # Nothing that happens later changes it.
        before = await place.bundle(verdict)
        await place.write(group, (alice, "later"), (bob, "later"))
        await alice.remove(group, "bob")
        assert await place.bundle(verdict) == before


async def test_the_next_slot_of_a_granted_device_tells_how_its_last_one_ended(
    tmp_path: Path,
) -> None:
    async with orders_village(tmp_path) as (place, policy):
        group, (alice, bob) = await talk(place, policy, 1)
        place.clock.offset += 20
        only = grant(place, group)
        place.clock.offset += 20
        await place.write(group, (bob, "between"), (alice, "next"), (bob, "after"))
        place.clock.offset += 2
        order = place.order(policy, only)
        found = await checked(place, policy, order, await place.submit(order))
        assert len(found.slots) == 1
        (following,) = found.manifest.nexts
        assert following.position > found.slots[0].kept.position
        assert found.manifest.lines[0].after.position >= following.position


async def test_evidence_is_the_granted_slots_and_nothing_else(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        group, (alice, _) = await talk(place, policy)
        await alice.send(group, "second of a slot")
        await place.write(group, (alice, "third of a slot"))
        place.clock.offset += 4
        order = place.order(policy, grant(place, group))
        verdict = await place.submit(order)
        path = f"{api.ORDERS}/{verdict.commitment.hex()}/evidence"
        evidence = msgspec.msgpack.decode(await place.get(path, ISSUER), type=api.Evidence)
        assert place.people.provider is not None
        sent = place.people.provider._db.all(
            "SELECT position FROM entries WHERE account = 'alice' AND kind = 'envelope'"
        )
        assert [entry.position for entry in evidence.entries] == sorted(p for (p,) in sent)
        manifest = decode_manifest(evidence.manifest)
        slots = {slot.tombstone.message_header.slot for slot in manifest.slots}
        headers = {decode_envelope(e.data).message_header.slot for e in evidence.entries}
        assert headers == slots
        for key in (JUDGE, place.keyholders[0].signing, Keyholder.of(99).signing):
            with pytest.raises(Denied) as caught:
                await place.get(path, key)
            assert caught.value.rule == "case.reader"


async def test_a_case_is_for_the_keyholders_of_its_policy(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        group, _ = await talk(place, policy, 1)
        place.clock.offset += 4
        verdict = await place.submit(place.order(policy, grant(place, group)))
        path = f"{api.ORDERS}/{verdict.commitment.hex()}"
        for keyholder in place.keyholders:
            assert await place.get(path, keyholder.signing)
        for key in (ISSUER, JUDGE, Keyholder.of(99).signing):
            with pytest.raises(Denied) as caught:
                await place.get(path, key)
            assert caught.value.rule == "case.reader"
        for unknown in (bytes(32).hex(), "nothing"):
            with pytest.raises(Denied) as caught:
                await place.get(f"{api.ORDERS}/{unknown}", place.keyholders[0].signing)
            assert caught.value.rule == "case.reader"


async def test_who_left_is_still_proven_by_credential(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        group, (alice, _) = await talk(place, policy)
        await alice.remove(group, "bob")
        place.clock.offset += 4
        order = place.order(policy, grant(place, group, "bob"))
        found = await checked(place, policy, order, await place.submit(order))
        assert [slot.account for slot in found.slots] == ["bob"] * 2


async def test_the_same_order_has_one_answer(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        group, (alice, _) = await talk(place, policy, 1)
        place.clock.offset += 4
        order = place.order(policy, grant(place, group))
        verdict = await place.submit(order)
        await place.write(group, (alice, "later"))
        assert await place.submit(order) == verdict
        for number in range(4):
            again = await place.submit(order, bytes([number]) * 32)
            assert (again.admitted, again.rule) == (False, "order.replayed")
            assert again == await place.submit(order, bytes([number]) * 32)
        with pytest.raises(Conflict):
            await place.submit(order, bytes([5]) * 32)
        other = replace(issue(order), countersignature=bytes(64))
        with pytest.raises(Conflict):
            await place.submit(other, SECRET)
        ledger, _ = await place.read_orders()
        assert len(ledger.orders) == 5
        assert ledger.orders[verdict.index or 0].said == []


async def refused(place: OrdersVillage, policy: Policy, order: Order) -> api.OrderVerdict:
    """Hand in an authentic order that must be refused, on the record."""
    verdict = await place.submit(order, order.digest)
    ledger, _ = await place.read_orders()
    record = ledger.orders[verdict.index if verdict.index is not None else -1]
    (said,) = record.by(policy.provider_key)
    assert verdict.rule is not None
    assert said.leaf == RefusalLeaf(record.index, None, verdict.rule, RULES[verdict.rule])
    assert not verdict.admitted
    with pytest.raises(Denied):
        await place.bundle(verdict)
    return verdict


async def test_every_authentic_order_is_logged_whatever_the_answer(tmp_path: Path) -> None:
    async with orders_village(tmp_path, limits=replace(LIMITS, grants=2)) as (place, policy):
        group, (alice, _) = await talk(place, policy, 1)
        plain = await alice.create_conversation()
        await place.write(plain, (alice, "under none"))
        place.clock.offset += 4
        now = place.clock.now()
        fine = grant(place, group)
        many = tuple(replace(fine, group_id=name) for name in (b"x", b"y", b"z"))
        cases = {
            "order.dates": {"issued": now - 50, "expires": now - 10},
            "order.hold": {"hold": now - 5},
            "order.notice": {"disclose_by": now + (1 << 40)},
            "order.future": {"grants": (replace(fine, spans=((1, 1 << 31),)),)},
            "order.grants": {"grants": many},
            "order.overlap": {"grants": (fine, fine)},
            "order.countersigner": {"countersigner": bytes(32)},
            "order.case-keys": {"agency": bytes(32)},
            "order.conversation": {"grants": (replace(fine, group_id=plain),)},
        }
        for rule, facts in cases.items():
            order = place.order(policy, fine, **{"reference": rule, **facts})
            assert (await refused(place, policy, order)).rule == rule
        unknown = place.order(policy, replace(fine, group_id=b"nowhere"))
        assert (await refused(place, policy, unknown)).rule == "order.conversation"


async def test_more_than_a_case_can_carry_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with orders_village(tmp_path) as (place, policy):
        group, _ = await talk(place, policy, 1)
        place.clock.offset += 4
        monkeypatch.setattr(orders_app, "MAX_CARRIED", 500)
        order = place.order(policy, grant(place, group))
        assert (await refused(place, policy, order)).rule == "order.size"
        assert place.people.provider is not None
        assert place.people.provider._db.all("SELECT 1 FROM case_entries") == []


async def test_a_log_that_comes_later_gets_the_roots_from_before(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        provider = place.people.provider
        assert provider is not None
        assert policy.access is not None
        group, (alice, _) = await talk(place, policy, 1)
        await provider.ingest()
        await place.write(group, (alice, "more"))
        await provider.ingest()
        # Another policy, whose orders go into the other log.
        late = replace(policy, access=replace(policy.access, orders_origin=ORIGIN))
        with provider._db.transaction("log"):
            provider.orders.learn([late], [])
            provider.orders.learn([late], [])
        queued = "SELECT entry FROM log_queue WHERE origin = ? ORDER BY number"
        before, after = (provider._db.all(queued, (origin,)) for origin in (ORDERS, ORIGIN))
        assert before == after
        assert len(after) >= 2


async def test_what_nobody_known_signed_is_counted_once_a_day(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        group, _ = await talk(place, policy, 1)
        place.clock.offset += 4
        order = place.order(policy, grant(place, group))
        day = place.clock.now() // policy.clocks.day_seconds
        stranger = issue(order, key=JUDGE)
        for issued, rule in (
            (stranger, "order.issuer"),
            (issue(replace(order, policy=bytes(32))), "order.policy"),
            (issue(replace(order, authority=bytes(32))), "order.issuer"),
        ):
            verdict = await place.submit(issued)
            assert (verdict.admitted, verdict.index, verdict.rule) == (False, None, rule)
        verdict = await place.submit(order, raw=b"no order")
        assert verdict.rule == "order.format"
        assert (await place.submit(order, b"short")).rule == "order.format"
        place.clock.offset += policy.clocks.day_seconds
        await place.work()
        await place.work()
        ledger, _ = await place.read_orders()
        assert [said.leaf for said in ledger.unauthenticated] == [UnauthenticatedLeaf(day, 5)]
        assert ledger.orders == {}


async def test_an_answer_never_comes_from_a_register_that_is_behind(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        group, _ = await talk(place, policy, 1)
        place.clock.offset += 4
        # Everybody is registered anew, and the provider has not read of it.
        await Institutions.register(place, policy, until=1 << 41)
        assert (await place.submit(place.order(policy, grant(place, group)))).admitted


async def test_a_preview_is_numbers(tmp_path: Path) -> None:
    async with orders_village(tmp_path, limits=replace(LIMITS, grants=2)) as (place, policy):
        group, (alice, _) = await talk(place, policy)
        await alice.send(group, "second of a slot")
        await place.write(group, (alice, "third of a slot"))
        place.clock.offset += 4
        alices = grant(place, group)
        about_bob = replace(alices, recipient=account_id("bob"))
        order = place.order(policy, about_bob, grant(place, group, "bob"))
        preview = (await place.preview(order)).numbers
        assert (preview.named, preview.third_parties, preview.conversations) == (1, 1, 1)
        assert (preview.messages, preview.slots) == (6, 5)
        assert preview.days in (1, 2)
        order = place.order(policy, alices)
        assert (await place.preview(order)).numbers.messages == 4
        late: list[tuple[Order, dict[str, object], str | None]] = [
            (order, {"late": 61}, "preview.time"),
            (order, {"key": JUDGE}, None),
            (replace(order, authority=order.countersigner), {}, "authority.role"),
            (replace(order, policy=bytes(32)), {}, "preview.policy"),
            (replace(order, grants=(alices, alices, alices)), {}, "order.grants"),
        ]
        for wanted, how, rule in late:
            with pytest.raises(GlasslockError) as caught:
                await place.preview(wanted, **how)  # type: ignore[arg-type]
            assert caught.value.rule == rule or isinstance(caught.value, BadSignature)
        assert place.people.provider is not None
        assert place.people.provider.orders._cases.counted("previews") == 2
        assert place.people.provider._db.all("SELECT 1 FROM cases") == []


async def test_without_the_log_nothing_goes_on_and_the_answer_stays(tmp_path: Path) -> None:
    async with orders_village(tmp_path) as (place, policy):
        group, _ = await talk(place, policy, 1)
        place.clock.offset += 4
        order = place.order(policy, grant(place, group))
        await place.orders_log.stop_log()
        with pytest.raises(GlasslockError):
            await place.submit(order)
        with pytest.raises(GlasslockError):
            await place.work()
        await place.people.shut()
        await place.orders_log.start_log()
        await place.people.open()
        await place.work()
        verdict = await place.submit(order)
        assert verdict.admitted
        await checked(place, policy, order, verdict)


async def test_on_the_day_an_order_is_disclosed_and_letters_lie_in_inboxes(
    tmp_path: Path,
) -> None:
    async with orders_village(tmp_path) as (place, policy):
        group, (alice, _) = await talk(place, policy, 1)
        await alice.close()
        place.people.clients.remove(alice)
        place.clock.offset += 4
        order = place.order(policy, grant(place, group))
        verdict = await place.submit(order)
        provider = place.people.provider
        assert provider is not None
        case = provider.orders._cases.at("log.test/orders", verdict.index or 0)
        assert case is not None
        (letter,) = case.letters().values()
        await refuse_letter(place, letter, "notice.early")
        place.clock.offset += 600
        await refuse_letter(place, letter[:-1] + b"\x00", "commitment.opening")
        assert inbox(place) == []
        await place.post(api.NOTICES, letter)
        await place.work()
        await place.post(api.NOTICES, letter)
        assert inbox(place) == [("alice", letter)]
        ledger, _ = await place.read_orders()
        record = ledger.orders[verdict.index or 0]
        assert record.disclosed is not None
        assert not ledger.overdue(record)
        assert "reference" not in record.disclosed


async def refuse_letter(place: OrdersVillage, letter: bytes, rule: str) -> None:
    with pytest.raises((Denied, VerificationError)) as caught:
        await place.post(api.NOTICES, letter)
    assert caught.value.rule == rule


def inbox(place: OrdersVillage) -> list[tuple[str, bytes]]:
    assert place.people.provider is not None
    rows = place.people.provider._db.all("SELECT account, data FROM inbox WHERE kind = 'notice'")
    return [(account, data) for account, data in rows]
