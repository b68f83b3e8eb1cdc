"""A policy document from a draft that its keyholders agreed on; knows its shape, signs nothing."""

from __future__ import annotations

from typing import Final

import msgspec

from glasslock.errors import ConfigError, WireError
from glasslock.ids import keyholder_id
from glasslock.wire.policy import (
    Access,
    Clocks,
    KeyholderClass,
    Limits,
    Policy,
    Seat,
    decode_policy,
)

KEY_BYTES: Final = 32


class SeatDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One seat: the keyholder's id, the legal person behind it, its signing key in hex."""

    keyholder: str
    legal_person: str
    key: str


class ClassDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class of keyholders and how many of its seats must release."""

    name: str
    threshold: int
    seats: list[SeatDraft]


class ClocksDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The message clocks; protocol section 2."""

    slot_seconds: int = 900
    slots_per_day: int = 96
    skew_seconds: int = 120
    away_days: int = 30
    ingest_seconds: int = 600


class LimitsDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most that an order, or an authority in a period, may ask for; protocol section 5."""

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


class PolicyDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a policy says. Keys are hex; ``quorum`` is the path of the quorum file."""

    name: str
    family: str
    provider_key: str
    registry_key: str
    quorum: str
    policy_origin: str
    orders_origin: str
    classes: list[ClassDraft]
    clocks: ClocksDraft = ClocksDraft()
    limits: LimitsDraft = LimitsDraft()


def found(draft: PolicyDraft, quorum: str) -> Policy:
    """Return the policy of a draft; ``quorum`` is the text of its quorum file.

    Raises:
        ConfigError: a key is not one.
        WireError: the protocol does not allow such a policy.
    """
    classes = tuple(
        KeyholderClass(
            each.name,
            each.threshold,
            tuple(Seat(keyholder_id(s.keyholder), s.legal_person, _key(s.key)) for s in each.seats),
        )
        for each in draft.classes
    )
    access = Access(
        classes,
        _key(draft.registry_key),
        quorum,
        draft.policy_origin,
        draft.orders_origin,
        Limits(**msgspec.structs.asdict(draft.limits)),
    )
    clocks = Clocks(**msgspec.structs.asdict(draft.clocks))
    policy = Policy(draft.name, draft.family, _key(draft.provider_key), clocks, access)
    # What is signed must be what everybody will be able to read.
    if decode_policy(policy.document) != policy:
        raise WireError("this policy cannot be read back", rule="policy.draft")
    return policy


def _key(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != KEY_BYTES:
        raise ConfigError("a key in the draft is not 32 bytes in hex", rule="policy.draft")
    return data
