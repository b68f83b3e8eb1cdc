"""What follows from the evidence of a case file, computed by whoever wants to know it.

From the roots down: a policy that its keyholders signed and its log has, the order and its leaf,
the manifest, the releases that were announced, then slot by slot what their keys open. A desk
makes its case file with this; a stranger computes it again and compares. Knows no file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glasslock import signing
from glasslock.casefile.evidence import FALSE, LOCKED, SHORT, UNFIT, Claims, Evidence
from glasslock.casefile.excerpts import ReadLogs
from glasslock.casefile.findings import Fault, Gap, Opening
from glasslock.casefile.opening import OpenSlots, read_case
from glasslock.casefile.proving import Logs, ProvenCase, prove_case
from glasslock.casefile.releases import accept_release, enough, fault_of, place_of
from glasslock.errors import GlasslockError, VerificationError
from glasslock.orders.authority import Register
from glasslock.orders.ledger import Said
from glasslock.orders.proportion import Proportion, compare, verify_preview
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.seal import slot_key_commitment
from glasslock.sealing.shares import Tier1s, VerifiedSlot, verify_listed
from glasslock.wire.labels import Label
from glasslock.wire.order import decode_issued_order, decode_order
from glasslock.wire.policy import Access
from glasslock.wire.preview import Preview, decode_preview
from glasslock.wire.release import Release, ReleasedSlot


@dataclass(frozen=True, slots=True)
class CountedRelease:
    """A release that counts for its seat: the ``number``-th that came, and the intent before it."""

    number: int
    release: Release
    intent: Said
    slots: Mapping[bytes, ReleasedSlot]


@dataclass(frozen=True, slots=True)
class Reckoned:
    """A case and everything that was found of it.

    ``closed`` says why a slot (Hh) does not open, ``vouched`` whose a period key is by its key id,
    for keys that stand in the log, signed by a keyholder of the policy. ``proportion`` is what
    became of the preview, None where there was none.
    """

    case: ProvenCase
    opening: Opening
    counted: tuple[CountedRelease, ...]
    closed: Mapping[bytes, str]
    vouched: Mapping[bytes, str]
    proportion: Proportion | None


def previewed(evidence: Evidence, case: ProvenCase) -> Preview | None:
    """Return the preview in the evidence of a proven case, once it is its provider's.

    Raises:
        BadSignature, VerificationError: it is not, or of another order.
        WireError: it is malformed.
    """
    if evidence.preview is None:
        return None
    found = decode_preview(evidence.preview)
    verify_preview(found, case.admitted.order, case.policy.provider_key)
    return found


def prove(evidence: Evidence, logs: ReadLogs) -> ProvenCase:
    """Return the order as proven by the logs, with its policy and its manifest.

    Raises:
        VerificationError: the policy is not in its log or not signed by all its seats, the logs are
            others than it names, or as ``prove_case``.
        WireError: order or manifest is malformed.
    """
    issued = decode_issued_order(evidence.order)
    named = decode_order(issued.document).policy
    logs.book.position(named)
    policy = logs.book.policies[named].record.signed.policy
    access = policy.access
    if access is None or (access.policy_origin, access.orders_origin) != logs.origins:
        raise VerificationError("the policy names other logs", rule="case.origin")
    register = Register(policy, (logged.record for logged in logs.book.authorities))
    known = Logs(policy, register, logs.ledger)
    return prove_case(issued, evidence.secret, evidence.index, evidence.manifest, known)


def reckon(evidence: Evidence, case: ProvenCase, logs: ReadLogs) -> Reckoned:
    """Return what follows from the evidence of a proven case.

    Raises:
        VerificationError: a slot is open without a quorum or under another key than its own, closed
            in spite of one, or a release was announced before its order's hold date.
    """
    counted, faults = _count(evidence.releases, evidence.claims, case)
    slots, tier1s = OpenSlots(), Tier1s()
    closed: dict[bytes, str] = {}
    for slot in case.checked.slots:
        why: tuple[str, str] | None
        try:
            tier1 = (slot.tier1.header, slot.tier1.encs)
            sealed = verify_listed(slot.opening, slot.kept.seal, tier1, case.policy, tier1s)
        except GlasslockError as error:
            why = (error.rule or error.slug, str(error))
        else:
            why = _why_closed(sealed, counted, evidence, case.access, slots)
        if why is None:
            slots.keys.append((slot, evidence.keys[slot.header.digest]))
            continue
        closed[slot.header.digest] = why[0]
        slots.gaps.append(Gap(place_of(slot), *why))
    wanted = {slot.header.digest for slot in case.checked.slots}
    for each in counted:
        slots.faults.extend(
            _fault(each, case.access, "release.ungranted", "released a slot nobody asked for", slot)
            for slot in sorted(each.slots.keys() - wanted)
        )
    opened = {slot.header.digest for slot, _ in slots.keys}
    if evidence.keys.keys() - opened:
        raise VerificationError("a key of a slot that does not open", rule="case.slot-key")
    seats = [each.release.seat for each in counted]
    opening = read_case(case, evidence.entries, slots, faults, seats)
    vouched, preview = _vouched(case.access, logs.book), previewed(evidence, case)
    proportion = (
        None
        if preview is None
        else compare(preview, case.admitted.order, opening.reach, case.policy.clocks)
    )
    return Reckoned(case, opening, tuple(counted), closed, vouched, proportion)


def _vouched(access: Access, book: PolicyBook) -> dict[bytes, str]:
    """Return the keyholder of every logged period key that it has signed, by key id."""
    signers = {seat.keyholder: seat.signing_key for seat in access.seats}
    found: dict[bytes, str] = {}
    for record in (logged.record for logged in book.keys):
        with contextlib.suppress(VerificationError):
            signer = signers.get(record.keyholder, b"")
            signing.verify(signer, Label.SIGN_RECORD, record.signed_part(), record.signature)
            found[record.key_id] = record.keyholder
    return found


def _count(
    releases: Sequence[bytes], claims: Claims, case: ProvenCase
) -> tuple[list[CountedRelease], list[Fault]]:
    """Return the releases that count, at most one per seat, and what is wrong with the others."""
    counted: dict[int, CountedRelease] = {}
    faults = []
    for number, data in enumerate(releases):
        try:
            release = accept_release(data, case.admitted.digest, case.access, case.record)
        except GlasslockError as error:
            faults.append(fault_of(data, case.access, error, number))
            continue
        seat = case.access.seats[release.seat]
        if number in claims.locked:
            faults.append(Fault(release.seat, seat.keyholder, *LOCKED, release=number))
            continue
        intent = case.record.intent(release.seat, seat.signing_key, release.digest)
        if intent is not None:
            # Witnesses saw it at the latest then: earlier it cannot be shown to have been due.
            if intent.time < case.admitted.order.hold:
                raise VerificationError("released before the hold date", rule="case.hold")
            slots = {each.slot: each for each in release.slots}
            counted.setdefault(release.seat, CountedRelease(number, release, intent, slots))
    return [counted[seat] for seat in sorted(counted)], faults


def _why_closed(
    sealed: VerifiedSlot,
    counted: Sequence[CountedRelease],
    evidence: Evidence,
    access: Access,
    slots: OpenSlots,
) -> tuple[str, str] | None:
    """Return rule and words for a slot that stays closed; None if it opens, under its own key.

    Raises:
        VerificationError: it is open without a quorum, closed in spite of one, or the key given is
            another one.
    """
    place = sealed.header.digest
    seats = [each.release.seat for each in counted if _holds(each, sealed, evidence, access, slots)]
    quorum, key = enough(access.shape, seats), evidence.keys.get(place)
    if key is None and not quorum:
        return SHORT
    if key is None and place in evidence.claims.unfit:
        return UNFIT
    if key is None:
        raise VerificationError("a slot with enough releases is not opened", rule="case.withheld")
    if not quorum:
        raise VerificationError("a slot is open without a quorum", rule="case.threshold")
    if slot_key_commitment(key, place) != sealed.seal.commitment:
        raise VerificationError("a key is not the one that was sealed", rule="case.slot-key")
    return None


def _holds(
    each: CountedRelease,
    sealed: VerifiedSlot,
    evidence: Evidence,
    access: Access,
    slots: OpenSlots,
) -> bool:
    """Say whether a release has a share of a slot, as far as it can be seen or the desk says."""
    place, seat = sealed.header.digest, each.release.seat
    if sealed.seal.rows[seat] is None:
        return False
    released = each.slots.get(place)
    if released is None or released.seal != sealed.seal.digest:
        says = "left a granted slot out"
        slots.faults.append(_fault(each, access, "release.short", says, place))
        return False
    rule = evidence.claims.false.get((seat, place))
    if rule is not None:
        slots.faults.append(_fault(each, access, rule, FALSE[rule], place))
    return rule is None


def _fault(each: CountedRelease, access: Access, rule: str, says: str, slot: bytes) -> Fault:
    seat = each.release.seat
    return Fault(seat, access.seats[seat].keyholder, rule, says, slot)
