"""JSON with a single spelling, and how its fields are taken; knows no document by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from glasslock.errors import WireError

Facts: TypeAlias = Mapping[str, Any]

_MOST: Final = 1 << 63


def encode_json(facts: object) -> bytes:
    """Return sorted, indented JSON in ASCII; bytes become hex."""
    text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=True, default=bytes.hex)
    return text.encode() + b"\n"


def decode_json(data: bytes) -> Any:  # noqa: ANN401 - JSON is what it is
    """Return the values of a document that ``encode_json`` wrote.

    Raises:
        WireError: rule ``json.spelling``: it is no JSON, nested too deep, or spelled otherwise;
            a name twice, a fraction and half a character are among what it never wrote.
    """
    try:
        value = json.loads(data, parse_float=_none, parse_constant=_none)
        # Half of a surrogate pair is JSON, and no text.
        json.dumps(value, ensure_ascii=False).encode()
        spelled = encode_json(value)
    except (ValueError, RecursionError, TypeError) as error:
        raise WireError("a document is no JSON", rule="json.spelling") from error
    if spelled != data:
        raise WireError("a document is not spelled as it must be", rule="json.spelling")
    return value


def fields_of(value: object, *names: str) -> Facts:
    """Return an object with exactly these fields; raises ``WireError`` (rule ``json.fields``)."""
    if not isinstance(value, dict) or set(value) != set(names):
        raise WireError("an object has other fields than it must", rule="json.fields")
    return value


def items_of(value: object) -> list[Any]:
    """Return an array; raises ``WireError`` (rule ``json.fields``)."""
    if not isinstance(value, list):
        raise WireError("a field is no list", rule="json.fields")
    return value


def text_of(value: object) -> str:
    """Return text; raises ``WireError`` (rule ``json.fields``)."""
    if not isinstance(value, str):
        raise WireError("a field is no text", rule="json.fields")
    return value


def number_of(value: object) -> int:
    """Return a number from 0 to 2**63; raises ``WireError`` (rule ``json.fields``)."""
    # True and False are numbers to Python.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
        raise WireError("a field is no number", rule="json.fields")
    return value


def bytes_of(value: object, size: int | None = None) -> bytes:
    """Return the bytes of a hex string, ``size`` of them if given; raises ``WireError``."""
    text = text_of(value)
    try:
        found = bytes.fromhex(text)
    except ValueError as error:
        raise WireError("a field is no hex", rule="json.fields") from error
    if found.hex() != text or (size is not None and len(found) != size):
        raise WireError("a field is not as long as it must be", rule="json.fields")
    return found


def _none(_: str) -> None:
    raise ValueError
