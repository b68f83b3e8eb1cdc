"""One member's slots under a small policy, with every key at hand for the tests beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from glasslock import _core
from glasslock.ids import keyholder_id
from glasslock.sealing.roster import DayRoster, SeatKey
from glasslock.sealing.seal import SeatKeys, Tier1, make_seal, make_tier1
from glasslock.sealing.shares import (
    Share,
    SlotFacts,
    VerifiedSlot,
    open_seat,
    open_share,
    slot_signed_content,
    verify_slot,
)
from glasslock.sealing.slots import SlotTree, day_of, leaf_secret, slot_key
from glasslock.signing import SigningKey
from glasslock.wire.digest import digest
from glasslock.wire.envelope import Seen, SlotHeader
from glasslock.wire.labels import Label
from glasslock.wire.policy import Access, Clocks, KeyholderClass, Limits, Policy, Seat
from glasslock.wire.record import period_key_id
from glasslock.wire.seal import Seal, Tier1Header, encapsulation_digests

CLOCKS = Clocks(slot_seconds=900, slots_per_day=96, skew_seconds=120)
GROUP, CONTEXT, LEAF, EPOCH = b"a group", bytes((7,)) * 32, 4, 9
CREDENTIAL = bytes((8,)) * 32
SENDER = SigningKey.from_seed(bytes((9,)) * 32)
FIRST = 96 * 20_553 + 8
TREE = SlotTree.from_root(bytes((6,)) * 32)


def seed(seat: int) -> bytes:
    return digest(Label.PROOF, b"seed of a test", seat)


def signing_key(seat: int) -> SigningKey:
    return SigningKey.from_seed(digest(Label.PROOF, b"signing seed of a test", seat))


def make_policy(shape: tuple[tuple[int, int], ...], name: str = "test") -> Policy:
    classes, number = [], 0
    for c, (threshold, count) in enumerate(shape):
        seats = []
        for _ in range(count):
            keyholder = keyholder_id(f"keyholder-{number}")
            seats.append(Seat(keyholder, f"Person {number}", signing_key(number).public))
            number += 1
        classes.append(KeyholderClass(f"class {c}", threshold, tuple(seats)))
    access = Access(tuple(classes), bytes(32), "quorum 1", "log.test/p", "log.test/o", Limits())
    return Policy(name, "family", bytes((1,)) * 32, CLOCKS, access)


def make_roster(
    policy: Policy, tau: int = FIRST, vacant: frozenset[int] = frozenset()
) -> DayRoster:
    assert policy.access is not None
    keys: list[SeatKey | None] = []
    for number, seat in enumerate(policy.access.seats):
        public = _core.xwing_public_key(seed(number))
        key_id = period_key_id(seat.keyholder, 20_553, 20_559, public)
        keys.append(None if number in vacant else SeatKey(key_id, public))
    return DayRoster(policy.digest, day_of(CLOCKS, tau), policy.access.shape, tuple(keys))


@dataclass(frozen=True)
class Scene:
    """A slot that was sealed, and all that went into it."""

    policy: Policy
    roster: DayRoster
    tier1: Tier1
    header: SlotHeader
    keys: SeatKeys
    seal: Seal
    secret: bytes

    @property
    def key(self) -> bytes:
        return slot_key(self.secret, self.header.digest)

    def facts(self) -> SlotFacts:
        content = slot_signed_content(self.header.digest, self.seal.digest)
        return SlotFacts(
            self.header.encoded,
            self.seal.digest,
            SENDER.sign(Label.SIGN_SLOT, content),
            self.seal.encoded,
            self.tier1.header.encoded,
            encapsulation_digests(self.tier1.encs),
        )

    def verified(self) -> VerifiedSlot:
        return verify_slot(self.facts(), self.policy)

    def share(self, seat: int) -> Share:
        slot = self.verified()
        key, enc = self.roster.seats[seat], self.tier1.encs[seat]
        assert key is not None
        assert enc is not None
        return open_share(slot, open_seat(slot, seat, seed(seat), key.key_id, enc))

    def shares(self) -> dict[int, Share]:
        filled = [j for j, key in enumerate(self.roster.seats) if key is not None]
        return {seat: self.share(seat) for seat in filled}


def secret_at(tau: int, leaf: int = LEAF) -> bytes:
    return leaf_secret(TREE.use(tau)[0], leaf, CREDENTIAL)


def make_scene(
    shape: tuple[tuple[int, int], ...] = ((2, 3), (3, 5)),
    later: int = 3,
    vacant: frozenset[int] = frozenset(),
) -> Scene:
    """Make a tier 1 in slot ``FIRST`` and a seal ``later`` slots after it."""
    policy = make_policy(shape)
    roster = make_roster(policy, vacant=vacant)
    tier1_header = Tier1Header(
        policy.digest,
        GROUP,
        EPOCH,
        CONTEXT,
        LEAF,
        CREDENTIAL,
        roster.day,
        FIRST,
        roster.key_ids,
    )
    tier1, first = make_tier1(secret_at(FIRST), tier1_header, roster)
    header = make_header(policy, tier1, FIRST + later)
    keys = first.at(FIRST + later)
    secret = secret_at(FIRST + later)
    seal = make_seal(secret, header, roster.shape, keys)
    return Scene(policy, roster, tier1, header, keys, seal, secret)


def make_header(policy: Policy, tier1: Tier1, tau: int) -> SlotHeader:
    return SlotHeader(
        policy.digest,
        GROUP,
        EPOCH,
        CONTEXT,
        LEAF,
        CREDENTIAL,
        SENDER.public,
        tau,
        tier1.digest,
        None,
        Seen(1, bytes(32)),
    )


def reseal(scene: Scene, header: SlotHeader) -> Scene:
    """Return the scene with another header and a seal that fits it."""
    seal = make_seal(scene.secret, header, scene.roster.shape, scene.keys)
    return replace(scene, header=header, seal=seal)
