"""Making and recomputing a slot's seal on a device, without a network, a store or a group."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from glasslock.client.policies import BookBehind
from glasslock.client.sealed import Sealed, SlotMismatch, check, make
from glasslock.client.state import Tier
from glasslock.errors import BadSignature, VerificationError
from glasslock.sealing.roster import DayRoster, SeatsVacant, StaleRoster
from glasslock.sealing.shares import slot_signed_content
from glasslock.wire.codec import decode
from glasslock.wire.envelope import Opening, SlotHeader
from glasslock.wire.labels import Label
from glasslock.wire.policy import Policy
from glasslock.wire.seal import decode_tier1_header
from tests.unit.sealing.scene import (
    CLOCKS,
    FIRST,
    SENDER,
    make_header,
    make_policy,
    make_roster,
    make_scene,
    secret_at,
)

POLICY = make_policy(((2, 3), (3, 5)))
ROSTER = make_roster(POLICY)
NOW = FIRST * CLOCKS.slot_seconds


@dataclass
class Pages:
    """A book that says what a test wants; ``asked`` counts its readers."""

    time: int = NOW
    found: tuple[DayRoster, ...] = (ROSTER,)
    asked: list[int] = field(default_factory=list)

    def rosters(self, _policy: Policy, day: int, at: int) -> tuple[DayRoster, ...]:
        self.asked.append(at)
        return tuple(replace(roster, day=day) for roster in self.found)


def bare(tau: int = FIRST) -> SlotHeader:
    scene = make_scene(later=0)
    return replace(make_header(POLICY, scene.tier1, tau), tier1=None)


def made(
    tau: int = FIRST, tier: Tier | None = None, book: Pages | None = None
) -> tuple[SlotHeader, Sealed, Tier]:
    now = tau * CLOCKS.slot_seconds
    return make(POLICY, book or Pages(now), tier, bare(tau), secret_at(tau), now)


def opening_of(header: SlotHeader, sealed: Sealed) -> Opening:
    content = slot_signed_content(header.digest, sealed.seal.digest)
    return sealed.opening(header, SENDER.sign(Label.SIGN_SLOT, content))


def checked(
    header: SlotHeader, opening: Opening, tier: Tier | None = None, book: Pages | None = None
) -> Tier | None:
    time = header.tau * CLOCKS.slot_seconds
    secret = secret_at(header.tau)
    return check(POLICY, book or Pages(time), tier, header, opening, secret, time)


def test_a_reader_comes_to_the_senders_tier() -> None:
    header, sealed, tier = made()
    assert sealed.tier1 is not None
    assert checked(header, opening_of(header, sealed)) == tier
    # In the next slots the same tier 1 serves; both have stepped on, and not back.
    later, resealed, following = made(FIRST + 5, tier)
    assert resealed.tier1 is None
    assert later.tier1 == header.tier1
    assert following.keys.tau == FIRST + 6
    assert checked(later, opening_of(later, resealed), tier) == following


def test_a_tier_1_is_made_anew_when_it_must_be() -> None:
    _, _, tier = made()
    day = CLOCKS.slots_per_day - FIRST % CLOCKS.slots_per_day
    assert made(FIRST + day, tier)[1].tier1 is not None
    revoked = Pages(NOW + 900, (make_roster(POLICY, vacant=frozenset({3})),))
    assert made(FIRST + 1, tier, revoked)[1].tier1 is not None
    # A clock that ran back: the keys of that slot are gone, so they are made again.
    _, _, ahead = made(FIRST + 9, tier)
    assert made(FIRST + 4, ahead)[1].tier1 is not None


def test_nothing_is_sealed_without_a_fresh_log_and_enough_keys() -> None:
    with pytest.raises(BookBehind):
        make(POLICY, None, None, bare(), secret_at(FIRST), NOW)
    with pytest.raises(BookBehind):
        made(book=Pages(NOW - 3_601))
    vacant = make_roster(POLICY, vacant=frozenset({0, 1}))
    with pytest.raises(SeatsVacant):
        made(book=Pages(NOW, (vacant,)))
    # Not under a tier 1 of before the revocation either.
    _, _, tier = made()
    with pytest.raises(SeatsVacant):
        made(FIRST + 1, tier, Pages(NOW + 900, (vacant,)))


def test_a_reader_waits_for_its_log_and_refuses_only_then() -> None:
    header, sealed, _ = made(book=Pages(NOW, (make_roster(POLICY, vacant=frozenset({2})),)))
    opening = opening_of(header, sealed)
    with pytest.raises(BookBehind):
        checked(header, opening, book=Pages(NOW - 3_601))
    with pytest.raises(BookBehind):
        checked(header, opening, book=Pages(NOW - 1))
    with pytest.raises(StaleRoster):
        checked(header, opening, book=Pages(NOW))
    old = Pages(NOW, (ROSTER, make_roster(POLICY, vacant=frozenset({2}))))
    assert checked(header, opening, book=old) is not None


def test_at_the_edge_of_a_day_a_vacant_seat_waits_for_a_log_of_that_day() -> None:
    """Its proof may have been logged in the last minute; a full roster can gain nothing."""
    tau = FIRST - FIRST % CLOCKS.slots_per_day
    midnight = tau * CLOCKS.slot_seconds
    vacant = (make_roster(POLICY, vacant=frozenset({7})),)
    assert made(tau, book=Pages(midnight - 1))[1].tier1 is not None
    with pytest.raises(BookBehind):
        made(tau, book=Pages(midnight - 1, vacant))
    header, sealed, _ = made(tau, book=Pages(midnight, vacant))
    opening = opening_of(header, sealed)
    with pytest.raises(BookBehind):
        checked(header, opening, book=Pages(midnight - 1, vacant))
    assert checked(header, opening, book=Pages(midnight, vacant)) is not None


def test_a_signature_comes_before_any_blame() -> None:
    header, sealed, _ = made()
    opening = opening_of(header, sealed)
    book = Pages(NOW)
    for changed in (replace(opening, signature=bytes(64)), replace(opening, seal_digest=bytes(32))):
        with pytest.raises(BadSignature):
            checked(header, changed, book=book)
    for missing in (replace(opening, signature=None), replace(opening, seal_digest=None)):
        with pytest.raises(VerificationError) as raised:
            checked(header, missing, book=book)
        assert raised.value.rule == "slot.unsealed"
    assert book.asked == []


def test_every_byte_of_a_seal_is_recomputed() -> None:
    header, sealed, _ = made()
    digest = sealed.seal.digest
    for at in range(0, len(sealed.seal.encoded), 7):
        wrong = digest[: at % 32] + bytes((digest[at % 32] ^ 1,)) + digest[at % 32 + 1 :]
        content = slot_signed_content(header.digest, wrong)
        opening = opening_of(header, sealed)
        opening = replace(
            opening, seal_digest=wrong, signature=SENDER.sign(Label.SIGN_SLOT, content)
        )
        with pytest.raises(SlotMismatch) as raised:
            checked(header, opening)
        assert raised.value.rule == "seal.digest"
        kept = decode(raised.value.evidence)
        assert kept == (header.encoded, wrong, opening.signature, header.tier1, digest)


def test_a_slot_that_names_another_tier_1_is_a_mismatch() -> None:
    header, sealed, _ = made()
    false = replace(header, tier1=bytes(32))
    opening = opening_of(false, sealed)
    with pytest.raises(SlotMismatch) as raised:
        checked(false, opening)
    assert raised.value.rule == "seal.tier1"
    kept = decode(raised.value.evidence)
    own = header.tier1
    assert kept == (false.encoded, opening.seal_digest, opening.signature, own, None)


def test_a_tier_1_that_is_not_in_force_cannot_be_named() -> None:
    header, sealed, tier = made()
    later, resealed, _ = made(FIRST + 1, tier)
    opening = opening_of(later, resealed)
    for known in (None, replace(tier, digest=bytes(32)), replace(tier, day=tier.day - 1)):
        with pytest.raises(VerificationError) as raised:
            checked(later, opening, known)
        assert raised.value.rule == "slot.tier1-missing"
    moved = replace(
        opening_of(later, resealed), tier1_header=opening_of(header, sealed).tier1_header
    )
    with pytest.raises(VerificationError) as raised:
        checked(later, moved, tier)
    assert raised.value.rule == "slot.tier1-new"


def test_a_tier_1_is_of_its_own_leaf_group_and_day() -> None:
    header, sealed, _ = made()
    opening = opening_of(header, sealed)
    assert opening.tier1_header is not None
    own = decode_tier1_header(opening.tier1_header)
    for other in (
        replace(own, leaf=own.leaf + 1),
        replace(own, group_id=b"another group"),
        replace(own, day=own.day + 1),
        replace(own, credential=bytes(32)),
    ):
        with pytest.raises(VerificationError) as raised:
            checked(header, replace(opening, tier1_header=other.encoded))
        assert raised.value.rule == "slot.tier1-fields"


def test_under_none_a_seal_is_refused() -> None:
    none = replace(POLICY, access=None)
    header, sealed, _ = made()
    with pytest.raises(VerificationError) as raised:
        check(none, None, None, header, opening_of(header, sealed), secret_at(FIRST), NOW)
    assert raised.value.rule == "slot.sealed"
    plain = bare()
    opening = Opening(plain.encoded)
    assert check(none, None, None, plain, opening, secret_at(FIRST), NOW) is None
