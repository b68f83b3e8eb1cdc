"""From releases to slot keys: which releases count, whose share was false, which slots open.

Knows one logged order, its seats and the case keys; does not read a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from glasslock import hpke
from glasslock.casefile.findings import Fault, Gap
from glasslock.casefile.opening import OpenSlots
from glasslock.casefile.releases import accept_release, fault_of, place_of
from glasslock.errors import GlasslockError, StateError, VerificationError
from glasslock.orders.ledger import OrderRecord
from glasslock.orders.manifest import GrantedSlot
from glasslock.orders.review import AdmittedOrder
from glasslock.sealing.releasing import Unlocked, take_share, unlock
from glasslock.sealing.shares import (
    FalseShare,
    Share,
    Tier1s,
    VerifiedSlot,
    check_share,
    combine,
    verify_listed,
)
from glasslock.wire.policy import Access, Policy
from glasslock.wire.release import Release, ReleasedSlot


@dataclass(frozen=True, slots=True)
class CaseKeyPair:
    """Both case keys: opening takes agency and court registry together."""

    agency: hpke.DecryptionKey
    registry: hpke.DecryptionKey


@dataclass(frozen=True, slots=True)
class AcceptedRelease:
    """A release that its keyholder signed and announced in the log, for these case keys."""

    release: Release
    keys: Unlocked = field(repr=False)
    slots: dict[bytes, ReleasedSlot] = field(repr=False)


def accept_releases(
    releases: Sequence[bytes],
    admitted: AdmittedOrder,
    access: Access,
    record: OrderRecord,
    keys: CaseKeyPair,
) -> tuple[list[AcceptedRelease], list[Fault]]:
    """Return the releases that count, at most one per seat, and what is wrong with the others.

    Raises:
        StateError: the case keys are not those that the order names.
    """
    named = (admitted.agency.key, admitted.registry.key)
    if (keys.agency.public, keys.registry.public) != named:
        raise StateError("these are not the case keys that the order names", rule="case.keys")
    accepted: dict[int, AcceptedRelease] = {}
    faults: list[Fault] = []
    for number, data in enumerate(releases):
        try:
            release = accept_release(data, admitted.digest, access, record)
            unlocked = unlock(release, keys.agency, keys.registry)
        except GlasslockError as error:
            faults.append(fault_of(data, access, error, number))
            continue
        by_slot = {each.slot: each for each in release.slots}
        accepted.setdefault(release.seat, AcceptedRelease(release, unlocked, by_slot))
    return [accepted[seat] for seat in sorted(accepted)], faults


def open_slots(
    granted: Sequence[GrantedSlot],
    accepted: Sequence[AcceptedRelease],
    policy: Policy,
    access: Access,
) -> OpenSlots:
    """Combine what was released of each granted slot, and of no other."""
    opened, tier1s = OpenSlots(), Tier1s()
    for slot in granted:
        try:
            tier1 = (slot.tier1.header, slot.tier1.encs)
            sealed = verify_listed(slot.opening, slot.kept.seal, tier1, policy, tier1s)
            shares = _shares(sealed, accepted, access, opened.faults)
            opened.keys.append((slot, combine(sealed, shares)))
        except GlasslockError as error:
            opened.gaps.append(Gap(place_of(slot), error.rule or error.slug, str(error)))
    wanted = {slot.header.digest for slot in granted}
    for each in accepted:
        opened.faults.extend(
            _fault(each, access, "release.ungranted", "released a slot nobody asked for", digest)
            for digest in sorted(each.slots.keys() - wanted)
        )
    return opened


def _shares(
    sealed: VerifiedSlot,
    accepted: Sequence[AcceptedRelease],
    access: Access,
    faults: list[Fault],
) -> dict[int, Share]:
    """Return the shares of a slot that are what was sealed; whose are not is named."""
    shares: dict[int, Share] = {}
    place = sealed.header.digest
    for each in accepted:
        seat, released = each.release.seat, each.slots.get(place)
        if sealed.seal.rows[seat] is None:
            continue
        if released is None or released.seal != sealed.seal.digest:
            faults.append(_fault(each, access, "release.short", "left a granted slot out", place))
            continue
        try:
            share = take_share(each.release, each.keys, released)
            check_share(sealed, share)
        except (FalseShare, VerificationError) as error:
            rule = error.rule or error.slug
            faults.append(_fault(each, access, rule, str(error), place))
            continue
        shares[seat] = share
    return shares


def _fault(each: AcceptedRelease, access: Access, rule: str, says: str, slot: bytes) -> Fault:
    seat = each.release.seat
    return Fault(seat, access.seats[seat].keyholder, rule, says, slot)
