"""From an order and what the provider gave to what was granted, opened: the desk's own judgement.

Knows no store, no network and no group. The steps: a proven case, releases that were announced in
the log, slot by slot opened with both case keys, then everything said that is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from glasslock.casefile.findings import Opening
from glasslock.casefile.opening import read_case
from glasslock.casefile.proving import ProvenCase
from glasslock.desk.releases import CaseKeyPair, accept_releases, open_slots
from glasslock.wire.api import KeptEntry


def open_case(
    case: ProvenCase, entries: Sequence[KeptEntry], releases: Sequence[bytes], keys: CaseKeyPair
) -> Opening:
    """Open exactly what was granted, and name everything that is missing or wrong.

    Raises nothing about what others gave: that is what the result tells.
    """
    accepted, faults = accept_releases(releases, case.admitted, case.access, case.record, keys)
    slots = open_slots(case.checked.slots, accepted, case.policy, case.access)
    return read_case(case, entries, slots, faults, [each.release.seat for each in accepted])
