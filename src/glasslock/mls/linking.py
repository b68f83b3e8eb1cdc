"""Which devices of an account vouch for each other (appendix A.6).

A provider names an account's devices, and may name one of its own among them. What it cannot do is
sign for those that are there: a later device counts only through a link that both ends signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from glasslock import signing
from glasslock.errors import GlasslockError, VerificationError
from glasslock.wire.api import DeviceEntry, possession_content, registration_content
from glasslock.wire.labels import Label


def check_entry(account: str, entry: DeviceEntry, provider_key: bytes) -> None:
    """Check both signatures of an entry.

    Raises:
        BadSignature: possession or approval do not verify.
        KeyRejected: a key is not usable.
        VerificationError: an approval without an approver, or the reverse.
    """
    device, key, approver = entry.device, entry.signature_key, entry.approver_key
    content = possession_content(provider_key, account, device, key, approver)
    signing.verify(key, Label.SIGN_POSSESSION, content, entry.possession)
    if (approver is None) != (entry.approval is None):
        raise VerificationError("an approval is somebody's", rule="linking.approval")
    if approver is not None and entry.approval is not None:
        content = registration_content(provider_key, account, device, key)
        signing.verify(approver, Label.SIGN_DEVICE, content, entry.approval)


def vouched(
    account: str,
    entries: Iterable[DeviceEntry],
    provider_key: bytes,
    inside: Mapping[bytes, bytes],
) -> dict[bytes, bytes]:
    """Return the devices, with their signature keys, that ``inside`` vouch for, over links.

    ``inside`` are those that one believes already, such as the account's devices in a group. Of an
    account of which none is known, the one device that nobody approved is believed, for there is
    nothing else to go by.

    Raises:
        VerificationError: rule ``linking.first`` when several devices claim to have been the first
            of an account of which none is known.
    """
    holding = [each for each in entries if _holds(account, each, provider_key)]
    found = dict(inside)
    if not found:
        first = [each for each in holding if each.approver_key is None]
        if len(first) > 1:
            raise VerificationError(
                "several devices of this account say that they were its first",
                rule="linking.first",
            )
        found = {each.device: each.signature_key for each in first}
    names = {each.signature_key: each.device for each in holding} | {
        key: device for device, key in found.items()
    }
    size = -1
    while size < len(found):
        size = len(found)
        for each in holding:
            _join(each, found, names)
    return found


def _holds(account: str, entry: DeviceEntry, provider_key: bytes) -> bool:
    try:
        check_entry(account, entry, provider_key)
    except GlasslockError:
        return False
    return True


def _join(entry: DeviceEntry, found: dict[bytes, bytes], names: Mapping[bytes, bytes]) -> None:
    """Take in one end of a link when the other is believed; a device keeps the key it has."""
    approver = entry.approver_key
    if approver is None:
        return
    if approver in found.values():
        found.setdefault(entry.device, entry.signature_key)
    elif found.get(entry.device) == entry.signature_key and approver in names:
        found.setdefault(names[approver], approver)
