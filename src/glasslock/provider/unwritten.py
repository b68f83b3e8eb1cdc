"""What a running batch has accepted and not yet written: each table in one go, each line once.

Rows of many messages go to the store together, and of what moves with every message (a line's
head, a leaf's slot, a device's own line, a cursor) only the last state is written. Whoever reads
the store in the middle of a batch has this written before. Decides nothing.
"""

from __future__ import annotations

from glasslock.mls import Device
from glasslock.provider.delivery import Entry, LeafSlot
from glasslock.provider.store import EntryRow, Store
from glasslock.wire.entry import Head


class Unwritten:
    """Collects what goes to ``store``."""

    def __init__(self, store: Store) -> None:
        """Begin with nothing to write."""
        self._store = store
        self._entries: list[EntryRow] = []
        self._heads: dict[bytes, Head] = {}
        self._slots: dict[tuple[bytes, int], LeafSlot] = {}
        self._devices: dict[Device, tuple[int, bytes]] = {}
        self._acks: dict[tuple[bytes, Device], int] = {}

    def touches(self, group_id: bytes) -> bool:
        """Say whether there are entries of a group that the store does not have."""
        return group_id in self._heads

    def add(self, entry: Entry, sender: Device, q: int, device_head: bytes) -> None:
        """Take an accepted entry, the ``q``-th of its sender."""
        head, group_id = entry.head, entry.line.group_id
        self._entries.append(
            (
                group_id,
                head.position,
                head.time,
                entry.kind.value,
                entry.digest,
                head.head,
                entry.data,
                sender.account,
                sender.device,
                q,
                device_head,
            )
        )
        self._heads[group_id] = head
        self._devices[sender] = q, device_head

    def slot(self, group_id: bytes, leaf: int, slot: LeafSlot) -> None:
        """Take the newest slot of a leaf."""
        self._slots[group_id, leaf] = slot

    def ack(self, group_id: bytes, device: Device, position: int) -> None:
        """Take how far a device has stored a line."""
        key = group_id, device
        self._acks[key] = max(position, self._acks.get(key, 0))

    def write(self) -> None:
        """Hand everything to the store."""
        if self._entries:
            self._store.put_entries(self._entries)
            self._store.move_lines(self._heads.items())
            self._store.move_device_lines(self._devices.items())
        if self._slots:
            self._store.put_slots(self._slots.items())
        if self._acks:
            self._store.put_acks(self._acks.items())
        self.forget()

    def forget(self) -> None:
        """Drop everything: it was written, or its transaction is gone."""
        for kept in (self._entries, self._heads, self._slots, self._devices, self._acks):
            kept.clear()
