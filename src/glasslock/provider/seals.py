"""What the provider asks of a seal before it takes the slot's first envelope (section 3).

Digests, signature, shape: it cannot know whether the seal is right, only that its sender is bound
to these bytes and that they are all here. Knows no store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glasslock.errors import VerificationError
from glasslock.sealing.shares import check_unsealed, facts_of_upload, verify_slot
from glasslock.wire.envelope import Opening, SlotHeader
from glasslock.wire.policy import Policy
from glasslock.wire.seal import PerSeat, decode_seal_upload

# Header and encapsulation digests of a tier 1 stored for the group, by its digest.
Tier1At = Callable[[bytes], tuple[bytes, PerSeat] | None]


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

    ``header`` is the decoded one of ``opening`` and names the sender's own signer.

    Raises:
        BadSignature: the seal is not signed by the slot's sender.
        VerificationError: something is missing, or does not fit.
        WireError: the upload is malformed.
    """
    if policy.access is None:
        check_unsealed(header, opening)
        if upload is not None:
            raise VerificationError("this policy has no seals", rule="slot.sealed")
        return None
    if upload is None or header.tier1 is None:
        raise VerificationError("this policy asks for a seal", rule="slot.unsealed")
    given = decode_seal_upload(upload)
    stored = None if opening.tier1_header is not None else tier1_at(header.tier1)
    facts = facts_of_upload(opening, given, stored)
    slot = verify_slot(facts, policy)
    new = None
    if given.encs is not None:
        new = NewTier1(header.tier1, facts.tier1_header, given.encs)
    return TakenSeal(header.digest, slot.seal.digest, header.tier1, given.seal, new)
