"""The inputs of vector file 10: previews, and what is held against them; no outputs."""

from __future__ import annotations

from typing import Any

from tests.vectors.form import Case
from tests.vectors.inputs import bad, good
from tests.vectors.oracle.cbor import encode

ORDER, SEED = b"\x31" * 32, b"\x32" * 32
U32, U64 = (1 << 32) - 1, (1 << 64) - 1
TIME, DAY = 1_795_000_000, 96
NUMBERS = [1, 2, 3, 40, 5, 600, 7]

GROUP, OTHER = b"group one", b"group two"
# Three slots on two days in two conversations; five messages, one of them removed.
SLOTS: list[list[Any]] = [
    [GROUP, 10 * DAY + 95, TIME - 5_000, [[TIME - 5_000, 0], [TIME - 4_000, 1]]],
    [GROUP, 11 * DAY, TIME - 3_000, [[TIME - 3_000, 0], [TIME - 2_900, 0]]],
    [OTHER, 11 * DAY, TIME - 1_000, [[TIME - 1_000, 0]]],
]
TRUE = [2, 3, 2, 5, 1]


def preview() -> list[Case]:
    base: dict[str, Any] = {"order": ORDER, "time": TIME, "numbers": NUMBERS, "seed": SEED}
    changes: dict[str, dict[str, Any]] = {
        "numbers": {},
        "numbers of another order": {"order": bytes(32)},
        "numbers at another time": {"time": TIME + 1},
        "numbers by another provider": {"seed": ORDER},
        "nothing at all": {"numbers": [0] * 7},
        "the largest numbers": {"time": U64, "numbers": [U32] * 7},
    }
    cases = [good(name, "preview", **{**base, **change}) for name, change in changes.items()]
    return cases + _read() + _held()


def _read() -> list[Case]:
    inner: list[Any] = [ORDER, TIME, *NUMBERS]
    cases = [good("a preview read", "preview read", bytes=_outer(inner))]
    wrong: dict[str, bytes] = {
        "one number short": _outer(inner[:-1]),
        "one number more": _outer([*inner, 0]),
        "a short digest": _outer([ORDER[:-1], *inner[1:]]),
        "no time": _outer([ORDER, None, *NUMBERS]),
        "a number in words": _outer([*inner[:-1], "seven"]),
        "no signature": encode([encode(inner), None]),
        "a short signature": encode([encode(inner), bytes(63)]),
        "the statement alone": encode([encode(inner)]),
        "a statement that is no byte string": encode([inner, bytes(64)]),
        "bytes after the end": _outer(inner) + b"\0",
    }
    for at in (2, 8):
        wrong[f"item {at} of more than 32 bits"] = _outer([*inner[:at], U32 + 1, *inner[at + 1 :]])
    return cases + [bad(name, "preview read", bytes=data) for name, data in wrong.items()]


def _outer(inner: list[Any]) -> bytes:
    return encode([encode(inner), bytes(64)])


def _held() -> list[Case]:
    edge = [[GROUP, 11 * DAY + 9, TIME + 60, [[TIME + 60, 0]]]]
    late = [[OTHER, 12 * DAY, TIME + 61, [[TIME + 61, 0], [TIME + 62, 1]]]]
    before = [[GROUP, 11 * DAY + 9, TIME - 60, [[TIME - 60, 0]]]]
    within: list[list[Any]] = [
        *SLOTS[:2],
        [OTHER, 11 * DAY, TIME - 1_000, [[TIME - 1_000, 0], [TIME - 59, 0]]],
    ]
    lists: dict[str, tuple[list[int], list[list[Any]]]] = {
        "as foreseen": (TRUE, SLOTS),
        "nothing there, nothing foreseen": ([0] * 5, []),
        "nothing there": (TRUE, []),
        "nothing foreseen": ([0] * 5, SLOTS),
        "on its way, and counted": ([2, 4, 2, 6, 1], [*SLOTS, *edge]),
        "on its way, and not counted": (TRUE, [*SLOTS, *edge]),
        "stored later, and foreseen": ([2, 4, 3, 7, 2], [*SLOTS, *late]),
        "stored later": (TRUE, [*SLOTS, *late]),
        "stored a minute before, and not counted": (TRUE, [*SLOTS, *before]),
        "stored within the minute before": (TRUE, within),
        "one that was removed is there": ([2, 3, 2, 5, 2], SLOTS),
        "removed since": ([2, 3, 2, 5, 0], SLOTS),
    }
    for at, name in enumerate(("conversations", "slots", "days", "messages")):
        for by, word in ((-1, "fewer"), (1, "more")):
            said = [*TRUE[:at], TRUE[at] + by, *TRUE[at + 1 :]]
            lists[f"{word} {name}"] = (said, SLOTS)
    return [
        good(
            f"held: {name}",
            "preview held",
            time=TIME,
            numbers=said,
            slots=slots,
            slots_per_day=DAY,
        )
        for name, (said, slots) in lists.items()
    ]
