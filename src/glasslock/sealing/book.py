"""What a reader of the policy log knows: policies, period keys, ends of keys, authorities.

Fed with verified entries in log order, each with its witnessed time; answers which rosters are in
force. Knows no log, no proof and no clock: that an entry was logged is for the caller to have
checked. A record that does not decode or does not verify is passed over, as by everybody else.
"""

from __future__ import annotations

from typing import Final

from glasslock import signing
from glasslock.errors import GlasslockError, VerificationError
from glasslock.sealing.roster import (
    DayRoster,
    Logged,
    Revocation,
    VettedKey,
    rosters_in_force,
    vet_key,
    vet_revocation,
)
from glasslock.wire.labels import Label
from glasslock.wire.policy import Policy, SignedPolicy
from glasslock.wire.record import (
    AuthorityRecord,
    EndRecord,
    PeriodKeyRecord,
    PolicyRecord,
    ProofRecord,
    decode_record,
)

FOREVER: Final = (1 << 63) - 1


def check_policy(signed: SignedPolicy) -> None:
    """Check that every seat has signed the document; raises ``BadSignature``."""
    if signed.policy.access is None:
        raise VerificationError("only a policy with keyholders is signed", rule="policy.none")
    for seat, signature in zip(signed.policy.access.seats, signed.signatures, strict=True):
        signing.verify(seat.signing_key, Label.SIGN_POLICY, signed.policy.document, signature)


class PolicyBook:
    """The policy log as far as it was read."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.time = 0
        self.frozen = False
        self.size = 0
        self.policies: dict[bytes, Logged[PolicyRecord]] = {}
        self.keys: list[Logged[PeriodKeyRecord]] = []
        self.proofs: list[Logged[ProofRecord]] = []
        self.ends: list[Logged[EndRecord]] = []
        self.authorities: list[Logged[AuthorityRecord]] = []
        self._proofs_of: dict[bytes, list[Logged[ProofRecord]]] = {}
        self._vetted: dict[tuple[bytes, int], VettedKey] = {}
        self._failed: dict[tuple[bytes, int], int] = {}
        self._rosters: dict[tuple[bytes, int, int, int], tuple[DayRoster, ...]] = {}

    def add(self, entry: bytes, index: int, time: int) -> None:
        """Read the entry at ``index``, witnessed at ``time`` (unix seconds)."""
        self.size = index + 1
        self.time = max(self.time, time)
        try:
            record = decode_record(entry)
            match record:
                case PolicyRecord():
                    check_policy(record.signed)
                    logged = Logged(record, index, time)
                    self.policies.setdefault(record.signed.policy.digest, logged)
                case PeriodKeyRecord():
                    self.keys.append(Logged(record, index, time))
                case ProofRecord():
                    proof = Logged(record, index, time)
                    self.proofs.append(proof)
                    self._proofs_of.setdefault(record.key_id, []).append(proof)
                case EndRecord():
                    self.ends.append(Logged(record, index, time))
                case AuthorityRecord():
                    self.authorities.append(Logged(record, index, time))
        except GlasslockError:
            return

    def seen(self, time: int) -> None:
        """Take note that the log was seen whole at ``time``, by its witnesses' clocks."""
        self.time = max(self.time, time)

    def freeze(self) -> None:
        """Take the log as read to its end for good: nothing more of it is believed.

        What was read goes on to serve, and nobody waits for more.
        """
        self.frozen = True
        self.time = FOREVER

    def position(self, policy: bytes) -> int:
        """Return the index at which a policy stands.

        Raises:
            VerificationError: it is not in the log, or not signed by all its seats.
        """
        found = self.policies.get(policy)
        if found is None:
            raise VerificationError("this policy is not in its log", rule="policy.unlogged")
        return found.index

    def vetted(self, policy: Policy) -> list[VettedKey]:
        """Return the period keys that may be used under ``policy``, in log order."""
        found = []
        for key in self.keys:
            place = (policy.digest, key.index)
            known = self._vetted.get(place)
            if known is None:
                about = self._proofs_of.get(key.record.key_id, [])
                # Nothing else can change the answer: what failed is not gone through again.
                if self._failed.get(place) == len(about):
                    continue
                try:
                    known = vet_key(policy, key, about)
                except GlasslockError:
                    self._failed[place] = len(about)
                    continue
                self._vetted[place] = known
            found.append(known)
        return found

    def rosters(self, policy: Policy, day: int, at: int) -> tuple[DayRoster, ...]:
        """Return the rosters that an entry at ``at`` (unix seconds) may use on ``day``."""
        # Only a key's end makes the answer depend on the second; vetting is what costs.
        place = (policy.digest, day, self.size, at if self.ends else 0)
        known = self._rosters.get(place)
        if known is None:
            keys = self.vetted(policy)
            known = rosters_in_force(policy, day, keys, self._revocations(policy, keys), at)
            self._rosters = {place: known}
        return known

    def _revocations(self, policy: Policy, keys: list[VettedKey]) -> list[Revocation]:
        found = []
        for end in self.ends:
            try:
                found.append(vet_revocation(policy, end, keys))
            except GlasslockError:
                continue
        return found
