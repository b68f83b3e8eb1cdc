"""Sealing and opening one message body (protocol section 4); knows no group, chain or clock."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from glasslock import signing
from glasslock.errors import VerificationError, WireError
from glasslock.wire.carried import CARRIED_SIZE
from glasslock.wire.codec import encode
from glasslock.wire.digest import derive, digest
from glasslock.wire.envelope import COMMITMENT_SIZE, MAX_TEXT, SALT_SIZE, MessageHeader
from glasslock.wire.labels import Label
from glasslock.wire.shape import SIGNATURE, Fields

MIN_PADDED: Final = 256
LENGTH_SIZE: Final = 4
NONCE: Final = bytes(12)
_KEY_SIZE: Final = 32
# What the carried notes add to a text: 1,024 bytes with their head.
_CARRIED_ROOM: Final = CARRIED_SIZE + 3


class BodyCommitment(VerificationError):
    """A message is sealed under another key than the chain's."""

    slug = "body-commitment"


class BodyDamaged(VerificationError):
    """A message body does not decrypt."""

    slug = "body-damaged"


class BodyPadding(VerificationError):
    """A message is not padded as the protocol says."""

    slug = "body-padding"


class BodySignature(VerificationError):
    """A message is not signed by its sender."""

    slug = "body-signature"


@dataclass(frozen=True, slots=True)
class Opened:
    """A body that opened and verified; ``carried`` stands with message 0 only, if at all."""

    content: bytes = field(repr=False)
    signature: bytes
    carried: bytes | None = None


def padded_size(length: int) -> int:
    """Return the padded size for a text of ``length`` bytes: Padme of at least 256."""
    size = max(MIN_PADDED, LENGTH_SIZE + length)
    exponent = size.bit_length() - 1
    log = exponent.bit_length() - 1
    mask = (1 << (exponent - log - 1)) - 1
    return (size + mask) & ~mask


def text_size(content: bytes, carried: bytes | None = None) -> int:
    """Return the length of the text around ``content``, before padding.

    Raises:
        WireError: the text would be over 65,536 bytes, without what is ``carried``: send an
            attachment.
    """
    length = len(encode((content, bytes(SIGNATURE))))
    if length > MAX_TEXT:
        raise WireError("a message is too long: send it as an attachment", rule="body.length")
    return length if carried is None else length + _CARRIED_ROOM


def content_digest(content: bytes) -> bytes:
    """Return ``H("content", content)``."""
    return digest(Label.CONTENT, content)


def _digests(content: bytes, carried: bytes | None) -> tuple[bytes, ...]:
    """Return the digests of what a text says: of its content, and of what it carries if it does."""
    if carried is None:
        return (content_digest(content),)
    return content_digest(content), digest(Label.CARRIED, carried)


def make_salt(key: bytes, fresh: bytes, content: bytes, carried: bytes | None = None) -> bytes:
    """Return the salt of message key ``key``; ``fresh`` are 32 random bytes."""
    return derive(key, Label.SALT, fresh, *_digests(content, carried), length=SALT_SIZE)


def signed_content(header: MessageHeader, content: bytes, carried: bytes | None = None) -> bytes:
    """Return what the sender signs under ``message``."""
    return encode((header.digest, *_digests(content, carried)))


def make_message(
    key: bytes,
    place: tuple[bytes, int, bytes | None],
    content: bytes,
    fresh: bytes,
    sign: Callable[[str, bytes], bytes],
    carried: bytes | None = None,
) -> tuple[MessageHeader, bytes]:
    """Return header and body of a message.

    ``place`` is (slot header digest, m, digest of the message before); ``sign(label, content)``
    signs with the leaf key; ``carried`` (``wire.carried``) goes with message 0 only.

    Raises:
        WireError: the content is too long, or another message carries something.
    """
    slot, m, previous = place
    if m and carried is not None:
        raise WireError("only message 0 of a slot carries notes", rule="body.carried")
    size = padded_size(text_size(content, carried))
    header = MessageHeader(slot, m, make_salt(key, fresh, content, carried), previous, size)
    signature = sign(Label.SIGN_MESSAGE, signed_content(header, content, carried))
    return header, seal_body(key, header, content, signature, carried)


def seal_body(
    key: bytes,
    header: MessageHeader,
    content: bytes,
    signature: bytes,
    carried: bytes | None = None,
) -> bytes:
    """Return the body under message key ``key``: commitment, then AES-256-GCM.

    A message key seals one body in its life (Notation, AEAD).

    Raises:
        WireError: the size in the header is not the padded size of this text.
    """
    text = encode((content, signature) if carried is None else (content, signature, carried))
    if header.size != padded_size(len(text)):
        raise WireError("a header names another size than its text has", rule="body.size")
    padded = len(text).to_bytes(LENGTH_SIZE, "big") + text
    padded += bytes(header.size - len(padded))
    inner, commitment = _body_keys(key, header)
    return commitment + AESGCM(inner).encrypt(NONCE, padded, header.encoded)


def open_body(key: bytes, header: MessageHeader, body: bytes, signer: bytes) -> Opened:
    """Open a body in the protocol's order; ``signer`` is the raw key of the sending leaf.

    Raises:
        BodyCommitment, BodyDamaged, BodyPadding, BodySignature: what failed first.
    """
    inner, commitment = _body_keys(key, header)
    if not hmac.compare_digest(commitment, body[:COMMITMENT_SIZE]):
        raise BodyCommitment("a message is sealed under another key", rule="body.commitment")
    try:
        padded = AESGCM(inner).decrypt(NONCE, body[COMMITMENT_SIZE:], header.encoded)
    except InvalidTag:
        raise BodyDamaged("a message body does not decrypt", rule="body.aead") from None
    opened = _unpad(padded, header)
    signed = signed_content(header, opened.content, opened.carried)
    try:
        signing.verify(signer, Label.SIGN_MESSAGE, signed, opened.signature)
    except VerificationError:
        raise BodySignature(
            "a message is not signed by its sender", rule="body.signature"
        ) from None
    return opened


def _unpad(padded: bytes, header: MessageHeader) -> Opened:
    """Return what a padded text says; its signature is still to be checked."""
    most = MAX_TEXT if header.m else MAX_TEXT + _CARRIED_ROOM
    end = LENGTH_SIZE + int.from_bytes(padded[:LENGTH_SIZE], "big")
    length = end - LENGTH_SIZE
    wrong = length > most or end > len(padded) or padded_size(length) != header.size
    if wrong or len(padded) != header.size or padded.count(0, end) != len(padded) - end:
        raise BodyPadding("a message is not padded as it must be", rule="body.padding")
    try:
        return _read_text(padded[LENGTH_SIZE:end], header)
    except WireError:
        raise BodyPadding("a message holds no text", rule="body.text") from None


def _read_text(text: bytes, header: MessageHeader) -> Opened:
    fields = Fields.of(text, "text", limit=MAX_TEXT + _CARRIED_ROOM)
    content, signature = fields.bytes(MAX_TEXT), fields.exactly(SIGNATURE)
    carried, room = None, MAX_TEXT
    if header.m == 0 and not fields.done:
        carried, room = fields.exactly(CARRIED_SIZE), room + _CARRIED_ROOM
    fields.close()
    if len(text) > room:
        raise WireError("a text is too long", rule="body.length")
    return Opened(content, signature, carried)


def _body_keys(key: bytes, header: MessageHeader) -> tuple[bytes, bytes]:
    both = derive(key, Label.BODY, header.digest, length=2 * _KEY_SIZE)
    return both[:_KEY_SIZE], both[_KEY_SIZE:]
