"""Somebody with a whole disk tries everything on it as a key: what opens is loot.

A string of 32 bytes may be any station on the way to a body: a node of the slot tree at some depth,
the secret of a leaf, a slot key, a chain key, a message key. All of them are followed to the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from glasslock.errors import GlasslockError
from glasslock.lab.store import KEY, envelopes
from glasslock.sealing.body import open_body
from glasslock.sealing.slots import DEPTH, chain_start, chain_step, leaf_secret, slot_key
from glasslock.wire.codec import Value, decode
from glasslock.wire.digest import derive
from glasslock.wire.envelope import Envelope, SlotHeader, decode_slot_header
from glasslock.wire.labels import Label


@dataclass(frozen=True)
class Lock:
    """A message, by default the first of its slot, and what leads to its key."""

    header: SlotHeader
    envelope: Envelope

    def opened(self, secrets: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the body for every way in which one of ``secrets`` leads to it."""
        for secret in secrets:
            for key in self._keys(secret):
                found = self._open(key)
                if found is not None:
                    yield found

    def _open(self, key: bytes) -> bytes | None:
        signer, header = self.header.signer, self.envelope.message_header
        try:
            return open_body(key, header, self.envelope.body, signer).content
        except GlasslockError:
            return None

    def _keys(self, secret: bytes) -> Iterator[bytes]:
        yield secret
        # The chain key of this message, or of the first.
        yield chain_step(secret, self.envelope.message_header.m)[0]
        for chain in (secret, chain_start(secret), self._chain(secret)):
            yield self._stepped(chain)
        # A node of unknown depth: follow the slot's last bits down from every depth there is.
        for depth in range(DEPTH + 1):
            node = secret
            for bit in range(DEPTH - depth - 1, -1, -1):
                right = self.header.tau >> bit & 1
                node = derive(node, Label.TREE_RIGHT if right else Label.TREE_LEFT)
            leaf = leaf_secret(node, self.header.leaf, self.header.credential)
            yield self._stepped(self._chain(leaf))

    def _stepped(self, chain: bytes) -> bytes:
        key = b""
        for m in range(self.envelope.message_header.m + 1):
            key, chain = chain_step(chain, m)
        return key

    def _chain(self, secret: bytes) -> bytes:
        return chain_start(slot_key(secret, self.header.digest))


def locks(database: Path) -> list[Lock]:
    """Return the first message of every slot in a provider's database."""
    return [
        Lock(decode_slot_header(each.opening.slot_header), each)
        for each in envelopes(database)
        if each.opening is not None
    ]


def strings(values: Iterable[bytes]) -> set[bytes]:
    """Return what in ``values`` looks like a key: 32 bytes, alone or as an item of CBOR."""
    found: set[bytes] = set()
    for value in values:
        if len(value) == KEY:
            found.add(value)
        try:
            found.update(each for each in _inside(decode(value, limit=1 << 24)) if len(each) == KEY)
        except GlasslockError:
            continue
    return found


def _inside(value: Value) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _inside(item)
