"""What a policy may not be, whoever signs it: one change of a good one, one rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from glasslock.errors import WireError
from glasslock.ids import keyholder_id
from glasslock.signing import SigningKey
from glasslock.wire.codec import encode
from glasslock.wire.policy import (
    Access,
    Clocks,
    KeyholderClass,
    Limits,
    Policy,
    PolicyExtension,
    Seat,
    SignedPolicy,
    decode_policy,
    decode_policy_extension,
    decode_signed_policy,
)


def key(number: int) -> bytes:
    return SigningKey.from_seed(bytes((number,)) * 32).public


def seat(number: int, name: int | None = None, person: int | None = None) -> Seat:
    called, who = number if name is None else name, number if person is None else person
    return Seat(keyholder_id(f"k{called}"), f"Person {who}", key(number))


def classes(*shape: tuple[int, int]) -> tuple[KeyholderClass, ...]:
    found, first = [], 1
    for threshold, count in shape:
        seats = tuple(seat(number) for number in range(first, first + count))
        found.append(KeyholderClass(f"class {first}", threshold, seats))
        first += count
    return tuple(found)


def access(who: tuple[KeyholderClass, ...], registry: bytes = key(99)) -> Access:
    return Access(who, registry, "quorum", "log/policy", "log/orders", Limits())


GOOD = access(classes((2, 3), (2, 2)))
POLICY = Policy("sealed", "family", key(50), Clocks(), GOOD)
TWIN = KeyholderClass("b", 2, (seat(4), seat(1)))
NAMESAKE = KeyholderClass("b", 2, (seat(4), seat(5, name=1)))
SAME_PERSON = KeyholderClass("b", 2, (seat(4), seat(5, person=1)))


@pytest.mark.parametrize(
    ("rule", "make"),
    [
        ("policy.classes", lambda: access(classes((2, 3)))),
        ("policy.classes", lambda: access(())),
        ("policy.classes", lambda: access(classes((2, 20), (2, 13)))),
        ("policy.threshold", lambda: access(classes((1, 3), (2, 2)))),
        ("policy.threshold", lambda: access(classes((2, 3), (0, 2)))),
        ("policy.threshold", lambda: access(classes((4, 3), (2, 2)))),
        ("policy.roster", lambda: access((classes((2, 3))[0], TWIN))),
        ("policy.roster", lambda: access((classes((2, 3))[0], NAMESAKE))),
        ("policy.roster", lambda: access((classes((2, 3))[0], SAME_PERSON))),
        ("policy.roles", lambda: access(classes((2, 3), (2, 2)), registry=key(2))),
        ("policy.slots", lambda: Clocks(slots_per_day=1_441)),
        ("policy.slots", lambda: Clocks(slots_per_day=0)),
        ("policy.slots", lambda: Clocks(slot_seconds=0)),
        ("policy.skew", lambda: Clocks(slot_seconds=10, skew_seconds=31)),
        ("policy.clocks", lambda: Clocks(away_days=0)),
        ("policy.clocks", lambda: Clocks(ingest_seconds=601)),
    ],
)
def test_what_no_policy_may_say(rule: str, make: Callable[[], object]) -> None:
    with pytest.raises(WireError) as caught:
        make()
    assert caught.value.rule == rule


def test_what_the_rules_leave_is_a_policy() -> None:
    assert decode_policy(POLICY.document) == POLICY
    widest = access(classes((2, 16), (16, 16)))
    slowest = Clocks(slots_per_day=1_440, skew_seconds=2_700, away_days=3_650)
    assert decode_policy(replace(POLICY, access=widest, clocks=slowest).document).access == widest


@pytest.mark.parametrize("count", [0, 4, 6])
def test_a_policy_is_signed_by_each_seat(count: int) -> None:
    with pytest.raises(WireError) as caught:
        decode_signed_policy(SignedPolicy(POLICY, (bytes(64),) * count).encode())
    assert caught.value.rule == "policy.signatures"


def test_a_group_of_another_protocol_is_not_entered() -> None:
    good = PolicyExtension(POLICY.digest, 7)
    assert decode_policy_extension(good.encode()) == good
    for other in ("glasslock/2", ""):
        with pytest.raises(WireError) as caught:
            decode_policy_extension(encode((other, 0x8001, POLICY.digest, 7, 0)))
        assert caught.value.rule == "policy.profile"
    with pytest.raises(WireError):
        decode_policy_extension(encode(("glasslock/1", 2, POLICY.digest, 7, 0)))
