"""The entries of one batch, which are acknowledged together under one signature; knows no store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from glasslock.provider.delivery import Entry
from glasslock.tlog.receipt import make_receipts
from glasslock.wire import api
from glasslock.wire.entry import ReceiptLeaf


@dataclass(frozen=True, slots=True)
class Fresh:
    """An accepted entry that waits for its receipt, with the place of its answer in the batch.

    ``q`` and ``device_head`` are the sender's own line after it.
    """

    place: int
    request_id: int
    entry: Entry
    q: int
    device_head: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An entry with its receipt: what its sender is answered, what everybody is sent."""

    place: int
    group_id: bytes
    answer: api.Accepted
    item: api.EntryItem


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


class Receipts:
    """Collects the entries of a batch; ``leaves`` are what will be signed of them."""

    def __init__(self) -> None:
        """Begin with none."""
        self.leaves: list[ReceiptLeaf] = []
        self._fresh: list[Fresh] = []

    def add(self, fresh: Fresh) -> None:
        """Have an entry acknowledged with the batch."""
        self.leaves.append(leaf_of(fresh.entry))
        self._fresh.append(fresh)

    def signed(self, sign: Callable[[str, bytes], bytes]) -> Iterator[Acknowledged]:
        """Return every entry with its receipt; ``sign(label, content)`` is called once."""
        for fresh, made in zip(self._fresh, make_receipts(self.leaves, sign), strict=True):
            entry, head, receipt = fresh.entry, fresh.entry.head, made.encode()
            yield Acknowledged(
                fresh.place,
                entry.line.group_id,
                api.Accepted(
                    fresh.request_id,
                    head.position,
                    head.time,
                    head.head,
                    receipt,
                    fresh.q,
                    fresh.device_head,
                ),
                api.EntryItem(head.position, head.time, entry.kind.value, entry.data, receipt),
            )
