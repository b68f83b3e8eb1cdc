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
from glasslock.mls.linking import check_entry
from glasslock.wire.api import MAX_KEY_PACKAGES, RegisterDevice, login_content
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
        Denied: a later device without approval, a first one with it, or too many devices.
        VerificationError: an approval of nobody.
    """
    entry = request.entry
    device = Device(account_id(request.account), device_id(entry.device))
    check_entry(request.account, entry, provider_key)
    taken = known.get(entry.device)
    if taken is not None and taken != entry.signature_key:
        raise Conflict("this device id is taken", rule="directory.taken")
    if taken is None:
        _check_approver(entry.approver_key, known)
    return device


def _check_approver(approver: bytes | None, known: Mapping[bytes, bytes]) -> None:
    if len(known) >= MAX_DEVICES:
        raise Denied("this account has too many devices", rule="directory.devices")
    if known and approver is None:
        raise Denied("this account exists: one of its devices must approve", rule="directory.new")
    if approver is not None and approver not in known.values():
        raise Denied("the approving device is not of this account", rule="directory.approver")


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
