"""The provider's half of section 3: what it refuses of a seal, each by its rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.errors import VerificationError, WireError
from glasslock.provider.seals import Tier1At, take_seal
from glasslock.wire.envelope import Opening
from glasslock.wire.seal import PerSeat, SealUpload
from tests.unit.sealing.scene import Scene, make_policy, make_scene, reseal


@pytest.fixture(scope="module")
def first() -> Scene:
    """A slot that brings its tier 1."""
    return make_scene(later=0)


@pytest.fixture(scope="module")
def later() -> Scene:
    """A slot under the tier 1 of one before it."""
    return make_scene()


def opening(scene: Scene, *, new: bool) -> Opening:
    facts = scene.facts()
    tier1 = scene.tier1.header.encoded if new else None
    return Opening(facts.header, facts.seal_digest, facts.signature, tier1)


def upload(scene: Scene, *, new: bool) -> bytes:
    return SealUpload(scene.seal.encoded, scene.tier1.encs if new else None).encode()


def stored(scene: Scene) -> Tier1At:
    """Return what a store holds that has this scene's tier 1."""
    facts = scene.facts()

    def at(digest: bytes) -> tuple[bytes, PerSeat] | None:
        known = digest == scene.tier1.digest
        return (facts.tier1_header, facts.enc_digests) if known else None

    return at


def nothing(_digest: bytes) -> None:
    return None


def test_a_first_slot_brings_its_tier_1(first: Scene) -> None:
    taken = take_seal(
        first.policy, first.header, opening(first, new=True), upload(first, new=True), nothing
    )
    assert taken is not None
    assert (taken.slot, taken.digest) == (first.header.digest, first.seal.digest)
    assert taken.tier1 == first.tier1.digest
    assert taken.new is not None
    assert (taken.new.header, taken.new.encs) == (first.tier1.header.encoded, first.tier1.encs)


def test_a_later_slot_names_one_that_is_stored(later: Scene) -> None:
    given = (opening(later, new=False), upload(later, new=False))
    taken = take_seal(later.policy, later.header, *given, stored(later))
    assert taken is not None
    assert taken.new is None
    refused(later, "slot.tier1-missing", given, nothing)


def refused(
    scene: Scene, rule: str, given: tuple[Opening, bytes | None], tier1_at: Tier1At
) -> None:
    with pytest.raises(VerificationError) as raised:
        take_seal(scene.policy, scene.header, *given, tier1_at)
    assert raised.value.rule == rule


def test_each_missing_part_has_its_name(first: Scene) -> None:
    whole, sent = opening(first, new=True), upload(first, new=True)
    refused(first, "slot.unsealed", (whole, None), nothing)
    refused(first, "slot.unsealed", (replace(whole, signature=None), sent), nothing)
    refused(first, "slot.unsealed", (replace(whole, seal_digest=None), sent), nothing)
    refused(first, "slot.tier1-parts", (replace(whole, tier1_header=None), sent), stored(first))
    refused(first, "slot.tier1-parts", (whole, upload(first, new=False)), nothing)
    refused(first, "slot.signature", (replace(whole, signature=bytes(64)), sent), nothing)
    bare = replace(first, header=replace(first.header, tier1=None))
    refused(bare, "slot.unsealed", (whole, sent), nothing)


def test_what_was_uploaded_is_what_was_signed(first: Scene, later: Scene) -> None:
    whole = opening(first, new=True)
    other = SealUpload(later.seal.encoded, first.tier1.encs).encode()
    refused(first, "slot.seal", (whole, other), nothing)
    encs = (first.tier1.encs[1], first.tier1.encs[0], *first.tier1.encs[2:])
    turned = SealUpload(first.seal.encoded, encs).encode()
    refused(first, "slot.tier1", (whole, turned), nothing)
    vacant = SealUpload(first.seal.encoded, (None, *first.tier1.encs[1:])).encode()
    refused(first, "slot.tier1", (whole, vacant), nothing)
    with pytest.raises(WireError):
        take_seal(first.policy, first.header, whole, b"\x80", nothing)


def test_a_tier_1_is_brought_in_the_slot_it_was_made_in(later: Scene) -> None:
    whole, sent = opening(later, new=True), upload(later, new=True)
    refused(later, "slot.tier1-new", (whole, sent), nothing)


def test_a_slot_is_under_the_groups_policy(first: Scene) -> None:
    other = replace(first, policy=make_policy(((2, 3), (3, 5)), "other"))
    given = (opening(first, new=True), upload(first, new=True))
    refused(other, "slot.policy", given, nothing)


def test_a_tier_1_of_another_leaf_is_not_named(first: Scene) -> None:
    made = replace(first.tier1, header=replace(first.tier1.header, leaf=5))
    false = reseal(replace(first, tier1=made), replace(first.header, tier1=made.digest))
    given = (opening(false, new=True), upload(false, new=True))
    refused(false, "slot.tier1-fields", given, nothing)


def test_under_none_nothing_is_taken(first: Scene) -> None:
    none = replace(first.policy, access=None)
    plain = replace(first, policy=none, header=replace(first.header, tier1=None))
    bare = Opening(plain.header.encoded)
    assert take_seal(none, plain.header, bare, None, nothing) is None
    refused(plain, "slot.sealed", (bare, upload(first, new=True)), nothing)
    refused(plain, "slot.sealed", (replace(bare, seal_digest=bytes(32)), None), nothing)
    refused(plain, "slot.sealed", (replace(bare, signature=bytes(64)), None), nothing)
    refused(replace(first, policy=none), "slot.sealed", (bare, None), nothing)
