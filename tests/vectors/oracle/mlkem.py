"""ML-KEM-768 encapsulation with a given m (FIPS 203), by another road than any library takes.

The matrix leaves the NTT domain once per key; products are then taken by packing polynomials into
long integers. Knows FIPS 203 and nothing of Glasslock.
"""

from __future__ import annotations

import hashlib
from array import array
from functools import lru_cache

Q, N, K = 3329, 256, 3
DU, DV = 10, 4
PUBLIC, CIPHERTEXT = 1_184, 1_088
LIMB = 4

Poly = list[int]


def _bit_reversed(number: int) -> int:
    return int(f"{number:07b}"[::-1], 2)


ZETAS = [pow(17, _bit_reversed(i), Q) for i in range(128)]

# Two coefficients of the centred binomial distribution (eta = 2) from one byte, each plus 2.
PAIRS = [
    tuple(2 + (n & 1) + (n >> 1 & 1) - (n >> 2 & 1) - (n >> 3 & 1) for n in (byte & 15, byte >> 4))
    for byte in range(256)
]


def _unpack12(data: bytes) -> Poly:
    out = []
    for at in range(0, len(data), 3):
        word = int.from_bytes(data[at : at + 3], "little")
        out += [word & 0xFFF, word >> 12]
    return out


def _sample_ntt(seed: bytes, i: int, j: int) -> Poly:
    """Algorithm 7, SampleNTT."""
    stream = hashlib.shake_128(seed + bytes([i, j])).digest(168 * 8)
    return [value for value in _unpack12(stream) if value < Q][:N]


def _inverse_ntt(f: Poly) -> Poly:
    """Algorithm 10, NTT^-1."""
    f = list(f)
    i, size = 127, 2
    while size <= 128:
        for start in range(0, N, 2 * size):
            zeta = ZETAS[i]
            i -= 1
            for at in range(start, start + size):
                t = f[at]
                f[at] = (t + f[at + size]) % Q
                f[at + size] = zeta * (f[at + size] - t) % Q
        size *= 2
    return [value * 3303 % Q for value in f]


def modulus_check(public: bytes) -> bool:
    """The checks of FIPS 203 7.2 on an encapsulation key."""
    return len(public) == PUBLIC and max(_unpack12(public[: 384 * K])) < Q


class _Expanded:
    """What of a key serves every encapsulation: A transposed and t as integers, H(ek)."""

    def __init__(self, public: bytes) -> None:
        rho = public[384 * K :]
        columns = [
            [_inverse_ntt(_sample_ntt(rho, j, i)) for i in range(K)] for j in range(K)
        ]  # A[i][j] is SampleNTT(rho, j, i)
        t = [_inverse_ntt(_unpack12(public[384 * i : 384 * (i + 1)])) for i in range(K)]
        self.rows = [[_pack(poly) for poly in column] for column in [*columns, t]]
        # y arrives with 2 added to each coefficient: what that adds to each product.
        self.excess = [_products(row, [_pack([2] * N)] * K) for row in self.rows]
        self.hash = hashlib.sha3_256(public).digest()


@lru_cache(maxsize=256)
def _expand(public: bytes) -> _Expanded:
    return _Expanded(public)


def _pack(poly: Poly | list[int]) -> int:
    return int.from_bytes(array("I", poly).tobytes(), "little")


def _products(row: list[int], ys: list[int]) -> Poly:
    """Return sum(row[i] * ys[i]) modulo X^256 + 1, not reduced by Q."""
    total = sum(a * y for a, y in zip(row, ys, strict=True))
    limbs = array("I", total.to_bytes(2 * N * LIMB, "little"))
    return [limbs[at] - limbs[at + N] for at in range(N)]


def _noise(seed: bytes, number: int) -> Poly:
    """Algorithm 8, SamplePolyCBD, every coefficient plus 2."""
    data = hashlib.shake_256(seed + bytes([number])).digest(64 * 2)
    return [value for byte in data for value in PAIRS[byte]]


def _compressed(poly: Poly, bits: int) -> bytes:
    """Compress and encode; halves round up, as round does in FIPS 203."""
    out, mask = 0, (1 << bits) - 1
    for value in reversed(poly):
        out = out << bits | (((value % Q << bits + 1) + Q) // (2 * Q) & mask)
    return out.to_bytes(32 * bits, "little")


def encapsulate(public: bytes, m: bytes) -> tuple[bytes, bytes]:
    """ML-KEM.Encaps_internal: ``(shared secret, ciphertext)``."""
    key = _expand(public)
    both = hashlib.sha3_512(m + key.hash).digest()
    shared, r = both[:32], both[32:]
    ys = [_pack(_noise(r, n)) for n in range(K)]
    products = [
        [a - b for a, b in zip(_products(row, ys), excess, strict=True)]
        for row, excess in zip(key.rows, key.excess, strict=True)
    ]
    noises = [_noise(r, K + n) for n in range(K + 1)]
    sums = [
        [a + e - 2 for a, e in zip(p, noise, strict=True)]
        for p, noise in zip(products, noises, strict=True)
    ]
    bits = int.from_bytes(m, "little")
    v = [value + (bits >> at & 1) * 1665 for at, value in enumerate(sums[K])]
    return shared, b"".join(_compressed(u, DU) for u in sums[:K]) + _compressed(v, DV)
