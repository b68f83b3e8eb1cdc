"""Messages under a policy with keyholders: every device seals, recomputes and reads."""

from __future__ import annotations

from pathlib import Path

from glasslock.client import Client, Invited, MessageReceived, MessageSent
from glasslock.provider.config import ClockSettings
from glasslock.wire.seal import decode_tier1_header
from tests.village.access import SMALL, access_village
from tests.village.village import event, texts, until


async def test_people_write_under_a_sealed_policy(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        people = place.people
        alice, bob = await people.person("alice"), await people.person("bob")
        laptop = await people.person("alice", "laptop")
        group = await alice.create_conversation(["bob"], policy)
        await place.accept(group, bob, laptop)
        await alice.send(group, "sealed")
        assert (await event(bob, MessageReceived)).content == b"sealed"
        await event(laptop, MessageReceived, content=b"sealed")
        for number in range(3):
            for person in (bob, laptop, alice):
                await person.send(group, f"{person.account} {number}")
            await until(lambda: not any(c._session._outbox for c in people.clients))
            place.clock.offset += 2
        await until(lambda: all(len(texts(c, group)) == 10 for c in people.clients))
        assert all(c.records(group) == [] for c in people.clients)


async def test_a_group_of_twenty_seals_for_each_other(tmp_path: Path) -> None:
    async with access_village(tmp_path, shape=SMALL) as (place, policy):
        first = await place.people.person("alice")
        others = [await place.people.person(f"person-{number}") for number in range(19)]
        group = await first.create_conversation((), policy)
        for other in others:
            await first.invite(group, other.account)
        await place.accept(group, *others)
        for person in (first, others[0], others[18]):
            await person.send(group, f"from {person.account}")
        everybody = [first, *others]
        await until(lambda: all(len(texts(c, group)) == 3 for c in everybody))
        assert all(c.records(group) == [] for c in everybody)


async def test_sealed_conversations_outlive_restarts(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        people = place.people
        alice, bob = await people.person("alice"), await people.person("bob")
        group = await alice.create_conversation(["bob"], policy)
        await event(bob, Invited)
        # The question outlives a restart too.
        bob = await people.restart(bob)
        await place.accept(group, bob)
        for round_ in range(3):
            await alice.send(group, f"alice {round_}")
            await bob.send(group, f"bob {round_}")
            both, count = (alice, bob), 2 * round_ + 2
            await until(lambda b=both, n=count: all(len(texts(c, group)) == n for c in b))
            alice, bob = await people.restart(alice), await people.restart(bob)
            place.clock.offset += round_
        assert alice.records(group) == bob.records(group) == []


async def test_who_was_away_recomputes_every_seal(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        people = place.people
        alice, bob = await people.person("alice"), await people.person("bob")
        group = await alice.create_conversation(["bob"], policy)
        await place.accept(group, bob)
        await bob.close()
        people.clients.remove(bob)
        for number in range(10):
            await alice.send(group, f"number {number}")
            place.clock.offset += number % 3
            await until(lambda: not alice._session._outbox)
        await alice.refresh(group)
        await alice.send(group, "in a new epoch")
        await event(alice, MessageSent, message=11)
        bob = Client.open(tmp_path / "people" / "bob-phone", clock=place.clock)
        await bob.start()
        people.clients.append(bob)
        await until(lambda: len(bob.messages(group)) == 11)
        assert texts(bob, group) == texts(alice, group)
        assert bob.records(group) == []


async def test_a_new_day_brings_a_new_tier_1_and_a_slot_of_the_same_day_does_not(
    tmp_path: Path,
) -> None:
    settings = ClockSettings(slot_seconds=2, slots_per_day=20, skew_seconds=4)
    async with access_village(tmp_path, shape=SMALL, settings=settings) as (place, policy):
        people = place.people
        alice, bob = await people.person("alice"), await people.person("bob")
        group = await alice.create_conversation(["bob"], policy)
        await place.accept(group, bob)
        days = set()
        for number in range(6):
            await alice.send(group, f"{number}")
            await event(bob, MessageReceived, content=b"%d" % number)
            leaf = alice._session.conversations[group].leaf
            days.add(bob._session.conversations[group].state.tiers[leaf].day)
            # A verdict that is read after the clock has jumped would be of another time.
            await until(lambda: not alice._session._outbox)
            place.clock.offset += 14
        assert people.provider is not None
        rows = people.provider._db.all("SELECT header FROM tier1s")
        made = [decode_tier1_header(header) for (header,) in rows]
        assert len(days) > 1
        assert {header.day for header in made} == days
        # An epoch older than a day is closed in between: that brings a new one too.
        assert len({(header.epoch, header.day) for header in made}) == len(made) < 6
        (slots,) = people.provider._db.one("SELECT COUNT(*) FROM seals") or (0,)
        assert slots == 6
        assert bob.records(group) == []
