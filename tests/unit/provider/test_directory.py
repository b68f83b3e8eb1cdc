"""Who may enter a device under an account, and log in with it."""

from __future__ import annotations

import pytest

from glasslock.errors import BadSignature, Conflict, Denied, GlasslockError
from glasslock.ids import account_id, device_id
from glasslock.mls import Device
from glasslock.provider.directory import MAX_DEVICES, check_login, check_registration
from glasslock.signing import SigningKey
from glasslock.wire.api import (
    DeviceEntry,
    RegisterDevice,
    login_content,
    possession_content,
    registration_content,
)
from glasslock.wire.labels import Label

PROVIDER = bytes((1,)) * 32
PHONE, LAPTOP, MALLORY = (SigningKey.from_seed(bytes((n,)) * 32) for n in (2, 3, 4))
KNOWN = {b"phone" + bytes(11): PHONE.public}
DEVICE = b"laptop" + bytes(10)


def asked(
    by: SigningKey = LAPTOP,
    approved: SigningKey | None = PHONE,
    approver: SigningKey = PHONE,
    device: bytes = DEVICE,
    shown: SigningKey = LAPTOP,
) -> RegisterDevice:
    """A registration of Alice's laptop: ``by`` shows possession of the key ``shown``."""
    named = None if approved is None else approver.public
    content = registration_content(PROVIDER, "alice", device, shown.public)
    approval = None if approved is None else approved.sign(Label.SIGN_DEVICE, content)
    content = possession_content(PROVIDER, "alice", device, shown.public, named)
    possession = by.sign(Label.SIGN_POSSESSION, content)
    return RegisterDevice("alice", DeviceEntry(device, shown.public, possession, named, approval))


def test_a_device_that_shows_its_key_and_is_approved_enters() -> None:
    assert check_registration(asked(), KNOWN, PROVIDER).device == DEVICE
    assert check_registration(asked(approved=None), {}, PROVIDER).account == "alice"


def test_nobody_enters_a_key_that_is_not_theirs() -> None:
    with pytest.raises(BadSignature):
        check_registration(asked(by=MALLORY), KNOWN, PROVIDER)
    with pytest.raises(BadSignature):
        check_registration(asked(), KNOWN, bytes(32))


def test_a_later_device_needs_a_word_of_one_before_it() -> None:
    with pytest.raises(Denied) as caught:
        check_registration(asked(approved=None), KNOWN, PROVIDER)
    assert caught.value.rule == "directory.new"
    with pytest.raises(BadSignature):
        check_registration(asked(approved=MALLORY), KNOWN, PROVIDER)
    with pytest.raises(Denied) as caught:
        check_registration(asked(approved=MALLORY, approver=MALLORY), KNOWN, PROVIDER)
    assert caught.value.rule == "directory.approver"


def test_a_device_id_keeps_its_key() -> None:
    taken = {**KNOWN, DEVICE: PHONE.public}
    with pytest.raises(Conflict) as caught:
        check_registration(asked(), taken, PROVIDER)
    assert caught.value.rule == "directory.taken"


def test_an_account_has_so_many_devices_and_no_more() -> None:
    known = {bytes((n,)) * 16: PHONE.public for n in range(MAX_DEVICES)}
    with pytest.raises(Denied) as caught:
        check_registration(asked(), known, PROVIDER)
    assert caught.value.rule == "directory.devices"


def test_a_login_answers_its_own_nonce_with_the_registered_key() -> None:
    device = Device(account_id("alice"), device_id(DEVICE))
    signature = LAPTOP.sign(Label.SIGN_LOGIN, login_content(PROVIDER, "alice", DEVICE, b"nonce"))
    check_login(device, LAPTOP.public, PROVIDER, b"nonce", signature)
    for key, nonce in ((LAPTOP.public, b"other"), (MALLORY.public, b"nonce")):
        with pytest.raises(GlasslockError):
            check_login(device, key, PROVIDER, nonce, signature)
