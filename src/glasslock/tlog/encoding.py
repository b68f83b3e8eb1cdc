"""The strict text primitives that all C2SP formats share; knows no format by name.

Python's own parsers are too kind for signed text: ``int`` takes ``+8``, ``008``, ``8_0`` and Arabic
digits, ``base64`` skips junk and loose trailing bits, ``splitlines`` breaks at U+2028. Nothing here
accepts what the matching encoder would not have written.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from glasslock.errors import WireError

HASH_SIZE: Final = 32
MAX_UINT: Final = (1 << 63) - 1

_DECIMAL: Final = re.compile(rb"(?:0|[1-9][0-9]{0,18})\Z")
_CONTROL: Final = re.compile(rb"[\x00-\x09\x0b-\x1f]")


def decode_decimal(text: bytes, *, rule: str) -> int:
    """Return the number written in ``text``: ASCII digits, no sign, no leading zero, below 2^63.

    Raises:
        WireError: any other spelling; ``rule`` names the check.
    """
    if not _DECIMAL.match(text):
        raise WireError("a number is not in plain decimal", rule=rule)
    number = int(text)
    if number > MAX_UINT:
        raise WireError("a number is too large", rule=rule)
    return number


def decode_base64(text: bytes, *, rule: str) -> bytes:
    """Return the bytes of canonical, padded standard base64 (RFC 4648 section 4).

    Raises:
        WireError: another alphabet, missing padding, loose bits or anything around it.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise WireError("base64 is malformed", rule=rule) from error
    # strict_mode still lets non-zero bits after the last whole byte through.
    if encode_base64(data) != text:
        raise WireError("base64 is not canonical", rule=rule)
    return data


def encode_base64(data: bytes) -> bytes:
    """Return ``data`` in padded standard base64."""
    return base64.b64encode(data)


def decode_hash(text: bytes, *, rule: str) -> bytes:
    """Return the 32 bytes of one base64 hash line; raises ``WireError`` otherwise."""
    data = decode_base64(text, rule=rule)
    if len(data) != HASH_SIZE:
        raise WireError("a hash has 32 bytes", rule=rule)
    return data


def check_text(data: bytes, *, rule: str) -> str:
    """Return ``data`` as text: valid UTF-8 with no ASCII control but the newline (signed-note).

    Raises:
        WireError: other bytes.
    """
    if _CONTROL.search(data):
        raise WireError("control characters are not allowed", rule=rule)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError("text is not valid UTF-8", rule=rule) from error
