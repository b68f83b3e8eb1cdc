"""Every HTTP route and stream frame as data, shared by servers and callers; knows no transport.

Frames and bodies are MessagePack (msgspec, strict: unknown fields are refused). What is signed or
hashed inside them is deterministic CBOR and travels as bytes. On the stream every request carries
an ``id`` that its one answer repeats; ``Deliver`` and ``InboxItem`` come unasked.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec

from glasslock.errors import WireError
from glasslock.wire.codec import encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label

T = TypeVar("T")
# A position or a number that counts up from 1, as far as any store can keep it.
Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]

MAX_FRAME: Final = 8 * 1024 * 1024
MAX_FETCH: Final = 500
MAX_KEY_PACKAGES: Final = 100

STREAM: Final = "/v1/stream"
DEVICES: Final = "/v1/devices"
POLICIES: Final = "/v1/policies"
ORDERS: Final = "/v1/orders"
# Below an order's commitment: a signed leaf ``extend``; answered, with nothing, when it is logged.
EXTENSION: Final = "/extension"
PREVIEWS: Final = "/v1/previews"
NOTICES: Final = "/v1/notices"
HEALTH: Final = "/v1/health"
LOG_ADD: Final = "/add"
LOG_CHECKPOINT: Final = "/checkpoint"
LOG_HISTORY: Final = "/history"
LOG_TILES: Final = "/tile"
RELEASES: Final = "/v1/releases"

KEY_HEADER: Final = "glasslock-key"
TIME_HEADER: Final = "glasslock-time"
SIGNATURE_HEADER: Final = "glasslock-signature"
REQUEST_SKEW_SECONDS: Final = 60


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="t"):
    """The base of all frames: immutable, tagged by class name, strict."""


# -- device to provider ---------------------------------------------------------------------


class Hello(Frame, frozen=True):
    """First frame of a stream: who wants to log in."""

    account: str
    device: bytes


class Login(Frame, frozen=True):
    """Answer to ``Challenge``: signature over ``login_content`` under ``login`` by the device."""

    signature: bytes


class PutKeyPackages(Frame, frozen=True):
    """Publish single-use KeyPackages, and replace the last-resort one when given."""

    id: int
    packages: list[bytes]
    last_resort: bytes | None = None


class ClaimKeyPackages(Frame, frozen=True):
    """Take one KeyPackage of every device of ``account`` but the one that asks."""

    id: int
    account: str


class CreateGroup(Frame, frozen=True):
    """Create a group from the GroupInfo of its epoch 0, which carries the ratchet tree."""

    id: int
    group_id: bytes
    group_info: bytes


class SubmitHandshake(Frame, frozen=True):
    """A Commit for the epoch it names, with what joiners need once it is accepted."""

    id: int
    group_id: bytes
    commit: bytes
    group_info: bytes
    welcome: bytes | None = None


class SubmitEnvelope(Frame, frozen=True):
    """An envelope; ``upload`` is the encoded SealUpload with the first envelope of a slot."""

    id: int
    group_id: bytes
    envelope: bytes
    upload: bytes | None = None


class Follow(Frame, frozen=True):
    """Stream this group's entries after ``after``: those stored, then each new one."""

    id: int
    group_id: bytes
    after: Count


class Ack(Frame, frozen=True):
    """Everything up to ``position`` is stored on this device; no answer."""

    group_id: bytes
    position: Count


class AckInbox(Frame, frozen=True):
    """Everything in the inbox up to ``seq`` is stored on this device; no answer."""

    seq: Count


class GetGroupInfo(Frame, frozen=True):
    """Ask for what an external Commit needs; members and former devices of members only."""

    id: int
    group_id: bytes


class GetSeal(Frame, frozen=True):
    """Ask for the stored seal of a slot (kept 7 days), to look into a mismatch."""

    id: int
    group_id: bytes
    slot: bytes


# -- provider to device ---------------------------------------------------------------------


class Challenge(Frame, frozen=True):
    """32 fresh bytes to sign, and the provider's clock in unix seconds."""

    nonce: bytes
    time: int


class LoggedIn(Frame, frozen=True):
    """The log-in held. ``device_q`` and ``device_head`` are the device's own line so far.

    ``key_packages`` counts the single-use KeyPackages that are left.
    """

    time: int
    device_q: int
    device_head: bytes
    key_packages: int


class Accepted(Frame, frozen=True):
    """The verdict yes. ``receipt`` is an encoded, signed ReceiptProof (section 4)."""

    id: int
    position: int
    time: int
    head: bytes
    receipt: bytes
    device_q: int
    device_head: bytes


class Refused(Frame, frozen=True):
    """The verdict no, or a failed request: the error's slug and rule, fit to raise again."""

    id: int
    slug: str
    rule: str | None
    message: str
    epoch: int | None = None


class Done(Frame, frozen=True):
    """The request was carried out and has nothing to return."""

    id: int


class Following(Frame, frozen=True):
    """Answer to ``Follow``: the last position this device will be sent of what is stored now."""

    id: int
    newest: int


class DeviceKeyPackage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device's claimed KeyPackage."""

    device: bytes
    package: bytes


class DeviceEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a device came to its account, as its keys say it (appendix A.6).

    ``possession`` is Sign("device possession", possession_content) by ``signature_key``. A device
    after an account's first names the key of one that was there and carries its ``approval``,
    Sign("device approval", registration_content): each of the two has signed for the other.
    """

    device: bytes
    signature_key: bytes
    possession: bytes
    approver_key: bytes | None = None
    approval: bytes | None = None


class KeyPackages(Frame, frozen=True):
    """Answer to ``ClaimKeyPackages``; ``missing`` lists devices that had none left.

    ``entries`` are all devices of the account, also the one that asks.
    """

    id: int
    packages: list[DeviceKeyPackage]
    missing: list[bytes]
    entries: list[DeviceEntry] = []


class GroupInfo(Frame, frozen=True):
    """Answer to ``GetGroupInfo``: epoch state, and the line's newest position, time and head."""

    id: int
    group_info: bytes
    position: int
    time: int
    head: bytes


class StoredSeal(Frame, frozen=True):
    """Answer to ``GetSeal``."""

    id: int
    upload: bytes


class EntryItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of a group's line. ``kind`` is ``handshake``, ``envelope`` or ``tombstone``."""

    position: int
    time: int
    kind: str
    data: bytes
    receipt: bytes


class Deliver(Frame, frozen=True):
    """Entries of one group, in order and without a gap. ``newest`` is the line's last position."""

    group_id: bytes
    entries: list[EntryItem]
    newest: int


class InboxItem(Frame, frozen=True):
    """Something for this device outside any group it is in.

    ``kind`` ``welcome``: data = Welcome, with the line's state right after the Commit that
    added this device. ``notice``: data = an encoded notice letter. ``device``: data = cbor
    [device id] of a new device of this account.
    """

    seq: int
    kind: str
    data: bytes
    group_id: bytes = b""
    position: int = 0
    time: int = 0
    head: bytes = b""


DeviceFrame: TypeAlias = (
    Hello
    | Login
    | PutKeyPackages
    | ClaimKeyPackages
    | CreateGroup
    | SubmitHandshake
    | SubmitEnvelope
    | Follow
    | Ack
    | AckInbox
    | GetGroupInfo
    | GetSeal
)
ProviderFrame: TypeAlias = (
    Challenge
    | LoggedIn
    | Accepted
    | Refused
    | Done
    | Following
    | KeyPackages
    | GroupInfo
    | StoredSeal
    | Deliver
    | InboxItem
)


# -- HTTP bodies ----------------------------------------------------------------------------


class RegisterDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/devices: enter a device into the Authentication Service.

    The first device of an account needs no approval; every later one has that of another.
    """

    account: str
    entry: DeviceEntry


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """GET /v1/health: the key of receipts, the digest of the policy ``none``, the clock."""

    provider_key: bytes
    none_policy: bytes
    time: int


class SubmitOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/orders: an encoded IssuedOrder and the 32-byte secret of its commitment."""

    issued: bytes
    secret: bytes


class OrderVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The provider's answer to an order: where its leaf stands, or rule and ground of the no.

    ``index`` is None for an order that nobody known has signed: it is counted, not logged.
    """

    admitted: bool
    index: int | None = None
    commitment: bytes = b""
    manifest: bytes = b""
    rule: str | None = None
    ground: str | None = None


class RequestPreview(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/previews: an order's document, signed under ``preview`` by its authority."""

    document: bytes
    time: int
    signature: bytes


class Previewed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an order would reach, in numbers: an encoded ``Preview`` that the provider signed."""

    preview: bytes


class OrderBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """GET /v1/orders/COMMITMENT, by a keyholder of the policy: what it must judge."""

    issued: bytes
    secret: bytes
    manifest: bytes


class KeptEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An envelope of a granted slot as it is stored, or its tombstone, with its receipt."""

    group_id: bytes
    position: int
    kind: str
    data: bytes
    receipt: bytes


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """GET /v1/orders/COMMITMENT/evidence, by the issuing authority: the granted ciphertext."""

    manifest: bytes
    entries: list[KeptEntry]


class Added(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answer of a log to an entry: where it stands, under a checkpoint its quorum cosigned."""

    index: int


class Problem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of every failed HTTP request."""

    slug: str
    rule: str | None
    message: str


_encoder = msgspec.msgpack.Encoder()
_device_decoder: msgspec.msgpack.Decoder[DeviceFrame] = msgspec.msgpack.Decoder(DeviceFrame)
_provider_decoder: msgspec.msgpack.Decoder[ProviderFrame] = msgspec.msgpack.Decoder(ProviderFrame)


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes of a frame."""
    return _encoder.encode(frame)


def decode_device_frame(data: bytes) -> DeviceFrame:
    """Decode what a device sent; raises ``WireError``."""
    return read_body(_device_decoder, data)


def decode_provider_frame(data: bytes) -> ProviderFrame:
    """Decode what a provider sent; raises ``WireError``."""
    return read_body(_provider_decoder, data)


def login_content(provider_key: bytes, account: str, device: bytes, nonce: bytes) -> bytes:
    """Return what a device signs to log in: bound to the provider, so it cannot be passed on."""
    return encode((provider_key, account, device, nonce))


def registration_content(
    provider_key: bytes, account: str, device: bytes, signature_key: bytes
) -> bytes:
    """Return what the device that approves a new one signs."""
    return encode((provider_key, account, device, signature_key))


def possession_content(
    provider_key: bytes, account: str, device: bytes, signature_key: bytes, approver: bytes | None
) -> bytes:
    """Return what a new device signs; ``approver`` is the key of the device that approves it."""
    return encode((provider_key, account, device, signature_key, approver))


def request_content(method: str, path: str, time: int, body: bytes) -> bytes:
    """Return what signs an HTTP request (headers ``glasslock-key``, ``-time``, ``-signature``)."""
    return encode((method, path, time, digest(Label.CONTENT, body)))


def read_body(decoder: msgspec.msgpack.Decoder[T], data: bytes) -> T:
    """Decode a frame or an HTTP body that came from outside; raises ``WireError``."""
    if len(data) > MAX_FRAME:
        raise WireError("a frame is too long", rule="api.length")
    try:
        value: T = decoder.decode(data)
    # msgspec lets text that is not UTF-8, and depth under a field it skips, through as they are.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("not a frame of this protocol", rule="api.frame") from error
    return value
