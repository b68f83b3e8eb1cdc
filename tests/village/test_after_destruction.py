"""L7: once the period keys are gone, what everybody still has together opens no sealed body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from glasslock.client import Client
from glasslock.ids import account_id
from glasslock.keyholder.running import Keyholder
from glasslock.sealing.possession import period_public_key
from glasslock.sealing.shares import combine, open_seat, open_share
from glasslock.wire.leaf import RefusalLeaf
from glasslock.wire.order import Grant
from glasslock.wire.policy import Policy
from tests.village.attack import KEY, Secrets, openings_of
from tests.village.keyholders import keyholder_village
from tests.village.quorum import stored_slots
from tests.village.village import until

# What came from the provider and the logs: public, or sealed to keys that are looked for here.
PUBLIC = {"entries", "logs"}
READ_BY_ALL = {"issued", "manifest"}


def kept(daemon: Keyholder) -> Iterator[bytes]:
    """Yield every value a keyholder has in its opened database, but for what others gave it."""
    db = daemon.store.db
    for (table,) in db.all("SELECT name FROM sqlite_master WHERE type = 'table'"):
        if table in PUBLIC or table.startswith("sqlite_"):
            continue
        names = [row[1] for row in db.all(f"PRAGMA table_info({table})")]
        for row in db.all(f"SELECT * FROM {table}"):  # noqa: S608 - from the schema
            for name, value in zip(names, row, strict=True):
                if isinstance(value, bytes) and name not in READ_BY_ALL:
                    yield value


def windows(values: Iterator[bytes]) -> set[bytes]:
    """Return every string of 32 bytes in ``values``."""
    return {value[at : at + KEY] for value in values for at in range(len(value) - KEY + 1)}


def opened_with(seeds: Mapping[bytes, bytes], database: Path, policy: Policy) -> list[bytes]:
    """Return what the owners of ``seeds`` (by key id) open together from a provider's data."""
    found: list[bytes] = []
    for stored in stored_slots(database):
        slot = stored.verified(policy)
        shares = {}
        for seat, (key_id, enc) in enumerate(zip(slot.tier1.key_ids, stored.encs, strict=True)):
            if key_id in seeds and enc is not None:
                opened = open_seat(slot, seat, seeds[key_id], key_id, enc)
                shares[seat] = open_share(slot, opened)
        found += stored.contents(combine(slot, shares))
    return found


def shown(person: Client, group: bytes) -> list[bytes]:
    return sorted(message.content for message in person.messages(group))


async def test_l7_after_destruction_nobody_opens_a_sealed_body(tmp_path: Path) -> None:
    async with keyholder_village(tmp_path) as (place, policy):
        await place.fill_roster(policy)
        group, people = await place.talk(policy)
        database = place.people.folder / "provider" / "provider.db"
        old = {
            key_id: key.seed
            for daemon in place.daemons
            for key_id, key in daemon.store.keys().items()
            if key.seed is not None
        }
        publics = {period_public_key(seed) for seed in old.values()}
        await until(lambda: all(len(shown(person, group)) == 4 for person in people))
        read, slots = shown(people[0], group), place.slots_now()
        # The search must find what is there, or it proves nothing.
        assert sorted(opened_with(old, database, policy)) == read
        assert {seed for daemon in place.daemons for seed in windows(kept(daemon))} >= set(
            old.values()
        )

        place.clock.offset += 38 * policy.clocks.day_seconds
        await place.tick_both()
        await place.rounds(
            lambda: old.keys() <= {end.record.key_id for end in place.daemons[0].book.ends}
        )

        for daemon in place.daemons:
            strings = windows(kept(daemon))
            assert not strings & set(old.values())
            assert not publics & {period_public_key(string) for string in strings}
            for path in daemon.config.data.iterdir():
                assert not any(seed in path.read_bytes() for seed in old.values())
        # A device shows what it stored; its state leads to no body, its own included.
        targets = openings_of(database)
        assert len(targets) >= 4
        for person in people:
            assert shown(person, group) == read
            state = Secrets.of(person, group)
            assert not any(state.opens(target) for target in targets)

        order = place.order(policy, Grant(group, account_id("alice"), (slots,)))
        verdict = await place.submit(order)
        await place.tick_both()
        await place.rounds(lambda: not any(d.store.outbox() for d in place.daemons))
        ledger, _ = await place.read_orders()
        record = ledger.orders[verdict.index or 0]
        noes = [s.leaf for s in record.said if isinstance(s.leaf, RefusalLeaf)]
        assert [no.rule for no in noes] == ["release.destroyed"] * len(place.daemons)
        assert place.desk.bodies == []
