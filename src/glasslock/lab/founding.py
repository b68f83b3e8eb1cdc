"""Keyholders with period keys, a policy, and the bodies that act in orders; knows no message.

What keyholders do in days, on their own, is done here in one go with their own code: keys are made,
challenged, answered and logged two policy days ago, so that they serve from today on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from glasslock import hpke
from glasslock.ids import keyholder_id
from glasslock.keyholder import period
from glasslock.keyholder.period import OwnKey
from glasslock.keyholder.seat import Seated
from glasslock.lab.logs import ORDERS, POLICY, Logs
from glasslock.provider.config import ClockSettings
from glasslock.sealing import possession
from glasslock.signing import SigningKey
from glasslock.wire.labels import Label
from glasslock.wire.policy import (
    Access,
    Clocks,
    KeyholderClass,
    Limits,
    Policy,
    Seat,
    SignedPolicy,
)
from glasslock.wire.record import (
    AGENCY,
    COUNTERSIGNER,
    ISSUING,
    REGISTRY,
    AuthorityRecord,
    PolicyRecord,
    ProofRecord,
    encode_record,
)

SETTINGS: Final = ClockSettings(slot_seconds=2, slots_per_day=1_440, skew_seconds=4)
CLOCKS: Final = Clocks(2, 1_440, 4, SETTINGS.away_days, SETTINGS.ingest_seconds)
LIMITS: Final = Limits(granularity_seconds=1, hold_seconds=0)
SMALL: Final = ((2, 2), (2, 2))
TWO_LOCKS: Final = ((2, 3), (3, 5))
FOREVER: Final = 1 << 40


@dataclass(frozen=True)
class Plan:
    """What a world is founded with.

    ``shape`` has (threshold, seats) per class; ``periods`` is how many one-day periods of keys
    begin today, or 1 for one period of a week.
    """

    shape: tuple[tuple[int, int], ...] = SMALL
    periods: int = 1
    limits: Limits = LIMITS

    @property
    def seats(self) -> int:
        """How many keyholders there are."""
        return sum(count for _, count in self.shape)


USUAL: Final = Plan()


@dataclass
class Bodies:
    """Who acts in orders: keys that sign, case keys that receive, and their records."""

    registrar: SigningKey
    issuer: SigningKey
    judge: SigningKey
    agency: hpke.DecryptionKey
    court: hpke.DecryptionKey
    records: dict[str, AuthorityRecord] = field(default_factory=dict)

    @classmethod
    def draw(cls, rng: Random) -> Bodies:
        """Make all five keys."""
        registrar, issuer, judge = (SigningKey.from_seed(rng.randbytes(32)) for _ in range(3))
        agency, court = (hpke.DecryptionKey.from_seed(rng.randbytes(32)) for _ in range(2))
        return cls(registrar, issuer, judge, agency, court)

    def register(self, policy: Policy) -> list[bytes]:
        """Return the log entries of the four bodies that may act under ``policy``."""
        keys = {
            ISSUING: self.issuer.public,
            COUNTERSIGNER: self.judge.public,
            AGENCY: self.agency.public,
            REGISTRY: self.court.public,
        }
        for role, key in keys.items():
            self.records[role] = vouch(self.registrar, policy, role, key)
        return [encode_record(record) for record in self.records.values()]


def vouch(
    registrar: SigningKey, policy: Policy, role: str, key: bytes, who: str = "the"
) -> AuthorityRecord:
    """Return the record by which a registrar's key lets ``key`` act in ``role``."""
    name, owner = f"{who} {role}", f"owner of {who} {role}"
    bare = AuthorityRecord(name, role, owner, "court", key, 0, FOREVER, policy.digest)
    return replace(bare, signature=registrar.sign(Label.SIGN_RECORD, bare.signed_part()))


def make_policy(
    name: str, plan: Plan, keys: list[SigningKey], provider: bytes, registrar: bytes, quorum: str
) -> Policy:
    """Return a policy whose seats are taken by ``keys`` in order."""
    seats = iter(
        Seat(keyholder_id(seat_name(number)), f"Person {number}", key.public)
        for number, key in enumerate(keys)
    )
    classes = tuple(
        KeyholderClass(f"class {number}", threshold, tuple(next(seats) for _ in range(count)))
        for number, (threshold, count) in enumerate(plan.shape)
    )
    access = Access(classes, registrar, quorum, POLICY, ORDERS, plan.limits)
    return Policy(name, "lab", provider, CLOCKS, access)


def seat_name(number: int) -> str:
    """Return the name of the keyholder in a seat."""
    return f"keyholder-{number}"


def signed_policy(policy: Policy, keys: list[SigningKey]) -> bytes:
    """Return the log entry of a policy that all its seats have signed."""
    signatures = tuple(key.sign(Label.SIGN_POLICY, policy.document) for key in keys)
    return encode_record(PolicyRecord(SignedPolicy(policy, signatures)))


@dataclass
class Seats:
    """All keyholders' keys: the ones they sign with, and by seat the period keys they hold."""

    policy: Policy
    keys: list[SigningKey]
    periods: list[list[OwnKey]] = field(default_factory=list)

    def seated(self, number: int) -> Seated:
        """Return a keyholder in its seat."""
        return Seated.of(self.policy, seat_name(number), self.keys[number])

    async def make_periods(self, logs: Logs, rng: Random, today: int, count: int) -> None:
        """Make and log ``count`` periods of keys from ``today`` on, all proven to everybody."""
        days = 7 if count == 1 else 1
        self.periods = [
            [
                period.make_key(self.seated(number), rng.randbytes(32), today + each * days, days)
                for each in range(count)
            ]
            for number in range(len(self.keys))
        ]
        steps = list(zip(*self._proofs(rng), strict=True))
        made = [encode_record(key.record) for own in self.periods for key in own]
        await logs.add(POLICY, *made)
        # An answer is one to a challenge that stands in the log, and so is what reveals it.
        for step in steps:
            await logs.add(POLICY, *map(encode_record, step))

    def _proofs(self, rng: Random) -> Iterator[tuple[ProofRecord, ProofRecord, ProofRecord]]:
        for owner, own in enumerate(self.periods):
            for other in range(len(self.keys)):
                for key in own:
                    if other != owner and key.seed is not None:
                        coins = rng.randbytes(possession.COINS)
                        enc, _ = possession.challenge(key.record.public_key, coins, key.key_id)
                        answer = possession.answer(key.seed, enc, key.key_id)
                        yield (
                            self._proof("challenge", key.key_id, other, other, enc),
                            self._proof("answer", key.key_id, owner, other, answer),
                            self._proof("reveal", key.key_id, other, other, coins),
                        )

    def _proof(self, step: str, key_id: bytes, author: int, about: int, data: bytes) -> ProofRecord:
        bare = ProofRecord(step, key_id, keyholder_id(seat_name(about)), data)
        signature = self.keys[author].sign(Label.SIGN_RECORD, bare.signed_part())
        return replace(bare, signature=signature)
