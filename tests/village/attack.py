"""Somebody with a device's whole state and the provider's whole database tries every key it has.

Each byte string of 32 bytes in the state is tried as whatever it could be on the way to a body:
node of the slot tree at any depth, slot node, leaf secret, slot key, chain key, message key.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glasslock.client import Client
from glasslock.sealing.slots import DEPTH, chain_start, chain_step, leaf_secret, slot_key
from glasslock.wire.codec import Value, decode
from glasslock.wire.digest import derive
from glasslock.wire.envelope import Envelope, SlotHeader, decode_envelope, decode_slot_header
from glasslock.wire.labels import Label

KEY = 32


@dataclass(frozen=True)
class Target:
    """The first envelope of a slot."""

    header: SlotHeader
    envelope: Envelope

    def opened_with(self, key: bytes) -> bool:
        """Say whether ``key`` is its message key: the body's commitment tells."""
        both = derive(key, Label.BODY, self.envelope.message_header.digest, length=2 * KEY)
        return hmac.compare_digest(both[KEY:], self.envelope.body[:KEY])

    def keys_from(self, secret: bytes) -> Iterator[bytes]:
        """Yield every message key 0 that ``secret`` could lead to."""
        yield secret
        yield chain_step(secret, 0)[0]
        yield chain_step(chain_start(secret), 0)[0]
        slot = slot_key(secret, self.header.digest)
        yield chain_step(chain_start(slot), 0)[0]
        for depth in range(DEPTH + 1):
            yield self._through_tree(secret, depth)

    def _through_tree(self, node: bytes, depth: int) -> bytes:
        for bit in range(DEPTH - depth - 1, -1, -1):
            right = self.header.tau >> bit & 1
            node = derive(node, Label.TREE_RIGHT if right else Label.TREE_LEFT)
        secret = leaf_secret(node, self.header.leaf, self.header.credential)
        return chain_step(chain_start(slot_key(secret, self.header.digest)), 0)[0]


@dataclass(frozen=True)
class Secrets:
    """Everything of 32 bytes that a device has stored about a group."""

    strings: frozenset[bytes]

    def __add__(self, other: Secrets) -> Secrets:
        return Secrets(self.strings | other.strings)

    @classmethod
    def of(cls, client: Client, group: bytes) -> Secrets:
        """Take the state as it is on disk, with the outbox."""
        db = client._store._db
        blobs = [row[0] for row in db.all("SELECT state FROM groups WHERE group_id = ?", (group,))]
        found: set[bytes] = set()
        for blob in blobs:
            found.update(_strings(decode(blob, limit=1 << 24)))
        for table in ("meta", "heads", "outbox", "records", "invitations", "accepted"):
            for row in db.all(f"SELECT * FROM {table}"):  # noqa: S608 - the names stand here
                for value in row:
                    if isinstance(value, bytes):
                        found.update(value[at : at + KEY] for at in range(len(value) - KEY + 1))
        return cls(frozenset(item for item in found if len(item) == KEY))

    def opens(self, target: Target) -> bool:
        """Say whether any of it leads to the target's body."""
        return any(
            target.opened_with(key) for secret in self.strings for key in target.keys_from(secret)
        )


def openings_of(database: Path) -> list[Target]:
    """Return the first envelopes of all slots in the order of the line."""
    db = sqlite3.connect(database)
    try:
        rows = db.execute(
            "SELECT data FROM entries WHERE kind = 'envelope' ORDER BY position"
        ).fetchall()
    finally:
        db.close()
    envelopes = [decode_envelope(data) for (data,) in rows]
    return [
        Target(decode_slot_header(envelope.opening.slot_header), envelope)
        for envelope in envelopes
        if envelope.opening is not None
    ]


def _strings(value: Value) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _strings(item)
