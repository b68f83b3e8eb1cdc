"""Seals as a member makes and recomputes them (protocol section 3, client's half).

Pure: takes the conversation's tiers, gives the tier that follows. A sender and its readers run
the same ``sealing`` code over the same inputs; what differs by one bit is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

from glasslock import signing
from glasslock.client.state import Tier
from glasslock.errors import SealMismatch, StateError, VerificationError
from glasslock.mls import Leaf
from glasslock.sealing.roster import REVOCATION_GRACE, DayRoster, StaleRoster, check_roster
from glasslock.sealing.seal import (
    SeatKeys,
    Tier1,
    check_seal,
    check_tier1,
    make_seal,
    make_tier1,
)
from glasslock.sealing.slots import day_of
from glasslock.wire.codec import encode
from glasslock.wire.entry import ReceiptLeaf
from glasslock.wire.envelope import Opening, SlotHeader
from glasslock.wire.labels import Label
from glasslock.wire.policy import Access, Policy
from glasslock.wire.seal import Seal, SealUpload, Tier1Header, decode_tier1_header

# A sender whose view of the log is older than this does not seal: keys may have been revoked.
FRESH_SECONDS: Final = REVOCATION_GRACE


class Book(Protocol):
    """What must be known of the policy log."""

    time: int

    def rosters(self, policy: Policy, day: int, at: int) -> tuple[DayRoster, ...]:
        """Return the rosters that an entry at ``at`` may use on ``day``."""


class BookBehind(StateError):
    """The policy log must be read further before this can be judged."""

    slug = "book-behind"


class SlotMismatch(SealMismatch):
    """A member sealed a slot to something else than its readers compute."""

    slug = "slot-mismatch"
    evidence = b""


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


def slot_statement(header: SlotHeader, seal_digest: bytes) -> bytes:
    """Return what the sender signs in the clear: ``cbor([Hh, seal_digest])``."""
    return encode((header.digest, seal_digest))


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
        SeatsVacant: too few keyholders have a key for the day.
    """
    access = _access(policy)
    if book is None or book.time < now - FRESH_SECONDS:
        raise BookBehind("the policy log was not read lately", rule="seal.book")
    day = day_of(policy.clocks, header.tau)
    roster = book.rosters(policy, day, now)[0]
    tier1 = None
    if tier is not None and tier.day == day and _key_ids(tier) == roster.key_ids:
        keys, named = tier.keys.at(header.tau), tier.digest
        first = tier.header
    else:
        tier1, keys = make_tier1(secret, _tier1_header(header, day, roster), roster)
        named, first = tier1.digest, tier1.header.encoded
    header = replace(header, tier1=named)
    seal = make_seal(secret, header, access.shape, keys)
    return header, Sealed(seal, tier1), Tier(day, first, named, keys.at(header.tau + 1))


@dataclass(frozen=True)
class Claim:
    """What a slot's first envelope says of its seal, beside its header."""

    header: SlotHeader
    opening: Opening
    leaf: Leaf
    receipt: ReceiptLeaf
    time: int


def check(
    policy: Policy, book: Book | None, tier: Tier | None, claim: Claim, secret: bytes
) -> Tier | None:
    """Recompute tier 1 and seal of another member's slot; returns the tier that follows.

    Raises:
        BadSignature: the sender has not signed the seal digest; nobody is to blame yet.
        BookBehind: the policy log must be read first.
        StaleRoster: sealed to other keys than the log has.
        SlotMismatch: signed by its sender, and not what its readers compute.
        VerificationError: header, tier 1 or receipt do not fit each other.
    """
    header, opening = claim.header, claim.opening
    if policy.access is None:
        if (opening.seal_digest, header.tier1, claim.receipt.seal) != (None, None, None):
            raise VerificationError("a seal where the policy has none", rule="receive.seal")
        return None
    digest, signature = opening.seal_digest, opening.signature
    if digest is None or signature is None or header.tier1 is None:
        raise VerificationError("the slot is not sealed", rule="receive.unsealed")
    statement = slot_statement(header, digest)
    signing.verify(claim.leaf.signer, Label.SIGN_SLOT, statement, signature)
    if (claim.receipt.seal, claim.receipt.tier1) != (digest, header.tier1):
        raise VerificationError("the receipt is of another seal", rule="receive.receipt")
    try:
        return _recompute(policy, book, tier, claim, secret)
    except SealMismatch as error:
        mismatch = SlotMismatch(str(error), rule=error.rule)
        mismatch.evidence = encode((header.encoded, digest, signature))
        raise mismatch from error


def _recompute(
    policy: Policy, book: Book | None, tier: Tier | None, claim: Claim, secret: bytes
) -> Tier:
    header, first = claim.header, claim.opening.tier1_header
    day = day_of(policy.clocks, header.tau)
    if first is not None:
        named = decode_tier1_header(first)
        roster = _roster(policy, book, named, claim.time)
        if named != _tier1_header(header, day, roster):
            raise VerificationError("a tier 1 is of another slot", rule="receive.tier1-header")
        own, keys = make_tier1(secret, named, roster)
        check_tier1(header.tier1, own)
    else:
        if tier is None or (tier.day, tier.digest) != (day, header.tier1):
            raise VerificationError("no such tier 1 is in force", rule="receive.tier1")
        first, keys = tier.header, tier.keys.at(header.tau)
    seal = make_seal(secret, header, _access(policy).shape, keys)
    check_seal(claim.opening.seal_digest, seal)
    return _following(day, first, header, keys)


def _following(day: int, first: bytes, header: SlotHeader, keys: SeatKeys) -> Tier:
    return Tier(day, first, header.tier1 or b"", keys.at(header.tau + 1))


def _roster(policy: Policy, book: Book | None, named: Tier1Header, time: int) -> DayRoster:
    if book is None or book.time < time - REVOCATION_GRACE:
        # Anything up to this old may be told by keys that were revoked within the hour.
        raise BookBehind("the policy log was not read lately", rule="receive.book")
    try:
        return check_roster(named, book.rosters(policy, named.day, time))
    except StaleRoster:
        if book.time < time:
            raise BookBehind("the policy log may have other keys", rule="receive.book") from None
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


def _key_ids(tier: Tier) -> tuple[bytes | None, ...]:
    return decode_tier1_header(tier.header).key_ids


def _access(policy: Policy) -> Access:
    if policy.access is None:
        raise StateError("this policy has no seals", rule="seal.none")
    return policy.access
