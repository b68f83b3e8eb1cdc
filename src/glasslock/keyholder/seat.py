"""A keyholder in its seat: the policy it serves and the key it signs with; knows no order."""

from __future__ import annotations

from dataclasses import dataclass, field

from glasslock.errors import StateError
from glasslock.ids import KeyholderId, keyholder_id
from glasslock.signing import Signer
from glasslock.wire.policy import Access, Limits, Policy


@dataclass(frozen=True)
class Seated:
    """Who acts, and under which policy; ``seat`` is the number of its seat."""

    policy: Policy
    access: Access
    seat: int
    name: KeyholderId
    key: Signer = field(repr=False)

    @classmethod
    def of(cls, policy: Policy, name: str, key: Signer) -> Seated:
        """Take the seat that ``policy`` has for ``name``.

        Raises:
            StateError: the policy has no such seat, or gives it another key.
        """
        access = policy.access
        seat = None if access is None else access.seat_of(name)
        if access is None or seat is None:
            raise StateError("the policy has no seat for this keyholder", rule="keyholder.seat")
        if access.seats[seat].signing_key != key.public:
            raise StateError("the policy gives this seat another key", rule="keyholder.key")
        return cls(policy, access, seat, keyholder_id(name), key)

    @property
    def limits(self) -> Limits:
        """The policy's limits."""
        return self.access.limits

    @property
    def day(self) -> int:
        """Length of a policy day in seconds."""
        return self.policy.clocks.day_seconds
