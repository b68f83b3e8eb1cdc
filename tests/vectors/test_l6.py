"""L6: every set of shares below quorum, with the provider's whole state, opens nothing.

The interpolation is the oracle's own and asks no threshold of anybody: what stops a smaller set is
arithmetic, and no check of the product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, combinations, product
from random import Random

import pytest

from glasslock.sealing.body import make_message
from glasslock.sealing.slots import chain_start, chain_step
from glasslock.wire.digest import digest
from glasslock.wire.entry import Head
from glasslock.wire.envelope import Envelope, Opening
from glasslock.wire.labels import Label
from glasslock.wire.seal import SealUpload
from tests.unit.sealing.scene import GROUP, SENDER, Scene, make_scene
from tests.vectors.oracle import bodies, gf256, seals, slots
from tests.vectors.oracle.cbor import Invalid, decode
from tests.vectors.oracle.digests import h

SHAPE = ((2, 3), (3, 5))
CLASSES = (range(3), range(3, 8))
CONTENT = b"what nobody below quorum reads"


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(SHAPE)


@pytest.fixture(scope="module")
def state(scene: Scene) -> dict[str, bytes]:
    """Everything the provider stores of the slot and its first message."""
    facts = scene.facts()
    opening = Opening(facts.header, facts.seal_digest, facts.signature, facts.tier1_header)
    key, _ = chain_step(chain_start(scene.key), 0)
    place = (scene.header.digest, 0, None)
    header, body = make_message(key, place, CONTENT, bytes(32), SENDER.sign)
    envelope = Envelope(header.encoded, body, opening)
    return {
        "envelope": envelope.encode(),
        "upload": SealUpload(facts.seal, scene.tier1.encs).encode(),
        "head": Head.start(GROUP).next(1, envelope.digest).head,
    }


@pytest.fixture(scope="module")
def given(scene: Scene, state: dict[str, bytes]) -> dict[int, bytes]:
    """What each keyholder would release, worked out from stored bytes and its seed alone."""
    seal, encs = decode(state["upload"])
    tier1_header = decode(state["envelope"])[2][3]
    steps = scene.header.tau - scene.tier1.header.tau
    keys = [
        seals.stepped(seals.unseal(_seed(j), tier1_header, j, enc), steps)
        for j, enc in enumerate(encs)
    ]
    return {j: seals.open_share(seal, j, key) for j, key in enumerate(keys)}


def _seed(seat: int) -> bytes:
    return h("proof", b"seed of a test", seat)


def subsets() -> Iterator[frozenset[int]]:
    return map(frozenset, chain.from_iterable(combinations(range(8), n) for n in range(9)))


def is_quorum(seats: frozenset[int]) -> bool:
    return len(seats & {*CLASSES[0]}) >= 2 and len(seats & {*CLASSES[1]}) >= 3


def fits(seal: bytes, candidate: bytes) -> bool:
    hh, commitment, _ = decode(seal)
    return seals.commitment(candidate, hh) == commitment


def part(given: Mapping[int, bytes], seats: frozenset[int], c: int) -> bytes:
    """The lowest polynomial through whatever is there; nothing at all counts as zero."""
    first = CLASSES[c].start
    points = {1 + j - first: given[j] for j in sorted(seats) if j in CLASSES[c]}
    return gf256.interpolate(points) if points else bytes(32)


def opened(state: Mapping[str, bytes], candidate: bytes) -> bytes | None:
    """The message as somebody reads it who takes ``candidate`` for the slot key."""
    header, body, opening = decode(state["envelope"])
    signer = decode(opening[0])[6]
    try:
        return bodies.open_body(slots.message_key(candidate, 0), header, body, signer)
    except Invalid:
        return None


def test_l6_every_subset_below_quorum_opens_nothing(
    scene: Scene, state: dict[str, bytes], given: dict[int, bytes]
):
    seal = decode(state["upload"])[0]
    counted = {True: 0, False: 0}
    for seats in subsets():
        parts = [part(given, seats, c) for c in (0, 1)]
        candidate = gf256.xor(*parts)
        counted[is_quorum(seats)] += 1
        if is_quorum(seats):
            assert candidate == scene.key
            assert fits(seal, candidate)
            assert opened(state, candidate) == CONTENT
            continue
        # Also each part alone, and each share alone: no other reading of a small set helps.
        for attempt in (candidate, *parts, *(given[j] for j in seats)):
            assert not fits(seal, attempt), sorted(seats)
            assert opened(state, attempt) is None
    assert counted == {True: 4 * 16, False: 256 - 4 * 16}


def test_l6_one_class_whole_and_the_other_one_short(scene: Scene, given: dict[int, bytes]):
    """The missing share is one full degree of freedom: each value of it gives another key.

    Byte by byte the map from the missing share to W is one to one onto all 256 values, so what is
    there says nothing of W, and only the right guess of all 32 bytes would fit the commitment.
    """
    seal = scene.seal.encoded
    cases = [(frozenset((*CLASSES[0], *two)), 1) for two in combinations(CLASSES[1], 2)]
    cases += [(frozenset((one, *CLASSES[1])), 0) for one in CLASSES[0]]
    for seats, short in cases:
        missing = next(j for j in CLASSES[short] if j not in seats)
        reached = []
        for value in range(256):
            guess = {**given, missing: bytes([value]) * 32}
            parts = [part(guess, seats | {missing}, c) for c in (0, 1)]
            candidate = gf256.xor(*parts)
            reached.append(candidate)
            assert fits(seal, candidate) == (candidate == scene.key)
        for at in range(32):
            assert {candidate[at] for candidate in reached} == set(range(256))


def test_l6_any_key_at_all_is_consistent_with_too_few_shares(given: dict[int, bytes]):
    """Whatever key is wished for, shares of a whole class exist that agree with those held."""
    chance = Random("l6")
    sets = ((0, 1, 2, 3, 4), (0, 3, 4, 5, 6, 7), (0, 3, 4), (1, 2, 7), (0, 1, 2), ())
    for seats, wanted in product(sets, [chance.randbytes(32) for _ in range(8)]):
        short = next(c for c in (0, 1) if len({*seats} & {*CLASSES[c]}) < SHAPE[c][0])
        threshold, count = SHAPE[short]
        first = CLASSES[short].start
        other = part(given, frozenset(range(8)), 1 - short)
        held = {1 + j - first: given[j] for j in seats if j in CLASSES[short]}
        base = {0: gf256.xor(wanted, other), **held}
        assert len(base) <= threshold
        made = {x: gf256.interpolate(base, x) for x in range(1, count + 1)}
        assert {x: made[x] for x in held} == held
        for xs in combinations(made, threshold):
            found = gf256.interpolate({x: made[x] for x in xs})
            assert gf256.xor(found, other) == wanted


def test_l6_a_seed_below_quorum_reads_no_share_but_its_own(scene: Scene, state: dict[str, bytes]):
    """Each seed against every row and every enc of the provider's state."""
    seal, encs = decode(state["upload"])
    tier1_header = decode(state["envelope"])[2][3]
    steps = scene.header.tau - scene.tier1.header.tau
    for seat, row in product(range(8), range(8)):
        if seat == row:
            continue
        for number in (seat, row):
            key = seals.stepped(
                seals.unseal(_seed(seat), tier1_header, number, encs[number]), steps
            )
            with pytest.raises(Invalid):
                seals.open_share(seal, row, key)


def test_the_seeds_are_those_of_the_scene():
    assert _seed(3) == digest(Label.PROOF, b"seed of a test", 3)
