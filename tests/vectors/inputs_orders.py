"""The inputs of vector file 9: leaves of the orders log, and extensions; no outputs."""

from __future__ import annotations

from typing import Any

from tests.vectors.form import Case
from tests.vectors.inputs import bad, good

AUTHORITY, JUDGE = b"\x21" * 32, b"\x22" * 32
C, RELEASE = b"\x23" * 32, b"\x24" * 32
U32, U64 = (1 << 32) - 1, (1 << 64) - 1
START, DAY = 1_795_000_000, 86_400
ROWS = [["court", 2, 1], ["police", 7, 0]]

GOOD: dict[str, list[Any]] = {
    "order": [C, "family", "court", "content", 0, 3, START],
    "intent": [7, 31, RELEASE],
    "done": [7, 0, RELEASE, 12],
    "refusal": [7, None, "order.dates", "not valid now", None],
    "report": [7, 1, 3, RELEASE],
    "extend": [7, 1, START, "still searching", C, b"\x25" * 64],
    "close": [7, "withdrawn"],
    "ingest": [3, START, 2, C],
    "unauthenticated": [20_553, 4],
    "counts": [5, 0, 90, ROWS, 4],
    "removal": [20_553, "family", 3, 9],
}
WRONG: tuple[tuple[str, int, Any], ...] = (
    ("order", 4, 4),
    ("intent", 1, 32),
    ("refusal", 1, 4),
    ("refusal", 2, ""),
    ("refusal", 4, bytes(16)),
    ("extend", 1, 0),
    ("extend", 3, ""),
    ("extend", 3, "x" * 257),
    ("extend", 4, bytes(31)),
    ("extend", 5, bytes(65)),
    ("close", 1, "open"),
    ("close", 1, None),
    ("counts", 1, 90),
    ("counts", 2, 0),
    ("counts", 3, ROWS[::-1]),
    ("counts", 3, [ROWS[0], ROWS[0]]),
    ("counts", 3, [["court", 2]]),
    ("counts", 3, [["", 2, 1]]),
    ("counts", 4, U32 + 1),
    ("removal", 2, 4),
    ("removal", 3, 0),
)


def orders() -> list[Case]:
    cases = [
        good(f"a leaf {kind}", "orders leaf", kind=kind, part=part, seed=AUTHORITY)
        for kind, part in GOOD.items()
    ]
    more: dict[str, tuple[str, list[Any]]] = {
        "a refusal by a keyholder": ("refusal", [7, 4, "release.budget", "spent", b"\x2b" * 16]),
        "an order that was not used": ("close", [U64, "unused"]),
        "an order that is done": ("close", [0, "done"]),
        "counts of nothing": ("counts", [0, 4, 5, [], 0]),
    }
    cases += [
        good(name, "orders leaf", kind=kind, part=part, seed=AUTHORITY)
        for name, (kind, part) in more.items()
    ]
    for kind, at, value in WRONG:
        part = [*GOOD[kind][:at], value, *GOOD[kind][at + 1 :]]
        name = f"{kind}, item {at}: {str(value)[:20]}"
        cases.append(bad(name, "orders leaf", kind=kind, part=part, seed=AUTHORITY))
    short_mark = [7, 4, "release.budget", "spent", bytes(15)]
    cases.append(
        bad("a mark too short", "orders leaf", kind="refusal", part=short_mark, seed=AUTHORITY)
    )
    for kind, part in GOOD.items():
        short = {"kind": kind, "part": part[:-1], "seed": AUTHORITY}
        cases.append(bad(f"{kind}, one item short", "orders leaf", **short))
    cases.append(bad("a leaf of no kind", "orders leaf", kind="pardon", part=[7], seed=AUTHORITY))
    return cases + _extensions() + _dates()


def _extensions() -> list[Case]:
    base = {"commitment": C, "issuing": AUTHORITY, "judge": JUDGE}
    changes: dict[str, dict[str, Any]] = {
        "an extension": {},
        "of another order": {"commitment": RELEASE},
        "by another authority": {"issuing": C},
        "with another countersigner": {"judge": C},
    }
    fields = [7, 1, START + DAY, "still searching"]
    cases = [
        good(f"countersigned {name}", "orders extension", **{**base, **change}, fields=fields)
        for name, change in changes.items()
    ]
    for name, at, value in (("number", 1, 2), ("date", 2, START), ("ground", 3, "witnesses")):
        other = [*fields[:at], value, *fields[at + 1 :]]
        cases.append(
            good(f"countersigned, another {name}", "orders extension", **base, fields=other)
        )
    return cases


def _dates() -> list[Case]:
    first = START + 10 * DAY
    steps = [[START + DAY, n, first + n * 10 * DAY] for n in range(1, 5)]
    lists: dict[str, list[list[int]]] = {
        "no extension": [],
        "one": steps[:1],
        "three, and a fourth": steps,
        "a number left out": [steps[0], steps[2], steps[1]],
        "one number twice": [steps[0], [START + DAY, 1, first + 12 * DAY], steps[1]],
        "not forward": [[START, 1, first], [START, 1, first - 1], [START, 1, first + 1]],
        "one second too long": [[START, 1, first + 10 * DAY + 1]],
        "on the last second": [[first, 1, first + DAY]],
        "one second too late": [[first + 1, 1, first + DAY]],
        "late for the second date": [steps[0], [first + 10 * DAY + 1, 2, first + 20 * DAY]],
        "in time for the second date": [steps[0], [first + 10 * DAY, 2, first + 20 * DAY]],
    }
    cases = [
        good(f"date: {name}", "orders date", time=START, first=first, extensions=found)
        for name, found in lists.items()
    ]
    late = {"time": first + 1, "first": first, "extensions": [[first, 1, first + 1]]}
    cases.append(good("date: an order that was logged late", "orders date", **late))
    return cases
