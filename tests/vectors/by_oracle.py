"""The operations of the vector files, each carried out by the second implementation alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from tests.vectors.oracle import (
    bodies,
    cbor,
    digests,
    evidence,
    judge,
    orders,
    previews,
    seals,
    slots,
    streams,
    xwing,
)
from tests.vectors.oracle.cbor import Invalid, decode, encode
from tests.vectors.oracle.digests import h

Fields = Mapping[str, Any]


# -- 1: cbor, hash, kdf, sign ------------------------------------------------------------------
def cbor_encode(given: Fields) -> bytes:
    encoded = cbor.encode(given["item"])
    assert cbor.decode(encoded) == given["item"]
    return encoded


def cbor_decode(given: Fields) -> Any:  # noqa: ANN401
    return cbor.decode(given["bytes"])


def hash_(given: Fields) -> bytes:
    return h(given["label"], *given["parts"])


def kdf(given: Fields) -> bytes:
    return digests.kdf(given["key"], given["label"], *given["parts"], length=given["length"])


def sign(given: Fields) -> Fields:
    return {
        "public": digests.public_key(given["seed"]),
        "signature": digests.sign(given["seed"], given["label"], given["content"]),
    }


def verify(given: Fields) -> None:
    names = ("public", "label", "content", "signature")
    if not digests.verify(*(given[name] for name in names)):
        raise Invalid("a signature")


# -- 2: tree -----------------------------------------------------------------------------------
def root(given: Fields) -> bytes:
    names = ("exported", "policy", "group_id", "epoch", "context")
    return slots.root(*(given[name] for name in names))


def derive_slots(given: Fields) -> list[bytes]:
    nodes = slots.advance(slots.whole(given["root"]), given["low"])
    found = []
    for tau in given["taus"]:
        t, nodes = slots.use(nodes, tau)
        assert t == slots.node_at(given["root"], tau)
        found.append(t)
    return found


def cover(given: Fields) -> Any:  # noqa: ANN401
    return slots.advance(slots.whole(given["root"]), given["low"])


def leaf_and_chain(given: Fields) -> Fields:
    secret = slots.leaf_secret(given["t"], given["leaf"], given["credential"])
    key = slots.slot_key(secret, given["slot"])
    return {"S": secret, "W": key, "k": [slots.message_key(key, m) for m in range(4)]}


# -- 3: xwing ----------------------------------------------------------------------------------
def xwing_public(given: Fields) -> bytes:
    return xwing.public_key(given["seed"])


def xwing_check(given: Fields) -> None:
    public = bytearray(xwing.public_key(given["seed"]))
    public[given["at"] : given["at"] + len(given["bytes"])] = given["bytes"]
    xwing.check(bytes(public)[: given["size"]])


def xwing_pair(given: Fields) -> Fields:
    shared, enc = xwing.encapsulate(xwing.public_key(given["seed"]), given["coins"])
    assert xwing.decapsulate(given["seed"], enc) == shared
    return {"shared": shared, "enc": enc}


# -- 4 and 5: tier 1 and seal ------------------------------------------------------------------
@dataclass(frozen=True)
class Scene:
    """A slot and its tier 1, read from a policy's own bytes."""

    given: Fields

    @cached_property
    def document(self) -> Any:  # noqa: ANN401
        return decode(self.given["policy"])

    @cached_property
    def shape(self) -> list[tuple[int, int]]:
        return [(threshold, len(seats)) for _, threshold, seats in self.document[5][0]]

    @property
    def per_day(self) -> int:
        return int(self.document[4][1])

    def secret(self, tau: int) -> bytes:
        t = slots.node_at(self.given["root"], tau)
        return slots.leaf_secret(t, self.given["leaf"], self.given["credential"])

    @cached_property
    def place(self) -> list[Any]:
        names = ("group_id", "epoch", "context", "leaf", "credential")
        return [h("policy", self.given["policy"]), *(self.given[name] for name in names)]

    @cached_property
    def publics(self) -> list[bytes | None]:
        found = [seed and xwing.public_key(seed) for seed in self.given["seeds"]]
        seals.sendable(self.shape, found)
        return found

    @cached_property
    def tier1_header(self) -> bytes:
        names = [seat[0] for _, _, seats in self.document[5][0] for seat in seats]
        ids = [
            public and seals.key_id(name, *self.given["days"], public)
            for name, public in zip(names, self.publics, strict=True)
        ]
        first = self.given["first"]
        return encode([*self.place, first // self.per_day, first, ids])

    @cached_property
    def made(self) -> tuple[seals.PerSeat, seals.PerSeat]:
        return seals.tier1(self.secret(self.given["first"]), self.tier1_header, self.publics)

    @property
    def tier1(self) -> bytes:
        return seals.tier1_digest(h("tier 1 header", self.tier1_header), self.made[0])

    @cached_property
    def header(self) -> bytes:
        signer = digests.public_key(self.given["sender"])
        names = ("close", "seen")
        rest = [self.given[name] for name in names]
        return encode([*self.place, signer, self.given["tau"], self.tier1, *rest])

    @cached_property
    def hh(self) -> bytes:
        return slots.header_digest(self.header)

    @property
    def steps(self) -> int:
        return int(self.given["tau"] - self.given["first"])

    @cached_property
    def seal(self) -> bytes:
        keys = [key and seals.stepped(key, self.steps) for key in self.made[1]]
        return seals.seal(self.secret(self.given["tau"]), self.hh, self.shape, keys)

    def signature(self, seal: bytes) -> bytes:
        content = seals.slot_content(self.hh, seals.seal_digest(seal))
        return digests.sign(self.given["sender"], "slot", content)

    def check(self, **changes: bytes) -> None:
        parts = {"header": self.header, "seal": self.seal, "tier1_header": self.tier1_header}
        parts["seal_digest"] = seals.seal_digest(parts["seal"])
        parts["signature"] = self.signature(parts["seal"])
        parts |= changes
        seals.check(
            parts["header"],
            parts["seal"],
            parts["tier1_header"],
            self.made[0],
            seal_digest=parts["seal_digest"],
            signature=parts["signature"],
            policy=h("policy", self.given["policy"]),
            shape=self.shape,
            slots_per_day=self.per_day,
        )

    def share(self, seal: bytes, seat: int) -> bytes:
        enc = self.made[0][seat]
        assert enc is not None
        key = seals.unseal(self.given["seeds"][seat], self.tier1_header, seat, enc)
        return seals.open_share(seal, seat, seals.stepped(key, self.steps))


def tier1(given: Fields) -> Fields:
    scene = Scene(given)
    encs, keys = scene.made
    return {
        "H1": h("tier 1 header", scene.tier1_header),
        "key_ids": decode(scene.tier1_header)[8],
        "enc_digests": [enc and h("encapsulation", enc) for enc in encs],
        "encs": b"".join(enc for enc in encs if enc is not None),
        "K": keys,
        "tier1": scene.tier1,
    }


def seal(given: Fields) -> Fields:
    scene = Scene(given)
    scene.check()
    every = {j: scene.share(scene.seal, j) for j, seed in enumerate(given["seeds"]) if seed}
    w = seals.combine(scene.shape, every)
    assert w == slots.slot_key(scene.secret(given["tau"]), scene.hh)
    return {
        "Hh": scene.hh,
        "W": w,
        "commitment": seals.commitment(w, scene.hh),
        "shares": [every.get(j) for j in range(len(given["seeds"]))],
        "seal": scene.seal,
        "seal_digest": seals.seal_digest(scene.seal),
        "signature": scene.signature(scene.seal),
    }


def subsets(given: Fields) -> Fields:
    """Which sets give a key that fits the commitment, whatever any threshold says."""
    scene = Scene(given)
    every = {j: scene.share(scene.seal, j) for j in range(len(given["seeds"]))}
    opening = []
    for size in range(len(every) + 1):
        for seats in combinations(every, size):
            w = seals.combine(scene.shape, {j: every[j] for j in seats})
            if seals.commitment(w, scene.hh) == decode(scene.seal)[1]:
                opening.append(sum(1 << j for j in seats))
    return {"open": sorted(opening), "sets": 1 << len(every)}


def every_byte(given: Fields) -> Fields:
    scene = Scene(given)
    digest = seals.seal_digest(scene.seal)
    parts = {
        "header": scene.header,
        "seal": scene.seal,
        "tier1_header": scene.tier1_header,
        "seal_digest": digest,
        "signature": scene.signature(scene.seal),
    }
    refused = 0
    for part, data in parts.items():
        for at in range(len(data)):
            changed = bytearray(data)
            changed[at] ^= 0x80
            try:
                scene.check(**{**parts, part: bytes(changed)})
            except (Invalid, IndexError, TypeError, ValueError):
                refused += 1
    return {"tried": sum(map(len, parts.values())), "refused": refused}


def exchanged(given: Fields) -> bytes:
    scene, other = Scene(given["scene"]), Scene(given["other"])
    hh, commitment, rows = decode(scene.seal)
    rows[given["seat"]] = decode(other.seal)[2][given["row"]]
    false = encode([hh, commitment, rows])
    digest = seals.seal_digest(false)
    scene.check(seal=false, seal_digest=digest, signature=scene.signature(false))
    return scene.share(false, given["seat"])


def exchanged_part(given: Fields) -> None:
    scene, other = Scene(given["scene"]), Scene(given["other"])
    parts = {
        "header": other.header,
        "seal": other.seal,
        "tier1_header": other.tier1_header,
        "seal_digest": seals.seal_digest(other.seal),
        "signature": other.signature(other.seal),
    }
    scene.check(**{given["part"]: parts[given["part"]]})


# -- 6: body -----------------------------------------------------------------------------------
def padme(given: Fields) -> int:
    return bodies.padme(given["length"])


def message(given: Fields) -> Fields:
    key, content, carried = given["key"], given["content"], given.get("carried")
    salt = bodies.salt(key, given["fresh"], content, carried)
    length = len(bodies.text(content, bytes(64), carried))
    header = bodies.message_header(given["slot"], given["m"], salt, given["previous"], length)
    signed = bodies.message_content(header, content, carried)
    signature = digests.sign(given["seed"], "message", signed)
    data = bodies.body(key, header, content, signature, carried)
    assert bodies.open_body(key, header, data, digests.public_key(given["seed"])) == content
    return {
        "salt": salt,
        "header": header,
        "signature": signature,
        "body": data,
        "D": bodies.envelope_digest(header, data, given["opening"]),
    }


def open_body(given: Fields) -> bytes:
    names = ("key", "header", "body", "signer")
    return bodies.open_body(*(given[name] for name in names))


# -- 7: stream ---------------------------------------------------------------------------------
def heads(given: Fields) -> list[bytes]:
    head, found, last = streams.start(given["group_id"]), [], 0
    found.append(head)
    for position, (time, kind, data) in enumerate(given["entries"], start=1):
        if time < last:
            raise Invalid("time that runs back")
        d = streams.handshake_digest(data) if kind == "handshake" else data
        head, last = streams.step(head, position, time, d), time
        found.append(head)
    return found


def device_line(given: Fields) -> list[bytes]:
    line, found = given["start"], []
    for at, d in enumerate(given["entries"]):
        line = streams.device_next(line, given["first_q"] + at, d)
        found.append(line)
    return found


def window(given: Fields) -> list[int]:
    allowed = slots.allowed(given["time"], given["slot_seconds"], given["skew_seconds"])
    return [allowed[0], allowed[-1]]


def receipts(given: Fields) -> Fields:
    leaves = [streams.receipt_leaf(*leaf) for leaf in given["leaves"]]
    root_ = streams.tree_root(leaves)
    content = streams.receipt_content(len(leaves), root_)
    return {
        "leaves": leaves,
        "root": root_,
        "paths": [streams.tree_path(leaves, at) for at in range(len(leaves))],
        "signature": digests.sign(given["seed"], "receipt", content),
    }


# -- 8: evidence -------------------------------------------------------------------------------
def manifest(given: Fields) -> Fields:
    entries = [
        b"glasslock/1 authority\n" + encode([encode(part), signature])
        for part, signature in given["authorities"]
    ]
    order, *signatures = given["issued"]
    issued = [encode(order), *signatures]
    found = evidence.check(given["manifest"], issued, entries, given["policy"], given["roots"])
    return {
        "order": h("order", issued[0]),
        "manifest": h("manifest", encode(given["manifest"])),
        "slots": found,
    }


# -- 9: orders log -----------------------------------------------------------------------------
def orders_leaf(given: Fields) -> bytes:
    return orders.entry(given["kind"], given["part"], given["seed"])


def orders_extension(given: Fields) -> bytes:
    return orders.extension(
        given["commitment"], (given["issuing"], given["judge"]), given["fields"]
    )


def orders_date(given: Fields) -> Fields:
    date, held = orders.date(given["time"], given["first"], given["extensions"])
    return {"date": date, "held": held}


# -- 10: preview -------------------------------------------------------------------------------
def preview_of(given: Fields) -> bytes:
    return previews.signed(given["order"], given["time"], given["numbers"], given["seed"])


def preview_read(given: Fields) -> list[int]:
    return previews.read(given["bytes"])


def preview_held(given: Fields) -> Fields:
    found, differences = previews.held(
        given["time"], given["numbers"], given["slots"], given["slots_per_day"]
    )
    accusing = ("preview.fewer", "preview.more", "preview.back")
    false = [name for name, rule in differences if rule in accusing]
    return {"found": found, "differences": differences, "false": false}


OPERATIONS: dict[str, Callable[[Fields], Any]] = {
    "cbor": cbor_encode,
    "decode": cbor_decode,
    "hash": hash_,
    "kdf": kdf,
    "sign": sign,
    "verify": verify,
    "root": root,
    "slots": derive_slots,
    "cover": cover,
    "leaf": leaf_and_chain,
    "xwing public": xwing_public,
    "xwing check": xwing_check,
    "xwing": xwing_pair,
    "tier1": tier1,
    "seal": seal,
    "subsets": subsets,
    "every byte": every_byte,
    "exchanged row": exchanged,
    "exchanged part": exchanged_part,
    "padme": padme,
    "message": message,
    "open body": open_body,
    "heads": heads,
    "device line": device_line,
    "window": window,
    "receipts": receipts,
    "judge": judge.judge,
    "evidence": manifest,
    "orders leaf": orders_leaf,
    "orders extension": orders_extension,
    "orders date": orders_date,
    "preview": preview_of,
    "preview read": preview_read,
    "preview held": preview_held,
}
