"""Who may act in an order: authority records vouched for by a policy's registry key (section 5).

Knows records and one registry key; does not know a log (that a record was logged is for the caller
to have checked) or an order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from glasslock import signing
from glasslock.errors import GlasslockError, VerificationError
from glasslock.wire.labels import Label
from glasslock.wire.order import entry_digest
from glasslock.wire.policy import Policy
from glasslock.wire.record import AuthorityRecord, encode_record


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
