"""L8 of protocol section 8: what can be dumped of a running provider opens nothing.

Files, WAL and the whole memory of its process are searched for every plaintext, for every key
between a slot secret and a body, and for the private keys of everybody else.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from glasslock.client import Client, MessageReceived
from glasslock.demo.search import Searcher, _memory
from glasslock.runtime.keys import load_seed
from glasslock.sealing.seal import share_key, step_seat_key
from glasslock.sealing.shares import combine, open_seat
from glasslock.sealing.slots import chain_start, chain_step
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label
from glasslock.wire.policy import Policy
from tests.journeys.test_provider_crash import create, enter, join, stage
from tests.village.access import SMALL, Keyholder
from tests.village.quorum import StoredSlot, stored_slots
from tests.village.village import event, until

SEATS = range(sum(count for _, count in SMALL))


def content_keys(slots: list[StoredSlot], policy: Policy) -> Iterator[bytes]:
    """Yield every key that a quorum computes on its way to the bodies, and the shares."""
    for stored in slots:
        slot = stored.verified(policy)
        shares = stored.shares(slot, SEATS)
        for seat, share in shares.items():
            key_id, enc = slot.tier1.key_ids[seat], stored.encs[seat]
            assert key_id is not None
            assert enc is not None
            opened = open_seat(slot, seat, Keyholder.of(seat).seed, key_id, enc)
            key = step_seat_key(opened.key, slot.header.tau - slot.tier1.tau)
            yield from (share.share, share.blind, opened.key, key)
            yield share_key(key, slot.header.digest)
        key = combine(slot, shares)
        chain = chain_start(key)
        yield from (key, chain)
        for m, envelope in enumerate(stored.envelopes):
            message_key, chain = chain_step(chain, m)
            digest = envelope.message_header.digest
            yield from (message_key, chain)
            yield derive(message_key, Label.BODY, digest, length=64)[:32]


def credentials(folder: Path, people: list[Client]) -> Iterator[bytes]:
    """Yield the private keys of devices, keyholders, log and witnesses."""
    for person in people:
        seed = load_seed(person._folder / "device.key", None)
        yield from (seed, derive(seed, Label.STORE), derive(seed, Label.WRAP))
    for number in SEATS:
        keyholder = Keyholder.of(number)
        yield keyholder.seed
    for key in (folder / "logs").rglob("*.key"):
        yield load_seed(key, None)


def found(keys: list[bytes], chunks: Iterator[tuple[object, bytes]]) -> set[int]:
    """Return the numbers of the keys that stand in the chunks."""
    return {at for _, chunk in chunks for at, key in enumerate(keys) if key in chunk}


def files(folder: Path) -> Iterator[tuple[object, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


async def test_l8_a_state_dump_of_the_provider_contains_no_plaintext_content_key_or_credential(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, "sealed") as place:
        await place.open("none", 1)
        alice, bob = await join(place, "alice"), await join(place, "bob")
        people = [alice, bob]
        words = []
        try:
            group = await create(alice, "sealed")
            await alice.invite(group, "bob")
            await enter(bob, group, "sealed")
            for number in range(4):
                for sender, reader in ((alice, bob), (bob, alice)):
                    words.append(f"word-{secrets.token_hex(16)}")
                    await sender.send(group, words[-1])
                    await event(reader, MessageReceived, content=words[-1].encode())
                await asyncio.sleep(0.8 if number == 1 else 0)
            await until(lambda: not any(p._session._outbox for p in people))
            assert place.process is not None
            pid = place.process.process.pid
            policy = alice._session.conversations[group].policy
            shutil.copytree(tmp_path / "data", tmp_path / "copy")
            slots = stored_slots(tmp_path / "copy" / "provider.db")
            keys = [*content_keys(slots, policy), *credentials(tmp_path, people)]
            assert len(keys) > 50
            # The search finds what a provider must hold: bodies, and who writes.
            bodies = [e.body for s in slots for e in s.envelopes]
            assert len(bodies) == len(words)
            assert found(bodies, files(tmp_path / "copy")) == set(range(len(bodies)))
            names = [b"alice", b"bob", group]
            assert found(names, _memory(pid, 64)) == {0, 1, 2}
            searcher = Searcher(words)
            assert searcher.in_folder(tmp_path / "data")[0] == []
            assert searcher.in_memory(pid)[0] == []
            assert found(keys, files(tmp_path / "data")) == set()
            assert found(keys, _memory(pid, 64)) == set()
        finally:
            for person in people:
                await person.close()
            await place.close()
