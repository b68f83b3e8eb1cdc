"""A keyholder's shares on their way to two case keys, neither of which suffices (section 5.3).

Each share is split by a one-time pad: the pad goes to the court registry, the masked share to the
agency. Knows shares and case keys; does not know whether an order grants a slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from glasslock import hpke, signing
from glasslock.errors import VerificationError
from glasslock.sealing.seal import NONCE, xor
from glasslock.sealing.shares import Share, VerifiedSlot
from glasslock.signing import Signer
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label
from glasslock.wire.release import (
    AGENCY,
    REGISTRY,
    Release,
    ReleasedSlot,
    release_aad,
    release_info,
)

SHARE: Final = 32
FRESH: Final = 96


@dataclass(frozen=True, slots=True)
class CaseKeys:
    """The two public case keys that an order names (X-Wing)."""

    agency: bytes
    registry: bytes


@dataclass(frozen=True, slots=True)
class Unlocked:
    """The keys of a release, decrypted with both case keys."""

    agency: bytes = field(repr=False)
    registry: bytes = field(repr=False)


def make_release(
    order: bytes,
    keys: CaseKeys,
    shares: Sequence[tuple[VerifiedSlot, Share]],
    fresh: bytes,
    key: Signer,
) -> Release:
    """Return one seat's signed release of ``shares``; ``fresh`` are 96 random bytes.

    Raises:
        KeyRejected: a case key is malformed.
        VerificationError: shares of two seats, or none at all.
    """
    seats = {share.seat for _, share in shares}
    if len(seats) != 1:
        raise VerificationError("a release is of one seat", rule="release.seat")
    (seat,) = seats
    agency, registry, pads = fresh[:SHARE], fresh[SHARE : 2 * SHARE], fresh[2 * SHARE :]
    released = []
    for slot, share in shares:
        place = slot.header.digest
        pad = derive(pads, Label.RELEASE_PAD, order, seat, place)
        aad = release_aad(order, place, slot.seal.digest, seat)
        masked = xor(share.share, pad) + share.blind
        released.append(
            ReleasedSlot(
                place,
                slot.seal.digest,
                AESGCM(_slot_key(agency, place)).encrypt(NONCE, masked, aad),
                AESGCM(_slot_key(registry, place)).encrypt(NONCE, pad, aad),
            )
        )
    unsigned = Release(
        order,
        seat,
        hpke.seal(keys.agency, agency, release_info(order, seat, AGENCY)),
        hpke.seal(keys.registry, registry, release_info(order, seat, REGISTRY)),
        tuple(released),
    )
    signature = key.sign(Label.SIGN_RELEASE, unsigned.statement)
    return Release(
        order, seat, unsigned.agency_key, unsigned.registry_key, unsigned.slots, signature
    )


def check_release(release: Release, signer: bytes) -> None:
    """Check the keyholder's signature; raises ``BadSignature``."""
    signing.verify(signer, Label.SIGN_RELEASE, release.statement, release.signature)


def unlock(release: Release, agency: hpke.DecryptionKey, registry: hpke.DecryptionKey) -> Unlocked:
    """Decrypt a release's keys with both case keys.

    Raises:
        VerificationError: it is not for these case keys.
    """
    order, seat = release.order, release.seat
    return Unlocked(
        agency.open(release.agency_key, release_info(order, seat, AGENCY)),
        registry.open(release.registry_key, release_info(order, seat, REGISTRY)),
    )


def take_share(release: Release, keys: Unlocked, released: ReleasedSlot) -> Share:
    """Return a released share; whether it is what was sealed is for ``shares.check_share``.

    Raises:
        VerificationError: rule ``release.share``: it does not decrypt for this order and slot.
    """
    aad = release_aad(release.order, released.slot, released.seal, release.seat)
    try:
        masked = AESGCM(_slot_key(keys.agency, released.slot)).decrypt(NONCE, released.agency, aad)
        pad = AESGCM(_slot_key(keys.registry, released.slot)).decrypt(NONCE, released.registry, aad)
    except InvalidTag:
        raise VerificationError("a released share does not decrypt", rule="release.share") from None
    return Share(release.seat, xor(masked[:SHARE], pad), masked[SHARE:])


def _slot_key(key: bytes, slot: bytes) -> bytes:
    return derive(key, Label.RELEASE_KEY, slot)
