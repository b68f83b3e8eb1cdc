"""Tiny identifier types and their shapes; knows no key, store or protocol step."""

from __future__ import annotations

import re
from typing import Final, NewType

from glasslock.errors import WireError

AccountId = NewType("AccountId", str)
DeviceId = NewType("DeviceId", bytes)
GroupId = NewType("GroupId", bytes)
KeyholderId = NewType("KeyholderId", str)
Digest = NewType("Digest", bytes)

DEVICE_ID_SIZE: Final = 16
GROUP_ID_MAX: Final = 64
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z")


def account_id(text: str) -> AccountId:
    """Return ``text`` as an account name.

    Raises:
        WireError: not 1 to 64 lower-case letters, digits, dots, dashes or underscores.
    """
    return AccountId(_name(text, "account"))


def keyholder_id(text: str) -> KeyholderId:
    """Return ``text`` as a keyholder name; same shape as an account, raises ``WireError``."""
    return KeyholderId(_name(text, "keyholder"))


def device_id(data: bytes) -> DeviceId:
    """Return ``data`` as a device id; raises ``WireError`` unless it is 16 bytes."""
    if len(data) != DEVICE_ID_SIZE:
        raise WireError("a device id has 16 bytes", rule="ids.device")
    return DeviceId(data)


def group_id(data: bytes) -> GroupId:
    """Return ``data`` as a group id; raises ``WireError`` unless it is 1 to 64 bytes."""
    if not 0 < len(data) <= GROUP_ID_MAX:
        raise WireError("a group id has 1 to 64 bytes", rule="ids.group")
    return GroupId(data)


def _name(text: str, what: str) -> str:
    if not _NAME.match(text):
        raise WireError(
            f"an {what} name is 1 to 64 of a-z 0-9 . _ -, with a letter or digit at both ends",
            rule=f"ids.{what}",
        )
    return text
