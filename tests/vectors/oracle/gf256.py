"""GF(2^8) modulo 0x11B and Shamir sharing over it, from the definition; knows no seat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce


def _multiply_slowly(a: int, b: int) -> int:
    product = 0
    for bit in range(8):
        if b >> bit & 1:
            product ^= a << bit
    for bit in range(14, 7, -1):
        if product >> bit & 1:
            product ^= 0x11B << (bit - 8)
    return product


TABLE = [[_multiply_slowly(a, b) for b in range(256)] for a in range(256)]
INVERSE = [0, *(row.index(1) for row in TABLE[1:])]


def multiply(a: int, b: int) -> int:
    return TABLE[a][b]


def divide(a: int, b: int) -> int:
    return TABLE[a][INVERSE[b]]


def xor(*strings: bytes) -> bytes:
    return bytes(reduce(lambda a, b: a ^ b, column) for column in zip(*strings, strict=True))


def share(polynomial: Sequence[bytes], x: int) -> bytes:
    """Evaluate at ``x``; ``polynomial`` holds the constant first."""
    value = bytes(len(polynomial[0]))
    for coefficient in reversed(polynomial):
        value = xor(bytes(TABLE[x][byte] for byte in value), coefficient)
    return value


def weights(xs: Sequence[int], at: int = 0) -> list[int]:
    """Lagrange's weights of the points ``xs`` for the value at ``at``."""
    out = []
    for x in xs:
        others = [other for other in xs if other != x]
        above = reduce(multiply, (at ^ other for other in others), 1)
        out.append(divide(above, reduce(multiply, (x ^ other for other in others), 1)))
    return out


def interpolate(points: Mapping[int, bytes], at: int = 0) -> bytes:
    """The value at ``at`` of the lowest polynomial through ``points``, byte by byte."""
    factors = weights(list(points), at)
    scaled = (
        bytes(TABLE[factor][byte] for byte in value)
        for factor, value in zip(factors, points.values(), strict=True)
    )
    return xor(*scaled)
