"""What a group may name as its policy: known, logged where it says, no canary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.client.policies import BookBehind, Policies
from glasslock.errors import VerificationError
from glasslock.wire.labels import Label
from glasslock.wire.policy import PolicyExtension, SignedPolicy
from glasslock.wire.record import PolicyRecord, encode_record
from tests.unit.sealing.scene import make_policy, signing_key

POLICY = make_policy(((2, 2), (2, 2)))
NONE = replace(POLICY, name="none", access=None)
SIGNED = SignedPolicy(
    POLICY, tuple(signing_key(j).sign(Label.SIGN_POLICY, POLICY.document) for j in range(4))
)


def shelf(*, read: bool = True, time: int = 100) -> Policies:
    policies = Policies({p.digest: p for p in (POLICY, NONE)})
    if read:
        entry = encode_record(PolicyRecord(SIGNED))
        policies.log_read(POLICY.digest, [(0, 10, b"something else"), (1, 20, entry)], time)
    return policies


def test_a_policy_that_stands_in_its_log_may_be_named() -> None:
    policies = shelf()
    extension = policies.extension(POLICY)
    assert extension == PolicyExtension(POLICY.digest, 1).encode()
    assert policies.named(extension, 100) is POLICY
    assert policies.named(policies.extension(NONE), 100) is NONE


def test_what_is_not_known_or_read_yet_is_waited_for() -> None:
    extension = PolicyExtension(POLICY.digest, 1).encode()
    for policies, time, rule in (
        (Policies({}), 0, "policy.unknown"),
        (shelf(read=False), 0, "policy.unread"),
    ):
        with pytest.raises(BookBehind) as raised:
            policies.named(extension, time)
        assert raised.value.rule == rule
    with pytest.raises(BookBehind):
        shelf(read=False).extension(POLICY)
    later = PolicyExtension(POLICY.digest, 7).encode()
    with pytest.raises(BookBehind):
        shelf(time=50).named(later, 51)


def test_a_lie_about_the_position_is_refused() -> None:
    for position in (0, 2, 1 << 40):
        with pytest.raises(VerificationError) as raised:
            shelf().named(PolicyExtension(POLICY.digest, position).encode(), 100)
        assert raised.value.rule == "policy.position"
    with pytest.raises(VerificationError) as raised:
        shelf().named(PolicyExtension(NONE.digest, 1).encode(), 100)
    assert raised.value.rule == "policy.position"


def test_a_policy_that_a_seat_has_not_signed_is_not_in_the_log() -> None:
    short = replace(SIGNED, signatures=(bytes(64), *SIGNED.signatures[1:]))
    policies = Policies({POLICY.digest: POLICY})
    policies.log_read(POLICY.digest, [(0, 10, encode_record(PolicyRecord(short)))], 100)
    with pytest.raises(VerificationError) as raised:
        policies.extension(POLICY)
    assert raised.value.rule == "policy.unlogged"


def test_no_person_joins_a_canary() -> None:
    with pytest.raises(VerificationError) as raised:
        shelf().named(PolicyExtension(POLICY.digest, 1, canary=True).encode(), 100)
    assert raised.value.rule == "policy.canary"
