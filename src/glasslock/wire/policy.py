"""The access policy of a conversation as a document; knows its shape and limits, not who signs.

A policy without an access part is ``none``: the same messenger, and no way in. Every clock of the
protocol is a parameter here (sections 2, 5 and 6), so a demonstration differs from production by
its document only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from glasslock.errors import WireError
from glasslock.ids import KeyholderId, keyholder_id
from glasslock.wire.codec import Encodable, Value, encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.shape import DIGEST, U32, Fields, expect_signature, expect_text

VERSION: Final = 1
PROFILE: Final = "glasslock/1 mlkem768x25519 hpke-pq"
SAFE_EXPORT_DOOR: Final = 1
MAX_SEATS: Final = 32
MAX_SLOTS_PER_DAY: Final = 1_440
MAX_SKEW_SLOTS: Final = 3
MAX_PERIOD_DAYS: Final = 7
MIN_THRESHOLD: Final = 2
MIN_CLASSES: Final = 2


@dataclass(frozen=True)
class Clocks:
    """The message clocks of a policy, in seconds, slots and policy days (section 2)."""

    slot_seconds: int = 900
    slots_per_day: int = 96
    skew_seconds: int = 120
    away_days: int = 30
    ingest_seconds: int = 600

    def __post_init__(self) -> None:
        """Refuse what section 2 does not allow; raises ``WireError``."""
        if not 0 < self.slot_seconds <= U32 or not 0 < self.slots_per_day <= MAX_SLOTS_PER_DAY:
            raise WireError("slot length or slots per day out of range", rule="policy.slots")
        if self.skew_seconds > MAX_SKEW_SLOTS * self.slot_seconds:
            raise WireError("the skew is at most three slots", rule="policy.skew")
        if not 0 < self.away_days <= 3_650 or not 0 < self.ingest_seconds <= 600:
            raise WireError("away_days or ingest_seconds out of range", rule="policy.clocks")

    @property
    def day_seconds(self) -> int:
        """Length of a policy day in seconds."""
        return self.slot_seconds * self.slots_per_day

    def value(self) -> Encodable:
        """Return the wire form."""
        return (
            self.slot_seconds,
            self.slots_per_day,
            self.skew_seconds,
            self.away_days,
            self.ingest_seconds,
        )

    @classmethod
    def read(cls, fields: Fields) -> Clocks:
        """Take the five clocks; raises ``WireError``."""
        clocks = cls(*(fields.uint(U32) for _ in range(5)))
        fields.close()
        return clocks


@dataclass(frozen=True)
class Seat:
    """One keyholder's seat: its name, the legal person behind it and its signing key."""

    keyholder: KeyholderId
    legal_person: str
    signing_key: bytes

    def value(self) -> Encodable:
        """Return the wire form."""
        return (self.keyholder, self.legal_person, self.signing_key)


@dataclass(frozen=True)
class KeyholderClass:
    """One class of keyholders: ``threshold`` of its ``seats`` must release."""

    name: str
    threshold: int
    seats: tuple[Seat, ...]

    def value(self) -> Encodable:
        """Return the wire form."""
        return (self.name, self.threshold, [seat.value() for seat in self.seats])


@dataclass(frozen=True)
class Limits:
    """The most that one order, or one authority in one period, may ask for (section 5)."""

    grants: int = 64
    accounts: int = 16
    slots: int = 5_000
    order_seconds: int = 90 * 86_400
    orders_per_period: int = 100
    hold_seconds: int = 0
    disclose_seconds: int = 540 * 86_400
    granularity_seconds: int = 86_400
    batch_seconds: int = 3_600
    retention_days: int = 30

    def value(self) -> Encodable:
        """Return the wire form."""
        return (
            self.grants,
            self.accounts,
            self.slots,
            self.order_seconds,
            self.orders_per_period,
            self.hold_seconds,
            self.disclose_seconds,
            self.granularity_seconds,
            self.batch_seconds,
            self.retention_days,
        )

    @classmethod
    def read(cls, fields: Fields) -> Limits:
        """Take the ten limits; raises ``WireError``."""
        limits = cls(*(fields.uint(U32) for _ in range(10)))
        fields.close()
        return limits


@dataclass(frozen=True)
class Access:
    """The way in: classes of keyholders, who vouches for authorities, logs and limits.

    ``registry_key`` signs the authority records; ``quorum`` is the quorum file (C2SP tlog-policy
    text) of both logs; the origins name the logs.
    """

    classes: tuple[KeyholderClass, ...]
    registry_key: bytes
    quorum: str
    policy_origin: str
    orders_origin: str
    limits: Limits

    def __post_init__(self) -> None:
        """Hold the roster to section 3; raises ``WireError``."""
        seats = self.seats
        if len(self.classes) < MIN_CLASSES or len(seats) > MAX_SEATS:
            raise WireError("two or more classes, at most 32 seats", rule="policy.classes")
        for group in self.classes:
            if not MIN_THRESHOLD <= group.threshold <= len(group.seats):
                raise WireError("a threshold is from 2 to the class size", rule="policy.threshold")
        names, keys = {s.keyholder for s in seats}, {s.signing_key for s in seats}
        persons = {s.legal_person for s in seats}
        if min(len(names), len(keys), len(persons)) < len(seats):
            raise WireError("one legal person has one seat and one key", rule="policy.roster")
        if self.registry_key in {s.signing_key for s in seats}:
            raise WireError("a keyholder cannot vouch for authorities", rule="policy.roles")

    @property
    def seats(self) -> tuple[Seat, ...]:
        """All seats in order, numbered 0 to n-1 through all classes."""
        return tuple(seat for group in self.classes for seat in group.seats)

    @property
    def shape(self) -> tuple[tuple[int, int], ...]:
        """``(threshold, seats)`` per class: all that sealing needs to know."""
        return tuple((group.threshold, len(group.seats)) for group in self.classes)

    def seat_of(self, keyholder: str) -> int | None:
        """Return the seat number of ``keyholder``, or None."""
        for number, seat in enumerate(self.seats):
            if seat.keyholder == keyholder:
                return number
        return None

    def value(self) -> Encodable:
        """Return the wire form."""
        return (
            [group.value() for group in self.classes],
            self.registry_key,
            self.quorum,
            self.policy_origin,
            self.orders_origin,
            self.limits.value(),
        )


@dataclass(frozen=True)
class Policy:
    """An access policy document; ``access`` is None for ``none``.

    ``provider_key`` is the raw Ed25519 key that signs receipts. ``family`` is what the log shows
    of the policy while an order is secret.
    """

    name: str
    family: str
    provider_key: bytes
    clocks: Clocks
    access: Access | None = None

    @cached_property
    def document(self) -> bytes:
        """The document's bytes."""
        return encode(
            (
                VERSION,
                self.name,
                self.family,
                self.provider_key,
                self.clocks.value(),
                None if self.access is None else self.access.value(),
            )
        )

    @cached_property
    def digest(self) -> bytes:
        """``H("policy", document)``."""
        return digest(Label.POLICY, self.document)


@dataclass(frozen=True)
class SignedPolicy:
    """A policy with one signature of every seat over its document, in seat order."""

    policy: Policy
    signatures: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return the wire form."""
        return encode((self.policy.document, self.signatures))


@dataclass(frozen=True)
class PolicyExtension:
    """What the GroupContext says of the policy (section 1); ``position``: its policy-log index."""

    policy: bytes
    position: int
    canary: bool = False

    def encode(self) -> bytes:
        """Return the extension's content."""
        return encode((PROFILE, SAFE_EXPORT_DOOR, self.policy, self.position, int(self.canary)))


def decode_policy(data: bytes) -> Policy:
    """Decode a policy document; raises ``WireError`` for what section 1 to 6 do not allow."""
    fields = Fields.of(data, "policy", 6)
    fields.uint(VERSION, VERSION)
    name, family = fields.text(64, 1), fields.text(64, 1)
    provider_key = fields.exactly(DIGEST)
    clocks = Clocks.read(fields.nested("clocks", 5))
    access = fields.maybe(lambda: _access(fields.nested("access", 6)))
    return Policy(name, family, provider_key, clocks, access)


def decode_signed_policy(data: bytes) -> SignedPolicy:
    """Decode a signed policy; raises ``WireError``. Signatures are not checked here."""
    fields = Fields.of(data, "signed policy", 2, limit=1 << 20)
    policy = decode_policy(fields.bytes())
    signatures = fields.each(expect_signature, MAX_SEATS)
    seats = 0 if policy.access is None else len(policy.access.seats)
    if len(signatures) != seats:
        raise WireError("one signature for each seat", rule="policy.signatures")
    return SignedPolicy(policy, signatures)


def decode_policy_extension(data: bytes) -> PolicyExtension:
    """Decode the GroupContext extension; raises ``WireError`` for another profile or door."""
    fields = Fields.of(data, "policy extension", 5, limit=1_024)
    if fields.text(64) != PROFILE:
        raise WireError("another protocol profile", rule="policy.profile")
    fields.uint(SAFE_EXPORT_DOOR, SAFE_EXPORT_DOOR)
    return PolicyExtension(fields.digest(), fields.uint(), fields.flag())


def _access(fields: Fields) -> Access:
    classes = fields.each(_class, MAX_SEATS)
    registry_key = fields.exactly(DIGEST)
    quorum = fields.text(16_384, 1)
    policy_origin, orders_origin = fields.text(256, 1), fields.text(256, 1)
    limits = Limits.read(fields.nested("limits", 10))
    fields.close()
    return Access(classes, registry_key, quorum, policy_origin, orders_origin, limits)


def _class(value: Value) -> KeyholderClass:
    fields = Fields(value, "class", 3)
    return KeyholderClass(
        expect_text(fields.any()), fields.uint(MAX_SEATS), fields.each(_seat, MAX_SEATS)
    )


def _seat(value: Value) -> Seat:
    fields = Fields(value, "seat", 3)
    return Seat(
        keyholder_id(expect_text(fields.any())), fields.text(256, 1), fields.exactly(DIGEST)
    )


__all__ = [
    "Access",
    "Clocks",
    "KeyholderClass",
    "Limits",
    "Policy",
    "PolicyExtension",
    "Seat",
    "SignedPolicy",
    "decode_policy",
    "decode_policy_extension",
    "decode_signed_policy",
]
