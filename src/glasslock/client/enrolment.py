"""How a device comes to its provider and its account: what it shows, signs and reads.

Knows no connection, no store and no session.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from glasslock.errors import StateError, TransportError, WireError
from glasslock.mls import Device, Engine
from glasslock.wire import api
from glasslock.wire.labels import Label
from glasslock.wire.policy import Policy, decode_policy

_health = msgspec.msgpack.Decoder(api.Health)
_documents = msgspec.msgpack.Decoder(list[bytes])


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """What a new device shows to one that the account has already."""

    account: str
    device: bytes
    signature_key: bytes


@dataclass(frozen=True, slots=True)
class Approval:
    """What an existing device answers to a ``LinkRequest``: its signature key, and its word."""

    approver_key: bytes
    signature: bytes


def read_provider(health: bytes, documents: bytes) -> tuple[bytes, list[Policy]]:
    """Return the receipt key a provider shows, and the policies it serves under that key.

    Raises:
        TransportError: it is no Glasslock provider.
    """
    try:
        key = api.read_body(_health, health).provider_key
        served = api.read_body(_documents, documents)
        policies = [decode_policy(document) for document in served]
    except WireError as error:
        raise TransportError("this is not a Glasslock provider", rule="client.provider") from error
    return key, [policy for policy in policies if policy.provider_key == key]


def make_entry(
    provider_key: bytes, device: Device, engine: Engine, approval: Approval | None
) -> api.DeviceEntry:
    """Return how ``device`` comes to its account, signed by it."""
    approver = approval.approver_key if approval else None
    content = api.possession_content(
        provider_key, device.account, device.device, engine.signature_key, approver
    )
    return api.DeviceEntry(
        device.device,
        engine.signature_key,
        engine.sign(Label.SIGN_POSSESSION, content),
        approver,
        approval.signature if approval else None,
    )


def registration(
    provider_key: bytes, device: Device, engine: Engine, approval: Approval | None
) -> bytes:
    """Return the body that enters ``device`` at the provider."""
    entry = make_entry(provider_key, device, engine, approval)
    return msgspec.msgpack.encode(api.RegisterDevice(device.account, entry))


def approve(provider_key: bytes, device: Device, engine: Engine, request: LinkRequest) -> Approval:
    """Sign another device into the account of ``device``.

    Raises:
        StateError: the request is for another account.
    """
    if request.account != device.account:
        raise StateError("the other device asks for another account", rule="link.account")
    content = api.registration_content(
        provider_key, request.account, request.device, request.signature_key
    )
    return Approval(engine.signature_key, engine.sign(Label.SIGN_DEVICE, content))
