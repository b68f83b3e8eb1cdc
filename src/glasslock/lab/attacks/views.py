"""A log and a quorum of witnesses who show two people two policy logs."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from random import Random
from typing import Final

from glasslock.client import Client
from glasslock.errors import GlasslockError
from glasslock.lab.evidence import Evidence
from glasslock.lab.logs import NEEDED, POLICY
from glasslock.lab.rogue import Rogue, served
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.world import World
from glasslock.runtime.keys import load_seed
from glasslock.tlog.claim import decode_split_view, verify_split_view
from glasslock.tlog.quorum import QuorumFile

SPLIT: Final = "two pasts, signed by the log, proven"


def led_to(world: World, client: Client, url: str) -> None:
    """Have a device find its policy log at ``url``: who has the address chooses what it sees."""
    running = client._running
    replica = running._logs[world.policy.digest]
    if replica is None:
        return
    real = world.logs.logs[POLICY].port.url
    quorum = QuorumFile.parse(world.logs.quorum.text.replace(real, url))
    running._logs[world.policy.digest] = replace(replica, log=replace(replica.log, quorum=quorum))


async def reads(world: World, client: Client) -> list[bytes]:
    """Have a device read its policy log; returns what its disk has of it then."""
    with contextlib.suppress(GlasslockError):
        await client._running.read_log(world.policy)
    rows = client._running.store._db.all("SELECT entry FROM log_entries ORDER BY idx")
    return [row[0] for row in rows]


def accused(world: World, **clients: Client) -> set[str]:
    """Return what devices keep against the log, where a stranger with the quorum file finds it so.

    Raises:
        GlasslockError: a proof does not hold.
    """
    found = set()
    for name, client in clients.items():
        for alarm in client.alarms():
            verify_split_view(decode_split_view(alarm.evidence), world.logs.quorum, alarm.origin)
            found.add(f"the policy log, by {name}'s device: {SPLIT}")
    return found


async def two_logs(world: World, rng: Random) -> Evidence:
    """Show one person another policy log than everybody else, before and after they write."""
    found = Evidence()
    false, real = found.sample(rng, "false"), found.sample(rng, "real")
    later, word = found.plant(rng, "later"), found.sample(rng, "word")
    group, (alice, bob) = await world.talk("alice", "bob")
    _, entries = await world.logs.read(POLICY)
    common = [each.entry for each in entries]
    seeds = {
        number: load_seed(world.folder / "logs" / f"w{number}" / "witness.key")
        for number in range(NEEDED)
    }
    await world.logs.add(POLICY, real.encode())
    log = world.logs.logs[POLICY]
    rogue = Rogue(log, world.logs, [*common, false.encode()])
    await rogue.publish((), seeds, [])
    port = await served(rogue)
    led_to(world, bob, port.url)
    found.control("alice has the real log", "real", await reads(world, alice))
    found.control("bob has the other one", "false", await reads(world, bob))
    await world.write(group, alice, "from alice", bob)
    await world.write(group, bob, "from bob", alice)
    await alice.compare_logs()
    await bob.compare_logs()
    found.named = accused(world, alice=alice, bob=bob)
    await port.stop()
    more = Rogue(log, world.logs, [*common, false.encode(), later.encode()])
    await more.publish((), seeds, [])
    await port.start(more.routes())
    found.take("what bob's device takes from it afterwards", *await reads(world, bob))
    await port.stop()
    await world.write(group, bob, word, alice)
    read = [message.content for message in alice.messages(group)]
    found.control("people write on", "word", read)
    return found


SCENARIOS: Final = (
    Scenario(
        "witness-views",
        35,
        Actor.WITNESS,
        "the policy log's key and address, and three of four witnesses' keys: a quorum",
        "to show one person another policy log than everybody else, for as long as they like",
        Expected(
            Outcome.NAMED,
            "the first messages that the two exchange carry both views: each device keeps the "
            "proof, and takes nothing more from that log",
            marks=tuple(
                f"the policy log, by {name}'s device: {SPLIT}" for name in ("alice", "bob")
            ),
        ),
        two_logs,
    ),
)
