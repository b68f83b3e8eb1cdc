"""The inputs of vector files 4 to 7: tier 1, seals, bodies, lines; no outputs.

Where a case needs bytes that are wrong on purpose, the second implementation makes them.
"""

from __future__ import annotations

from typing import Any

from tests.vectors.by_oracle import Scene
from tests.vectors.form import Case, fill
from tests.vectors.inputs import NOW, ROOT, bad, good
from tests.vectors.oracle import bodies, slots
from tests.vectors.oracle.cbor import encode
from tests.vectors.oracle.digests import kdf, public_key, sign

GROUP, CONTEXT, CREDENTIAL = b"group one", bytes([0x21]) * 32, bytes([0x22]) * 32
SENDER = bytes([0x23]) * 32
DAY = NOW // 96
FIRST = NOW - 3
Inputs = dict[str, Any]


def policy(shape: list[tuple[int, int]], name: str = "vectors") -> bytes:
    classes, number = [], 0
    for c, (threshold, count) in enumerate(shape):
        seats = [
            [f"keyholder-{j}", f"Person {j}", public_key(bytes([0x80 + j]) * 32)]
            for j in range(number, number + count)
        ]
        number += count
        classes.append([f"class {c}", threshold, seats])
    limits = [64, 16, 5_000, 7_776_000, 100, 0, 46_656_000, 86_400, 3_600, 30]
    access = [classes, bytes(32), "quorum 1", "log.test/p", "log.test/o", limits]
    return encode([1, name, "family", bytes([1]) * 32, [900, 96, 120, 30, 600], access])


def scene(shape: tuple[tuple[int, int], ...] = ((2, 3), (3, 5)), **changes: Any) -> Inputs:  # noqa: ANN401
    count = sum(seats for _, seats in shape)
    vacant = changes.pop("vacant", ())
    name = changes.pop("name", "vectors")
    seeds = [None if j in vacant else bytes([0x10 + j]) * 32 for j in range(count)]
    return {
        "policy": policy(list(shape), name),
        "root": ROOT,
        "group_id": GROUP,
        "epoch": 7,
        "context": CONTEXT,
        "leaf": 3,
        "credential": CREDENTIAL,
        "sender": SENDER,
        "first": FIRST,
        "tau": NOW,
        "days": [DAY - 1, DAY + 5],
        "seeds": seeds,
        "close": [7, FIRST, 2, bytes([0x30]) * 32],
        "seen": [41, bytes([0x31]) * 32],
        **changes,
    }


def one_bit() -> dict[str, Inputs]:
    """The scene with each field of the tier 1 header changed in one bit."""

    def flip(data: bytes) -> bytes:
        return data[:-1] + bytes([data[-1] ^ 1])

    seeds = scene()["seeds"]
    return {
        "policy": scene(name="vectorr"),
        "group_id": scene(group_id=flip(GROUP)),
        "epoch": scene(epoch=6),
        "context": scene(context=flip(CONTEXT)),
        "leaf": scene(leaf=2),
        "credential": scene(credential=flip(CREDENTIAL)),
        "day and tau": scene(first=FIRST ^ 1 << 7, tau=FIRST ^ 1 << 7),
        "tau": scene(first=FIRST ^ 1),
        "key ids": scene(days=[DAY - 1, DAY + 4]),
        "one key": scene(seeds=[flip(seeds[0]), *seeds[1:]]),
    }


def tier1() -> list[Case]:
    edge = 96 * DAY
    cases = [
        good("all seats", "tier1", **scene()),
        good("vacant seats", "tier1", **scene(vacant=(1, 4, 7))),
        good("second tier 1 in one day", "tier1", **scene(first=NOW)),
        good("last slot of a day", "tier1", **scene(first=edge - 1)),
        good("first slot of a day", "tier1", **scene(first=edge)),
        good("new epoch in one slot", "tier1", **scene(epoch=8, root=bytes([8]) * 32)),
        good("the next leaf", "tier1", **scene(leaf=4)),
        good("two of two, two of two", "tier1", **scene(((2, 2), (2, 2)))),
    ]
    cases += [good(f"one bit of {name}", "tier1", **given) for name, given in one_bit().items()]
    seeds = scene()["seeds"]
    cases += [
        bad("a class below its threshold", "tier1", **scene(vacant=(0, 1))),
        bad("the other class below", "tier1", **scene(vacant=(3, 4, 5))),
        bad("two seats with one key", "tier1", **scene(seeds=[seeds[1], *seeds[1:]])),
    ]
    return cases


def _with_zero_coefficient() -> Inputs:
    """The first group in which a coefficient of the seal has a zero byte: one in nine has."""
    s = slots.leaf_secret(slots.node_at(ROOT, NOW), 3, CREDENTIAL)
    for n in range(1_000):
        given = scene(group_id=b"group %d" % n)
        if 0 in kdf(s, "coefficient", Scene(given).hh, 1, 2):
            return given
    raise AssertionError("no zero byte in a thousand groups")


def seal() -> list[Case]:
    shapes: dict[str, tuple[tuple[int, int], ...]] = {
        "two of two, two of two": ((2, 2), (2, 2)),
        "two of three, three of five": ((2, 3), (3, 5)),
        "three classes": ((2, 3), (2, 2), (3, 4)),
        "four classes": ((2, 2), (2, 3), (2, 2), (4, 5)),
    }
    base, small = scene(), scene(((2, 2), (2, 2)))
    cases = [good(name, "seal", **scene(shape)) for name, shape in shapes.items()]
    cases += [
        good("vacant seats", "seal", **scene(vacant=(1, 4, 7))),
        good("the tier 1's own slot", "seal", **scene(tau=FIRST, close=None)),
        good("the last slot of the day", "seal", **scene(tau=96 * DAY + 95)),
        good("a coefficient with a zero byte", "seal", **_with_zero_coefficient()),
        good("which sets open, 3 and 5 seats", "subsets", **base),
        good("which sets open, 2 and 2 seats", "subsets", **small),
        good("every byte flipped", "every byte", **small),
    ]
    others = {
        "slot": scene(tau=NOW + 1),
        "leaf": scene(leaf=4),
        "epoch": scene(epoch=8),
        "policy": scene(name="another"),
        "group": scene(group_id=b"group two"),
    }
    for name, other in others.items():
        row = {"scene": base, "other": other, "seat": 2, "row": 2}
        cases.append(bad(f"the row of another {name}, signed for", "exchanged row", **row))
        for part in ("seal", "signature", "seal_digest", "header", "tier1_header"):
            # Within one epoch of a leaf a tier 1 serves many slots: the same header is no change.
            if (name, part) == ("slot", "tier1_header"):
                continue
            mixed = {"scene": base, "other": other, "part": part}
            cases.append(bad(f"the {part} of another {name}", "exchanged part", **mixed))
    for seat, row in ((0, 1), (0, 3), (7, 2)):
        turned = {"scene": base, "other": base, "seat": seat, "row": row}
        cases.append(bad(f"the row of seat {row} in seat {seat}", "exchanged row", **turned))
    return cases


KEY, SLOT, PREVIOUS, FRESH = (bytes([n]) * 32 for n in (0x41, 0x42, 0x60, 0x50))


def _message(content: Any, **changes: Any) -> Inputs:  # noqa: ANN401
    return {
        "key": KEY,
        "slot": SLOT,
        "m": 5,
        "previous": PREVIOUS,
        "content": content,
        "fresh": FRESH,
        "seed": SENDER,
        "opening": None,
        **changes,
    }


def _sealed(
    padded: bytes,
    size: int | None = None,
    place: tuple[int, bytes | None] = (5, PREVIOUS),
    **changes: Any,  # noqa: ANN401
) -> Inputs:
    """A body as a sender makes it who holds the key and ignores the padding rules."""
    m, previous = place
    header = encode([SLOT, m, bytes(16), previous, len(padded) if size is None else size])
    data = bodies.seal_body(KEY, header, padded)
    return {"key": KEY, "header": header, "body": data, "signer": public_key(SENDER), **changes}


def body() -> list[Case]:
    lengths = (0, 251, 252, 253, 268, 269, 508, 1_000, 1_020, 1_021, 4_096, 65_535, 65_536)
    cases = [good(f"text of {n} bytes", "padme", length=n) for n in lengths]
    overhead = 1 + 2 + 64  # array head, signature with its head
    full = 65_536 - overhead - 3
    contents = {"nothing": b"", "hello": b"hello", "text of 252": bytes(252 - overhead - 2)}
    contents["text of 253"] = bytes(253 - overhead - 2)
    cases += [good(name, "message", **_message(content)) for name, content in contents.items()]
    cases.append(good("text of 65,536", "message", **_message(fill(0x6D, full))))
    opening = [b"slot header", bytes([3]) * 32, bytes([4]) * 64, b"tier 1 header"]
    for name, value in (("opening", opening), ("opening under none", [opening[0], *[None] * 3])):
        first = _message(b"hello", m=0, previous=None, opening=value)
        cases.append(good(f"message 0 with an {name}", "message", **first))
    cases += _carried()
    cases.append(good("clone: equal fresh bytes, one content", "message", **_message(b"one")))
    cases.append(good("clone: equal fresh bytes, other content", "message", **_message(b"two")))
    cases.append(bad("a text of 65,537 bytes", "message", **_message(fill(0x6D, full + 1))))
    text = bodies.text(b"hello", bytes(64))
    right = len(text).to_bytes(4, "big") + text
    padded = right.ljust(256, b"\0")
    wrong = {
        "a byte of padding that is not zero": _sealed(padded[:-1] + b"\1"),
        "a text byte of padding that is not zero": _sealed(right + b"\1" + bytes(255 - len(right))),
        "more padding than Padme": _sealed(right.ljust(272, b"\0")),
        "less padding than Padme": _sealed(right),
        "another size in the header": _sealed(padded, 272),
        "a length past the end": _sealed(b"\xff" * 4 + bytes(252)),
        "a length one past the end": _sealed((253).to_bytes(4, "big") + bytes(252)),
        "another key": _sealed(padded, key=FRESH),
        "a body of the right com and another key's text": _mixed(padded),
        "a signature that is none": _sealed(padded),
        "a text that is not two items": _sealed((b"\0\0\0\1\0").ljust(256, b"\0")),
    }
    own = _sealed(padded)["body"]
    headers = {
        "other m": [SLOT, 6, bytes(16), PREVIOUS, 256],
        "other slot": [PREVIOUS, 5, bytes(16), PREVIOUS, 256],
        "other salt": [SLOT, 5, bytes([1]) * 16, PREVIOUS, 256],
        "other previous": [SLOT, 5, bytes(16), SLOT, 256],
        "other size": [SLOT, 5, bytes(16), PREVIOUS, 272],
    }
    for name, fields in headers.items():
        wrong[name] = {**_sealed(padded), "header": encode(fields), "body": own}
    wrong["a byte of com changed"] = _sealed(padded, body=bytes([own[0] ^ 1]) + own[1:])
    wrong["a byte of the tag changed"] = _sealed(padded, body=own[:-1] + bytes([own[-1] ^ 1]))
    wrong["com alone"] = _sealed(padded, body=own[:32])
    return cases + [bad(name, "open body", **given) for name, given in wrong.items()]


def _carried() -> list[Case]:
    """Message 0 with what its sender's device has seen of the logs."""
    first: Inputs = {"m": 0, "previous": None}
    notes = [b"log.test/p\n7\nroot\n\nsignature", b"another note"]
    field = b"".join(len(note).to_bytes(2, "big") + note for note in notes).ljust(1_024, b"\0")
    full = 65_536 - 1 - 2 - 64 - 3
    long, longer = fill(0x6D, full), fill(0x6D, full + 1)
    cases = [
        good(name, "message", **_message(content, **first, carried=carried))
        for name, content, carried in (
            ("message 0 that carries nothing", b"", bytes(1_024)),
            ("message 0 that carries notes", b"hello", field),
            ("the longest text that carries notes", long, field),
        )
    ]
    other = _message(b"hello", carried=field)
    cases.append(bad("notes in another message than 0", "message", **other))
    other = _message(longer, **first, carried=field)
    cases.append(bad("notes with a text of 65,537 bytes", "message", **other))
    for name, carried, signed, place in (
        ("notes of another length", field[:-1], field[:-1], (0, None)),
        ("notes in a message that is not the first", field, field, (5, PREVIOUS)),
        ("notes that the signature does not cover", field, None, (0, None)),
        ("a signature over other notes", field, bytes(1_024), (0, None)),
    ):
        size = bodies.padme(len(bodies.text(b"hello", bytes(64), carried)))
        header = encode([SLOT, place[0], bytes(16), place[1], size])
        signature = sign(SENDER, "message", bodies.message_content(header, b"hello", signed))
        text = bodies.text(b"hello", signature, carried)
        padded = (len(text).to_bytes(4, "big") + text).ljust(size, b"\0")
        cases.append(bad(name, "open body", **_sealed(padded, place=place)))
    return cases


def _mixed(padded: bytes) -> Inputs:
    """One body for two keys: com of the first, ciphertext of the second."""
    one = _sealed(padded)
    other = bodies.seal_body(FRESH, one["header"], padded)
    return {**one, "body": one["body"][:32] + other[32:]}


def _line(*entries: Inputs) -> Inputs:
    return {
        "clocks": [900, 96, 120],
        "group_id": GROUP,
        "epoch": 7,
        "context": CONTEXT,
        "leaf": 3,
        "credential": b"credential of the writer",
        "sender": SENDER,
        "entries": list(entries),
    }


def stream() -> list[Case]:
    start = 900 * NOW
    commit: Inputs = {"kind": "commit", "now": start, "data": b"a commit"}
    first: Inputs = {"kind": "open", "now": start, "tau": NOW}
    more: Inputs = {"kind": "next", "now": start + 1}
    later: Inputs = {"kind": "open", "now": start + 900, "tau": NOW + 1}
    run = [commit, first, more, more, later, {**more, "now": start + 901}]
    other_commit = {**commit, "data": b"another commit"}
    again = [{**commit, "now": start + 2}, {"kind": "open", "now": start + 2, "tau": NOW}]
    cases = [
        good("handshakes, envelopes and what removals leave", "judge", **_line(*run)),
        good("a fork at the first entry", "judge", **_line(other_commit, *run[1:])),
        good("a clock that runs back", "judge", **_line(commit, first, {**more, "now": 1})),
        good("a new epoch in one slot", "judge", **_line(commit, first, more, *again)),
    ]
    for name, at in (("first", -120), ("last", 900 + 119)):
        edge = {**first, "now": start + at}
        cases.append(good(f"the {name} second of a slot", "judge", **_line(edge)))
    wrong: dict[str, list[Inputs]] = {
        "one second before the skew": [{**first, "now": start - 121}],
        "one second after the skew": [{**first, "now": start + 900 + 120}],
        "a message after its slot": [first, {**more, "now": start + 900 + 120}],
        "a second header in a slot": [first, first],
        "a second header in a slot, after messages": [first, more, {**first, "filler": 1}],
        "a slot before the last one": [later, {**first, "now": start + 901}],
        "no close": [first, {**later, "close": None}],
        "a close where nothing was": [{**first, "close": [7, NOW, 1, PREVIOUS]}],
        "a close of another epoch": [first, {**later, "alter close": [0, 6]}],
        "a close of another slot": [first, {**later, "alter close": [1, NOW - 1]}],
        "a close that counts one more": [first, more, {**later, "alter close": [2, 3]}],
        "a close that counts one less": [first, more, {**later, "alter close": [2, 1]}],
        "a close with another last D": [first, {**later, "alter close": [3, PREVIOUS]}],
        "seen ahead of the line": [{**first, "seen": [1, PREVIOUS]}],
        "another head was seen": [commit, {**first, "seen": [1, PREVIOUS]}],
        "a gap: m skipped": [first, {**more, "m": 2}],
        "m again": [first, more, {**more, "m": 1}],
        "another previous": [first, {**more, "previous": PREVIOUS}],
        "a message of the epoch before": [first, {**commit, "now": start + 1}, more],
    }
    cases += [bad(name, "judge", **_line(*entries)) for name, entries in wrong.items()]
    entries = [[100, "handshake", b"commit"], [100, "digest", SLOT], [250, "digest", PREVIOUS]]
    cases += [
        good("heads", "heads", group_id=GROUP, entries=entries),
        good("heads with one entry left out", "heads", group_id=GROUP, entries=entries[::2]),
        good("heads in another order", "heads", group_id=GROUP, entries=[entries[1], entries[0]]),
        good("heads at another time", "heads", group_id=GROUP, entries=[[101, *entries[0][1:]]]),
        good("no entries", "heads", group_id=GROUP, entries=[]),
        bad("time that runs back", "heads", group_id=GROUP, entries=[*entries[2:], entries[0]]),
        good("a device's own line", "device line", start=SLOT, first_q=7, entries=[KEY, FRESH]),
    ]
    for at in (-121, -120, 0, 119, 120, 779, 780, 1_019, 1_020):
        clocks = {"slot_seconds": 900, "skew_seconds": 120}
        cases.append(good(f"window at {at}", "window", time=start + at, **clocks))
    cases.append(good("window at the beginning", "window", time=5, slot_seconds=60, skew_seconds=9))
    for count in (1, 2, 3, 7):
        leaves = [
            [GROUP, n + 1, start, bytes([n]) * 32, SLOT, None if n % 2 else KEY, None]
            for n in range(count)
        ]
        cases.append(good(f"receipts, batch of {count}", "receipts", seed=SENDER, leaves=leaves))
    return cases
