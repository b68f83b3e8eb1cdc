"""Whom to add when an account is invited: what its provider hands out, held against its devices.

Pure; knows a roster and an answer, and no session.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from glasslock.errors import VerificationError
from glasslock.mls import Device, Roster, check_age, key_package_info
from glasslock.mls.linking import vouched
from glasslock.wire import api


@dataclass(frozen=True, slots=True)
class Choice:
    """The KeyPackages of devices to add; ``strangers`` counts those that nobody vouches for."""

    packages: tuple[bytes, ...]
    strangers: int


def choose(
    roster: Roster, account: str, answer: api.KeyPackages, provider_key: bytes, suite: int, now: int
) -> Choice:
    """Return what to add of ``account`` to a group of ``roster`` and MLS ``suite`` at ``now``.

    A device is added if those of the account that are in the group vouch for it; of an account
    that is not in it, see ``mls.linking.vouched``.

    Raises:
        VerificationError: a KeyPackage is another's, of another suite, too old, or of another key
            than its device has; or it cannot be said whose account it is.
        WireError: a KeyPackage is malformed.
    """
    inside: dict[bytes, bytes] = {
        leaf.device.device: leaf.signer for leaf in roster.of_account(account)
    }
    known = vouched(account, answer.entries, provider_key, inside)
    chosen = []
    strangers = 0
    for device, key, package in _offered(account, answer, suite, now):
        if device in inside:
            continue
        if device not in known:
            strangers += 1
        elif known[device] != key:
            raise VerificationError("a KeyPackage is of another key", rule="invite.key")
        else:
            chosen.append(package)
    return Choice(tuple(chosen), strangers)


def _offered(
    account: str, answer: api.KeyPackages, suite: int, now: int
) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield device, signature key and bytes of each KeyPackage once it is what was asked for."""
    for each in answer.packages:
        info = key_package_info(each.package)
        device = Device.of(info.member.identity)
        if (device.account, device.device) != (account, each.device):
            raise VerificationError("a KeyPackage names somebody else", rule="invite.identity")
        if info.suite != suite:
            raise VerificationError("a KeyPackage is of another suite", rule="invite.suite")
        check_age(info, now)
        yield each.device, info.member.signature_key, each.package
