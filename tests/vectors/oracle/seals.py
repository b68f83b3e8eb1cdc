"""Section 3 a second time: tier 1, seat keys, seals, shares, opening; knows no policy log.

Headers are lists in the protocol's order; a shape is a list of (threshold, seats) per class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.vectors.oracle import gf256, xwing
from tests.vectors.oracle.cbor import Invalid, Item, decode, encode
from tests.vectors.oracle.digests import h, kdf, verify
from tests.vectors.oracle.slots import slot_key

Shape = Sequence[tuple[int, int]]
PerSeat = list[bytes | None]


def key_id(keyholder: str, first_day: int, last_day: int, public: bytes) -> bytes:
    return h("period key", keyholder, first_day, last_day, public)


def coins(s: bytes, h1: bytes, seat: int, key: bytes) -> bytes:
    return kdf(s, "coins", h1, seat, key, length=64)


def seat_key(ss: bytes, h1: bytes, seat: int, enc: bytes) -> bytes:
    return kdf(ss, "seat", h1, seat, h("encapsulation", enc))


def stepped(key: bytes, steps: int) -> bytes:
    for _ in range(steps):
        key = kdf(key, "seat next")
    return key


def tier1_digest(h1: bytes, encs: PerSeat) -> bytes:
    return h("tier 1", h1, [None if enc is None else h("encapsulation", enc) for enc in encs])


def sendable(shape: Shape, publics: PerSeat) -> None:
    """Refuse a roster with equal keys, or with a class that has fewer keys than its threshold."""
    filled = [public for public in publics if public is not None]
    if len(set(filled)) < len(filled):
        raise Invalid("two seats with one key")
    first = 0
    for threshold, seats in shape:
        if seats - publics[first : first + seats].count(None) < threshold:
            raise Invalid("too few keys in a class")
        first += seats


def tier1(s: bytes, header: bytes, publics: PerSeat) -> tuple[PerSeat, PerSeat]:
    """All enc and all K(j, tau) of a tier 1 header; ``publics`` are the seats' period keys."""
    h1, ids = h("tier 1 header", header), decode(header)[8]
    encs: PerSeat = []
    keys: PerSeat = []
    for seat, (key, public) in enumerate(zip(ids, publics, strict=True)):
        if key is None or public is None:
            encs.append(None)
            keys.append(None)
            continue
        ss, enc = xwing.encapsulate(public, coins(s, h1, seat, key))
        encs.append(enc)
        keys.append(seat_key(ss, h1, seat, enc))
    return encs, keys


def shares(s: bytes, hh: bytes, shape: Shape) -> list[bytes]:
    """The shares of all seats, vacant ones too."""
    w = slot_key(s, hh)
    parts = [kdf(s, "class part", hh, c) for c in range(len(shape) - 1)]
    parts.append(gf256.xor(w, *parts))
    out = []
    for c, (threshold, seats) in enumerate(shape):
        higher = [kdf(s, "coefficient", hh, c, d) for d in range(1, threshold)]
        out += [gf256.share([parts[c], *higher], x) for x in range(1, seats + 1)]
    return out


def commitment(w: bytes, hh: bytes) -> bytes:
    return kdf(w, "slot key commitment", hh)


def seal(s: bytes, hh: bytes, shape: Shape, keys: PerSeat) -> bytes:
    """The seal's bytes; ``keys`` are K(j, tau) of this slot."""
    rows: list[Item] = []
    for seat, (key, share) in enumerate(zip(keys, shares(s, hh, shape), strict=True)):
        if key is None:
            rows.append(None)
            continue
        sealed = AESGCM(kdf(key, "share key", hh)).encrypt(bytes(12), share, hh)
        blind = kdf(key, "share blind", hh)
        rows.append([sealed, h("share", hh, seat, blind, share)])
    return encode([hh, commitment(slot_key(s, hh), hh), rows])


def seal_digest(data: bytes) -> bytes:
    return h("seal", data)


def slot_content(hh: bytes, digest: bytes) -> bytes:
    return encode([hh, digest])


def open_share(data: bytes, seat: int, key: bytes) -> bytes:
    """A keyholder's share of a seal from its K(j, tau), checked against its commitment."""
    hh, _, rows = decode(data)
    if rows[seat] is None:
        raise Invalid("a vacant seat")
    sealed, commit = rows[seat]
    try:
        share = AESGCM(kdf(key, "share key", hh)).decrypt(bytes(12), sealed, hh)
    except InvalidTag:
        raise Invalid("a share that does not open") from None
    if h("share", hh, seat, kdf(key, "share blind", hh), share) != commit:
        raise Invalid("a share that is not committed to")
    return share


def unseal(seed: bytes, header: bytes, seat: int, enc: bytes) -> bytes:
    """K(j, tau) of a tier 1 from a period key's seed."""
    return seat_key(xwing.decapsulate(seed, enc), h("tier 1 header", header), seat, enc)


def combine(shape: Shape, given: Mapping[int, bytes]) -> bytes:
    """W of whatever shares are given, right or not."""
    parts, first = [], 0
    for threshold, seats in shape:
        points = {1 + j: given[first + j] for j in range(seats) if first + j in given}
        chosen = dict(list(points.items())[:threshold])
        parts.append(gf256.interpolate(chosen) if chosen else bytes(32))
        first += seats
    return gf256.xor(*parts)


def check(
    slot_header: bytes, seal_: bytes, tier1_header: bytes, encs: PerSeat, **rest: Item
) -> None:
    """What provider, keyholder and desk check of a slot without opening anything.

    ``rest``: seal_digest, signature, policy (its digest), shape and slots_per_day.
    """
    slot, tier, seal_fields = decode(slot_header), decode(tier1_header), decode(seal_)
    hh, per_day = h("slot header", slot_header), rest["slots_per_day"]
    content = slot_content(hh, rest["seal_digest"])
    filled = [key is not None for key in tier[8]]
    right = [
        slot[0] == rest["policy"],
        verify(slot[6], "slot", content, rest["signature"]),
        seal_digest(seal_) == rest["seal_digest"],
        seal_fields[0] == hh,
        tier1_digest(h("tier 1 header", tier1_header), encs) == slot[8],
        tier[:6] == slot[:6],
        tier[6] == tier[7] // per_day == slot[7] // per_day,
        tier[7] <= slot[7],
        filled == [enc is not None for enc in encs],
        filled == [row is not None for row in seal_fields[2]],
        len(filled) == sum(seats for _, seats in rest["shape"]),
    ]
    if not all(right):
        raise Invalid(f"a slot that does not hold: {right}")
