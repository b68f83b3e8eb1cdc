"""What an opening found, said whole: messages, everything that is missing, who did not keep word.

Knows a proven case, what the provider handed over and the keys of opened slots; knows no case key
and no release. Desk and verifier of a case file come to the same words from the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from glasslock.casefile.bundle import Bundle, read_bundle
from glasslock.casefile.completeness import (
    Granted,
    missing_entries,
    unproven_ends,
    without_line,
)
from glasslock.casefile.findings import Fault, Gap, Opening, in_order
from glasslock.casefile.proving import ProvenCase
from glasslock.casefile.reading import read_slots
from glasslock.orders.manifest import GrantedSlot
from glasslock.orders.proportion import ReachedSlot
from glasslock.wire.api import KeptEntry


@dataclass
class OpenSlots:
    """Slot keys W by granted slot, and what stands in the way of the others."""

    keys: list[tuple[GrantedSlot, bytes]] = field(default_factory=list, repr=False)
    gaps: list[Gap] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read_case(
    case: ProvenCase,
    entries: Sequence[KeptEntry],
    slots: OpenSlots,
    faults: Sequence[Fault],
    released: Sequence[int],
) -> Opening:
    """Read exactly the slots whose keys are there, and name everything that is missing or wrong.

    ``faults`` are those of whole releases, ``released`` the seats whose release counts. Raises
    nothing about what others gave: that is what the result tells.
    """
    bundle = read_bundle(entries, case.checked)
    messages, gaps = read_slots(slots.keys, bundle, case.policy)
    gaps += [*bundle.gaps, *slots.gaps]
    gaps += bundle.unread({slot.header.digest for slot, _ in slots.keys})
    granted = Granted(case.admitted.order.grants, case.policy.clocks)
    gaps += missing_entries(case.checked, bundle, granted)
    gaps += without_line(messages, case.checked)
    return Opening(
        messages=tuple(sorted(messages, key=lambda m: (m.place.group_id, m.place.position or 0))),
        gaps=in_order(gaps),
        unproven=in_order(unproven_ends(case.checked, granted)),
        faults=(*faults, *slots.faults),
        slots=len(case.checked.slots),
        opened_slots=len(slots.keys),
        released=tuple(sorted(released)),
        keys={slot.header.digest: key for slot, key in slots.keys},
        reach=tuple(_reached(slot, bundle) for slot in case.checked.slots),
    )


def _reached(slot: GrantedSlot, bundle: Bundle) -> ReachedSlot:
    """Return a granted slot in numbers: what was stored of it and handed over, and when."""
    kept = bundle.entries.get(slot.header.digest, {})
    group_id, tau = slot.kept.group_id, slot.header.tau
    opened = bundle.lines[group_id].at[slot.kept.position].listed.time
    messages = [(each.stored.listed.time, each.body is None) for each in kept.values()]
    return ReachedSlot(group_id, tau, opened, messages)
