"""People write to each other through a real provider: two devices each, groups, removal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from glasslock.client import Client, Failed, Joined, MembersChanged, MessageReceived, MessageSent
from glasslock.errors import BadSignature, Denied, StateError
from glasslock.mls import SUITE_HYBRID
from tests.village.village import event, texts, until, village


async def test_two_people_write_to_each_other(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        alice, bob = await place.person("alice"), await place.person("bob")
        group = await alice.create_conversation(["bob"])
        joined = await event(bob, Joined, group_id=group)
        assert joined.accounts == ("alice", "bob")
        number = await alice.send(group, "hello")
        got = await event(bob, MessageReceived)
        assert (got.account, got.content) == ("alice", b"hello")
        assert (await event(alice, MessageSent)).message == number
        await bob.send(group, "hello yourself")
        assert (await event(alice, MessageReceived)).content == b"hello yourself"
        assert texts(alice, group) == texts(bob, group) == ["hello", "hello yourself"]
        await until(lambda: not alice._session._outbox)


async def test_the_hybrid_suite_carries_messages(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        alice = await place.person("alice", suite=SUITE_HYBRID)
        bob = await place.person("bob", suite=SUITE_HYBRID)
        group = await alice.create_conversation(["bob"])
        await event(bob, Joined)
        await bob.send(group, "after quantum")
        assert (await event(alice, MessageReceived)).content == b"after quantum"


async def test_every_device_of_a_person_reads_and_writes(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        phone, bob = await place.person("alice"), await place.person("bob")
        laptop = await place.person("alice", "laptop")
        group = await bob.create_conversation(["alice"])
        await event(phone, Joined)
        await event(laptop, Joined)
        await phone.send(group, "from the phone")
        await event(laptop, MessageReceived, content=b"from the phone")
        await laptop.send(group, "from the laptop")
        await event(phone, MessageReceived, content=b"from the laptop")
        await until(lambda: texts(bob, group) == ["from the phone", "from the laptop"])


async def test_a_new_device_is_brought_into_the_conversations(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        alice, bob = await place.person("alice"), await place.person("bob")
        group = await alice.create_conversation(["bob"])
        await event(bob, Joined)
        await alice.send(group, "before the laptop")
        await event(bob, MessageReceived)
        laptop = await place.person("bob", "laptop")
        await event(laptop, Joined, group_id=group)
        await alice.send(group, "after the laptop")
        assert (await event(laptop, MessageReceived)).content == b"after the laptop"
        assert texts(laptop, group) == ["after the laptop"]


async def test_an_account_takes_no_device_that_it_has_not_approved(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        alice, bob = await place.person("alice"), await place.person("bob")
        ghost = await Client.create(tmp_path / "ghost", place.url, "alice", clock=place.clock)
        with pytest.raises(Denied):
            await ghost.register()
        with pytest.raises(StateError):
            bob.approve(ghost.link_request())
        forged = replace(
            alice.approve(ghost.link_request()), approver_key=bob.link_request().signature_key
        )
        with pytest.raises(BadSignature):
            await ghost.register(forged)
        with pytest.raises(Denied):
            await ghost.start(3)
        await ghost.close()


async def test_who_is_removed_reads_nothing_after(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        alice, bob = await place.person("alice"), await place.person("bob")
        carol = await place.person("carol")
        group = await alice.create_conversation(["bob", "carol"])
        await event(carol, Joined)
        await alice.send(group, "for three")
        await event(carol, MessageReceived, content=b"for three")
        await alice.remove(group, "carol")
        gone = await event(carol, MembersChanged, removed=True)
        assert gone.accounts == ("alice", "bob") or gone.removed
        await alice.send(group, "for two")
        await event(bob, MessageReceived, content=b"for two")
        assert texts(carol, group) == ["for three"]
        with pytest.raises(StateError):
            await carol.send(group, "let me in")
        await alice.invite(group, "carol")
        await event(carol, Joined)
        await alice.send(group, "for three again")
        await event(carol, MessageReceived, content=b"for three again")
        assert texts(carol, group) == ["for three", "for three again"]


async def test_many_messages_over_many_slots_keep_one_order(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        people = [await place.person(name) for name in ("alice", "bob", "carol")]
        group = await people[0].create_conversation(["bob", "carol"])
        for person in people[1:]:
            await event(person, Joined)
        for round_ in range(4):
            for person in people:
                for number in range(5):
                    await person.send(group, f"{person.account} {round_} {number}")
            await until(lambda: all(not p._session.conversations[group].drafts for p in people))
            place.clock.offset += 2
        # Own messages are there at once; their place on the line comes with the receipt.
        await until(
            lambda: all(
                len([m for m in p.messages(group) if m.position is not None]) == 60 for p in people
            )
        )
        lines = [
            [m.content for m in sorted(p.messages(group), key=lambda m: m.position or 0)]
            for p in people
        ]
        assert lines[0] == lines[1] == lines[2]
        assert all(p.records(group) == [] for p in people)


async def test_who_was_away_catches_up(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        alice, bob = await place.person("alice"), await place.person("bob")
        group = await alice.create_conversation(["bob"])
        await event(bob, Joined)
        folder = place.folder_of(bob)
        await bob.close()
        place.clients.remove(bob)
        for number in range(20):
            await alice.send(group, f"number {number}")
            place.clock.offset += number % 3
            await until(lambda: not alice._session._outbox)
        await alice.refresh(group)
        await alice.send(group, "in a new epoch")
        await event(alice, MessageSent)
        bob = Client.open(folder, clock=place.clock)
        await bob.start()
        place.clients.append(bob)
        await until(lambda: len(bob.messages(group)) == 21)
        assert texts(bob, group) == texts(alice, group)
        assert bob.records(group) == []


async def test_a_device_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        alice, bob = await place.person("alice"), await place.person("bob")
        group = await alice.create_conversation(["bob"])
        await event(bob, Joined)
        await alice.send(group, "one")
        await event(bob, MessageReceived, content=b"one")
        alice, bob = await place.restart(alice), await place.restart(bob)
        await alice.send(group, "two")
        await bob.send(group, "three")
        await until(lambda: len(alice.messages(group)) == len(bob.messages(group)) == 3)
        assert sorted(texts(alice, group)) == ["one", "three", "two"]


async def test_what_was_written_offline_goes_out_later(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        alice, bob = await place.person("alice"), await place.person("bob")
        group = await alice.create_conversation(["bob"])
        await event(bob, Joined)
        await place.shut()
        await until(lambda: not alice.online)
        await alice.send(group, "while nobody listened")
        await place.open()
        assert (await event(bob, MessageReceived)).content == b"while nobody listened"


async def test_two_who_commit_at_once_both_get_what_they_asked_for(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        alice, bob = await place.person("alice"), await place.person("bob")
        await place.person("carol")
        await place.person("dave")
        group = await alice.create_conversation(["bob"])
        await event(bob, Joined)
        await asyncio.gather(alice.invite(group, "carol"), bob.invite(group, "dave"))
        everybody = ("alice", "bob", "carol", "dave")
        await until(lambda: all(c.conversations() for c in place.clients))
        await until(lambda: all(c.conversations()[0].accounts == everybody for c in place.clients))
        await bob.send(group, "to all")
        await until(lambda: all(texts(c, group) == ["to all"] for c in place.clients))


async def test_a_message_that_crosses_a_newcomer_is_held_back(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        alice, bob = await place.person("alice"), await place.person("bob")
        carol = await place.person("carol")
        group = await alice.create_conversation(["bob"])
        await event(bob, Joined)
        await place.shut()
        await until(lambda: not bob.online and not alice.online)
        number = await bob.send(group, "not for carol")
        assert bob.messages(group)[0].state == "queued"
        folder = place.folder_of(bob)
        await bob.close()
        place.clients.remove(bob)
        await place.open()
        await until(lambda: alice.online and carol.online)
        await alice.invite(group, "carol")
        await event(carol, Joined)
        bob = Client.open(folder, clock=place.clock)
        await bob.start()
        place.clients.append(bob)
        asked = await event(bob, Failed, message=number)
        assert asked.rule == "audience"
        assert texts(carol, group) == []
        await bob.send_again(number)
        assert (await event(carol, MessageReceived)).content == b"not for carol"


async def test_a_group_of_fifty_devices(tmp_path: Path) -> None:
    async with village(tmp_path) as place:
        names = [f"person-{number}" for number in range(49)]
        first = await place.person("alice")
        for name in names:
            await place.person(name)
        group = await first.create_conversation()
        for name in names:
            await first.invite(group, name)
        await until(lambda: all(c.conversations() for c in place.clients))
        await first.send(group, "to all fifty")
        await place.clients[-1].send(group, "and back")
        await until(lambda: all(len(c.messages(group)) == 2 for c in place.clients))
