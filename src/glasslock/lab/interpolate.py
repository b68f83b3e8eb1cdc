"""An attacker's own Shamir over GF(2^8): interpolates whatever shares it has, enough or not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

_FIELD = 0x11B


def times(one: int, other: int) -> int:
    """Multiply two elements of the field of AES (FIPS 197, section 4.2)."""
    product = 0
    while other:
        product ^= one if other & 1 else 0
        one = one << 1 ^ (_FIELD if one & 0x80 else 0)
        other >>= 1
    return product


def over(one: int, other: int) -> int:
    """Divide; ``other`` is not 0."""
    inverse = next(each for each in range(1, 256) if times(each, other) == 1)
    return times(one, inverse)


def at_zero(points: Mapping[int, bytes]) -> bytes:
    """Return the polynomial through ``points`` at 0, byte by byte."""
    weights = {
        x: reduce(times, (over(other, other ^ x) for other in points if other != x), 1)
        for x in points
    }
    return bytes(
        reduce(int.__xor__, (times(weights[x], points[x][each]) for x in points), 0)
        for each in range(32)
    )
