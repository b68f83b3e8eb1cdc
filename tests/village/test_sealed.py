"""Messages under a policy with keyholders: every device seals, recomputes and reads."""

from __future__ import annotations

from pathlib import Path

from glasslock.client import MessageReceived
from tests.village.access import access_village
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
