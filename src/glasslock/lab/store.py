"""Stolen databases, read as a thief reads them: straight from the file, past all code of theirs."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glasslock import hpke
from glasslock.client import Client
from glasslock.errors import VerificationError
from glasslock.keyholder.running import Keyholder
from glasslock.provider.archive import read_digests
from glasslock.sealing.body import open_body
from glasslock.sealing.releasing import take_share, unlock
from glasslock.sealing.seal import share_commitment
from glasslock.sealing.shares import (
    Share,
    SharesMissing,
    SlotFacts,
    VerifiedSlot,
    combine,
    open_seat,
    open_share,
    verify_slot,
)
from glasslock.sealing.slots import chain_start, chain_step
from glasslock.wire.codec import decode
from glasslock.wire.envelope import Envelope, decode_envelope, decode_slot_header
from glasslock.wire.policy import Policy
from glasslock.wire.release import Release

# Public, or what others sealed to keys that are looked for here.
_GIVEN = frozenset({"entries", "logs", "issued", "manifest"})
KEY = 32


@dataclass(frozen=True)
class StolenSlot:
    """A sealed slot as the provider keeps it, with its envelopes in the order of the line."""

    facts: SlotFacts
    encs: tuple[bytes | None, ...]
    tau: int
    envelopes: tuple[Envelope, ...] = field(repr=False)

    def shares(self, slot: VerifiedSlot, seeds: Mapping[bytes, bytes]) -> dict[int, Share]:
        """Open every share that the owners of ``seeds`` (by key id) can open."""
        found = {}
        for seat, (key_id, enc) in enumerate(zip(slot.tier1.key_ids, self.encs, strict=True)):
            if key_id is not None and key_id in seeds and enc is not None:
                opened = open_seat(slot, seat, seeds[key_id], key_id, enc)
                found[seat] = open_share(slot, opened)
        return found

    def contents(self, key: bytes) -> Iterator[bytes]:
        """Open every body of the slot with its slot key."""
        chain = chain_start(key)
        signer = decode_slot_header(self.facts.header).signer
        for m, envelope in enumerate(self.envelopes):
            message_key, chain = chain_step(chain, m)
            yield open_body(message_key, envelope.message_header, envelope.body, signer).content


def copied(database: Path, copy: Path) -> Path:
    """Copy a database as it is now, with its journal, as a thief of the machine would."""
    copy.mkdir(parents=True)
    for name in (database.name, database.name + "-wal"):
        if (database.parent / name).exists():
            shutil.copy(database.parent / name, copy / name)
    return copy / database.name


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """Run a query on a copied, unencrypted database."""
    db = sqlite3.connect(database)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def change(database: Path, sql: str, values: Iterable[object] = ()) -> int:
    """Change a database that nobody has open, past its party; returns the rows changed."""
    db = sqlite3.connect(database)
    try:
        with db:
            return db.execute(sql, tuple(values)).rowcount
    finally:
        db.close()


def stolen_slots(database: Path) -> list[StolenSlot]:
    """Read every sealed slot of a provider's database, the oldest first."""
    seals: dict[bytes, bytes] = {
        row[0]: row[1] for row in rows(database, "SELECT slot, seal FROM seals")
    }
    tier1s = {
        row[0]: row[1:]
        for row in rows(database, "SELECT digest, header, enc_digests, encs FROM tier1s")
    }
    lines: dict[bytes, list[Envelope]] = {}
    for envelope in envelopes(database):
        lines.setdefault(envelope.message_header.slot, []).append(envelope)
    found = []
    for slot, line in lines.items():
        opening = line[0].opening
        if slot not in seals or opening is None:
            continue
        header = decode_slot_header(opening.slot_header)
        first, digests, encs = tier1s[header.tier1 or b""]
        facts = SlotFacts(
            opening.slot_header,
            opening.seal_digest or b"",
            opening.signature or b"",
            seals[slot],
            first,
            read_digests(digests),
        )
        listed: tuple[bytes | None, ...] = decode(encs)  # type: ignore[assignment]
        found.append(StolenSlot(facts, listed, header.tau, tuple(line)))
    return found


def envelopes(database: Path) -> list[Envelope]:
    """Read every envelope of a provider's database, in the order of its lines."""
    sql = "SELECT data FROM entries WHERE kind = 'envelope' ORDER BY group_id, position"
    return [decode_envelope(data) for (data,) in rows(database, sql)]


def opened_with(
    slots: Iterable[StolenSlot], policy: Policy, seeds: Mapping[bytes, bytes]
) -> list[bytes]:
    """Return what the owners of ``seeds`` open together; raises as ``combine``."""
    contents: list[bytes] = []
    for stolen in slots:
        slot = verify_slot(stolen.facts, policy)
        contents += stolen.contents(combine(slot, stolen.shares(slot, seeds)))
    return contents


def seeds_of(
    daemons: Sequence[Keyholder], seats: Iterable[int], which: slice = slice(None)
) -> dict[bytes, bytes]:
    """Take the period seeds of seats from their keyholders' disks, by key id.

    ``which`` chooses among a keyholder's periods, the oldest first.
    """
    found: dict[bytes, bytes] = {}
    for seat in seats:
        own = daemons[seat].store.keys().values()
        for key in sorted(own, key=lambda each: each.record.first_day)[which]:
            if key.seed is not None:
                found[key.key_id] = key.seed
    return found


def kept(daemon: Keyholder) -> Iterator[bytes]:
    """Yield every value a keyholder has in its opened database, but for what others gave it."""
    db = daemon.store.db
    for (table,) in db.all("SELECT name FROM sqlite_master WHERE type = 'table'"):
        if table in _GIVEN or table.startswith("sqlite_"):
            continue
        names = [row[1] for row in db.all(f"PRAGMA table_info({table})")]
        for row in db.all(f"SELECT * FROM {table}"):  # noqa: S608 - from the schema
            for name, value in zip(names, row, strict=True):
                if isinstance(value, bytes) and name not in _GIVEN:
                    yield value


def windows(values: Iterable[bytes]) -> set[bytes]:
    """Return every string of 32 bytes in ``values``."""
    return {value[at : at + KEY] for value in values for at in range(len(value) - KEY + 1)}


def read_by(client: Client, group: bytes) -> list[bytes]:
    """Return the contents that stand on a device's disk as received or sent, row by row."""
    db = client._store._db
    return [row[0] for row in db.all("SELECT content FROM messages WHERE group_id = ?", (group,))]


def noted_by(client: Client, group: bytes) -> set[str]:
    """Return the rules that a device has put on record against entries of a conversation."""
    db = client._store._db
    return {row[0] for row in db.all("SELECT rule FROM records WHERE group_id = ?", (group,))}


def state_of(client: Client, group: bytes) -> list[bytes]:
    """Return everything that a device has on disk but the messages it shows: an opened database."""
    db = client._store._db
    found: list[bytes] = [
        row[0] for row in db.all("SELECT state FROM groups WHERE group_id = ?", (group,))
    ]
    for table in ("meta", "heads", "outbox", "records", "invitations", "accepted", "mls_rows"):
        for row in db.all(f"SELECT * FROM {table}"):  # noqa: S608 - the names stand here
            found += [value for value in row if isinstance(value, bytes)]
    return found


def everything(database: Path) -> list[bytes]:
    """Return every binary value of every table of a copied, unencrypted database."""
    names = rows(database, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return [
        value
        for (table,) in names
        for row in rows(database, f"SELECT * FROM {table}")  # noqa: S608 - from the schema
        for value in row
        if isinstance(value, bytes)
    ]


def opened_by_release(
    slots: Sequence[StolenSlot],
    policy: Policy,
    releases: Iterable[Release],
    agency: hpke.DecryptionKey,
    court: hpke.DecryptionKey,
) -> tuple[list[bytes], set[int]]:
    """Return what two case keys open of ``slots`` by releases, and which seats gave false shares.

    Each share is held against the commitment in the sender's seal by this function itself.
    """
    shares: dict[bytes, dict[int, Share]] = {}
    false: set[int] = set()
    verified = {slot.header.digest: (slot, each) for slot, each in _verified(slots, policy)}
    for release in releases:
        with contextlib.suppress(VerificationError):
            unlocked = unlock(release, agency, court)
            for part in release.slots:
                share = take_share(release, unlocked, part)
                row = verified[part.slot][0].seal.rows[share.seat]
                own = share_commitment(part.slot, share.seat, share.blind, share.share)
                if row is not None and row.commit == own:
                    shares.setdefault(part.slot, {})[share.seat] = share
                else:
                    false.add(share.seat)
    contents: list[bytes] = []
    for digest, found in shares.items():
        slot, stolen = verified[digest]
        with contextlib.suppress(SharesMissing):
            contents += stolen.contents(combine(slot, found))
    return contents, false


def _verified(
    slots: Sequence[StolenSlot], policy: Policy
) -> Iterator[tuple[VerifiedSlot, StolenSlot]]:
    for each in slots:
        yield verify_slot(each.facts, policy), each
