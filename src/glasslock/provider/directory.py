"""The Authentication Service's decisions: devices of accounts and their KeyPackages.

Knows what a registration and a KeyPackage must prove; knows no store and no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from glasslock import signing
from glasslock.errors import Conflict, Denied, VerificationError
from glasslock.ids import account_id, device_id
from glasslock.mls import Device, KeyPackageInfo, check_age, key_package_info
from glasslock.wire.api import (
    MAX_KEY_PACKAGES,
    RegisterDevice,
    login_content,
    registration_content,
)
from glasslock.wire.labels import Label

MAX_DEVICES: Final = 20


def check_registration(
    request: RegisterDevice, known: Mapping[bytes, bytes], provider_key: bytes
) -> Device:
    """Judge a registration; ``known`` are the account's devices and their signature keys.

    Raises:
        WireError: names that are not ours.
        BadSignature: possession or approval do not verify.
        Conflict: the device id is taken by another key.
        Denied: a later device without approval, or too many devices.
    """
    device = Device(account_id(request.account), device_id(request.device))
    content = registration_content(
        provider_key, request.account, request.device, request.signature_key
    )
    signing.verify(request.signature_key, Label.SIGN_POSSESSION, content, request.possession)
    taken = known.get(request.device)
    if taken is not None and taken != request.signature_key:
        raise Conflict("this device id is taken", rule="directory.taken")
    if taken is None and known:
        _check_approval(request, known, content)
    return device


def _check_approval(request: RegisterDevice, known: Mapping[bytes, bytes], content: bytes) -> None:
    if len(known) >= MAX_DEVICES:
        raise Denied("this account has too many devices", rule="directory.devices")
    if request.approver is None or request.approval is None:
        raise Denied("this account exists: one of its devices must approve", rule="directory.new")
    key = known.get(request.approver)
    if key is None:
        raise Denied("the approving device is not of this account", rule="directory.approver")
    signing.verify(key, Label.SIGN_DEVICE, content, request.approval)


def check_login(
    device: Device, signature_key: bytes, provider_key: bytes, nonce: bytes, signature: bytes
) -> None:
    """Check the answer to a log-in challenge; raises ``BadSignature``."""
    content = login_content(provider_key, device.account, device.device, nonce)
    signing.verify(signature_key, Label.SIGN_LOGIN, content, signature)


def check_key_packages(
    packages: Iterable[bytes], last_resort: bytes | None, owner: Device, key: bytes, now: int
) -> list[tuple[bytes, KeyPackageInfo]]:
    """Judge KeyPackages that ``owner`` publishes; returns them with what they say.

    Raises:
        WireError, VerificationError: a package is malformed, another's, or too old.
        Denied: too many at once.
    """
    single = list(packages)
    if len(single) > MAX_KEY_PACKAGES:
        raise Denied("too many KeyPackages at once", rule="directory.packages")
    checked = [(data, check_key_package(data, owner, key, now)) for data in single]
    if last_resort is not None:
        checked.append((last_resort, check_key_package(last_resort, owner, key, now)))
    wrong = [info for data, info in checked if info.last_resort != (data == last_resort)]
    if wrong:
        raise VerificationError("a last-resort mark is misplaced", rule="directory.last-resort")
    return checked


def check_key_package(data: bytes, owner: Device, key: bytes, now: int) -> KeyPackageInfo:
    """Check that a KeyPackage is ``owner``'s, under its registered key, and fresh at ``now``.

    Raises:
        WireError, VerificationError.
    """
    info = key_package_info(data)
    if Device.of(info.member.identity) != owner or info.member.signature_key != key:
        raise VerificationError("a KeyPackage is another device's", rule="directory.owner")
    check_age(info, now)
    return info
