"""Who may act in an order: authority records vouched for by a policy's registry key (section 5).

Knows records and one registry key; does not know a log (that a record was logged is for the caller
to have checked) or an order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from glasslock import signing
from glasslock.errors import GlasslockError, VerificationError
from glasslock.orders.extension import Parties
from glasslock.wire.labels import Label
from glasslock.wire.order import Order, entry_digest
from glasslock.wire.policy import Policy
from glasslock.wire.record import COUNTERSIGNER, ISSUING, AuthorityRecord, encode_record


@dataclass(frozen=True, slots=True)
class Authority:
    """A record that the registry signed for this policy; comes only from ``Register``."""

    digest: bytes
    record: AuthorityRecord

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def key(self) -> bytes:
        """Its raw Ed25519 key, or its X-Wing key for the roles that receive."""
        return self.record.key


class Register:
    """All authorities of one policy, by digest of their log entry."""

    def __init__(self, policy: Policy, records: Iterable[AuthorityRecord]) -> None:
        """Take those of ``records`` that the policy's registry key has signed for this policy."""
        self.policy = policy.digest
        self._found: dict[bytes, Authority] = {}
        if policy.access is None:
            return
        for record in records:
            if record.policy != policy.digest:
                continue
            try:
                signing.verify(
                    policy.access.registry_key,
                    Label.SIGN_RECORD,
                    record.signed_part(),
                    record.signature,
                )
            except GlasslockError:
                continue
            known = entry_digest(encode_record(record))
            self._found[known] = Authority(known, record)

    def find(self, digest: bytes, role: str, at: int) -> Authority:
        """Return the authority of ``digest`` if it has ``role`` and serves at ``at``.

        Raises:
            VerificationError: rule ``authority.unknown``, ``authority.role``, ``authority.dates``.
        """
        found = self._found.get(digest)
        if found is None:
            raise VerificationError(
                "nobody is registered under this name", rule="authority.unknown"
            )
        if found.record.role != role:
            raise VerificationError("registered for another role", rule="authority.role")
        if not found.record.not_before <= at <= found.record.not_after:
            raise VerificationError("not registered at this time", rule="authority.dates")
        return found

    def all(self) -> tuple[Authority, ...]:
        """Return all of them."""
        return tuple(self._found.values())

    def may_extend(self, issuing: bytes, countersigner: bytes, time: int) -> bool:
        """Say whether two keys are registered in their roles at ``time``, under two owners."""
        return any(
            _apart(one, other)
            for one in self._serving(ISSUING, issuing, time)
            for other in self._serving(COUNTERSIGNER, countersigner, time)
        )

    def parties(self, order: Order) -> Parties:
        """Return who may extend ``order``: the two that it names, while they serve."""

        def named(issuing: bytes, countersigner: bytes, time: int) -> bool:
            try:
                one = self.find(order.authority, ISSUING, time)
                other = self.find(order.countersigner, COUNTERSIGNER, time)
            except VerificationError:
                return False
            return (one.key, other.key) == (issuing, countersigner) and _apart(one, other)

        return named

    def _serving(self, role: str, key: bytes, time: int) -> list[Authority]:
        return [
            each
            for each in self._found.values()
            if (each.record.role, each.key) == (role, key)
            and each.record.not_before <= time <= each.record.not_after
        ]


class Registers:
    """The registers of every policy in a log; made anew only when the log has grown."""

    def __init__(self) -> None:
        """Begin with none."""
        self._size = -1
        self._found: tuple[Register, ...] = ()

    def at(
        self, size: int, policies: Iterable[Policy], records: Iterable[AuthorityRecord]
    ) -> Registers:
        """Return this, as of a log of ``size`` entries with these policies and authorities."""
        if size != self._size:
            known = list(records)
            self._size, self._found = size, tuple(Register(each, known) for each in policies)
        return self

    def may_extend(self, issuing: bytes, countersigner: bytes, time: int) -> bool:
        """Say whether two keys may put off notices under some policy of the log."""
        return any(each.may_extend(issuing, countersigner, time) for each in self._found)


def _apart(one: Authority, other: Authority) -> bool:
    return one.record.owner != other.record.owner and one.key != other.key
