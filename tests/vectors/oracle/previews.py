"""Previews and what becomes of them, a second time (section 5, A.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.vectors.oracle.cbor import Invalid, Item, decode, encode
from tests.vectors.oracle.digests import sign

U32, U64 = (1 << 32) - 1, (1 << 64) - 1
AROUND = 60
NAMES = ("conversations", "slots", "days", "messages")


def signed(order: bytes, time: int, numbers: Sequence[int], seed: bytes) -> bytes:
    """A provider's word: order digest, time, and seven numbers."""
    inner = encode([order, time, *numbers])
    return encode([inner, sign(seed, "preview statement", inner)])


def read(data: bytes) -> list[int]:
    """The time and the numbers of a preview."""
    outer = _list(decode(data), 2)
    if not isinstance(outer[0], bytes) or not isinstance(outer[1], bytes) or len(outer[1]) != 64:
        raise Invalid("no signed preview")
    order, time, *numbers = _list(decode(outer[0]), 9)
    if not isinstance(order, bytes) or len(order) != 32:
        raise Invalid("no order digest")
    if not isinstance(time, int) or not 0 <= time <= U64:
        raise Invalid("no time")
    found = [time]
    for each in numbers:
        if not isinstance(each, int) or not 0 <= each <= U32:
            raise Invalid("no number")
        found.append(each)
    return found


def held(
    time: int, numbers: Sequence[int], slots: Sequence[Any], per_day: int
) -> tuple[list[int], list[list[str]]]:
    """All that is there, and which of five numbers did not come true, by which rule."""
    there = _count(slots, per_day, U64)
    least, most = _count(slots, per_day, time - AROUND), _count(slots, per_day, time + AROUND)
    differences = []
    for at, name in enumerate(NAMES):
        said = numbers[at]
        if said < least[at]:
            differences.append([name, "preview.fewer"])
        elif said > most[at]:
            differences.append([name, "preview.more"])
        elif said != there[at]:
            differences.append([name, "preview.later"])
    if numbers[4] > there[4]:
        differences.append(["removed", "preview.back"])
    if numbers[4] < there[4]:
        differences.append(["removed", "preview.removed"])
    return there, differences


def _count(slots: Sequence[Any], per_day: int, until: int) -> list[int]:
    conversations, days, count, messages, removed = set(), set(), 0, 0, 0
    for group_id, tau, opened, written in slots:
        if opened > until:
            continue
        conversations.add(group_id)
        days.add(tau // per_day)
        count += 1
        for at, gone in written:
            if at <= until:
                messages += 1
                removed += gone
    return [len(conversations), count, len(days), messages, removed]


def _list(item: Item, size: int) -> list[Item]:
    if not isinstance(item, list) or len(item) != size:
        raise Invalid("no list of this length")
    return item
