"""KeyPackages on their way in and out of the store, as requests inside a batch; knows no socket."""

from __future__ import annotations

from glasslock.errors import Denied
from glasslock.ids import account_id, device_id
from glasslock.mls import Device
from glasslock.provider import directory
from glasslock.provider.store import Store
from glasslock.wire import api


class Packages:
    """What devices put up for others to be invited by."""

    def __init__(self, store: Store) -> None:
        """Work on ``store``; callers hold a transaction."""
        self._store = store

    def put(self, owner: Device, frame: api.PutKeyPackages, now: int) -> set[Device]:
        """Take KeyPackages of ``owner``; returns whose inboxes have grown by it.

        Raises:
            WireError, VerificationError, Denied: as ``directory.check_key_packages``.
        """
        devices = self._store.devices(owner.account)
        checked = directory.check_key_packages(
            frame.packages, frame.last_resort, owner, devices[owner.device], now
        )
        told: set[Device] = set()
        if not self._store.can_be_invited(owner):
            # From now on the account's other devices can bring this one into their conversations.
            item = api.InboxItem(0, "device", owner.device)
            for other in sorted(devices.keys() - {owner.device}):
                sibling = Device(owner.account, device_id(other))
                self._store.put_inbox(sibling, item)
                told.add(sibling)
        self._store.put_key_packages(owner, checked)
        return told

    def claim(self, asker: Device, frame: api.ClaimKeyPackages) -> api.KeyPackages:
        """Give one KeyPackage of each other device of an account.

        Raises:
            Denied: there is no such account.
        """
        devices = self._store.devices(frame.account)
        if not devices:
            raise Denied("there is no such account", rule="claim.account")
        found, missing = [], []
        for device in sorted(devices):
            owner = Device(account_id(frame.account), device_id(device))
            if owner == asker:
                continue
            package = self._store.claim_key_package(owner)
            if package is None:
                missing.append(device)
            else:
                found.append(api.DeviceKeyPackage(device, package))
        return api.KeyPackages(frame.id, found, missing, self._store.entries_of(frame.account))
