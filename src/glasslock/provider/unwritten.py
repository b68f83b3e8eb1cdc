"""What a running batch has accepted and not yet written: signed together, written together.

One signature stands for all entries, their rows go to the store in one go, and of what moves with
every message (a line's head, a leaf's slot, a device's own line, a cursor) only the last state is
written. Whoever reads the store in the middle of a batch has this written before. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from glasslock.mls import Device
from glasslock.provider.delivery import Entry, LeafSlot
from glasslock.provider.store import EntryRow, Store
from glasslock.tlog.receipt import make_receipts
from glasslock.wire import api
from glasslock.wire.entry import Head, ReceiptLeaf


class Fresh(NamedTuple):
    """An accepted entry that waits for its receipt, with the place of its answer in the batch.

    ``q`` and ``device_head`` are the sender's own line after it.
    """

    place: int
    request_id: int
    entry: Entry
    sender: Device
    q: int
    device_head: bytes


class Acknowledged(NamedTuple):
    """An entry with its receipt: what its sender is answered, what everybody is sent."""

    place: int
    group_id: bytes
    answer: api.Accepted
    item: api.EntryItem


class Unwritten:
    """Collects what goes to ``store``; ``leaves`` are what will be signed of its entries."""

    def __init__(self, store: Store) -> None:
        """Begin with nothing to write."""
        self._store = store
        self.leaves: list[ReceiptLeaf] = []
        self._fresh: list[Fresh] = []
        self._heads: dict[bytes, Head] = {}
        self._slots: dict[tuple[bytes, int], LeafSlot] = {}
        self._acks: dict[tuple[bytes, Device], int] = {}

    def touches(self, group_id: bytes) -> bool:
        """Say whether there are entries of a group that the store does not have."""
        return group_id in self._heads

    def add(self, fresh: Fresh) -> None:
        """Take an accepted entry."""
        entry = fresh.entry
        self._fresh.append(fresh)
        self.leaves.append(leaf_of(entry))
        self._heads[entry.line.group_id] = entry.head

    def slot(self, group_id: bytes, leaf: int, slot: LeafSlot) -> None:
        """Take the newest slot of a leaf."""
        self._slots[group_id, leaf] = slot

    def ack(self, group_id: bytes, device: Device, position: int) -> None:
        """Take how far a device has stored a line."""
        key = group_id, device
        self._acks[key] = max(position, self._acks.get(key, 0))

    def write(self, sign: Callable[[str, bytes], bytes]) -> list[Acknowledged]:
        """Sign the entries with ``sign(label, content)`` and hand everything to the store."""
        made = [receipt.encode() for receipt in make_receipts(self.leaves, sign)]
        written = [
            _written(fresh, receipt) for fresh, receipt in zip(self._fresh, made, strict=True)
        ]
        if written:
            self._store.put_entries([row for row, _ in written])
            if starts := _starts(self._fresh):
                self._store.put_slot_starts(starts)
            self._store.move_lines(self._heads.items())
            self._store.move_device_lines(
                {each.sender: (each.q, each.device_head) for each in self._fresh}.items()
            )
        if self._slots:
            self._store.put_slots(self._slots.items())
        if self._acks:
            self._store.put_acks(self._acks.items())
        self.forget()
        return [acknowledged for _, acknowledged in written]

    def forget(self) -> None:
        """Drop everything: it was written, or its transaction is gone."""
        for kept in (self.leaves, self._fresh, self._heads, self._slots, self._acks):
            kept.clear()


def leaf_of(entry: Entry) -> ReceiptLeaf:
    """Return what the provider acknowledges of an entry."""
    head, seal = entry.head, entry.seal
    return ReceiptLeaf(
        entry.line.group_id,
        head.position,
        head.time,
        entry.digest,
        head.head,
        None if seal is None else seal.digest,
        None if seal is None else seal.tier1,
    )


def _written(fresh: Fresh, receipt: bytes) -> tuple[EntryRow, Acknowledged]:
    entry, slot = fresh.entry, fresh.entry.slot
    group_id, kind, data = entry.line.group_id, entry.kind.value, entry.data
    position, time, head = entry.head.position, entry.head.time, entry.head.head
    opened = None if slot is None else slot.opened
    row = (
        group_id,
        position,
        time,
        kind,
        entry.digest,
        head,
        data,
        fresh.sender.account,
        fresh.sender.device,
        fresh.q,
        fresh.device_head,
        receipt,
        opened,
        None if slot is None or opened is None else slot.count - 1,
    )
    answer = api.Accepted(
        fresh.request_id, position, time, head, receipt, fresh.q, fresh.device_head
    )
    item = api.EntryItem(position, time, kind, data, receipt)
    return row, Acknowledged(fresh.place, group_id, answer, item)


def _starts(fresh: Iterable[Fresh]) -> list[tuple[bytes, bytes, int]]:
    return [
        (each.entry.line.group_id, slot.slot, slot.opened)
        for each in fresh
        if (slot := each.entry.slot) is not None and slot.opened == each.entry.head.position
    ]
