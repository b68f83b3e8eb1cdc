"""Devices tell each other in their messages what the logs showed them, and find a log that lies."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from glasslock.cli.agent import event_line
from glasslock.cli.client import alarms, opened
from glasslock.client import Client, LogSplit, LogWithheld, MessageReceived, Warned
from glasslock.client.alarms import MOST_OF_ACCOUNT
from glasslock.client.comparing import WITHHELD_SECONDS
from glasslock.errors import StateError
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply, build_app
from glasslock.runtime.service import bind
from glasslock.tlog.claim import decode_split_view, verify_split_view
from glasslock.tlog.note import Signer, format_note
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.carried import encode_carried
from glasslock.wire.policy import Policy
from tests.village.access import SETTINGS, SMALL, AccessVillage, clocks_of
from tests.village.institutions import ORDERS
from tests.village.lies import LyingLogs, Split, split
from tests.village.logs import ORIGIN
from tests.village.serving import Serving
from tests.village.village import Village, event, texts, until

HOUR = 3_600


@dataclass
class Place(AccessVillage):
    """An access village whose two logs can lie."""

    @property
    def quorum(self) -> str:
        assert isinstance(self.logs, LyingLogs)
        return self.logs.quorum

    @property
    def lying(self) -> LyingLogs:
        assert isinstance(self.logs, LyingLogs)
        return self.logs

    async def talk(self, policy: Policy, *accounts: str) -> tuple[bytes, list[Client]]:
        """Make people and a conversation of theirs."""
        people = [await self.people.person(account) for account in accounts]
        group = await people[0].create_conversation(accounts[1:], policy)
        await self.accept(group, *people[1:])
        return group, people

    async def say(self, group: bytes, sender: Client, text: str, *readers: Client) -> None:
        """Have somebody write the first message of a new slot, and the others read it."""
        self.clock.offset += SETTINGS.slot_seconds
        await sender.send(group, text)
        for reader in readers:
            await until(lambda c=reader: text in texts(c, group))  # type: ignore[misc]
        await until(lambda: not sender._session._outbox)


@contextlib.asynccontextmanager
async def place_of(folder: Path) -> AsyncIterator[tuple[Place, Policy]]:
    """Open a village under one published policy whose logs can lie."""
    people = Village(folder / "people", SETTINGS)
    people.folder.mkdir(parents=True)
    logs = LyingLogs(folder / "logs", people.clock)
    place = Place(people.folder, logs, clocks_of(SETTINGS), people=people)
    await place.open()
    try:
        policy = place.sealed("sealed", SMALL)
        await place.publish(policy)
        await place.publish_keys(4)
        yield place, policy
    finally:
        await place.close()


@contextlib.asynccontextmanager
async def showing(place: Place, entries: Sequence[bytes]) -> AsyncIterator[str]:
    """Another view of the policy log, under its keys and a quorum of its witnesses' keys."""
    log = place.lying.liar
    view = Split(entries, log.cosigned(log.head(entries)))

    async def answer(request: HttpRequest) -> Reply:
        return view(request.parts["path"], Reply(b""))

    server = Serving(bind("127.0.0.1", 0))
    await server.start(build_app([HttpRoute("GET", "/{path:path}", answer)]))
    try:
        yield server.url
    finally:
        await server.stop()


async def reads_at(client: Client, policy: Policy, place: Place, url: str) -> None:
    """Have a device read its policy log at another address from now on, and read it."""
    running = client._running
    replica = running._logs[policy.digest]
    assert replica is not None
    text = replica.log.quorum.text.replace(replica.log.quorum.log_url(ORIGIN) or "", url)
    running._logs[policy.digest] = replace(
        replica, log=replace(replica.log, quorum=QuorumFile.parse(text))
    )
    await place.read_logs(client)


def proofs(client: Client, policy: Policy, origin: str = ORIGIN) -> list[tuple[int, int]]:
    """Sizes of the two pasts of each proof that a device keeps, as a third party verifies them."""
    assert policy.access is not None
    quorum = QuorumFile.parse(policy.access.quorum)
    found = []
    for alarm in client.alarms():
        if alarm.rule == "log.split":
            kept = decode_split_view(alarm.evidence)
            held, shown = verify_split_view(kept, quorum, origin)
            found.append((held.size, shown.size))
    return found


@pytest.mark.parametrize("more", [0, 3])
async def test_two_who_were_shown_two_policy_logs_find_out(tmp_path: Path, more: int) -> None:
    async with place_of(tmp_path) as (place, policy):
        group, (alice, bob) = await place.talk(policy, "alice", "bob")
        common = place.lying.liar.entries
        to_bob = [*common, b"to bob", *(b"more %d" % n for n in range(more))]
        await place.logs.add(b"to alice")
        async with showing(place, to_bob) as url:
            await place.read_logs(alice)
            await reads_at(bob, policy, place, url)
            await place.say(group, alice, "from alice", bob)
            await bob.compare_logs()
            assert [each.rule for each in bob.alarms()] == ["log.split"]
            told = await event(bob, LogSplit)
            size = len(common) + 1
            assert (told.origin, told.held, told.shown) == (ORIGIN, size + more, size)
            assert (told.account, told.device) == ("alice", alice.device)
            assert proofs(bob, policy) == [(size + more, size)]
            await place.say(group, bob, "from bob", alice)
            if more:
                await alice.compare_logs()
                assert alice.alarms() == []
                await place.logs.add(*(b"other %d" % n for n in range(more)))
                await alice.compare_logs()
            await alice.compare_logs()
            assert [each.rule for each in alice.alarms()] == ["log.split"]
            await event(alice, LogSplit)
            assert proofs(alice, policy) == [(size + more, size + more)]


async def test_after_a_split_view_nothing_is_taken_and_messages_go_on(tmp_path: Path) -> None:
    async with place_of(tmp_path) as (place, policy):
        group, (alice, bob) = await place.talk(policy, "alice", "bob")
        to_bob = [*place.lying.liar.entries, b"to bob"]
        await place.logs.add(b"to alice")
        async with showing(place, to_bob) as url:
            await place.read_logs(alice)
            await reads_at(bob, policy, place, url)
            await place.say(group, alice, "one", bob)
            await place.say(group, bob, "two", alice)
            await event(alice, LogSplit)
            await event(bob, LogSplit)
        kept = alice.alarms()
        alice = await place.people.restart(alice)
        assert alice.alarms() == kept
        book = alice._session.policies.books[policy.digest]
        before = book.size
        other = place.sealed("another", SMALL)
        await place.publish(other)
        await place.read_logs(alice)
        await alice.learn_policies()
        assert (book.size, alice._session.policies.books[policy.digest].size) == (before, before)
        with pytest.raises(StateError):
            await alice.create_conversation([], other)
        for _ in range(2):
            place.clock.offset += HOUR + 1
            await place.say(group, alice, f"hours later {place.clock.offset}", bob)
            await place.say(group, bob, f"and back {place.clock.offset}", alice)
        assert alice.records(group) == bob.records(group) == []
        assert alice.alarms() == kept


async def test_what_no_log_said_is_named_once_and_shown_all_the_same(tmp_path: Path) -> None:
    async with place_of(tmp_path) as (place, policy):
        group, (mallory, bob) = await place.talk(policy, "mallory", "bob")
        log = place.lying.liar
        entries = [*log.entries[:-1], b"never logged"]
        false = log.head(entries)
        stranger = Signer.log(ORIGIN, bytes(32))
        another = TreeHead("another.log/policy", 3, bytes(32))
        honest = mallory._session.policies.views.carried(policy)
        assert honest is not None
        lies = [
            b"\xff" * 1_024,
            encode_carried([b"junk"]),
            encode_carried([format_note(false.body, [stranger.sign(false.body)])]),
            encode_carried([log.cosigned(false)[:1_000]]),
            encode_carried(
                [
                    format_note(
                        another.body, [Signer.log(another.origin, bytes(32)).sign(another.body)]
                    )
                ]
            ),
            honest.replace(b"\n%d\n" % len(log.entries), b"\n%d\n" % (len(log.entries) + 1)),
        ]
        views = mallory._session.policies.views
        for number, lie in enumerate(lies):
            views.carried = lambda _, said=lie: said  # type: ignore[method-assign,misc]
            await place.say(group, mallory, f"lie {number}", bob)
        await bob.compare_logs()
        warned = []
        seen = 0
        async for each in bob.events():
            warned += [each] if isinstance(each, Warned) else []
            seen += isinstance(each, MessageReceived)
            if seen == len(lies):
                break
        assert len(warned) == 1
        assert mallory.device.hex() in warned[0].text
        assert "mallory" in warned[0].text
        assert bob.alarms() == []
        assert list(bob._running.store.alarms.waiting()) == []
        await place.say(group, bob, "still here", mallory)
        assert bob.records(group) == []


async def test_a_log_that_withholds_what_it_signed_is_found(tmp_path: Path) -> None:
    async with place_of(tmp_path) as (place, policy):
        group, (alice, bob) = await place.talk(policy, "alice", "bob")
        common = place.lying.liar.entries
        await place.logs.add(b"kept from alice")
        async with showing(place, common) as url:
            await reads_at(alice, policy, place, url)
            await place.read_logs(bob)
            await place.say(group, bob, "from bob", alice)
            await alice.compare_logs()
            assert alice.alarms() == []
            place.clock.offset += WITHHELD_SECONDS
            await alice.compare_logs()
            assert [each.rule for each in alice.alarms()] == ["log.withheld"]
            told = await event(alice, LogWithheld)
            assert (told.held, told.shown, told.account) == (len(common), len(common) + 1, "bob")
            await alice.compare_logs()
            (alarm,) = alice.alarms()
            assert (alarm.rule, alarm.evidence) == ("log.withheld", b"")
            await place.say(group, alice, "messages go on", bob)
        # An address that does not answer is no log that withholds.
        await alice.compare_logs()
        assert len(alice.alarms()) == 1
        await reads_at(alice, policy, place, place.logs.url)
        await alice.compare_logs()
        assert alice.alarms() == []
        assert list(alice._running.store.alarms.waiting()) == []


async def test_a_log_out_of_reach_is_not_blamed(tmp_path: Path) -> None:
    async with place_of(tmp_path) as (place, policy):
        group, (alice, bob) = await place.talk(policy, "alice", "bob")
        await place.logs.add(b"more")
        async with showing(place, place.lying.liar.entries[:-1]) as url:
            await reads_at(alice, policy, place, url)
        await place.read_logs(bob)
        await place.say(group, bob, "from bob", alice)
        place.clock.offset += 2 * WITHHELD_SECONDS
        await alice.compare_logs()
        assert alice.alarms() == []
        assert len(list(alice._running.store.alarms.waiting())) == 1


async def test_views_of_the_orders_log_are_compared_by_its_tiles(tmp_path: Path) -> None:
    async with place_of(tmp_path) as (place, policy):
        group, (alice, bob) = await place.talk(policy, "alice", "bob")
        orders = place.lying.orders
        await orders.add(b"one", b"two")
        await bob.standing()
        # Alice has not read that log: there is nothing to compare with.
        await place.say(group, bob, "first", alice)
        assert list(alice._running.store.alarms.waiting()) == []
        await orders.add(b"three")
        await alice.standing()
        await place.say(group, bob, "second", alice)
        await alice.compare_logs()
        assert list(alice._running.store.alarms.waiting()) == []
        assert alice.alarms() == []
        orders.liar.lie = split(lambda e: [*e[:-1], b"to bob", b"and more"])(orders.liar)
        await bob.standing()
        orders.liar.lie = None
        await place.say(group, bob, "third", alice)
        await orders.add(b"four")
        await alice.compare_logs()
        await event(alice, LogSplit, origin=ORDERS)
        assert proofs(alice, policy, ORDERS) == [(4, 4)]
        with pytest.raises(StateError):
            await alice.standing()
        await place.logs.add(b"the other log is read on")
        await place.read_logs(alice)
        assert alice._session.policies.books[policy.digest].size == len(place.lying.liar.entries)


async def test_an_account_cannot_fill_what_waits(tmp_path: Path) -> None:
    async with place_of(tmp_path) as (place, policy):
        group, (alice, bob) = await place.talk(policy, "alice", "bob")
        await place.logs.add(b"kept from alice")
        async with showing(place, place.lying.liar.entries[:-1]) as url:
            await reads_at(alice, policy, place, url)
            await place.read_logs(bob)
            for number in range(3):
                await place.say(group, bob, f"{number}", alice)
                await place.logs.add(b"more %d" % number)
                await place.read_logs(bob)
            waiting = list(alice._running.store.alarms.waiting())
            assert len(waiting) == 1
            many = [replace(waiting[0], device=bytes((n,)) * 16) for n in range(99)]
            with alice._running.store._db.transaction("step"):
                alice._running.store.alarms.put(many, [])
            assert len(list(alice._running.store.alarms.waiting())) == MOST_OF_ACCOUNT


class Killed(Exception):
    """The device's end, at a write point."""


@pytest.mark.parametrize("moment", ["begin", "commit", "done"])
async def test_a_device_killed_when_it_finds_two_pasts_finds_them(
    tmp_path: Path, moment: str
) -> None:
    async with place_of(tmp_path) as (place, policy):
        group, (alice, bob) = await place.talk(policy, "alice", "bob")
        to_bob = [*place.lying.liar.entries, b"to bob"]
        await place.logs.add(b"to alice")
        await place.read_logs(alice)
        # The loop would look too; here it is looked when the test says so.
        alice._running._tasks[-1].cancel()
        async with showing(place, to_bob) as url:
            await reads_at(bob, policy, place, url)
            await place.say(group, bob, "from bob", alice)
        assert len(list(alice._running.store.alarms.waiting())) == 1

        def die(name: str) -> None:
            if name == f"step.{moment}":
                raise Killed(name)

        alice._running.store._db._point = die
        with pytest.raises(Killed):
            await alice.compare_logs()
        found = alice.alarms()
        assert len(found) == (moment == "done")
        alice = await place.people.restart(alice)
        await alice.compare_logs()
        assert [each.rule for each in alice.alarms()] == ["log.split"]
        assert alice.alarms() == found or not found
        assert len(proofs(alice, policy)) == 1
        assert list(alice._running.store.alarms.waiting()) == []
        assert alice._session.policies.books[policy.digest].frozen


async def test_the_command_line_tells_what_stands_against_a_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with place_of(tmp_path) as (place, policy):
        group, (alice, bob) = await place.talk(policy, "alice", "bob")
        to_bob = [*place.lying.liar.entries, b"to bob"]
        await place.logs.add(b"to alice")
        async with showing(place, to_bob) as url:
            await place.read_logs(alice)
            await reads_at(bob, policy, place, url)
            await place.say(group, alice, "one", bob)
            told = await event(bob, LogSplit)
        folder = place.people.folder_of(bob)
        await bob.close()
        place.people.clients.remove(bob)
        assert event_line(told)["event"] == "log-split"
        async with opened(folder, None):
            pass
        assert f"ALARM: the log {ORIGIN} has shown two pasts" in capsys.readouterr().err
        code = await asyncio.to_thread(alarms, folder, json=True)
        assert code == 10
        (row,) = json.loads(capsys.readouterr().out)
        assert (row["rule"], row["origin"], row["account"]) == ("log.split", ORIGIN, "alice")
        assert decode_split_view(bytes.fromhex(row["evidence"]))
        folder = place.people.folder_of(alice)
        await alice.close()
        place.people.clients.remove(alice)
        assert await asyncio.to_thread(alarms, folder) == 0
