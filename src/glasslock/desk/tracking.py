"""Where an order stands by the log: announced, sent, refused, by class; who spoke for which seat.

Knows the orders log as it was replayed and a policy's seats; knows no store.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from glasslock.orders.ledger import OrderRecord
from glasslock.wire.leaf import DoneLeaf, IntentLeaf, RefusalLeaf, ReportLeaf
from glasslock.wire.policy import Access


@dataclass(frozen=True, slots=True)
class SeatStatus:
    """One keyholder's answer so far."""

    seat: int
    keyholder: str
    of_class: str
    announced: bool
    released: bool
    done: bool
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class ClassStatus:
    """Releases of one class against its threshold."""

    name: str
    threshold: int
    seats: int
    released: int


def seats_of(
    record: OrderRecord | None, access: Access, released: Collection[int]
) -> list[SeatStatus]:
    """Return every seat's answer; ``released`` are the seats whose release this desk has."""
    found = []
    number = 0
    for group in access.classes:
        for seat in group.seats:
            said = [] if record is None else [s.leaf for s in record.by(seat.signing_key)]
            mine = [
                leaf
                for leaf in said
                if isinstance(leaf, IntentLeaf | DoneLeaf | RefusalLeaf) and leaf.seat == number
            ]
            refusal = next((leaf for leaf in mine if isinstance(leaf, RefusalLeaf)), None)
            found.append(
                SeatStatus(
                    number,
                    seat.keyholder,
                    group.name,
                    any(isinstance(leaf, IntentLeaf) for leaf in mine),
                    number in released,
                    any(isinstance(leaf, DoneLeaf) for leaf in mine),
                    None if refusal is None else f"{refusal.rule}: {refusal.ground}",
                )
            )
            number += 1
    return found


def classes_of(seats: Collection[SeatStatus], access: Access) -> list[ClassStatus]:
    """Count releases that were announced, per class."""
    return [
        ClassStatus(
            group.name,
            group.threshold,
            len(group.seats),
            sum(s.of_class == group.name and s.released and s.announced for s in seats),
        )
        for group in access.classes
    ]


def reported(record: OrderRecord | None, key: bytes) -> ReportLeaf | None:
    """Return what the issuing authority of ``key`` has reported."""
    said = [] if record is None else record.by(key)
    return next((s.leaf for s in said if isinstance(s.leaf, ReportLeaf)), None)
