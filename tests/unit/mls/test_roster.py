"""Who is in a group after a commit: nobody becomes somebody else, what stays is not read anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from glasslock.errors import VerificationError, WireError
from glasslock.ids import account_id, device_id
from glasslock.mls import Device, Roster


@dataclass(frozen=True)
class Facts:
    """What an engine says of a member."""

    leaf: int
    identity: bytes
    signature_key: bytes
    credential: bytes


def member(name: str, leaf: int, key: int = 1) -> Facts:
    identity = Device(account_id(name), device_id(bytes(16))).identity()
    return Facts(leaf, identity, bytes((key,)) * 32, b"\x00\x01" + identity)


ALICE, BOB = member("alice", 0), member("bob", 2)
BEFORE = Roster.of([ALICE, BOB])


def test_leaves_stand_in_their_order() -> None:
    assert Roster.of([BOB, ALICE]) == BEFORE
    assert [leaf.index for leaf in BEFORE.leaves] == [0, 2]


def test_a_leaf_that_stays_is_not_read_anew() -> None:
    carol = member("carol", 1)
    # An identity that cannot be read shows that nobody does.
    unread = [replace(ALICE, identity=b"unread"), replace(BOB, identity=b"unread"), carol]
    after = BEFORE.after(unread)
    assert [leaf.device.account for leaf in after.leaves] == ["alice", "carol", "bob"]
    assert after.leaf(0) is BEFORE.leaf(0)


@pytest.mark.parametrize(
    "changed",
    [
        replace(member("mallory", 0), signature_key=ALICE.signature_key),
        replace(ALICE, signature_key=bytes(32)),
        replace(ALICE, credential=b"\x00\x01other"),
    ],
)
def test_a_leaf_that_stays_does_not_become_another(changed: Facts) -> None:
    with pytest.raises(VerificationError) as caught:
        BEFORE.after([changed, BOB])
    assert caught.value.rule == "roster.changed"


def test_the_place_of_a_leaf_that_was_removed_is_free() -> None:
    carol = member("carol", 0, key=7)
    after = BEFORE.after([carol, BOB], removed=[0])
    assert after.accounts == {"carol", "bob"}
    assert after.leaf(0).signer == carol.signature_key
    with pytest.raises(VerificationError):
        BEFORE.after([carol, BOB], removed=[2])


def test_a_new_member_is_one_of_ours() -> None:
    stranger = Facts(1, b"stranger", bytes(32), b"\x00\x01stranger")
    with pytest.raises(WireError):
        BEFORE.after([ALICE, BOB, stranger])


def test_a_roster_without_leaves_has_the_others() -> None:
    assert BEFORE.without([0, 5]).leaves == (BEFORE.leaf(2),)
    assert BEFORE.without([]) == BEFORE
