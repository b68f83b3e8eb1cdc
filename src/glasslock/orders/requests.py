"""HTTP requests that say who asks: three headers over method, path, time and body (A.12).

Knows the signature and the clock of the moment; does not know whose key may ask for what.
"""

from __future__ import annotations

from collections.abc import Mapping

from glasslock import signing
from glasslock.errors import Denied
from glasslock.signing import PUBLIC_KEY_SIZE, SIGNATURE_SIZE, Signer
from glasslock.wire.api import (
    KEY_HEADER,
    REQUEST_SKEW_SECONDS,
    SIGNATURE_HEADER,
    TIME_HEADER,
    request_content,
)
from glasslock.wire.labels import Label

_LONGEST_TIME = 20


def signed_headers(
    key: Signer, method: str, path: str, now: int, body: bytes = b""
) -> dict[str, str]:
    """Return the headers under which ``key`` asks for ``path`` at ``now`` (unix seconds)."""
    signature = key.sign(Label.SIGN_REQUEST, request_content(method, path, now, body))
    return {
        KEY_HEADER: key.public.hex(),
        TIME_HEADER: str(now),
        SIGNATURE_HEADER: signature.hex(),
    }


def check_headers(
    headers: Mapping[str, str], method: str, path: str, body: bytes, now: int
) -> bytes:
    """Return the raw Ed25519 key that signed this request; names of headers are in lower case.

    Raises:
        Denied: it names no key, or its time is too far from ``now``: rule ``request.headers``,
            ``request.time``.
        BadSignature: the key did not sign this request.
        KeyRejected: the key is not usable.
    """
    key = _hex(headers.get(KEY_HEADER, ""), PUBLIC_KEY_SIZE)
    signature = _hex(headers.get(SIGNATURE_HEADER, ""), SIGNATURE_SIZE)
    text = headers.get(TIME_HEADER, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_TIME):
        raise Denied("the request is not signed", rule="request.headers")
    time = int(text)
    if abs(now - time) > REQUEST_SKEW_SECONDS:
        raise Denied("the request is too old, or a clock is wrong", rule="request.time")
    signing.verify(key, Label.SIGN_REQUEST, request_content(method, path, time, body), signature)
    return key


def _hex(text: str, size: int) -> bytes:
    try:
        data = bytes.fromhex(text) if text.isascii() else b""
    except ValueError:
        data = b""
    if len(data) != size:
        raise Denied("the request is not signed", rule="request.headers")
    return data
