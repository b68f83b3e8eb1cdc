"""Who is in a group: accounts and devices behind leaves; knows no store and no key but public ones.

The identity in a basic credential is ``cbor([account, device id])``. Whether the account's device
list really has that device under that key is for the reader to judge: nothing in MLS does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from glasslock.errors import Denied, VerificationError
from glasslock.ids import AccountId, DeviceId, account_id, device_id
from glasslock.wire.codec import encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.shape import Fields


class MemberFacts(Protocol):
    """What the engine says of a member."""

    @property
    def leaf(self) -> int:
        """Leaf index, 0 while it has none."""

    @property
    def identity(self) -> bytes:
        """Identity in its basic credential."""

    @property
    def signature_key(self) -> bytes:
        """Raw Ed25519 key of the leaf."""

    @property
    def credential(self) -> bytes:
        """MLS Credential as TLS bytes."""


@dataclass(frozen=True, slots=True, order=True)
class Device:
    """A device of an account."""

    account: AccountId
    device: DeviceId

    def identity(self) -> bytes:
        """Return the identity bytes of its credential."""
        return encode((self.account, self.device))

    @classmethod
    def of(cls, identity: bytes) -> Device:
        """Read identity bytes; raises ``WireError``."""
        fields = Fields.of(identity, "identity", 2, limit=256)
        return cls(account_id(fields.text(64)), device_id(fields.bytes(16)))


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf that is not blank; ``credential`` is the MLS Credential as TLS bytes."""

    index: int
    device: Device
    signer: bytes
    credential: bytes
    credential_digest: bytes

    @classmethod
    def of(cls, member: MemberFacts) -> Leaf:
        """Read a member; raises ``WireError`` when its identity is not one of ours."""
        return cls(
            member.leaf,
            Device.of(member.identity),
            member.signature_key,
            member.credential,
            credential_digest(member.credential),
        )


@dataclass(frozen=True)
class Roster:
    """Everybody in a group in one epoch, in leaf order."""

    leaves: tuple[Leaf, ...]

    @classmethod
    def of(cls, members: Iterable[MemberFacts]) -> Roster:
        """Read all members; raises ``WireError``."""
        return cls(()).after(members)

    def after(self, members: Iterable[MemberFacts], removed: Iterable[int] = ()) -> Roster:
        """Read the members after a commit that took the leaves ``removed`` away.

        MLS lets a committer put any credential and key into its own leaf. Here a leaf is what it
        was when it was added, so that nobody becomes somebody else; it need not be read anew.

        Raises:
            VerificationError: a leaf that stays is another one now.
            WireError: the identity of a new member is not one of ours.
        """
        known = {leaf.index: leaf for leaf in self.without(removed).leaves}
        leaves = (_leaf(member, known.get(member.leaf)) for member in members)
        return Roster(tuple(sorted(leaves, key=lambda leaf: leaf.index)))

    def without(self, removed: Iterable[int]) -> Roster:
        """Return the roster without the leaves ``removed``."""
        gone = frozenset(removed)
        return Roster(tuple(leaf for leaf in self.leaves if leaf.index not in gone))

    @cached_property
    def _by_index(self) -> dict[int, Leaf]:
        return {leaf.index: leaf for leaf in self.leaves}

    @cached_property
    def _by_device(self) -> dict[Device, Leaf]:
        # Of two leaves of one device the first one counts.
        return {leaf.device: leaf for leaf in reversed(self.leaves)}

    @cached_property
    def accounts(self) -> frozenset[AccountId]:
        """All accounts with a device in the group."""
        return frozenset(leaf.device.account for leaf in self.leaves)

    def leaf(self, index: int) -> Leaf:
        """Return leaf ``index``; raises ``VerificationError`` when it is blank."""
        try:
            return self._by_index[index]
        except KeyError:
            raise VerificationError("this leaf is blank", rule="roster.leaf") from None

    def of_account(self, account: str) -> tuple[Leaf, ...]:
        """Return the leaves of ``account``."""
        return tuple(leaf for leaf in self.leaves if leaf.device.account == account)

    def of_device(self, device: Device) -> Leaf:
        """Return the leaf of ``device``; raises ``Denied`` when it has none."""
        leaf = self._by_device.get(device)
        if leaf is not None:
            return leaf
        raise Denied("this device is not in the group", rule="roster.device")


def _leaf(member: MemberFacts, known: Leaf | None) -> Leaf:
    if known is None:
        return Leaf.of(member)
    # The credential holds the identity, and the engine gives both from one leaf.
    if (known.credential, known.signer) != (member.credential, member.signature_key):
        raise VerificationError("a member has become somebody else", rule="roster.changed")
    return known


def credential_digest(credential: bytes) -> bytes:
    """Return ``H("credential", MLS Credential as TLS bytes)``."""
    return digest(Label.CREDENTIAL, credential)


def context_digest(context: bytes) -> bytes:
    """Return ``H("group context", GroupContext as TLS bytes)``."""
    return digest(Label.GROUP_CONTEXT, context)
