"""What a group's line takes next under policy ``none``, a second time (sections 2 and 4).

One leaf writes; its entries are told by what they deviate in, all else is as an honest sender
makes it. Knows no seal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.vectors.oracle import slots, streams
from tests.vectors.oracle.bodies import envelope_digest, tombstone_digest
from tests.vectors.oracle.cbor import Invalid, Item, encode
from tests.vectors.oracle.digests import h, public_key

Fields = Mapping[str, Item]
BODY = 32 + 256 + 16


@dataclass
class Line:
    """The line so far, and the newest slot of its one writer as [epoch, tau, count, last D]."""

    given: Fields
    heads: list[bytes]
    epoch: int
    time: int = 0
    slot: list[Item] | None = None
    hh: bytes = b""
    entries: list[bytes] = field(default_factory=list)

    def put(self, time: int, d: bytes) -> None:
        position = len(self.heads)
        self.time = max(self.time, time)
        self.heads.append(streams.step(self.heads[-1], position, self.time, d))
        self.entries.append(d)


def policy(given: Fields) -> bytes:
    slot_seconds, per_day, skew = given["clocks"]
    return encode([1, "none", "none", bytes(32), [slot_seconds, per_day, skew, 30, 600], None])


def close_of(line: Line, entry: Fields) -> Item:
    close = entry.get("close", line.slot)
    if "alter close" in entry:
        at, value = entry["alter close"]
        close = [value if number == at else each for number, each in enumerate(close)]
    return close


def slot_header(line: Line, entry: Fields) -> bytes:
    """The header that ``entry`` opens a slot with; what it does not say is as it must be."""
    given = line.given
    place = [h("policy", policy(given)), given["group_id"], line.epoch, given["context"]]
    who = [given["leaf"], h("credential", given["credential"]), public_key(given["sender"])]
    close = close_of(line, entry)
    seen = entry.get("seen", [len(line.heads) - 1, line.heads[-1]])
    return encode([*place, *who, entry["tau"], None, close, seen])


def message(line: Line, entry: Fields, hh: bytes) -> tuple[bytes, bytes]:
    """Header and body of an entry; the body is filler, for no line looks into it."""
    last = line.slot
    m = 0 if entry["kind"] == "open" or last is None else entry.get("m", last[2])
    previous = None if m == 0 or last is None else entry.get("previous", last[3])
    body = bytes([entry.get("filler", 0)]) * BODY
    return encode([hh, m, bytes(16), previous, 256]), body


def _check_window(line: Line, tau: int, time: int) -> None:
    slot_seconds, _, skew = line.given["clocks"]
    if tau not in slots.allowed(time, slot_seconds, skew):
        raise Invalid("a slot that is not open")


def _open(line: Line, entry: Fields) -> None:
    time = max(line.time, entry["now"])
    header = slot_header(line, entry)
    tau, before = entry["tau"], line.slot
    _check_window(line, tau, time)
    if before is not None and (tau < before[1] or [line.epoch, tau] == before[:2]):
        raise Invalid("a second header in a slot, or an earlier slot")
    if close_of(line, entry) != before:
        raise Invalid("a close that is not what was")
    position, head = entry.get("seen", [len(line.heads) - 1, line.heads[-1]])
    if position >= len(line.heads) or line.heads[position] != head:
        raise Invalid("another line was seen")
    line.hh = slots.header_digest(header)
    data = message(line, entry, line.hh)
    opening = [header, None, None, None]
    d = envelope_digest(*data, opening)
    assert d == tombstone_digest(data[0], h("sealed body", data[1]), opening)
    line.slot = [line.epoch, tau, 1, d]
    line.put(time, d)


def _next(line: Line, entry: Fields) -> None:
    time = max(line.time, entry["now"])
    if line.slot is None or line.slot[0] != line.epoch:
        raise Invalid("no slot of this epoch is open")
    _check_window(line, line.slot[1], time)
    _, _, count, last = line.slot
    if entry.get("m", count) != count or entry.get("previous", last) != last:
        raise Invalid("a gap in the slot")
    d = envelope_digest(*message(line, entry, line.hh))
    line.slot = [*line.slot[:2], count + 1, d]
    line.put(time, d)


def judge(given: Fields) -> Fields:
    """The digests and heads of a line all of whose entries are taken."""
    line = Line(given, [streams.start(given["group_id"])], given["epoch"])
    for entry in given["entries"]:
        if entry["kind"] == "commit":
            line.put(max(line.time, entry["now"]), streams.handshake_digest(entry["data"]))
            line.epoch += 1
        elif entry["kind"] == "open":
            _open(line, entry)
        else:
            _next(line, entry)
    return {"D": line.entries, "heads": line.heads}
