"""A stolen device: locked, opened after its keys were erased, or in use until it is removed."""

from __future__ import annotations

import contextlib
from random import Random
from typing import Final

from glasslock.client import Client
from glasslock.errors import ConfigError
from glasslock.lab.between import kept_back
from glasslock.lab.evidence import Evidence
from glasslock.lab.forensics import DATABASE, journal_of, opened, pasts
from glasslock.lab.scenario import Actor, Expected, Outcome, Scenario
from glasslock.lab.store import copied, read_by, state_of, windows
from glasslock.lab.theft import Lock, locks, strings
from glasslock.lab.world import World, until
from glasslock.runtime.keys import load_seed
from glasslock.wire.envelope import decode_slot_header

KEY_FILE: Final = "device.key"
COMMON: Final = ("", "password", "123456", "letmein", "bob")


async def locked(world: World, rng: Random) -> Evidence:
    """Take a device's folder, with a passphrase that is not among the usual ones."""
    found = Evidence()
    word, passphrase = found.plant(rng, "content"), rng.randbytes(10).hex()
    alice = await world.person("alice")
    bob = await world.person("bob", passphrase=passphrase)
    group = await alice.create_conversation(["bob"], world.policy)
    await world.accept(group, bob)
    await world.write(group, alice, word, bob)
    found.control("bob reads it", "content", read_by(bob, group))
    folder = world.device_folder("bob")
    copy = copied(folder / DATABASE, world.folder / "copy")
    files = [path.read_bytes() for path in sorted(folder.iterdir())]
    found.take("the device's folder", *files)
    seeds = windows([(folder / KEY_FILE).read_bytes()])
    for guess in COMMON:
        with contextlib.suppress(ConfigError):
            seeds.add(load_seed(folder / KEY_FILE, guess))
    for seed in sorted(seeds):
        found.take("opened with a guess", *opened(copy, seed))
    right = opened(copy, load_seed(folder / KEY_FILE, passphrase))
    found.control("the right passphrase opens the same copy", "content", right)
    found.fact(f"{len(COMMON)} usual passphrases and every 32 bytes of the key file were tried")
    return found


async def read_and_deleted(
    world: World, rng: Random, found: Evidence
) -> tuple[bytes, Client, Client, set[bytes]]:
    """Have bob read and write, and delete what his screen shows.

    Returns the conversation, alice, bob, and what his disk held before he read the last message.
    """
    older, written = found.plant(rng, "read an epoch ago"), found.plant(rng, "written")
    last = found.plant(rng, "read last")
    group, (alice, bob) = await world.talk("alice", "bob")
    # Started anew, its journal is far from the length at which it is written over.
    bob = await world.restart(bob)
    await world.write(group, alice, older, bob)
    await alice.refresh(group)
    await until(lambda: _epoch(bob, group) == _epoch(alice, group))
    await world.write(group, bob, written, alice)
    before = strings(state_of(bob, group))
    await world.write(group, alice, last, bob)
    with bob._store._db.transaction("deleted"):
        bob._store._db.execute("DELETE FROM messages WHERE group_id = ?", (group,))
    return group, alice, bob, before


async def erased(world: World, rng: Random) -> Evidence:
    """Everything in the opened database, and the provider's: what was read is closed again."""
    found = Evidence()
    group, _, bob, before = await read_and_deleted(world, rng, found)
    now, targets = strings(state_of(bob, group)), stolen_locks(world)
    for lock in targets:
        found.take("opened with what the device has", *lock.opened(now))
    found.take("the device's messages", *read_by(bob, group))
    old = [content for lock in targets for content in lock.opened(before)]
    found.control("before it was read, the same device opens it", "read last", old)
    found.fact(f"{len(targets)} slots, tried with every 32-byte value of the opened database")
    return found


async def journal(world: World, rng: Random) -> Evidence:
    """The same device while its program runs, read past the database: its journal is stolen."""
    found = Evidence()
    group, alice, bob, before = await read_and_deleted(world, rng, found)
    folder = world.device_folder("bob")
    targets = stolen_locks(world)
    old = [content for lock in targets for content in lock.opened(before)]
    found.control("before it was read, the same device opens it", "read last", old)
    found.control("the deleted words were there", "read last", read_by(alice, group))
    # It is emptied twice a second; who comes within that half second finds more.
    await until(lambda: not journal_of(folder))
    seed, values = load_seed(folder / KEY_FILE), set[bytes]()
    present = copied(folder / DATABASE, world.folder / "present")
    for database in (present, *pasts(folder, world.folder / "pasts")):
        values.update(opened(database, seed))
    found.take("rows of the database and of its past", *sorted(values))
    for lock in targets:
        found.take("opened with keys of the past", *lock.opened(strings(values)))
    await world.close(bob)
    return found


def stolen_locks(world: World) -> list[Lock]:
    """Return the first message of every slot that the provider has by now."""
    return locks(copied(world.database, world.folder / "provider-copy"))


async def withheld(world: World, rng: Random) -> Evidence:
    """Messages are kept from a device until their slots are over; then it is stolen."""
    found = Evidence()
    group, (alice, bob, carol) = await world.talk("alice", "bob", "carol")
    dora = await world.person("dora")
    other = await dora.create_conversation(["bob"], world.policy)
    await world.accept(other, bob)
    await alice.send(group, "a slot is open")
    await until(lambda: read_by(bob, group) and read_by(carol, group))
    (slot,) = stolen_locks(world)
    kept = {
        "in an open slot": (alice, group),
        "by somebody silent in it": (carol, group),
        "in a slot that nobody used": (dora, other),
    }
    targets = []
    for label, (person, where) in kept.items():
        envelope = await kept_back(person, where, found.plant(rng, label))
        opening = envelope.opening
        own = slot.header if opening is None else decode_slot_header(opening.slot_header)
        targets.append(Lock(own, envelope))
    before = strings([*state_of(bob, group), *state_of(bob, other)])
    world.clock.offset += 10 * world.policy.clocks.slot_seconds
    for where in (group, other):
        await world.write(where, bob, "time passes")
    now = strings([*state_of(bob, group), *state_of(bob, other)])
    for label, lock in zip(kept, targets, strict=True):
        found.take("opened with what the device has", *lock.opened(now))
        found.control(f"in its time the device opens it: {label}", label, lock.opened(before))
    return found


async def until_removed(world: World, rng: Random) -> Evidence:
    """A thief goes on using an unlocked device until its owner has it removed."""
    found = Evidence()
    labels = ("what the screen shows", "written until the removal", "written after it")
    shown, during, after = (found.plant(rng, label) for label in labels)
    group, (alice, bob, carol) = await world.talk("alice", "bob", "carol")
    await world.write(group, alice, shown, bob, carol)
    await world.write(group, bob, during, alice, carol)
    before = strings(state_of(carol, group))
    await alice.remove(group, "carol")
    await until(lambda: _epoch(bob, group) == _epoch(alice, group))
    await world.write(group, alice, after, bob)
    await until(lambda: carol._session.conversations[group].stopped == "removed")
    found.take("the stolen device's messages", *read_by(carol, group))
    secrets = before | strings(state_of(carol, group))
    for lock in stolen_locks(world):
        found.take("opened with what the device has", *lock.opened(secrets))
    found.control("bob reads what came after", "written after it", read_by(bob, group))
    return found


def _epoch(client: Client, group: bytes) -> int:
    epoch: int = client._session.conversations[group].state.epoch
    return epoch


SCENARIOS: Final = (
    Scenario(
        "device-locked",
        38,
        Actor.DEVICE,
        "the folder of a device under a passphrase",
        "to read what the device shows, with usual passphrases and everything in its key file",
        Expected(Outcome.NOTHING, "no word in any file, and no guess opens the database"),
        locked,
    ),
    Scenario(
        "device-after-erasure",
        38,
        Actor.DEVICE,
        "everything in the opened database of a device whose owner has deleted what it showed, "
        "and the provider's whole database",
        "to open again what was read and written on it",
        Expected(
            Outcome.NOTHING,
            "keys are gone with their use: nothing on the device opens what the provider stores",
        ),
        erased,
    ),
    Scenario(
        "device-journal",
        38,
        Actor.DEVICE,
        "the files of the same device while its program runs or after it was killed, the key of "
        "its database, and the provider's whole database",
        "to open again what was read and written on it",
        Expected(
            Outcome.NOTHING,
            "the journal with its pages from before the erasure is emptied twice a second while "
            "the program runs, and when it ends in order: what was read and deleted is gone",
        ),
        journal,
    ),
    Scenario(
        "device-withheld",
        38,
        Actor.DEVICE,
        "messages that the network kept from a device, and everything in its opened database once "
        "their time is over",
        "to open them with it",
        Expected(
            Outcome.NOTHING,
            "what does not arrive in its time opens no more, for its owner either",
        ),
        withheld,
    ),
    Scenario(
        "device-until-removed",
        39,
        Actor.DEVICE,
        "a member's unlocked device that goes on running, and the provider's whole database",
        "to read before and after its owner has it removed",
        Expected(
            Outcome.SUCCEEDS,
            "the thief reads what the screen shows and what is written until the removal, and "
            "nothing after it",
            gains=("what the screen shows", "written until the removal"),
        ),
        until_removed,
    ),
)
