"""Section 4 a second time: padding, message headers, bodies, envelopes; knows no slot."""

from __future__ import annotations

import math

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.vectors.oracle.cbor import Invalid, Item, decode, encode
from tests.vectors.oracle.digests import h, kdf, verify

LIMIT = 65_536


def padme(length: int) -> int:
    """size for a text of ``length`` bytes."""
    n = max(256, 4 + length)
    e = math.floor(math.log2(n))
    step = 2 ** (e - math.floor(math.log2(e)) - 1)
    return -(-n // step) * step


def salt(k: bytes, fresh: bytes, content: bytes) -> bytes:
    return kdf(k, "salt", fresh, h("content", content), length=16)


def message_header(hh: bytes, m: int, salt_: bytes, previous: bytes | None, length: int) -> bytes:
    return encode([hh, m, salt_, previous, padme(length)])


def message_content(header: bytes, content: bytes) -> bytes:
    """What a sender signs under ``message``."""
    return encode([h("message header", header), h("content", content)])


def text(content: bytes, signature: bytes) -> bytes:
    data = encode([content, signature])
    if len(data) > LIMIT:
        raise Invalid("a text that is an attachment")
    return data


def seal_body(k: bytes, header: bytes, padded: bytes) -> bytes:
    both = kdf(k, "body", h("message header", header), length=64)
    return both[32:] + AESGCM(both[:32]).encrypt(bytes(12), padded, header)


def body(k: bytes, header: bytes, content: bytes, signature: bytes) -> bytes:
    data = text(content, signature)
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
    size = decode(header)[4]
    if length > LIMIT or len(padded) != size or padme(length) != size:
        raise Invalid("padding: size")
    if any(padded[4 + length :]):
        raise Invalid("padding: a byte that is not zero")
    fields = decode(padded[4 : 4 + length])
    if not isinstance(fields, list) or [type(each) for each in fields] != [bytes, bytes]:
        raise Invalid("a text of another shape")
    content, signature = fields
    if not verify(signer, "message", message_content(header, content), signature):
        raise Invalid("signature")
    return bytes(content)


def envelope_digest(header: bytes, data: bytes, opening: Item = None) -> bytes:
    return tombstone_digest(header, h("sealed body", data), opening)


def tombstone_digest(header: bytes, body_digest: bytes, opening: Item = None) -> bytes:
    """The same D of an envelope of which the body is gone."""
    return h("envelope", header, body_digest, opening)
