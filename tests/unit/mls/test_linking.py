"""Which devices of an account count: those that are linked by what both ends signed."""

from __future__ import annotations

import msgspec
import pytest

from glasslock.errors import BadSignature, VerificationError
from glasslock.mls.linking import check_entry, vouched
from glasslock.signing import SigningKey
from glasslock.wire.api import DeviceEntry, possession_content, registration_content
from glasslock.wire.labels import Label

PROVIDER = bytes((1,)) * 32
PHONE, LAPTOP, TABLET, GHOST = (SigningKey.from_seed(bytes((n,)) * 32) for n in range(2, 6))


def entry(
    key: SigningKey,
    approver: SigningKey | None = None,
    *,
    account: str = "alice",
    signer: SigningKey | None = None,
) -> DeviceEntry:
    """The entry of a device, named by its key; ``signer`` approves in the place of ``approver``."""
    device, named = key.public[:16], None if approver is None else approver.public
    possession = possession_content(PROVIDER, account, device, key.public, named)
    approved = registration_content(PROVIDER, account, device, key.public)
    by = signer or approver
    return DeviceEntry(
        device,
        key.public,
        key.sign(Label.SIGN_POSSESSION, possession),
        named,
        None if by is None else by.sign(Label.SIGN_DEVICE, approved),
    )


def believed(inside: list[SigningKey], *entries: DeviceEntry) -> set[bytes]:
    known = {key.public[:16]: key.public for key in inside}
    return set(vouched("alice", entries, PROVIDER, known).values())


CHAIN = (entry(PHONE), entry(LAPTOP, PHONE), entry(TABLET, LAPTOP))
ALL = {PHONE.public, LAPTOP.public, TABLET.public}


@pytest.mark.parametrize("known", [PHONE, LAPTOP, TABLET])
@pytest.mark.parametrize("turned", [False, True])
def test_a_chain_is_believed_from_any_of_its_devices(known: SigningKey, *, turned: bool) -> None:
    assert believed([known], *(CHAIN[::-1] if turned else CHAIN)) == ALL


def test_of_an_account_that_is_not_known_the_first_device_is_believed() -> None:
    assert believed([], *CHAIN) == ALL
    assert believed([], *CHAIN[1:]) == set()
    with pytest.raises(VerificationError) as caught:
        believed([], *CHAIN, entry(GHOST))
    assert caught.value.rule == "linking.first"


@pytest.mark.parametrize(
    "ghost",
    [
        entry(GHOST),
        entry(GHOST, GHOST),
        entry(GHOST, PHONE, signer=GHOST),
        entry(GHOST, PHONE, account="bob"),
        msgspec.structs.replace(entry(GHOST, GHOST), approver_key=PHONE.public),
        msgspec.structs.replace(entry(GHOST, PHONE, signer=GHOST), approval=None),
    ],
    ids=["first", "by itself", "forged", "of another account", "renamed", "unsaid"],
)
def test_a_device_that_nobody_approved_is_nobodys(ghost: DeviceEntry) -> None:
    assert believed([PHONE], *CHAIN, ghost) == ALL


def test_nobody_becomes_the_one_who_approved_without_a_word_of_the_approved() -> None:
    # It can sign for the phone; the phone has not named it.
    forged = msgspec.structs.replace(
        entry(PHONE), approver_key=GHOST.public, approval=entry(PHONE, GHOST).approval
    )
    assert believed([PHONE], forged, entry(GHOST)) == {PHONE.public}


def test_a_device_keeps_the_key_that_it_is_known_under() -> None:
    # The phone approves another key under the device id that the laptop has.
    device = LAPTOP.public[:16]
    content = possession_content(PROVIDER, "alice", device, GHOST.public, PHONE.public)
    approved = registration_content(PROVIDER, "alice", device, GHOST.public)
    moved = DeviceEntry(
        device,
        GHOST.public,
        GHOST.sign(Label.SIGN_POSSESSION, content),
        PHONE.public,
        PHONE.sign(Label.SIGN_DEVICE, approved),
    )
    assert believed([PHONE, LAPTOP], moved) == {PHONE.public, LAPTOP.public}


def test_an_entry_is_signed_by_both() -> None:
    for each in CHAIN:
        check_entry("alice", each, PROVIDER)
    with pytest.raises(BadSignature):
        check_entry("alice", entry(LAPTOP, PHONE), bytes(32))
    with pytest.raises(BadSignature):
        check_entry("alice", entry(LAPTOP, PHONE, signer=GHOST), PROVIDER)
    with pytest.raises(VerificationError) as caught:
        check_entry(
            "alice",
            msgspec.structs.replace(entry(PHONE), approval=entry(PHONE, GHOST).approval),
            PROVIDER,
        )
    assert caught.value.rule == "linking.approval"
