"""The inputs of vector files 1 to 3: encodings, functions, slot trees, X-Wing; no outputs."""

from __future__ import annotations

from typing import Any

from tests.vectors.form import Case, dump, fill
from tests.vectors.oracle.digests import public_key, sign

WANTED = ("", None)
ROOT = bytes(range(32))
LAST = (1 << 32) - 1
NOW = 1_973_131


def good(name: str, operation: str, **inputs: Any) -> Case:  # noqa: ANN401
    return Case(name, operation, dump(inputs))


def bad(name: str, operation: str, **inputs: Any) -> Case:  # noqa: ANN401
    """A case that must be refused; under which name, the product says once."""
    return Case(name, operation, dump(inputs), refused=WANTED)


def cbor() -> list[Case]:
    numbers = [edge + by for edge in (0, 24, 1 << 8, 1 << 16, 1 << 32, 1 << 64) for by in (-1, 0)]
    cases = [good(f"number {n}", "cbor", item=n) for n in numbers if 0 <= n < 1 << 64]
    sizes = (0, 1, 23, 24, 255, 256, 65_535, 65_536)
    cases += [good(f"{size} bytes", "cbor", item=fill(7, size)) for size in sizes]
    for size in (0, 23, 24, 255, 256):
        cases.append(good(f"{size} letters", "cbor", item="a" * size))
        cases.append(good(f"{size} items", "cbor", item=[0] * size))
    mixed = [None, 0, b"\1", "text \u00fc \u6f22", [[], [None]]]
    cases.append(good("everything at once", "cbor", item=mixed))
    refused = {
        "0 in two bytes": "1800",
        "23 in two bytes": "1817",
        "255 in three bytes": "1900ff",
        "65535 in five bytes": "1a0000ffff",
        "2^32 - 1 in nine bytes": "1b00000000ffffffff",
        "bytes with a long length": "580100",
        "text with a long length": "780161",
        "array with a long length": "980100",
        "array length in nine bytes": "9b000000000000000100",
        "a negative number": "20",
        "a map": "a0",
        "a map in an array": "81a0",
        "a tag": "c000",
        "a bignum": "c240",
        "false": "f4",
        "true": "f5",
        "undefined": "f7",
        "null in two bytes": "f8f6",
        "a half float": "f93c00",
        "a float": "fa3f800000",
        "a double": "fb3ff0000000000000",
        "indefinite bytes": "5f4100ff",
        "indefinite text": "7f6161ff",
        "indefinite array": "9f00ff",
        "a break alone": "ff",
        "reserved 28": "1c",
        "reserved 31": "1f",
        "nothing": "",
        "a byte after the end": "0000",
        "null after the end": "80f6",
        "a number cut short": "19ff",
        "bytes cut short": "4200",
        "text cut short": "6261",
        "an array cut short": "8200",
        "an array of 2^64 - 1 items": "9bffffffffffffffff",
        "bytes of 2^64 - 1": "5bffffffffffffffff",
        "text that is no UTF-8": "61ff",
        "text with a surrogate": "63eda080",
        "text in an overlong form": "62c080",
    }
    return cases + [
        bad(name, "decode", bytes=bytes.fromhex(data)) for name, data in refused.items()
    ]


def kdf() -> list[Case]:
    cases = []
    parts = {"none": [], "digest and number": [bytes([9]) * 32, 300], "null": [None, [1, [b"x"]]]}
    for label, length in (("salt", 16), ("chain", 32), ("body", 64), ("coins", 64), ("leaf", 32)):
        for name, values in parts.items():
            for size in (32, 48):
                key = bytes([size]) * size
                cases.append(
                    good(
                        f"{label}, {length} bytes, {name}, key of {size}",
                        "kdf",
                        key=key,
                        label=label,
                        parts=values,
                        length=length,
                    )
                )
    # The length is derived with: what is short is no prefix of what is long.
    return cases + [
        good(f"length {length}", "kdf", key=ROOT, label="chain", parts=[], length=length)
        for length in (1, 16, 31, 32, 33, 64, 8_160)
    ]


def hashes() -> list[Case]:
    cases = [
        good(f"{label} over {size} bytes", "hash", label=label, parts=[fill(0x61, size)])
        for label in ("content", "handshake", "sealed body", "policy")
        for size in (0, 63, 64, 16_383, 16_384)
    ]
    parts = [b"a", b"b", 1, None, [b"c", None]]
    cases.append(good("many parts", "hash", label="envelope", parts=parts))
    cases.append(good("parts that touch, one way", "hash", label="share", parts=[b"ab", b"c"]))
    cases.append(
        good("parts that touch, the other way", "hash", label="share", parts=[b"a", b"bc"])
    )
    return cases


def signs() -> list[Case]:
    cases = [
        good(
            f"{label} over {size} bytes",
            "sign",
            seed=bytes([size % 251]) * 32,
            label=label,
            content=fill(0x62, size),
        )
        for label in ("slot", "message", "receipt")
        for size in (0, 63, 64, 16_383, 16_384)
    ]
    seed, content = bytes([1]) * 32, b"content"
    public, signature = public_key(seed), sign(seed, "slot", content)
    whole = {"public": public, "label": "slot", "content": content, "signature": signature}
    order = (1 << 252) + 27_742_317_777_372_353_535_851_937_790_883_648_493
    larger = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    wrong = {
        "another label": {"label": "message"},
        "another content": {"content": b"content."},
        "another key": {"public": public_key(bytes(32))},
        "a changed signature": {"signature": signature[:-1] + bytes([signature[-1] ^ 1])},
        "a signature cut short": {"signature": signature[:-1]},
        "s not reduced": {"signature": signature[:32] + larger},
        "a key cut short": {"public": public[:-1]},
        "no point of the curve": {"public": b"\x02" + bytes(31)},
    }
    cases += [bad(name, "verify", **{**whole, **change}) for name, change in wrong.items()]
    return cases


def tree() -> list[Case]:
    taus = [NOW, NOW + 1, NOW + 3]
    ends = {"first slot": 0, "second slot": 1, "middle": 1 << 31, "last slot": LAST}
    cases = [
        good(
            f"root from {size} bytes, epoch {epoch}",
            "root",
            exported=bytes(range(size)),
            policy=bytes([1]) * 32,
            group_id=b"group one",
            epoch=epoch,
            context=bytes([2]) * 32,
        )
        for size, epoch in ((32, 0), (48, 7), (48, (1 << 64) - 1))
    ]
    cases.append(good("three slots", "slots", root=ROOT, low=0, taus=taus))
    for low in (1, NOW - 1, NOW):
        name = f"the same three slots from the cover at {low}"
        cases.append(good(name, "slots", root=ROOT, low=low, taus=taus))
    cases.append(good("out of order", "slots", root=ROOT, low=0, taus=taus[::-1]))
    for name, tau in ends.items():
        cases.append(good(name, "slots", root=ROOT, low=0, taus=[tau]))
        cases.append(good(f"cover at the {name}", "cover", root=ROOT, low=tau))
    cases.append(good("cover at low", "cover", root=ROOT, low=NOW))
    cases.append(good("all ends at once", "slots", root=ROOT, low=0, taus=[*ends.values()]))
    rest = {"t": bytes([5]) * 32, "credential": bytes([6]) * 32, "slot": bytes([7]) * 32}
    cases += [good(f"leaf {leaf}", "leaf", leaf=leaf, **rest) for leaf in (0, 3, 249, LAST)]
    erased = {
        "the slot before low": (NOW, [NOW - 1]),
        "the first slot after low rose": (1, [0]),
        "a slot used twice": (0, [NOW, NOW]),
        "the last slot used twice": (0, [LAST, LAST]),
        "a slot used again after a later one": (NOW, [NOW + 1, NOW + 2, NOW + 1]),
        "anything once low is past the end": (1 << 32, [LAST]),
    }
    return cases + [
        bad(name, "slots", root=ROOT, low=low, taus=slots) for name, (low, slots) in erased.items()
    ]


# u-coordinates of low order on Curve25519, and two that are reduced to them.
LOW_ORDER = {
    "zero": "00" * 32,
    "one": "01" + "00" * 31,
    "order 8": "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "order 8, other": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "p - 1": "ec" + "ff" * 30 + "7f",
    "p": "ed" + "ff" * 30 + "7f",
    "p + 1": "ee" + "ff" * 30 + "7f",
}


def xwing() -> list[Case]:
    seeds = [bytes(32), bytes([0x10]) * 32, ROOT]
    coins = bytes(range(64))
    cases = [good(f"key {n}", "xwing public", seed=seed) for n, seed in enumerate(seeds)]
    for n, seed in enumerate(seeds):
        cases.append(good(f"key {n}, coins", "xwing", seed=seed, coins=coins))
        swapped = coins[32:] + coins[:32]
        cases.append(good(f"key {n}, halves exchanged", "xwing", seed=seed, coins=swapped))
    cases.append(good("zero coins", "xwing", seed=seeds[2], coins=bytes(64)))
    cases.append(good("equal halves", "xwing", seed=seeds[2], coins=bytes([7]) * 64))
    whole = {"seed": ROOT, "size": 1_216}
    cases.append(good("a key as it is", "xwing check", at=0, bytes=b"", **whole))
    changes = {
        f"X25519 half of low order: {name}": (1_184, bytes.fromhex(point))
        for name, point in LOW_ORDER.items()
    }
    changes["the first coefficient is 4095"] = (0, b"\xff\xff")
    changes["the first coefficient is 3329"] = (0, b"\x01\x0d")
    changes["the last coefficient is over 3329"] = (1_150, b"\xff\xff")
    cases += [
        bad(name, "xwing check", at=at, bytes=data, **whole) for name, (at, data) in changes.items()
    ]
    short = {"at": 0, "bytes": b"", "seed": ROOT}
    return cases + [
        bad(f"{size} bytes", "xwing check", size=size, **short) for size in (0, 1_184, 1_215)
    ]
