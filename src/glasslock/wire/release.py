"""A keyholder's answer yes: its shares of the granted slots, for two case keys (section 5.3).

Knows the bytes and what is bound to what; does not know a key, a share or whether an order holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from glasslock.wire.codec import Value, encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.policy import MAX_SEATS
from glasslock.wire.shape import SIGNATURE, Fields

MAX_RELEASE: Final = 8 * 1024 * 1024
MAX_RELEASED: Final = 65_536
# An HPKE message (enc 1,120 bytes, tag 16) that holds 32 bytes.
SEALED_KEY: Final = 1_168
# AES-256-GCM of the masked share and its blind, and of the pad alone.
AGENCY_PART: Final = 80
REGISTRY_PART: Final = 48
AGENCY, REGISTRY = "agency", "court-registry"


@dataclass(frozen=True, slots=True)
class ReleasedSlot:
    """One slot's share in two parts: neither case key alone gives it."""

    slot: bytes
    seal: bytes
    agency: bytes
    registry: bytes


@dataclass(frozen=True)
class Release:
    """All shares of one seat under one order; signed by the keyholder over ``statement``."""

    order: bytes
    seat: int
    agency_key: bytes
    registry_key: bytes
    slots: tuple[ReleasedSlot, ...]
    signature: bytes = bytes(SIGNATURE)

    @cached_property
    def statement(self) -> bytes:
        """What the keyholder signs under ``release statement``."""
        return encode(
            (
                self.order,
                self.seat,
                self.agency_key,
                self.registry_key,
                [(s.slot, s.seal, s.agency, s.registry) for s in self.slots],
            )
        )

    @cached_property
    def digest(self) -> bytes:
        """``H("release", statement)``: what the intent in the log names."""
        return digest(Label.RELEASE, self.statement)

    def encode(self) -> bytes:
        """Return the wire form."""
        return encode((self.statement, self.signature))


def release_info(order: bytes, seat: int, role: str) -> bytes:
    """Return the HPKE info under which a recipient's key is sealed; ``role`` is AGENCY or so."""
    return encode((order, seat, role))


def release_aad(order: bytes, slot: bytes, seal: bytes, seat: int) -> bytes:
    """Return what each part of a released share is bound to."""
    return encode((order, slot, seal, seat))


def decode_release(data: bytes) -> Release:
    """Decode a release; raises ``WireError``. Nothing is verified here."""
    outer = Fields.of(data, "release", 2, limit=MAX_RELEASE)
    fields = Fields.of(outer.bytes(MAX_RELEASE, 1), "release statement", 5, limit=MAX_RELEASE)
    release = Release(
        order=fields.digest(),
        seat=fields.uint(MAX_SEATS - 1),
        agency_key=fields.exactly(SEALED_KEY),
        registry_key=fields.exactly(SEALED_KEY),
        slots=fields.each(_slot, MAX_RELEASED, 1),
        signature=outer.exactly(SIGNATURE),
    )
    fields.close()
    outer.close()
    return release


def _slot(value: Value) -> ReleasedSlot:
    fields = Fields(value, "released slot", 4)
    return ReleasedSlot(
        fields.digest(), fields.digest(), fields.exactly(AGENCY_PART), fields.exactly(REGISTRY_PART)
    )
