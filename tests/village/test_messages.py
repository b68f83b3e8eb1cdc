"""People write to each other through a real provider: two devices each, groups, removal."""

from __future__ import annotations

from pathlib import Path

from glasslock.client import Joined, MessageReceived, MessageSent
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
