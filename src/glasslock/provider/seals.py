"""What the provider checks of a seal before it takes the slot's first envelope (section 3).

Digests, signature, shape: it cannot know whether the seal is right, only that its sender is bound
to these bytes and that they are all here. Knows no store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glasslock import signing
from glasslock.errors import VerificationError
from glasslock.wire.codec import encode
from glasslock.wire.envelope import Opening, SlotHeader
from glasslock.wire.labels import Label
from glasslock.wire.policy import Policy
from glasslock.wire.seal import (
    PerSeat,
    SealUpload,
    Tier1Header,
    decode_seal,
    decode_seal_upload,
    decode_tier1_header,
    encapsulation_digests,
    tier1_digest,
)

Tier1At = Callable[[bytes], Tier1Header | None]


@dataclass(frozen=True, slots=True)
class NewTier1:
    """A tier 1 to be stored: its digest, its header and its encapsulations as they came."""

    digest: bytes
    header: bytes
    encs: PerSeat


@dataclass(frozen=True, slots=True)
class TakenSeal:
    """A seal to be stored with its slot's first envelope."""

    slot: bytes
    digest: bytes
    tier1: bytes
    seal: bytes
    new: NewTier1 | None


def take_seal(
    policy: Policy, header: SlotHeader, opening: Opening, upload: bytes | None, tier1_at: Tier1At
) -> TakenSeal | None:
    """Check what came with an opening; None under a policy without keyholders.

    ``tier1_at`` gives the header of a tier 1 stored for this group, by digest.

    Raises:
        VerificationError: something is missing, does not fit, or is not signed.
        WireError: the upload is malformed.
    """
    if policy.access is None:
        if upload is not None or (opening.seal_digest, header.tier1) != (None, None):
            raise VerificationError("this policy has no seals", rule="seal.none")
        return None
    if upload is None or opening.seal_digest is None or opening.signature is None:
        raise VerificationError("this policy wants every slot sealed", rule="seal.missing")
    if header.tier1 is None:
        raise VerificationError("the slot names no tier 1", rule="seal.tier1")
    statement = encode((header.digest, opening.seal_digest))
    signing.verify(header.signer, Label.SIGN_SLOT, statement, opening.signature)
    given = decode_seal_upload(upload)
    new, named = _tier1(policy, header, opening, given, tier1_at)
    seal = decode_seal(given.seal)
    if (seal.digest, seal.slot) != (opening.seal_digest, header.digest):
        raise VerificationError("the seal is not the one that was signed", rule="seal.digest")
    if [row is None for row in seal.rows] != [key is None for key in named.key_ids]:
        raise VerificationError("seal and tier 1 have other seats", rule="seal.seats")
    return TakenSeal(header.digest, seal.digest, header.tier1, given.seal, new)


def _tier1(
    policy: Policy, header: SlotHeader, opening: Opening, given: SealUpload, tier1_at: Tier1At
) -> tuple[NewTier1 | None, Tier1Header]:
    if opening.tier1_header is None:
        named = None if header.tier1 is None else tier1_at(header.tier1)
        if named is None or given.encs is not None:
            raise VerificationError("no such tier 1 is stored", rule="seal.tier1")
        _check_tier1_header(policy, header, named)
        return None, named
    named = decode_tier1_header(opening.tier1_header)
    _check_tier1_header(policy, header, named)
    encs = given.encs
    if encs is None or [e is None for e in encs] != [k is None for k in named.key_ids]:
        raise VerificationError("encapsulations are missing", rule="seal.encs")
    digest = tier1_digest(named.digest, encapsulation_digests(encs))
    if named.tau != header.tau or digest != header.tier1:
        raise VerificationError("the tier 1 is not the one that was named", rule="seal.tier1")
    return NewTier1(digest, opening.tier1_header, encs), named


def _check_tier1_header(policy: Policy, header: SlotHeader, named: Tier1Header) -> None:
    facts = (
        header.policy,
        header.group_id,
        header.epoch,
        header.context,
        header.leaf,
        header.credential,
        header.tau // policy.clocks.slots_per_day,
    )
    claims = (
        named.policy,
        named.group_id,
        named.epoch,
        named.context,
        named.leaf,
        named.credential,
        named.day,
    )
    seats = 0 if policy.access is None else len(policy.access.seats)
    if claims != facts or named.tau > header.tau or len(named.key_ids) != seats:
        raise VerificationError("a tier 1 is of another slot", rule="seal.tier1-header")
