"""A sealed slot as provider, keyholder and desk meet it: check, open a share, combine (section 3).

Knows what is in the clear and, one seat at a time, a period key; never a member's secret. Whether
an order grants the slot is not judged here.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from glasslock import _core, signing
from glasslock.errors import (
    BadSignature,
    KeyRejected,
    SealMismatch,
    StateError,
    VerificationError,
)
from glasslock.sealing.seal import (
    NONCE,
    Shape,
    first_seat_key,
    share_blind,
    share_commitment,
    share_key,
    slot_key_commitment,
    step_seat_key,
    xor,
)
from glasslock.sealing.slots import day_of
from glasslock.wire.codec import encode
from glasslock.wire.envelope import Opening, SlotHeader, decode_slot_header
from glasslock.wire.labels import Label
from glasslock.wire.policy import Clocks, Policy
from glasslock.wire.seal import (
    PerSeat,
    Seal,
    SealUpload,
    Tier1Header,
    decode_seal,
    decode_tier1_header,
    encapsulation_digest,
    encapsulation_digests,
    tier1_digest,
)


class ShareUnreadable(VerificationError):
    """A keyholder cannot read its share of a slot."""

    slug = "share-unreadable"


class FalseShare(VerificationError):
    """A keyholder released another share than was sealed to it."""

    slug = "false-share"

    def __init__(self, message: str = "", *, seat: int) -> None:
        """Make the error; ``seat`` is the number of the keyholder's seat."""
        super().__init__(message, rule="share.commitment")
        self.seat = seat


class SharesMissing(StateError):
    """A class of keyholders has released too few shares."""

    slug = "shares-missing"


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """What was sent in the clear of one sealed slot, as bytes; nothing in it is checked yet."""

    header: bytes
    seal_digest: bytes
    signature: bytes
    seal: bytes
    tier1_header: bytes
    enc_digests: PerSeat


class Tier1s:
    """What is read of tier 1s, once for all slots that name one; nothing in it is checked.

    It is kept by the bytes themselves, so a slot gets what its own bytes say and nothing else.
    """

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._headers: dict[bytes, Tier1Header] = {}
        self._digests: dict[PerSeat, PerSeat] = {}

    def header(self, data: bytes) -> Tier1Header:
        """Return a tier 1 header as ``decode_tier1_header`` does; raises ``WireError``."""
        if data not in self._headers:
            self._headers[data] = decode_tier1_header(data)
        return self._headers[data]

    def digests(self, encs: PerSeat) -> PerSeat:
        """Return the digests of encapsulations."""
        if encs not in self._digests:
            self._digests[encs] = encapsulation_digests(encs)
        return self._digests[encs]


@dataclass(frozen=True, slots=True)
class VerifiedSlot:
    """A sealed slot whose digests, signature and shape hold; comes only from ``verify_slot``."""

    header: SlotHeader
    seal: Seal
    tier1: Tier1Header
    enc_digests: PerSeat
    shape: Shape


@dataclass(frozen=True, slots=True)
class OpenedSeat:
    """A seat's ``K(j, tau)`` under the tier 1 named ``tier1``; slots before ``tau`` are out of it.

    ``open_seat`` gives that of the slot where the tier 1 was made.
    """

    tier1: bytes
    seat: int
    tau: int
    key: bytes = field(repr=False)

    def at(self, tau: int) -> OpenedSeat:
        """Return the seat's key at a slot ``tau`` that is not before its own."""
        key = step_seat_key(self.key, tau - self.tau)
        return OpenedSeat(self.tier1, self.seat, tau, key)


@dataclass(frozen=True, slots=True)
class Share:
    """What a keyholder gives for one slot."""

    seat: int
    share: bytes = field(repr=False)
    blind: bytes = field(repr=False)


def slot_signed_content(slot: bytes, seal_digest: bytes) -> bytes:
    """Return what a sender signs under ``slot``: cbor([Hh, seal_digest])."""
    return encode((slot, seal_digest))


def check_slot_signature(header: SlotHeader, seal_digest: bytes, signature: bytes) -> None:
    """Check the slot signature by the signer that the header names.

    Raises:
        BadSignature: it does not verify, or the signer's key is unusable.
    """
    content = slot_signed_content(header.digest, seal_digest)
    try:
        signing.verify(header.signer, Label.SIGN_SLOT, content, signature)
    except VerificationError:
        raise BadSignature("a slot is not signed by its sender", rule="slot.signature") from None


def check_tier1_header(header: SlotHeader, tier1: Tier1Header, clocks: Clocks) -> None:
    """Check that a slot may name this tier 1: same first six fields and day, not made later.

    Raises:
        VerificationError: rule ``slot.tier1-fields``.
    """
    of_slot = (header.policy, header.group_id, header.epoch, header.context, header.leaf)
    of_tier1 = (tier1.policy, tier1.group_id, tier1.epoch, tier1.context, tier1.leaf)
    days = {day_of(clocks, header.tau), day_of(clocks, tier1.tau), tier1.day}
    same = of_slot == of_tier1 and header.credential == tier1.credential
    if not same or len(days) != 1 or tier1.tau > header.tau:
        raise VerificationError("a slot names a tier 1 not its own", rule="slot.tier1-fields")


def check_unsealed(header: SlotHeader, opening: Opening) -> None:
    """Check that a slot under ``none`` carries no part of a seal.

    Raises:
        VerificationError: rule ``slot.sealed``.
    """
    parts = (header.tier1, opening.seal_digest, opening.signature, opening.tier1_header)
    if parts != (None,) * 4:
        raise VerificationError("this policy has no seals", rule="slot.sealed")


def facts_of_upload(
    opening: Opening, upload: SealUpload, stored: tuple[bytes, PerSeat] | None
) -> SlotFacts:
    """Gather the facts of a slot that is being opened.

    ``stored`` is (tier 1 header, encapsulation digests) of the tier 1 in force, when the opening
    brings no new one.

    Raises:
        WireError: a header is malformed.
        VerificationError: a part is missing, there without its other half, or of another slot.
    """
    if opening.seal_digest is None or opening.signature is None:
        raise VerificationError("this policy asks for a seal", rule="slot.unsealed")
    if (opening.tier1_header is None) != (upload.encs is None):
        raise VerificationError("half a tier 1 was sent", rule="slot.tier1-parts")
    if opening.tier1_header is not None and upload.encs is not None:
        stored = (opening.tier1_header, encapsulation_digests(upload.encs))
        made = decode_tier1_header(opening.tier1_header).tau
        if made != decode_slot_header(opening.slot_header).tau:
            raise VerificationError("a new tier 1 is of another slot", rule="slot.tier1-new")
    if stored is None:
        raise VerificationError("no tier 1 is in force", rule="slot.tier1-missing")
    return SlotFacts(
        opening.slot_header, opening.seal_digest, opening.signature, upload.seal, *stored
    )


def verify_listed(
    opening: Opening | None,
    seal: bytes,
    tier1: tuple[bytes, PerSeat],
    policy: Policy,
    tier1s: Tier1s,
) -> VerifiedSlot:
    """Check a slot of a list, which has the opening, the seal and (header, encapsulations).

    Raises:
        VerificationError, WireError: as ``verify_slot``, or rule ``slot.unsealed``.
    """
    if opening is None or opening.seal_digest is None or opening.signature is None:
        raise VerificationError("a slot was opened without a seal", rule="slot.unsealed")
    header, encs = tier1
    facts = SlotFacts(
        opening.slot_header,
        opening.seal_digest,
        opening.signature,
        seal,
        header,
        tier1s.digests(encs),
    )
    return verify_slot(facts, policy, tier1s)


def verify_slot(facts: SlotFacts, policy: Policy, tier1s: Tier1s | None = None) -> VerifiedSlot:
    """Check everything that can be checked without a secret.

    ``tier1s`` spares who has many slots of few tier 1s to read each of them anew.

    Raises:
        WireError: a part is malformed.
        BadSignature: the slot signature is not the signer's.
        VerificationError: a digest, the policy, the tier 1 or the seats do not fit.
    """
    header = decode_slot_header(facts.header)
    if policy.access is None or header.policy != policy.digest:
        raise VerificationError("the slot is under another policy", rule="slot.policy")
    check_slot_signature(header, facts.seal_digest, facts.signature)
    seal = decode_seal(facts.seal)
    if seal.digest != facts.seal_digest or seal.slot != header.digest:
        raise VerificationError("the seal is not the one signed for", rule="slot.seal")
    tier1 = (tier1s or Tier1s()).header(facts.tier1_header)
    if tier1_digest(tier1.digest, facts.enc_digests) != header.tier1:
        raise VerificationError("the tier 1 is not the one named", rule="slot.tier1")
    check_tier1_header(header, tier1, policy.clocks)
    slot = VerifiedSlot(header, seal, tier1, facts.enc_digests, policy.access.shape)
    _check_seats(slot)
    return slot


def open_seat(slot: VerifiedSlot, seat: int, seed: bytes, key_id: bytes, enc: bytes) -> OpenedSeat:
    """Decapsulate a seat's part of the slot's tier 1 with the seed of period key ``key_id``.

    Raises:
        ShareUnreadable: anything at all is wrong; which part is not told.
    """
    try:
        if slot.tier1.key_ids[seat] == key_id and slot.header.tier1 is not None:
            enc_digest = encapsulation_digest(enc)
            if slot.enc_digests[seat] == enc_digest:
                shared = _core.xwing_decapsulate(seed, enc)
                key = first_seat_key(shared, slot.tier1.digest, seat, enc_digest)
                return OpenedSeat(slot.header.tier1, seat, slot.tier1.tau, key)
    except (IndexError, KeyRejected):
        pass
    raise _unreadable()


def open_share(slot: VerifiedSlot, opened: OpenedSeat) -> Share:
    """Return the seat's share and blind of ``slot``; one ``opened`` serves all slots of its tier 1.

    Those before its tau excepted: going on with ``opened.at(tau)`` spares stepping from the start.

    Raises:
        ShareUnreadable: anything at all is wrong; which part is not told.
    """
    if slot.header.tier1 != opened.tier1 or slot.header.tau < opened.tau:
        raise _unreadable()
    row = slot.seal.rows[opened.seat]
    if row is None:
        raise _unreadable()
    slot_digest = slot.header.digest
    key = opened.at(slot.header.tau).key
    try:
        text = AESGCM(share_key(key, slot_digest)).decrypt(NONCE, row.sealed, slot_digest)
    except InvalidTag:
        raise _unreadable() from None
    share = Share(opened.seat, text, share_blind(key, slot_digest))
    try:
        check_share(slot, share)
    except FalseShare:
        raise _unreadable() from None
    return share


def check_share(slot: VerifiedSlot, share: Share) -> None:
    """Check a released share against its commitment.

    Raises:
        FalseShare: it is not what was sealed; ``seat`` names who released it.
    """
    row = slot.seal.rows[share.seat] if 0 <= share.seat < len(slot.seal.rows) else None
    if row is not None:
        own = share_commitment(slot.header.digest, share.seat, share.blind, share.share)
        if hmac.compare_digest(row.commit, own):
            return
    raise FalseShare("a share is not what was sealed", seat=share.seat)


def combine(slot: VerifiedSlot, shares: Mapping[int, Share]) -> bytes:
    """Return the slot key W from shares by seat number; more than enough are no harm.

    Raises:
        FalseShare: a share does not match its commitment.
        SharesMissing: a class has released fewer than its threshold.
        SealMismatch: the shares are as sealed, and still do not give the slot key.
    """
    for seat, share in shares.items():
        if seat != share.seat:
            raise FalseShare("a share is of another seat", seat=seat)
        check_share(slot, share)
    key = reduce(xor, _parts(slot.shape, shares))
    if not hmac.compare_digest(slot_key_commitment(key, slot.header.digest), slot.seal.commitment):
        raise SealMismatch("the shares do not give the slot key", rule="seal.commitment")
    return key


def _parts(shape: Shape, shares: Mapping[int, Share]) -> list[bytes]:
    parts, first = [], 0
    for threshold, count in shape:
        points = [(1 + j, shares[first + j].share) for j in range(count) if first + j in shares]
        if len(points) < threshold:
            raise SharesMissing("a class has released too few shares", rule="shares.missing")
        parts.append(_core.shamir_combine(points[:threshold]))
        first += count
    return parts


def _check_seats(slot: VerifiedSlot) -> None:
    """Key ids, encapsulations and rows stand for the same seats, as many as the policy has."""
    filled = [key_id is not None for key_id in slot.tier1.key_ids]
    encs = [enc is not None for enc in slot.enc_digests]
    rows = [row is not None for row in slot.seal.rows]
    if not filled == encs == rows or len(filled) != sum(count for _, count in slot.shape):
        raise VerificationError("the seats do not fit each other", rule="slot.seats")


def _unreadable() -> ShareUnreadable:
    return ShareUnreadable("a share cannot be read", rule="share.unreadable")
