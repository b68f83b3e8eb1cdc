"""Seals as a member makes and recomputes them (protocol section 3, client's half).

Pure: takes the conversation's tiers, gives the tier that follows. A sender and its readers run
the same ``sealing`` code over the same inputs; what differs by one bit is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

from glasslock.client.policies import BookBehind
from glasslock.client.state import Tier
from glasslock.errors import SealMismatch, StateError, VerificationError
from glasslock.sealing.roster import REVOCATION_GRACE, DayRoster, StaleRoster, check_roster
from glasslock.sealing.seal import (
    Tier1,
    check_seal,
    check_tier1,
    make_seal,
    make_tier1,
)
from glasslock.sealing.shares import check_slot_signature, check_tier1_header, check_unsealed
from glasslock.sealing.slots import day_of
from glasslock.wire.codec import encode
from glasslock.wire.envelope import Opening, SlotHeader
from glasslock.wire.policy import Access, Policy
from glasslock.wire.seal import PerSeat, Seal, SealUpload, Tier1Header, decode_tier1_header

# A sender whose view of the log is older than this does not seal: keys may have been revoked.
FRESH_SECONDS: Final = REVOCATION_GRACE


class Book(Protocol):
    """What must be known of the policy log."""

    time: int

    def rosters(self, policy: Policy, day: int, at: int) -> tuple[DayRoster, ...]:
        """Return the rosters that an entry at ``at`` may use on ``day``."""


class SlotMismatch(SealMismatch):
    """A member sealed a slot to something else than its readers compute."""

    slug = "slot-mismatch"

    def __init__(self, found: SealMismatch, evidence: bytes) -> None:
        """Make the error of what was ``found``; ``evidence`` is what ``_evidence`` writes."""
        super().__init__(str(found), rule=found.rule)
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class Sealed:
    """What goes with a slot header: its seal, and the tier 1 when that is new."""

    seal: Seal
    tier1: Tier1 | None

    def opening(self, header: SlotHeader, signature: bytes) -> Opening:
        """Return the opening of the slot's first envelope."""
        first = None if self.tier1 is None else self.tier1.header.encoded
        return Opening(header.encoded, self.seal.digest, signature, first)

    def upload(self) -> bytes:
        """Return what travels beside that envelope."""
        return SealUpload(
            self.seal.encoded, None if self.tier1 is None else self.tier1.encs
        ).encode()


def make(
    policy: Policy,
    book: Book | None,
    tier: Tier | None,
    header: SlotHeader,
    secret: bytes,
    now: int,
) -> tuple[SlotHeader, Sealed, Tier]:
    """Seal a slot of one's own; returns its header with tier 1, the seal, the tier that follows.

    ``header`` names no tier 1 yet; ``secret`` is S of the own leaf in its slot.

    Raises:
        BookBehind: the policy log was not read lately enough.
        KeyRejected: two keyholders have the same key.
        SeatsVacant: too few keyholders have a key for the day.
    """
    access = _access(policy)
    if book is None or book.time < now - FRESH_SECONDS:
        raise BookBehind("the policy log was not read lately", rule="seal.book")
    day = day_of(policy.clocks, header.tau)
    roster = book.rosters(policy, day, now)[0]
    if _may_fill(policy, day, roster.key_ids, book.time, now):
        raise BookBehind("a vacant seat may have been filled since", rule="seal.book")
    roster.check_sendable()
    tier1 = None
    if tier is not None and _serves(tier, day, header.tau, roster):
        keys, named, first = tier.keys.at(header.tau), tier.digest, tier.header
    else:
        tier1, keys = make_tier1(secret, _tier1_header(header, day, roster), roster)
        named, first = tier1.digest, tier1.header.encoded
    header = replace(header, tier1=named)
    seal = make_seal(secret, header, access.shape, keys)
    return header, Sealed(seal, tier1), Tier(day, first, named, keys.at(header.tau + 1))


def _serves(tier: Tier, day: int, tau: int, roster: DayRoster) -> bool:
    """Say whether a tier 1 in force may be named: same day, same keys, still to be stepped on."""
    keys = decode_tier1_header(tier.header).key_ids
    return tier.day == day and keys == roster.key_ids and tier.keys.tau <= tau


def check(
    policy: Policy,
    book: Book | None,
    tier: Tier | None,
    header: SlotHeader,
    opening: Opening,
    secret: bytes,
    time: int,
) -> Tier | None:
    """Recompute tier 1 and seal of another member's slot in an entry at ``time`` (unix seconds).

    Returns the tier in force after it, None under a policy without keyholders. ``header`` is the
    decoded one of ``opening`` and names the leaf's own signer.

    Raises:
        BadSignature: the sender has not signed the seal digest; nobody is to blame yet.
        BookBehind: the policy log must be read first.
        StaleRoster: sealed to other keys than the log has.
        SlotMismatch: signed by its sender, and not what its readers compute.
        VerificationError: opening and tier 1 do not fit the slot or its policy.
    """
    if policy.access is None:
        check_unsealed(header, opening)
        return None
    if opening.seal_digest is None or opening.signature is None or header.tier1 is None:
        raise VerificationError("this policy asks for a seal", rule="slot.unsealed")
    check_slot_signature(header, opening.seal_digest, opening.signature)
    tier1, tier = _tier_of(policy, book, tier, header, opening, secret, time)
    if tier1 is not None:
        try:
            check_tier1(header.tier1, tier1)
        except SealMismatch as error:
            raise SlotMismatch(error, _evidence(header, opening, tier1, None)) from error
    seal = make_seal(secret, header, policy.access.shape, tier.keys)
    try:
        check_seal(opening.seal_digest, seal)
    except SealMismatch as error:
        raise SlotMismatch(error, _evidence(header, opening, tier1, seal)) from error
    return replace(tier, keys=tier.keys.at(header.tau + 1))


def _tier_of(
    policy: Policy,
    book: Book | None,
    tier: Tier | None,
    header: SlotHeader,
    opening: Opening,
    secret: bytes,
    time: int,
) -> tuple[Tier1 | None, Tier]:
    """Return the tier 1 recomputed, when it is new, and the tier with its keys at the slot."""
    day, named, first = day_of(policy.clocks, header.tau), header.tier1, opening.tier1_header
    if first is None:
        if tier is None or (tier.day, tier.digest) != (day, named):
            raise VerificationError("no such tier 1 is in force", rule="slot.tier1-missing")
        return None, replace(tier, keys=tier.keys.at(header.tau))
    claimed = decode_tier1_header(first)
    check_tier1_header(header, claimed, policy.clocks)
    if claimed.tau != header.tau:
        raise VerificationError("a new tier 1 is of another slot", rule="slot.tier1-new")
    roster = _roster(policy, book, claimed, time)
    tier1, keys = make_tier1(secret, claimed, roster)
    return tier1, Tier(day, first, tier1.digest, keys)


def _evidence(
    header: SlotHeader, opening: Opening, tier1: Tier1 | None, seal: Seal | None
) -> bytes:
    """Return what is kept of a mismatch.

    Array: slot header, signed seal digest, slot signature, own tier 1 digest, own seal digest; the
    own digests are null where nothing was computed.
    """
    own = (None if tier1 is None else tier1.digest, None if seal is None else seal.digest)
    return encode((header.encoded, opening.seal_digest, opening.signature, *own))


def _may_fill(policy: Policy, day: int, key_ids: PerSeat, read: int, time: int) -> bool:
    """Say whether the log may have filled a vacant seat after ``read``: proofs count to midnight.

    A seat that has a key keeps it, so a full roster can only lose keys.
    """
    return None in key_ids and read < min(time, day * policy.clocks.day_seconds)


def _roster(policy: Policy, book: Book | None, named: Tier1Header, time: int) -> DayRoster:
    if book is None or book.time < time - REVOCATION_GRACE:
        # Anything up to this old may be told by keys that were revoked within the hour.
        raise BookBehind("the policy log was not read lately", rule="seal.book")
    if _may_fill(policy, named.day, named.key_ids, book.time, time):
        raise BookBehind("a vacant seat may have been filled since", rule="seal.book")
    try:
        return check_roster(named, book.rosters(policy, named.day, time))
    except StaleRoster:
        if book.time < time:
            raise BookBehind("the policy log may have other keys", rule="seal.book") from None
        raise


def _tier1_header(header: SlotHeader, day: int, roster: DayRoster) -> Tier1Header:
    return Tier1Header(
        header.policy,
        header.group_id,
        header.epoch,
        header.context,
        header.leaf,
        header.credential,
        day,
        header.tau,
        roster.key_ids,
    )


def _access(policy: Policy) -> Access:
    if policy.access is None:
        raise StateError("this policy has no seals", rule="seal.none")
    return policy.access
