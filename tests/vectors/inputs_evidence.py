"""The inputs of vector file 8: an order, what a provider had stored, and lies about it.

The whole history is made by the second implementation: two people, one conversation, four slots.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from tests.vectors.by_oracle import Scene
from tests.vectors.form import Case
from tests.vectors.inputs import NOW, bad, good
from tests.vectors.inputs_sealed import GROUP, scene
from tests.vectors.oracle import bodies, seals, streams
from tests.vectors.oracle.cbor import decode, encode
from tests.vectors.oracle.digests import h, public_key, sign

SHAPE = ((2, 2), (2, 2))
REGISTRY, ISSUER, JUDGE = (bytes([n]) * 32 for n in (0xA1, 0xA2, 0xA3))
# Leaf, signing seed and device id.
PEOPLE = {
    "alice": (0, bytes([0xB1]) * 32, b"alice's device.."),
    "bob": (1, bytes([0xB2]) * 32, b"bob's device...."),
}
START = 900 * (NOW - 2)
GRANTED = [NOW + 1, NOW + 2]
Item = Any


def credential(account: str) -> bytes:
    identity = encode([account, PEOPLE[account][2]])
    return b"\0\1" + bytes([len(identity)]) + identity


class History:
    """What the provider stored, entry by entry, and the heads that two intervals fixed."""

    def __init__(self) -> None:
        self.policy = policy()
        self.entries: list[list[Item]] = [[START, "handshake", h("handshake", b"a commit")]]
        self.kept: dict[tuple[str, int], list[Item]] = {}
        self.scenes: dict[tuple[str, int], Scene] = {}
        self.own: dict[str, list[bytes]] = {"alice": [], "bob": []}
        for tau in (NOW, NOW + 1, NOW + 2, NOW + 3):
            self.write("alice", tau)
            if tau == NOW + 1:
                self.write("bob", tau)

    def write(self, account: str, tau: int) -> None:
        leaf, seed, _ = PEOPLE[account]
        last = self.own[account][-1] if self.own[account] else None
        made = Scene(
            scene(
                SHAPE,
                policy=self.policy,
                leaf=leaf,
                credential=h("credential", credential(account)),
                sender=seed,
                first=NOW if account == "alice" else tau,
                tau=tau,
                close=last and [7, tau - 1, 1, last],
                seen=[len(self.entries), self.heads()[-1]],
            )
        )
        new = made.tier1_header if not self.own[account] else None
        opening = [made.header, seals.seal_digest(made.seal), made.signature(made.seal), new]
        header = bodies.message_header(made.hh, 0, bytes(16), None, 100)
        body = h("sealed body", b"body of %d" % tau)
        d = bodies.tombstone_digest(header, body, opening)
        self.entries.append([900 * tau + 300, "envelope", d])
        self.own[account].append(d)
        self.scenes[account, tau] = made
        self.kept[account, tau] = [GROUP, len(self.entries), encode([header, body, opening])]

    def heads(self) -> list[bytes]:
        found = [streams.start(GROUP)]
        for position, (time, _, d) in enumerate(self.entries, start=1):
            found.append(streams.step(found[-1], position, time, d))
        return found

    def own_head(self, account: str) -> tuple[int, bytes]:
        head = bytes(32)
        for q, d in enumerate(self.own[account], start=1):
            head = streams.device_next(head, q, d)
        return len(self.own[account]), head

    def slot(self, account: str, tau: int, tier1: int = 0) -> list[Item]:
        return [*self.kept[account, tau], self.scenes[account, tau].seal, tier1]

    def tier1(self, account: str, tau: int) -> list[Item]:
        made = self.scenes[account, tau]
        return [made.tier1_header, made.made[0], credential(account)]


def policy() -> bytes:
    fields = decode(scene(SHAPE, name="evidence")["policy"])
    fields[5][1] = public_key(REGISTRY)
    return encode(fields)


def _interval(number: int, heads: list[tuple[int, bytes]]) -> tuple[list[Item], list[list[Item]]]:
    """Root as logged, and a head proof for each line."""
    blinds = [h("proof", b"blind", number, at) for at in range(len(heads))]
    leaves = [h("ingest", blind, *head) for blind, head in zip(blinds, heads, strict=True)]
    proofs = [
        [number, at, len(heads), blinds[at], *head, streams.tree_path(leaves, at)]
        for at, head in enumerate(heads)
    ]
    return [number, START, len(heads), streams.tree_root(leaves)], proofs


def _authorities(digest: bytes) -> list[list[Item]]:
    owners = {
        "issuing": ("Prosecution", public_key(ISSUER)),
        "countersigner": ("Court", public_key(JUDGE)),
        "agency": ("Police", {"fill": 0xC1, "size": 1_216}),
        "court-registry": ("Registry", {"fill": 0xC2, "size": 1_216}),
    }
    found = []
    for role, (owner, key) in owners.items():
        raw = bytes([key["fill"]]) * key["size"] if isinstance(key, dict) else key
        part = [f"the {role}", role, owner, "criminal", raw, 0, 1 << 40, digest]
        signature = sign(REGISTRY, "log record", encode(part))
        found.append([[*part[:4], key, *part[5:]], signature])
    return found


def _entry(part: list[Item], signature: bytes) -> bytes:
    raw = [bytes([p["fill"]]) * p["size"] if isinstance(p, dict) else p for p in part]
    return b"glasslock/1 authority\n" + encode([encode(raw), signature])


def honest(history: History) -> dict[str, Item]:
    digest = h("policy", history.policy)
    authorities = _authorities(digest)
    named = [h("log entry", _entry(*each)) for each in authorities]
    issued = 900 * (NOW + 10)
    dates = [issued, issued + 86_400, issued, (issued // 86_400 + 30) * 86_400]
    grant = [GROUP, "alice", None, "content", [[GRANTED[0], GRANTED[-1]]]]
    order = [1, "case 1", digest, *named, "section 1", "fraud", *dates, [grant]]
    document = encode(order)
    signature = sign(ISSUER, "order issue", document)
    countersignature = sign(JUDGE, "order countersign", encode([document, signature]))
    heads = history.heads()
    early, (before, _) = _interval(0, [(1, heads[1]), (1, h("stream", b"another line"))])
    ends = [(len(heads) - 1, heads[-1]), history.own_head("alice"), history.own_head("bob")]
    late, (after, alice, _) = _interval(1, ends)
    manifest = [
        h("order", document),
        [[GROUP, before, history.entries[1:], after]],
        [["alice", PEOPLE["alice"][2], None, history.own["alice"], alice]],
        [history.tier1("alice", NOW)],
        [history.slot("alice", tau) for tau in GRANTED],
        [history.kept["alice", NOW + 3]],
    ]
    return {
        "policy": history.policy,
        "authorities": authorities,
        "issued": [order, signature, countersignature],
        "now": issued,
        "manifest": manifest,
        "roots": [early, late],
    }


def _lies(  # noqa: C901 - a table of small functions
    history: History,
) -> dict[str, Callable[[Item, dict[str, Item]], None]]:
    """What is done to the honest manifest (and to the rest), by name."""

    def left_out(m: Item, _: Item) -> None:
        del m[1][0][2][2]

    def planted(m: Item, _: Item) -> None:
        m[1][0][2].insert(2, [m[1][0][2][2][0], "envelope", bytes(32)])

    def exchanged(m: Item, _: Item) -> None:
        entries = m[1][0][2]
        entries[1][2], entries[2][2] = entries[2][2], entries[1][2]

    def retimed(m: Item, _: Item) -> None:
        m[1][0][2][0][0] += 1

    def planted_slot(m: Item, _: Item) -> None:
        header, body, opening = decode(m[4][0][2])
        m[4][0][2] = encode([header, h("sealed body", body), opening])

    def moved_slot(m: Item, _: Item) -> None:
        m[4][0][1] += 1

    def outside(m: Item, _: Item) -> None:
        m[4][0][1] += 100

    def twice(m: Item, _: Item) -> None:
        m[4].append(m[4][0])

    def short_device(m: Item, _: Item) -> None:
        m[2][0][3].pop()

    def no_device(m: Item, _: Item) -> None:
        m[2].clear()

    def turned_device(m: Item, _: Item) -> None:
        m[2][0][3].reverse()

    def other_seal(m: Item, _: Item) -> None:
        m[4][0][3] = m[4][1][3]

    def other_enc(m: Item, _: Item) -> None:
        m[3][0][1][0] = bytes(1_120)

    def other_account(m: Item, _: Item) -> None:
        m[3].append(history.tier1("bob", NOW + 1))
        m[4].append(history.slot("bob", NOW + 1, 1))

    def other_credential(m: Item, _: Item) -> None:
        m[3][0][2] = credential("bob")

    def before_the_grant(m: Item, _: Item) -> None:
        m[4].append(history.slot("alice", NOW))

    def after_the_grant(m: Item, _: Item) -> None:
        m[4].append(history.slot("alice", NOW + 3))

    def other_order(m: Item, _: Item) -> None:
        m[0] = bytes(32)

    def other_blind(m: Item, _: Item) -> None:
        m[1][0][3][3] = bytes(32)

    def late_begin(m: Item, rest: dict[str, Item]) -> None:
        heads, line = history.heads(), m[1][0]
        early, (before, _) = _interval(0, [(2, heads[2]), (1, h("stream", b"another line"))])
        rest["roots"][0], line[1], line[2] = early, before, line[2][1:]

    def not_logged(_: Item, rest: dict[str, Item]) -> None:
        rest["roots"].pop()

    def follows_nothing(m: Item, _: Item) -> None:
        m[4].clear()

    return {
        "one entry left out": left_out,
        "one entry planted": planted,
        "two entries exchanged": exchanged,
        "an entry at another time": retimed,
        "a slot whose opening was not stored": planted_slot,
        "a slot at the position of another": moved_slot,
        "a slot outside its line": outside,
        "a slot twice": twice,
        "a device line one short": short_device,
        "no device line": no_device,
        "a device line in another order": turned_device,
        "the seal of another slot": other_seal,
        "another encapsulation": other_enc,
        "the header of another account": other_account,
        "the credential of another account": other_credential,
        "a slot before the granted ones": before_the_grant,
        "a slot after the granted ones": after_the_grant,
        "the manifest of another order": other_order,
        "another blind": other_blind,
        "a line that begins in the granted time": late_begin,
        "an interval that was not logged": not_logged,
        "a next slot that follows nothing": follows_nothing,
    }


def evidence() -> list[Case]:
    history = History()
    cases = [good("an honest manifest", "evidence", **honest(history))]
    for name, lie in _lies(history).items():
        given = copy.deepcopy(honest(history))
        lie(given["manifest"], given)
        cases.append(bad(name, "evidence", **given))
    return cases
