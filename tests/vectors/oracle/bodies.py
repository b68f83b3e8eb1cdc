"""Section 4 a second time: padding, message headers, bodies, envelopes; knows no slot."""

from __future__ import annotations

import math
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.vectors.oracle.cbor import Invalid, Item, decode, encode
from tests.vectors.oracle.digests import h, kdf, verify

LIMIT = 65_536
# 1,024 bytes of notes and the head of three bytes before them.
CARRIED = 1_024


def padme(length: int) -> int:
    """size for a text of ``length`` bytes."""
    n = max(256, 4 + length)
    e = math.floor(math.log2(n))
    step = 2 ** (e - math.floor(math.log2(e)) - 1)
    return -(-n // step) * step


def said(content: bytes, carried: bytes | None) -> list[Item]:
    """What salt and signature cover of a text."""
    if carried is None:
        return [h("content", content)]
    return [h("content", content), h("carried", carried)]


def salt(k: bytes, fresh: bytes, content: bytes, carried: bytes | None = None) -> bytes:
    return kdf(k, "salt", fresh, *said(content, carried), length=16)


def message_header(hh: bytes, m: int, salt_: bytes, previous: bytes | None, length: int) -> bytes:
    return encode([hh, m, salt_, previous, padme(length)])


def message_content(header: bytes, content: bytes, carried: bytes | None = None) -> bytes:
    """What a sender signs under ``message``."""
    return encode([h("message header", header), *said(content, carried)])


def text(content: bytes, signature: bytes, carried: bytes | None = None) -> bytes:
    data = encode([content, signature])
    if len(data) > LIMIT:
        raise Invalid("a text that is an attachment")
    return data if carried is None else encode([content, signature, carried])


def seal_body(k: bytes, header: bytes, padded: bytes) -> bytes:
    both = kdf(k, "body", h("message header", header), length=64)
    return both[32:] + AESGCM(both[:32]).encrypt(bytes(12), padded, header)


def body(
    k: bytes, header: bytes, content: bytes, signature: bytes, carried: bytes | None = None
) -> bytes:
    data = text(content, signature, carried)
    padded = len(data).to_bytes(4, "big") + data
    return seal_body(k, header, padded.ljust(decode(header)[4], b"\0"))


def open_body(k: bytes, header: bytes, data: bytes, signer: bytes) -> bytes:
    both = kdf(k, "body", h("message header", header), length=64)
    if data[:32] != both[32:]:
        raise Invalid("com")
    try:
        padded = AESGCM(both[:32]).decrypt(bytes(12), data[32:], header)
    except InvalidTag:
        raise Invalid("AEAD") from None
    length = int.from_bytes(padded[:4], "big")
    m, size = decode(header)[1], decode(header)[4]
    if len(padded) != size or padme(length) != size:
        raise Invalid("padding: size")
    if any(padded[4 + length :]):
        raise Invalid("padding: a byte that is not zero")
    fields = decode(padded[4 : 4 + length])
    if not isinstance(fields, list) or any(type(each) is not bytes for each in fields):
        raise Invalid("a text of another shape")
    content, signature, carried = _three(fields, first=m == 0)
    text(content, signature)
    if not verify(signer, "message", message_content(header, content, carried), signature):
        raise Invalid("signature")
    return bytes(content)


def _three(fields: list[Any], *, first: bool) -> tuple[bytes, bytes, bytes | None]:
    match fields:
        case [content, signature]:
            return content, signature, None
        case [content, signature, carried] if first and len(carried) == CARRIED:
            return content, signature, carried
    raise Invalid("a text of another shape")


def envelope_digest(header: bytes, data: bytes, opening: Item = None) -> bytes:
    return tombstone_digest(header, h("sealed body", data), opening)


def tombstone_digest(header: bytes, body_digest: bytes, opening: Item = None) -> bytes:
    """The same D of an envelope of which the body is gone."""
    return h("envelope", header, body_digest, opening)
