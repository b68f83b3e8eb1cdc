"""Any quorum opens a slot, liars are named, and nothing changed in the clear passes."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from glasslock.errors import BadSignature, SealMismatch, VerificationError, WireError
from glasslock.sealing.roster import StaleRoster, check_roster
from glasslock.sealing.seal import SeatKeys, make_seal
from glasslock.sealing.shares import (
    FalseShare,
    Share,
    SharesMissing,
    ShareUnreadable,
    check_share,
    check_unsealed,
    combine,
    facts_of_upload,
    open_seat,
    open_share,
    verify_slot,
)
from glasslock.wire.envelope import Opening
from glasslock.wire.seal import Seal, SealUpload
from tests.unit.sealing.scene import (
    FIRST,
    Scene,
    make_policy,
    make_roster,
    make_scene,
    reseal,
    seed,
)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene()


@pytest.fixture(scope="module")
def shares(scene: Scene) -> dict[int, Share]:
    return scene.shares()


def refused(scene: Scene, rule: str | None, **changes: object):
    with pytest.raises(VerificationError) as raised:
        verify_slot(replace(scene.facts(), **changes), scene.policy)
    assert raised.value.rule == rule


def test_every_quorum_opens_what_the_members_read(scene: Scene, shares: dict[int, Share]):
    slot = scene.verified()
    for few in combinations(range(3), 2):
        for many in combinations(range(3, 8), 3):
            assert combine(slot, {j: shares[j] for j in few + many}) == scene.key
    assert combine(slot, shares) == scene.key


@pytest.mark.parametrize(
    "shape", [((2, 2), (2, 2)), ((2, 3), (2, 4), (3, 3)), ((2, 2), (2, 2), (2, 3), (3, 4))]
)
def test_other_policies_open_too(shape: tuple[tuple[int, int], ...]):
    scene = make_scene(shape, later=0)
    assert combine(scene.verified(), scene.shares()) == scene.key


def test_vacant_seats_do_not_stop_a_quorum():
    scene = make_scene(vacant=frozenset({1, 4, 7}))
    assert combine(scene.verified(), scene.shares()) == scene.key


def test_too_few_in_one_class_open_nothing(scene: Scene, shares: dict[int, Share]):
    slot = scene.verified()
    for some in ((0, 3, 4, 5, 6, 7), (0, 1, 2, 3, 4), ()):
        with pytest.raises(SharesMissing):
            combine(slot, {j: shares[j] for j in some})


def test_a_false_share_names_its_keyholder(scene: Scene, shares: dict[int, Share]):
    slot = scene.verified()
    lies = (
        replace(shares[4], share=bytes(32)),
        replace(shares[4], blind=bytes(32)),
        replace(shares[5], seat=4),
    )
    for lie in lies:
        with pytest.raises(FalseShare) as raised:
            combine(slot, {**shares, 4: lie})
        assert raised.value.seat == 4
    with pytest.raises(FalseShare):
        combine(slot, {4: shares[5]})
    for seat in (-1, 8):
        with pytest.raises(FalseShare):
            check_share(slot, replace(shares[0], seat=seat))


def test_shares_that_fit_and_open_nothing_blame_the_seal(scene: Scene, shares: dict[int, Share]):
    """A sender may sign what no member accepts; then nobody else is to blame."""
    false = replace(scene, seal=replace(scene.seal, commitment=bytes(32)))
    with pytest.raises(SealMismatch) as raised:
        combine(false.verified(), shares)
    assert raised.value.rule == "seal.commitment"


def test_one_decapsulation_serves_all_slots_of_a_tier_1(scene: Scene):
    key, enc = scene.roster.seats[2], scene.tier1.encs[2]
    assert key is not None
    assert enc is not None
    opened = open_seat(scene.verified(), 2, seed(2), key.key_id, enc)
    for later in (0, 1, 50):
        other = make_scene(later=later)
        assert open_share(other.verified(), opened) == other.share(2)
    assert "key=" not in repr(opened)
    assert "share=" not in repr(scene.share(2))


def test_every_way_not_to_read_a_share_looks_the_same(scene: Scene):
    slot = scene.verified()
    key, enc = scene.roster.seats[2], scene.tier1.encs[2]
    assert key is not None
    assert enc is not None
    wrong = enc[:-1] + bytes((enc[-1] ^ 1,))
    errors = []
    for arguments in (
        (2, seed(2), bytes(32), enc),
        (2, seed(2), key.key_id, wrong),
        (2, seed(2), key.key_id, b""),
        (2, b"short", key.key_id, enc),
        (3, seed(3), key.key_id, enc),
        (99, seed(2), key.key_id, enc),
    ):
        with pytest.raises(ShareUnreadable) as raised:
            open_seat(slot, *arguments)
        errors.append(raised.value)
    other_seed = open_seat(slot, 2, seed(3), key.key_id, enc)
    other_tier1 = replace(open_seat(slot, 2, seed(2), key.key_id, enc), tier1=bytes(32))
    for opened in (other_seed, other_tier1):
        with pytest.raises(ShareUnreadable) as raised:
            open_share(slot, opened)
        errors.append(raised.value)
    assert len({(str(error), error.rule) for error in errors}) == 1


def test_a_row_that_was_sealed_wrongly_is_unreadable(scene: Scene):
    rows = list(scene.seal.rows)
    assert rows[2] is not None
    for row in (
        replace(rows[2], commit=bytes(32)),
        replace(rows[2], sealed=bytes(48)),
        rows[1],
    ):
        seal = replace(scene.seal, rows=(*rows[:2], row, *rows[3:]))
        with pytest.raises(ShareUnreadable):
            replace(scene, seal=seal).share(2)


def test_a_vacant_seat_reads_nothing():
    full, part = make_scene(), make_scene(vacant=frozenset({2}))
    key, enc = full.roster.seats[2], full.tier1.encs[2]
    assert key is not None
    assert enc is not None
    with pytest.raises(ShareUnreadable):
        open_seat(part.verified(), 2, seed(2), key.key_id, enc)


def test_a_slot_of_another_policy_is_refused(scene: Scene):
    other = make_policy(((2, 3), (3, 5)), "other")
    for policy in (other, replace(scene.policy, access=None)):
        with pytest.raises(VerificationError) as raised:
            verify_slot(scene.facts(), policy)
        assert raised.value.rule == "slot.policy"


def test_l4_a_slot_under_one_policy_opens_nothing_under_another(scene: Scene):
    """Same keyholders, same seeds, same secrets: the policy digest alone separates them."""
    other = make_policy(((2, 3), (3, 5)), "other")
    roster = make_roster(other)
    key, enc = roster.seats[0], scene.tier1.encs[0]
    assert key is not None
    assert enc is not None
    with pytest.raises(VerificationError) as raised:
        verify_slot(replace(scene, policy=other).facts(), other)
    assert raised.value.rule == "slot.policy"
    forged = reseal(scene, replace(scene.header, policy=other.digest))
    with pytest.raises(VerificationError) as raised:
        verify_slot(forged.facts(), other)
    assert raised.value.rule == "slot.tier1-fields"
    tier1 = replace(scene.tier1.header, policy=other.digest)
    with pytest.raises(VerificationError) as raised:
        verify_slot(replace(forged.facts(), tier1_header=tier1.encoded), other)
    assert raised.value.rule == "slot.tier1"


def test_every_changed_byte_of_a_slot_is_refused(scene: Scene):
    facts = scene.facts()
    for part in ("header", "seal", "tier1_header", "seal_digest", "signature"):
        data = getattr(facts, part)
        for at in range(len(data)):
            changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
            with pytest.raises((VerificationError, WireError)):
                verify_slot(replace(facts, **{part: changed}), scene.policy)


def test_each_refusal_has_its_name(scene: Scene):
    other = make_scene(later=4)
    refused(scene, "slot.signature", signature=bytes(64))
    refused(scene, "slot.signature", seal_digest=bytes(32))
    refused(scene, "slot.seal", seal=other.seal.encoded)
    refused(scene, "slot.tier1", enc_digests=(None, *scene.facts().enc_digests[1:]))
    refused(scene, "slot.tier1", enc_digests=scene.facts().enc_digests[::-1])
    refused(scene, "slot.tier1", enc_digests=())
    with pytest.raises(BadSignature):
        verify_slot(replace(scene.facts(), signature=other.facts().signature), scene.policy)


def test_a_signed_seal_of_another_slot_is_refused(scene: Scene):
    other = make_scene(later=4)
    mixed = replace(scene, seal=other.seal)
    refused(mixed, "slot.seal")


def test_a_seal_with_other_seats_than_its_tier_1_is_refused(scene: Scene):
    rows: tuple[Seal, ...] = scene.seal.rows  # type: ignore[assignment]
    for changed in ((None, *rows[1:]), rows[:-1], (*rows, None)):
        false = replace(scene, seal=replace(scene.seal, rows=changed))  # type: ignore[arg-type]
        refused(false, "slot.seats")


def test_a_slot_names_only_a_tier_1_of_its_own(scene: Scene):
    tier1 = scene.tier1.header
    for other in (
        replace(tier1, group_id=b"another"),
        replace(tier1, epoch=10),
        replace(tier1, context=bytes(32)),
        replace(tier1, leaf=5),
        replace(tier1, credential=bytes(32)),
        replace(tier1, day=tier1.day + 1),
        replace(tier1, tau=FIRST + 4),
        replace(tier1, tau=FIRST - 96),
    ):
        made = replace(scene.tier1, header=other)
        false = reseal(replace(scene, tier1=made), replace(scene.header, tier1=made.digest))
        refused(false, "slot.tier1-fields")


def test_an_upload_brings_all_parts_or_is_refused(scene: Scene):
    facts, first = scene.facts(), make_scene(later=0)
    stored = (facts.tier1_header, facts.enc_digests)
    later = Opening(facts.header, facts.seal_digest, facts.signature)
    upload = SealUpload(facts.seal)
    assert facts_of_upload(later, upload, stored) == facts
    new = first.facts()
    opening = Opening(new.header, new.seal_digest, new.signature, new.tier1_header)
    whole = SealUpload(new.seal, first.tier1.encs)
    assert facts_of_upload(opening, whole, None) == new
    cases = (
        (replace(later, seal_digest=None), upload, stored, "slot.unsealed"),
        (replace(later, signature=None), upload, stored, "slot.unsealed"),
        (later, upload, None, "slot.tier1-missing"),
        (opening, SealUpload(new.seal), stored, "slot.tier1-parts"),
        (later, whole, stored, "slot.tier1-parts"),
        (replace(later, tier1_header=new.tier1_header), whole, None, "slot.tier1-new"),
    )
    for opening_, upload_, stored_, rule in cases:
        with pytest.raises(VerificationError) as raised:
            facts_of_upload(opening_, upload_, stored_)
        assert raised.value.rule == rule


def test_under_none_nothing_is_sealed(scene: Scene):
    plain = replace(scene.header, tier1=None)
    check_unsealed(plain, Opening(plain.encoded))
    for header, opening in (
        (scene.header, Opening(scene.header.encoded)),
        (plain, Opening(plain.encoded, bytes(32))),
        (plain, Opening(plain.encoded, None, bytes(64))),
        (plain, Opening(plain.encoded, None, None, b"")),
    ):
        with pytest.raises(VerificationError) as raised:
            check_unsealed(header, opening)
        assert raised.value.rule == "slot.sealed"


def test_a_roster_that_is_not_the_logs_is_stale(scene: Scene):
    before = make_roster(scene.policy, vacant=frozenset({0}))
    assert check_roster(scene.tier1.header, [before, scene.roster]) is scene.roster
    for rosters in ([], [before], [replace(scene.roster, day=1)]):
        with pytest.raises(StaleRoster):
            check_roster(scene.tier1.header, rosters)


def test_seat_keys_of_another_seat_do_not_open(scene: Scene):
    turned = SeatKeys(scene.keys.tau, scene.keys.keys[1:] + scene.keys.keys[:1])
    seal = make_seal(scene.secret, scene.header, scene.roster.shape, turned)
    with pytest.raises(ShareUnreadable):
        replace(scene, seal=seal).share(0)
