"""Leaves of the orders log and the date of a notice, a second time (section 5, A.10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.vectors.oracle.cbor import Invalid, Item, encode
from tests.vectors.oracle.digests import public_key, sign

U32, U64 = (1 << 32) - 1, (1 << 64) - 1
MOST = 3

Rule = Callable[[Item], bool]


def number(least: int = 0, most: int = U64) -> Rule:
    return lambda item: isinstance(item, int) and least <= item <= most


def octets(size: int) -> Rule:
    return lambda item: isinstance(item, bytes) and len(item) == size


def text(most: int) -> Rule:
    return lambda item: isinstance(item, str) and 1 <= len(item) <= most


def classes(item: Item) -> bool:
    if not isinstance(item, list) or len(item) > 128:
        return False
    row = (text(64), number(0, U32), number(0, U32))
    if not all(isinstance(each, list) and fits(each, row) for each in item):
        return False
    names = [each[0] for each in item]
    return names == sorted(set(names))


def fits(part: Sequence[Item], rules: Sequence[Rule]) -> bool:
    return len(part) == len(rules) and all(rule(i) for rule, i in zip(rules, part, strict=True))


BUCKET, SEAT = number(0, 3), number(0, 31)
FORMS: dict[str, tuple[Rule, ...]] = {
    "order": (octets(32), text(64), text(64), text(32), BUCKET, BUCKET, number()),
    "intent": (number(), SEAT, octets(32)),
    "done": (number(), SEAT, octets(32), number(0, U32)),
    "refusal": (
        number(),
        lambda item: item is None or SEAT(item),
        text(64),
        text(256),
        lambda item: item is None or octets(16)(item),
    ),
    "report": (number(), number(0, U32), number(0, U32), octets(32)),
    "extend": (number(), number(1, U32), number(), text(256), octets(32), octets(64)),
    "close": (number(), lambda item: item in ("unused", "withdrawn", "done")),
    "ingest": (number(0, U32), number(), number(1, U32), octets(32)),
    "unauthenticated": (number(0, U32), number(1, U32)),
    "counts": (number(0, U32), number(), number(), classes, number(0, U32)),
    "removal": (number(0, U32), text(64), number(0, 3), number(1, U32)),
}


def entry(kind: str, part: list[Item], seed: bytes) -> bytes:
    """An entry of the log, signed by who speaks."""
    if kind not in FORMS or not fits(part, FORMS[kind]):
        raise Invalid(f"no leaf {kind}")
    if kind == "counts" and not part[1] < part[2]:  # type: ignore[operator]
        raise Invalid("counts that run back")
    if kind == "refusal" and (part[1] is None) != (part[4] is None):
        raise Invalid("a mark without a seat, or a seat without a mark")
    inner = encode(part)
    signature = sign(seed, "log record", encode([kind, inner]))
    return f"glasslock/1 {kind}\n".encode() + encode([inner, public_key(seed), signature])


def extension(commitment: bytes, seeds: tuple[bytes, bytes], fields: list[Item]) -> bytes:
    """The entry of an extension [order, number, date, ground] by two bodies."""
    issuing, judge = seeds
    content = encode([commitment, public_key(issuing), *fields])
    countersignature = sign(judge, "extension countersign", content)
    return entry("extend", [*fields, public_key(judge), countersignature], issuing)


def date(time: int, first: int, extensions: Sequence[Sequence[int]]) -> tuple[int, list[int]]:
    """The date in force of an order witnessed at ``time``, and which [time, number, date] hold."""
    longest, in_force, held = max(0, first - time), first, []
    for at, (witnessed, order, wanted) in enumerate(extensions):
        in_turn = len(held) < MOST and order == len(held) + 1
        if in_turn and witnessed <= in_force < wanted <= in_force + longest:
            in_force = wanted
            held.append(at)
    return in_force, held
