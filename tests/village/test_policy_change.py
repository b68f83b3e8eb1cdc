"""A conversation goes under another policy by a commit that every person must accept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from glasslock.client import (
    Client,
    Failed,
    Joined,
    MessageReceived,
    MessageSent,
    PolicyChanged,
    PolicyProposed,
    Warned,
)
from glasslock.errors import Denied, StateError, VerificationError
from tests.village.access import AccessVillage, access_village
from tests.village.village import event, texts, until


async def under_none(place: AccessVillage) -> tuple[bytes, Client, Client, Client]:
    alice = await place.people.person("alice")
    bob, carol = await place.people.person("bob"), await place.people.person("carol")
    group = await alice.create_conversation(["bob", "carol"])
    await event(bob, Joined)
    await event(carol, Joined)
    await alice.send(group, "under none")
    for person in (bob, carol):
        await event(person, MessageReceived, content=b"under none")
    return group, alice, bob, carol


def policy_of(client: Client, group: bytes) -> bytes:
    return client._session.conversations[group].policy.digest


async def reopen(place: AccessVillage, client: Client) -> Client:
    """Open a device whose client was closed."""
    again = Client.open(client._folder, clock=place.clock)
    place.people.clients.append(again)
    return again


async def test_none_becomes_sealed_only_for_those_who_accept(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        group, alice, bob, carol = await under_none(place)
        await alice.change_policy(group, policy)
        assert policy_of(alice, group) == policy.digest
        for person in (bob, carol):
            assert (await event(person, PolicyProposed)).policy == policy.digest
        await alice.send(group, "sealed")
        await event(alice, MessageSent)
        await bob.accept_policy(group)
        assert (await event(bob, PolicyChanged)).policy == policy.digest
        await event(bob, MessageReceived, content=b"sealed")
        await bob.send(group, "sealed too")
        await event(alice, MessageReceived, content=b"sealed too")
        # Carol says nothing: she neither reads nor sends, whatever happens.
        carol = await place.people.restart(carol)
        assert (await event(carol, PolicyProposed)).policy == policy.digest
        assert carol.conversations()[0].stopped == "policy"
        with pytest.raises(StateError):
            await carol.send(group, "me too")
        await alice.refresh(group)
        await alice.send(group, "one epoch on")
        await event(bob, MessageReceived, content=b"one epoch on")
        assert texts(carol, group) == ["under none"]
        assert policy_of(carol, group) != policy.digest
        await carol.accept_policy(group)
        await until(lambda: texts(carol, group)[1:] == ["sealed", "sealed too", "one epoch on"])
        assert all(c.records(group) == [] for c in (alice, bob, carol))
        with pytest.raises(StateError):
            await carol.accept_policy(group)


async def test_one_sealed_policy_follows_another_with_other_clocks(tmp_path: Path) -> None:
    """Longer slots have smaller numbers: what was used before does not count against them."""
    async with access_village(tmp_path) as (place, first):
        alice, bob = await place.people.person("alice"), await place.people.person("bob")
        group = await alice.create_conversation(["bob"], first)
        await place.accept(group, bob)
        for person, other in ((alice, bob), (bob, alice)):
            await person.send(group, f"A {person.account}")
            await event(other, MessageReceived)
        clocks = replace(place.clocks, slot_seconds=4, slots_per_day=720)
        second = place.sealed("sealed B", clocks=clocks)
        await place.publish(second)
        assert second.digest in {p.digest for p in await alice.learn_policies()}
        await alice.change_policy(group, second)
        # Bob has never heard of it: his device asks the provider and reads the log by itself.
        assert (await event(bob, PolicyProposed)).policy == second.digest
        await bob.accept_policy(group)
        for person, other in ((alice, bob), (bob, alice)):
            await person.send(group, f"B {person.account}")
            await event(other, MessageReceived, content=f"B {person.account}".encode())
        assert alice.records(group) == bob.records(group) == []
        provider = place.people.provider
        assert provider is not None
        rows = provider._db.all(
            "SELECT s.seal, t.header FROM seals s JOIN tier1s t ON t.digest = s.tier1"
        )
        assert len(rows) == 4


async def test_a_yes_said_offline_outlives_a_restart(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        group, alice, bob, _carol = await under_none(place)
        await alice.change_policy(group, policy)
        await event(bob, PolicyProposed)
        await place.people.shut()
        await until(lambda: not bob.online)
        await bob.accept_policy(group)
        await bob.close()
        place.people.clients.remove(bob)
        await place.people.open()
        await until(lambda: alice.online)
        await alice.send(group, "sealed")
        bob = await reopen(place, bob)
        await bob.start()
        await until(lambda: texts(bob, group) == ["under none", "sealed"])
        # A yes is used up: going back and forth asks again each time.
        assert bob._session.policies.accepted == set()


async def test_what_was_written_under_the_old_policy_waits_for_its_author(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        group, alice, bob, carol = await under_none(place)
        await place.people.shut()
        await until(lambda: not bob.online and not alice.online)
        number = await bob.send(group, "meant for none")
        await bob.close()
        place.people.clients.remove(bob)
        await place.people.open()
        await until(lambda: alice.online and carol.online)
        await alice.change_policy(group, policy)
        bob = await reopen(place, bob)
        await bob.start()
        await event(bob, PolicyProposed)
        await bob.accept_policy(group)
        assert (await event(bob, Failed, message=number)).rule == "audience"
        bob = await place.people.restart(bob)
        await alice.send(group, "a sign of life")
        await event(bob, MessageReceived, content=b"a sign of life")
        held = next(m for m in bob.messages(group) if m.number == number)
        assert held.state == "ask"
        assert "meant for none" not in texts(alice, group)
        await bob.send_again(number)
        await event(alice, MessageReceived, content=b"meant for none")


async def test_only_a_policy_that_is_served_and_logged_can_be_proposed(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        group, alice, bob, _carol = await under_none(place)
        unlogged = place.sealed("never logged")
        with pytest.raises(VerificationError) as raised:
            await alice.change_policy(group, unlogged)
        assert raised.value.rule == "policy.unlogged"
        assert place.people.provider is not None
        elsewhere = replace(place.sealed("of another provider"), provider_key=bytes(range(32)))
        await place.publish(elsewhere)
        with pytest.raises(Denied):
            await alice.change_policy(group, elsewhere)
        with pytest.raises(StateError):
            await alice.change_policy(group, alice._none())
        await alice.send(group, "still none")
        await event(bob, MessageReceived, content=b"still none")
        await alice.change_policy(group, policy)
        await event(bob, PolicyProposed)


async def test_a_group_whose_policy_stands_elsewhere_in_the_log_is_not_entered(
    tmp_path: Path,
) -> None:
    """The creator lies about the position; nobody it invites is even asked."""
    async with access_village(tmp_path) as (place, policy):
        mallory, bob = await place.people.person("mallory"), await place.people.person("bob")
        other = place.sealed("another")
        await place.publish(other)
        await mallory.learn_policies()
        await bob.learn_policies()
        await place.read_logs(mallory, bob)
        book = mallory._session.policies.book(policy)
        assert book is not None
        book.policies[policy.digest] = book.policies[other.digest]
        await mallory.create_conversation(["bob"], policy)
        await place.tick()
        assert (await event(bob, Warned)).rule == "policy.position"
        assert bob.conversations() == []
