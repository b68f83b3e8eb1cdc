"""An insider of the provider: changes rows of directory and store, and proposes a policy."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from random import Random
from typing import Final

from glasslock.client import Client
from glasslock.client.enrolment import make_entry
from glasslock.errors import StateError, VerificationError
from glasslock.lab.attacks.authority import refusals
from glasslock.lab.evidence import Evidence
from glasslock.lab.founding import CLOCKS, Seats, make_policy, signed_policy
from glasslock.lab.logs import POLICY
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import (
    StolenSlot,
    change,
    copied,
    opened_by_release,
    opened_with,
    read_by,
    stolen_slots,
)
from glasslock.lab.world import PATIENCE, World, state_is, until, warning
from glasslock.provider.store import EMPTY_DEVICE_HEAD
from glasslock.sealing.shares import verify_slot
from glasslock.signing import SigningKey
from glasslock.wire.policy import Policy

EDITS: Final = (("seals", "seal"), ("tier1s", "encs"))


async def impostor(world: World, account: str, *, alone: bool) -> Client:
    """Write a device of the insider's own into the directory under somebody's name.

    With ``alone`` it takes the place of those the account has; else one of them seems to have
    approved it, under a signature that is not its.
    """
    ghost = await Client.create(
        world.device_folder(account, "ghost"), world.port.url, account, clock=world.clock
    )
    request = ghost.link_request()
    real = next((each for each in world.people if each.account == account), None)
    approver = None if alone or real is None else real.link_request().signature_key
    forged = None if approver is None else replace(ghost.approve(request), approver_key=approver)
    entry = make_entry(world.provider.key, ghost._running.device, ghost._session.engine, forged)
    await world.stop_provider()
    if alone:
        for table in ("devices", "key_packages"):
            change(world.database, f"DELETE FROM {table} WHERE account = ?", [account])  # noqa: S608
    change(
        world.database,
        "INSERT INTO devices (account, device, signature_key, registered, head, possession,"
        " approver_key, approval) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            account,
            ghost.device,
            entry.signature_key,
            world.clock.now(),
            EMPTY_DEVICE_HEAD,
            entry.possession,
            entry.approver_key,
            entry.approval,
        ],
    )
    await world.start_provider()
    world.people.append(ghost)
    await ghost.start(PATIENCE)
    return ghost


def seen_by(client: Client, group: bytes) -> str:
    """Return what a person's screen says of who is in a conversation."""
    (view,) = [each for each in client.conversations() if each.group_id == group]
    return f"{client.account}'s screen: {view.devices} devices of {', '.join(view.accounts)}"


async def ghost_device(world: World, rng: Random) -> Evidence:
    """A device of the insider's own wants to become bob's second one, in conversations he is in."""
    found = Evidence()
    before, after = found.plant(rng, "written before"), found.plant(rng, "written after")
    group, (alice, bob) = await world.talk("alice", "bob")
    await world.write(group, alice, before, bob)
    ghost = await impostor(world, "bob", alone=False)
    # The provider tells bob's own device that it has a sibling; no device of his approved it.
    found.named = {f"bob's screen: {await warning(bob, group)}"}
    await world.write(group, alice, after, bob)
    found.take("the insider's device", *read_by(ghost, group))
    found.fact(f"{seen_by(alice, group)}, as before")
    found.control("bob reads what is written", "written after", read_by(bob, group))
    return found


async def false_key(world: World, rng: Random) -> Evidence:
    """A device of the insider's own is handed to whoever invites bob."""
    found = Evidence()
    word = found.plant(rng, "written to bob")
    alice, bob = await world.person("alice"), await world.person("bob")
    ghost = await impostor(world, "bob", alone=True)
    await until(lambda: alice.online)
    group = await alice.create_conversation(["bob"], world.policy)
    await world.accept(group, ghost)
    await world.write(group, alice, word, ghost)
    found.take("the insider's device", *read_by(ghost, group))
    found.control("alice wrote it", "written to bob", read_by(alice, group))
    found.fact(f"{seen_by(alice, group)}; messages on bob's own: {len(read_by(bob, group))}")
    return found


async def own_keyholders(world: World, rng: Random) -> tuple[Policy, Seats]:
    """Found a policy all of whose keyholders are the insider's, regular in every other way."""
    keys = [SigningKey.from_seed(rng.randbytes(32)) for _ in range(world.plan.seats)]
    registrar = SigningKey.from_seed(rng.randbytes(32)).public
    quorum = world.logs.quorum.text
    policy = make_policy("sealed, anew", world.plan, keys, world.provider.key, registrar, quorum)
    seats = Seats(policy, keys)
    await world.logs.add(POLICY, signed_policy(policy, keys))
    today = world.clock.now() // CLOCKS.day_seconds
    await seats.make_periods(world.logs, rng, today + 2, 1)
    world.clock.offset += 2 * CLOCKS.day_seconds
    await world.logs.tick()
    await world.provider.read_log()
    return policy, seats


async def changes_policy(world: World, rng: Random) -> Evidence:
    """A member who is the insider's puts the conversation under keyholders of the insider's."""
    found = Evidence()
    word, agreed = found.plant(rng, "bob's, who did not agree"), found.sample(rng, "carol's")
    group, (mallory, bob, carol) = await world.talk("mallory", "bob", "carol")
    policy, seats = await own_keyholders(world, rng)
    await mallory.learn_policies()
    await mallory.change_policy(group, policy)
    for person in (bob, carol):
        await until(partial(_stopped, person, group))
    await carol.accept_policy(group)
    await until(lambda: not _stopped(carol, group))
    number = await carol.send(group, agreed)
    await until(lambda: state_is(carol, number, "accepted"))
    with contextlib.suppress(StateError):
        await bob.send(group, word)
    bob = await world.restart(bob)
    await until(partial(_stopped, bob, group))
    with contextlib.suppress(StateError):
        await bob.send(group, word)
    seeds = {key.key_id: key.seed for own in seats.periods for key in own if key.seed is not None}
    slots = stolen_slots(copied(world.database, world.folder / "copy"))
    opened = opened_with(slots, policy, seeds)
    found.take("opened by the insider's keyholders", *opened)
    found.control("they open what carol wrote, who agreed", "carol's", opened)
    found.named = {f"bob's screen: stopped before policy {_proposed(bob, group, policy)}"}
    return found


async def edits_rows(world: World, rng: Random) -> Evidence:
    """One byte of what the provider stores is changed, in a conversation of its own each time."""
    found = Evidence()
    alice, bob = await world.person("alice"), await world.person("bob")
    groups = []
    for table, _ in EDITS:
        word = found.plant(rng, f"sealed, {table} changed")
        groups.append(await _written(world, alice, bob, word))
    honest = await _written(world, alice, bob, found.sample(rng, "untouched"))
    world.clock.offset += 2 * world.policy.clocks.slot_seconds
    await world.stop_provider()
    for (table, column), group in zip(EDITS, groups, strict=True):
        half = f"SUBSTR({column}, 1, LENGTH({column}) / 2)"
        rest = f"SUBSTR({column}, LENGTH({column}) / 2 + 2)"
        sql = f"UPDATE {table} SET {column} = CAST({half} || X'AA' || {rest} AS BLOB)"  # noqa: S608
        change(world.database, f"{sql} WHERE group_id = ?", [group])
    await world.start_provider()
    world.open_keyholders()
    for number, group in enumerate([*groups, honest]):
        order = world.order(world.grant(group, "alice"), reference=f"CASE {number}")
        await world.ask(world.issue(order))
    releases = await world.released(world.plan.seats)
    slots = stolen_slots(copied(world.database, world.folder / "copy"))
    # What was changed no longer verifies, and a desk gets no further than that.
    whole = [each for each in slots if _whole(each, world.policy)]
    keys = (world.bodies.agency, world.bodies.court)
    opened, _ = opened_by_release(whole, world.policy, releases, *keys)
    found.take("opened under three orders", *opened)
    found.control("the order that reaches what nobody changed opens it", "untouched", opened)
    found.refused = await refusals(world)
    found.fact(f"orders: {len(groups) + 1}; releases: {len(releases)}, all under the last")
    return found


def _whole(stolen: StolenSlot, policy: Policy) -> bool:
    with contextlib.suppress(VerificationError):
        verify_slot(stolen.facts, policy)
        return True
    return False


async def _written(world: World, person: Client, reader: Client, text: str) -> bytes:
    group = await person.create_conversation([reader.account], world.policy)
    await world.accept(group, reader)
    await world.write(group, person, text, reader)
    return group


def _stopped(client: Client, group: bytes) -> bool:
    views = [each for each in client.conversations() if each.group_id == group]
    return [each.stopped for each in views] == ["policy"]


def _proposed(client: Client, group: bytes, policy: Policy) -> str:
    proposed = client._session.conversations[group].proposed
    return f"{policy.name!r}" if proposed == policy.digest else "of nobody"


SCENARIOS: Final = (
    Scenario(
        "admin-ghost-device",
        49,
        Actor.ADMIN,
        "the provider's database, to write",
        "to read a conversation by a device of its own, entered as a second one of bob's",
        Expected(
            Outcome.NAMED,
            "bob's own device finds that none of his has approved it, leaves it out and says so; "
            "it reads nothing",
            marks=("bob's screen: invite.stranger",),
        ),
        ghost_device,
    ),
    Scenario(
        "admin-false-key",
        50,
        Actor.ADMIN,
        "the provider's database, to write",
        "to be invited in bob's place",
        Expected(
            Outcome.SUCCEEDS,
            "what is written to bob is read by the insider, and alice's screen shows nothing of it",
            gains=("written to bob",),
        ),
        false_key,
    ),
    Scenario(
        "admin-changes-policy",
        45,
        Actor.ADMIN,
        "the provider, a policy in the log whose keyholders and period keys are all the "
        "insider's, and a member's device",
        "to have others go on writing, sealed to the insider's keyholders",
        Expected(
            Outcome.NAMED,
            "who has not agreed is stopped before the change, also after a restart, and sends "
            "nothing; what is written by those who agreed opens for the new keyholders",
            marks=("bob's screen: stopped before policy 'sealed, anew'",),
        ),
        changes_policy,
    ),
    Scenario(
        "admin-edits-rows",
        42,
        Actor.ADMIN,
        "the provider's database, to write",
        "to have an order open something else than was written: a byte of a stored seal, or of "
        "what is encapsulated to keyholders, is changed",
        Expected(
            Outcome.REFUSED,
            "nothing false opens, and every keyholder's refusal stands in the log; but what was "
            "changed is lost to the order, as it is when rows are deleted",
            marks=("the orders log: release.unreadable",),
        ),
        edits_rows,
    ),
)
