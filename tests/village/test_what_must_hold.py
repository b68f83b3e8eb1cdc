"""L2, L3 and L4 of protocol section 8, on the state that real parties leave on disk."""

from __future__ import annotations

import shutil
import sqlite3
from itertools import combinations, product
from pathlib import Path

import pytest

from glasslock.client import Client, Failed, MembersChanged, PolicyProposed
from glasslock.client.store import Store
from glasslock.errors import GlasslockError, VerificationError
from glasslock.sealing.shares import SharesMissing, ShareUnreadable, combine, open_seat, open_share
from glasslock.wire.policy import Policy
from tests.village.access import AccessVillage, Keyholder, access_village
from tests.village.attack import Secrets, openings_of
from tests.village.quorum import StoredSlot, opened_by, stored_slots
from tests.village.village import event, texts, until

FEW, MANY = [*combinations(range(3), 2)], [*combinations(range(3, 8), 3)]


def database(place: AccessVillage, copy: Path) -> Path:
    """Copy the provider's whole database as it is now, WAL included."""
    source = place.people.folder / "provider"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("*.key", "*-shm"))
    return copy / "provider.db"


async def settled(place: AccessVillage, group: bytes, count: int, *clients: Client) -> None:
    await until(lambda: all(len(texts(c, group)) == count for c in clients))
    await until(lambda: not any(c._session._outbox for c in place.people.clients))


async def test_l2_what_a_receipt_names_any_quorum_opens_and_it_is_what_members_read(
    tmp_path: Path,
) -> None:
    async with access_village(tmp_path) as (place, policy):
        alice, bob = await place.people.person("alice"), await place.people.person("bob")
        laptop = await place.people.person("bob", "laptop")
        group = await alice.create_conversation(["bob"], policy)
        await place.accept(group, bob, laptop)
        everybody = (alice, bob, laptop)
        for round_ in range(3):
            for person in everybody:
                await person.send(group, f"{round_} {person.account} one")
                await person.send(group, f"{round_} {person.account} two")
            await settled(place, group, 6 * (round_ + 1), *everybody)
            place.clock.offset += 2 + round_
        await alice.refresh(group)
        await bob.send(group, "after a commit")
        await settled(place, group, 19, *everybody)
        slots = stored_slots(database(place, tmp_path / "copy"))
        read = sorted(m.content for m in laptop.messages(group))
        assert sorted(m.content for m in alice.messages(group)) == read
        for few, many in product(FEW[:1] + FEW[2:], MANY[::4]):
            assert sorted(opened_by(slots, policy, few + many)) == read
        # And every one of the thirty smallest quorums opens the same key.
        one = slots[-1]
        verified = one.verified(policy)
        shares = one.shares(verified, range(8))
        keys = {
            combine(verified, {j: shares[j] for j in few + many})
            for few, many in product(FEW, MANY)
        }
        assert len(keys) == 1
        for short in ((0, 3, 4, 5, 6, 7), (0, 1, 2, 3, 4)):
            with pytest.raises(SharesMissing):
                combine(verified, {j: shares[j] for j in short})


async def test_a_provider_that_changes_stored_seals_is_found_out_before_anything_opens(
    tmp_path: Path,
) -> None:
    async with access_village(tmp_path) as (place, policy):
        alice = await place.people.person("alice")
        group = await alice.create_conversation((), policy)
        await alice.send(group, "to nobody else")
        await until(lambda: not alice._session._outbox)
        copy = database(place, tmp_path / "copy")
    db = sqlite3.connect(copy)
    db.execute(
        "UPDATE seals SET seal = CAST(SUBSTR(seal, 1, 99) || X'00' || SUBSTR(seal, 101) AS BLOB)"
    )
    db.commit()
    db.close()
    (slot,) = stored_slots(copy)
    with pytest.raises(VerificationError) as raised:
        slot.verified(policy)
    assert raised.value.rule == "slot.seal"


async def test_l3_a_joiner_reads_nothing_from_before_a_leaver_nothing_after(
    tmp_path: Path,
) -> None:
    async with access_village(tmp_path) as (place, policy):
        alice, bob = await place.people.person("alice"), await place.people.person("bob")
        carol = await place.people.person("carol")
        group = await alice.create_conversation(["bob"], policy)
        await place.accept(group, bob)
        await alice.send(group, "before carol")
        await settled(place, group, 1, alice, bob)
        place.clock.offset += 2
        # The attack works where it must: on what bob has not read and still holds the keys of.
        held = Secrets.of(bob, group)
        await alice.send(group, "unread by then")
        await settled(place, group, 2, alice, bob)
        await alice.invite(group, "carol")
        await place.accept(group, carol)
        joined = Secrets.of(carol, group)
        leaver = Secrets.of(bob, group)
        kept = rows_of(bob, group)
        await carol.send(group, "while both are in")
        await settled(place, group, 3, alice, bob)
        leaver = leaver + Secrets.of(bob, group)
        joined = joined + Secrets.of(carol, group)
        place.clock.offset += 2
        await alice.remove(group, "bob")
        await event(bob, MembersChanged, removed=True)
        await alice.send(group, "after bob")
        await settled(place, group, 2, carol)
        leaver = leaver + Secrets.of(bob, group)
        lines = openings_of(database(place, tmp_path / "copy"))
        position = {text: at for at, text in enumerate(line_texts(alice, group))}
        assert len(lines) == 4
        assert held.opens(lines[position["unread by then"]])
        assert not joined.opens(lines[position["before carol"]])
        assert not joined.opens(lines[position["unread by then"]])
        assert not leaver.opens(lines[position["after bob"]])
        # Not even the engine, set back to before it left, gets into the next epoch.
        handle = bob._session.engine.load_group(kept)
        for commit in commits(tmp_path / "copy" / "provider.db"):
            try:
                root, _written = handle.stage(commit).accept()
            except GlasslockError:
                continue
            assert root is None
        # The provider does not hand a joiner what was before it, whatever it asks for.
        await carol._running.carry_out(lambda: carol._session.follow(group, 0))
        await alice.send(group, "the end")
        await until(lambda: "the end" in texts(carol, group))
        assert texts(carol, group) == ["while both are in", "after bob", "the end"]
        assert carol.records(group) == []


def rows_of(client: Client, group: bytes) -> list[tuple[bytes, bytes, bytes | None]]:
    store: Store = client._store
    return store._rows(group)


def line_texts(client: Client, group: bytes) -> list[str]:
    messages = sorted(client.messages(group), key=lambda m: m.position or 0)
    return [m.content.decode() for m in messages]


def commits(path: Path) -> list[bytes]:
    db = sqlite3.connect(path)
    try:
        rows = db.execute("SELECT data FROM entries WHERE kind = 'handshake' ORDER BY position")
        return [data for (data,) in rows]
    finally:
        db.close()


async def test_l4_an_order_under_policy_a_opens_nothing_sealed_under_b(tmp_path: Path) -> None:
    """The same keyholders, the same period keys: the policy alone parts them."""
    async with access_village(tmp_path) as (place, first):
        alice, bob = await place.people.person("alice"), await place.people.person("bob")
        group = await alice.create_conversation(["bob"], first)
        await place.accept(group, bob)
        await alice.send(group, "under A")
        await settled(place, group, 1, alice, bob)
        second = place.sealed("sealed B")
        await place.publish(second)
        await place.people.shut()
        await until(lambda: not bob.online and not alice.online)
        number = await bob.send(group, "written under A")
        await bob.close()
        place.people.clients.remove(bob)
        await place.people.open()
        await until(lambda: alice.online)
        await alice.learn_policies()
        await alice.change_policy(group, second)
        await alice.send(group, "under B")
        bob = Client.open(tmp_path / "people" / "bob-phone", clock=place.clock)
        place.people.clients.append(bob)
        await bob.start()
        await event(bob, PolicyProposed)
        await bob.accept_policy(group)
        await event(bob, Failed, message=number, rule="audience")
        await until(lambda: "under B" in texts(bob, group))
        slots = stored_slots(database(place, tmp_path / "copy"))
        under_a = [slot for slot in slots if slot.policy == first.digest]
        under_b = [slot for slot in slots if slot.policy == second.digest]
        assert opened_by(under_a, first, range(8)) == [b"under A"]
        assert opened_by(under_b, second, range(8)) == [b"under B"]
        assert len(slots) == len(under_a) + len(under_b) == 2
        opens_nothing_of(under_a[0], under_b[0], first, second)
        # What was written under A is sealed under B only when its author says so.
        await bob.send_again(number)
        await settled(place, group, 3, alice, bob)
        again = stored_slots(database(place, tmp_path / "again"))
        assert b"written under A" in opened_by(again[2:], second, range(8))


def opens_nothing_of(
    granted: StoredSlot, wanted: StoredSlot, first: Policy, second: Policy
) -> None:
    with pytest.raises(VerificationError) as raised:
        wanted.verified(first)
    assert raised.value.rule == "slot.policy"
    slot_a, slot_b = granted.verified(first), wanted.verified(second)
    for seat in range(8):
        key_id, enc = slot_a.tier1.key_ids[seat], granted.encs[seat]
        assert key_id is not None
        assert enc is not None
        seed = Keyholder.of(seat).seed
        opened = open_seat(slot_a, seat, seed, key_id, enc)
        with pytest.raises(ShareUnreadable):
            open_share(slot_b, opened)
        with pytest.raises(ShareUnreadable):
            open_seat(slot_b, seat, seed, key_id, enc)
    key = combine(slot_a, granted.shares(slot_a, range(8)))
    with pytest.raises(VerificationError):
        list(wanted.contents(key))
