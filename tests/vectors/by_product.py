"""The operations of the vector files, each carried out by the product."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

from glasslock import _core, signing
from glasslock.errors import GlasslockError
from glasslock.ids import account_id
from glasslock.orders.ledger import (
    OrderRecord,
    Said,
    countersign,
    sign_leaf,
    verify_countersignature,
    verify_leaf,
)
from glasslock.orders.proportion import ReachedSlot, compare
from glasslock.sealing import body, shares, slots
from glasslock.sealing.roster import DayRoster, SeatKey
from glasslock.sealing.seal import SeatKeys, Tier1, make_seal, make_tier1
from glasslock.signing import SigningKey
from glasslock.tlog.receipt import make_receipts, verify_receipt
from glasslock.wire import codec
from glasslock.wire.digest import derive, digest
from glasslock.wire.entry import Head, ReceiptLeaf, device_next, handshake_digest
from glasslock.wire.envelope import (
    Close,
    Envelope,
    Opening,
    Seen,
    SlotHeader,
    decode_message_header,
)
from glasslock.wire.labels import Label
from glasslock.wire.leaf import ExtendLeaf, OrderLeaf, SignedLeaf, decode_leaf, encode_leaf
from glasslock.wire.order import Grant, Order
from glasslock.wire.policy import Clocks, Policy, decode_policy
from glasslock.wire.preview import Numbers, Preview, decode_preview
from glasslock.wire.record import period_key_id
from glasslock.wire.seal import Seal, Tier1Header, encapsulation_digests
from tests.vectors.lines import judge_by_product
from tests.vectors.manifests import evidence

Fields = Mapping[str, Any]


def _frozen(item: Any) -> Any:  # noqa: ANN401
    return tuple(_frozen(each) for each in item) if isinstance(item, list) else item


# -- 1: cbor, hash, kdf, sign ------------------------------------------------------------------
def cbor_encode(given: Fields) -> bytes:
    encoded = codec.encode(given["item"])
    assert codec.decode(encoded) == _frozen(given["item"])
    return encoded


def cbor_decode(given: Fields) -> Any:  # noqa: ANN401
    return codec.decode(given["bytes"])


def hash_(given: Fields) -> bytes:
    return digest(Label(given["label"]), *given["parts"])


def kdf(given: Fields) -> bytes:
    return derive(given["key"], Label(given["label"]), *given["parts"], length=given["length"])


def sign(given: Fields) -> Fields:
    key = SigningKey.from_seed(given["seed"])
    signature = key.sign(given["label"], given["content"])
    signing.verify(key.public, given["label"], given["content"], signature)
    return {"public": key.public, "signature": signature}


def verify(given: Fields) -> None:
    signing.verify(given["public"], given["label"], given["content"], given["signature"])


# -- 2: tree -----------------------------------------------------------------------------------
def root(given: Fields) -> bytes:
    return slots.root_secret(
        given["exported"], given["policy"], given["group_id"], given["epoch"], given["context"]
    )


def derive_slots(given: Fields) -> list[bytes]:
    """T of each slot in turn, each used once, from a tree that begins at ``low``."""
    tree = slots.SlotTree.from_root(given["root"]).advance(given["low"])
    found = []
    for tau in given["taus"]:
        t, tree = tree.use(tau)
        found.append(t)
    return found


def cover(given: Fields) -> Any:  # noqa: ANN401
    return slots.SlotTree.from_root(given["root"]).advance(given["low"]).nodes


def leaf_and_chain(given: Fields) -> Fields:
    secret = slots.leaf_secret(given["t"], given["leaf"], given["credential"])
    key = slots.slot_key(secret, given["slot"])
    chain, keys = slots.chain_start(key), []
    for m in range(4):
        message, chain = slots.chain_step(chain, m)
        keys.append(message)
    return {"S": secret, "W": key, "k": keys}


# -- 3: xwing ----------------------------------------------------------------------------------
def xwing_public(given: Fields) -> bytes:
    return _core.xwing_public_key(given["seed"])


def _changed_key(given: Fields) -> bytes:
    public = _core.xwing_public_key(given["seed"])
    start, bytes_ = given["at"], given["bytes"]
    return public[:start] + bytes_ + public[start + len(bytes_) :]


def xwing_check(given: Fields) -> None:
    _core.xwing_check_public_key(_changed_key(given)[: given["size"]])


def xwing(given: Fields) -> Fields:
    public = _core.xwing_public_key(given["seed"])
    shared, enc = _core.xwing_encapsulate(public, given["coins"])
    assert _core.xwing_decapsulate(given["seed"], enc) == shared
    return {"shared": shared, "enc": enc}


# -- 4 and 5: tier 1 and seal ------------------------------------------------------------------
@dataclass(frozen=True)
class Scene:
    """A slot and its tier 1 from the inputs that the vector files write down."""

    given: Fields

    @cached_property
    def policy(self) -> Policy:
        return decode_policy(self.given["policy"])

    def secret(self, tau: int) -> bytes:
        t, _ = slots.SlotTree.from_root(self.given["root"]).use(tau)
        return slots.leaf_secret(t, self.given["leaf"], self.given["credential"])

    @cached_property
    def roster(self) -> DayRoster:
        access = self.policy.access
        assert access is not None
        day = slots.day_of(self.policy.clocks, self.given["first"])
        seats = []
        for seat, seed in zip(access.seats, self.given["seeds"], strict=True):
            public = None if seed is None else _core.xwing_public_key(seed)
            key = public and period_key_id(seat.keyholder, *self.given["days"], public)
            seats.append(public and SeatKey(key or b"", public))
        return DayRoster(self.policy.digest, day, access.shape, tuple(s or None for s in seats))

    @cached_property
    def place(self) -> tuple[bytes, bytes, int, bytes, int, bytes]:
        names = ("group_id", "epoch", "context", "leaf", "credential")
        return (self.policy.digest, *(self.given[name] for name in names))  # type: ignore[return-value]

    @cached_property
    def made(self) -> tuple[Tier1, SeatKeys]:
        first = self.given["first"]
        header = Tier1Header(*self.place, self.roster.day, first, self.roster.key_ids)
        return make_tier1(self.secret(first), header, self.roster)

    @property
    def sender(self) -> SigningKey:
        return SigningKey.from_seed(self.given["sender"])

    @cached_property
    def header(self) -> SlotHeader:
        close = self.given["close"]
        return SlotHeader(
            *self.place,
            self.sender.public,
            self.given["tau"],
            self.made[0].digest,
            None if close is None else Close(*close),
            Seen(*self.given["seen"]),
        )

    @cached_property
    def seal(self) -> Seal:
        tau = self.given["tau"]
        keys = self.made[1].at(tau)
        return make_seal(self.secret(tau), self.header, self.roster.shape, keys)

    def signature(self, seal_digest: bytes) -> bytes:
        content = shares.slot_signed_content(self.header.digest, seal_digest)
        return self.sender.sign(Label.SIGN_SLOT, content)

    def facts(self, seal: Seal | None = None) -> shares.SlotFacts:
        """What is sent in the clear; with another seal, the sender signs that one."""
        seal = seal or self.seal
        return shares.SlotFacts(
            self.header.encoded,
            seal.digest,
            self.signature(seal.digest),
            seal.encoded,
            self.made[0].header.encoded,
            encapsulation_digests(self.made[0].encs),
        )

    def share(self, slot: shares.VerifiedSlot, seat: int) -> shares.Share:
        seed, enc, key = (
            self.given["seeds"][seat],
            self.made[0].encs[seat],
            self.roster.key_ids[seat],
        )
        opened = shares.open_seat(slot, seat, seed or b"", key or b"", enc or b"")
        return shares.open_share(slot, opened)


def tier1(given: Fields) -> Fields:
    made, first = Scene(given).made
    return {
        "H1": made.header.digest,
        "key_ids": made.header.key_ids,
        "enc_digests": encapsulation_digests(made.encs),
        "encs": b"".join(enc for enc in made.encs if enc is not None),
        "K": first.keys,
        "tier1": made.digest,
    }


def seal(given: Fields) -> Fields:
    scene = Scene(given)
    slot = shares.verify_slot(scene.facts(), scene.policy)
    given_ = {
        j: scene.share(slot, j) for j, key in enumerate(scene.roster.key_ids) if key is not None
    }
    return {
        "Hh": scene.header.digest,
        "W": shares.combine(slot, given_),
        "commitment": scene.seal.commitment,
        "shares": [given_[j].share if j in given_ else None for j in range(len(slot.seal.rows))],
        "seal": scene.seal.encoded,
        "seal_digest": scene.seal.digest,
        "signature": scene.signature(scene.seal.digest),
    }


def subsets(given: Fields) -> Fields:
    """Bit masks of the sets of seats that open the slot, of all sets there are."""
    scene = Scene(given)
    slot = shares.verify_slot(scene.facts(), scene.policy)
    every = {j: scene.share(slot, j) for j in range(len(slot.seal.rows))}
    opening = []
    for size in range(len(every) + 1):
        for seats in combinations(every, size):
            try:
                key = shares.combine(slot, {j: every[j] for j in seats})
            except shares.SharesMissing:
                continue
            assert key == slots.slot_key(scene.secret(given["tau"]), scene.header.digest)
            opening.append(sum(1 << j for j in seats))
    return {"open": sorted(opening), "sets": 1 << len(every)}


def every_byte(given: Fields) -> Fields:
    """How many bytes of header, seal, tier 1 header, digest and signature may be changed: none."""
    scene = Scene(given)
    facts, refused, tried = scene.facts(), 0, 0
    for part in ("header", "seal", "tier1_header", "seal_digest", "signature"):
        data = getattr(facts, part)
        for at in range(len(data)):
            changed = data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :]
            tried += 1
            try:
                shares.verify_slot(replace(facts, **{part: changed}), scene.policy)
            except GlasslockError:
                refused += 1
    return {"tried": tried, "refused": refused}


def exchanged(given: Fields) -> bytes:
    """Open ``seat`` of a seal whose row there was put in place of its own, and signed for."""
    scene, other = Scene(given["scene"]), Scene(given["other"])
    rows = list(scene.seal.rows)
    rows[given["seat"]] = other.seal.rows[given["row"]]
    slot = shares.verify_slot(scene.facts(replace(scene.seal, rows=tuple(rows))), scene.policy)
    return scene.share(slot, given["seat"]).share


def exchanged_seal(given: Fields) -> None:
    """Check a slot with the seal of another, or with another's signature."""
    scene, other = Scene(given["scene"]), Scene(given["other"])
    theirs = getattr(other.facts(), given["part"])
    shares.verify_slot(replace(scene.facts(), **{given["part"]: theirs}), scene.policy)


# -- 6: body -----------------------------------------------------------------------------------
def padme(given: Fields) -> int:
    return body.padded_size(given["length"])


def message(given: Fields) -> Fields:
    key = SigningKey.from_seed(given["seed"])
    place = (given["slot"], given["m"], given["previous"])
    content, fresh = given["content"], given["fresh"]
    carried = given.get("carried")
    header, data = body.make_message(given["key"], place, content, fresh, key.sign, carried)
    opened = body.open_body(given["key"], header, data, key.public)
    assert (opened.content, opened.carried) == (content, carried)
    opening = given["opening"] and Opening(*given["opening"])
    envelope = Envelope(header.encoded, data, opening)
    assert envelope.tombstone().digest == envelope.digest
    return {
        "salt": header.salt,
        "header": header.encoded,
        "signature": opened.signature,
        "body": data,
        "D": envelope.digest,
    }


def open_body(given: Fields) -> bytes:
    header = decode_message_header(given["header"])
    return body.open_body(given["key"], header, given["body"], given["signer"]).content


# -- 7: stream ---------------------------------------------------------------------------------
def heads(given: Fields) -> list[bytes]:
    head = Head.start(given["group_id"])
    found = [head.head]
    for time, kind, data in given["entries"]:
        d = handshake_digest(data) if kind == "handshake" else data
        head = head.next(time, d)
        found.append(head.head)
    return found


def device_line(given: Fields) -> list[bytes]:
    line, found = given["start"], []
    for q, d in enumerate(given["entries"], start=given["first_q"]):
        line = device_next(line, q, d)
        found.append(line)
    return found


def window(given: Fields) -> Any:  # noqa: ANN401
    clocks = Clocks(given["slot_seconds"], 96, given["skew_seconds"])
    return slots.window(clocks, given["time"])


def receipts(given: Fields) -> Fields:
    key = SigningKey.from_seed(given["seed"])
    made = make_receipts([ReceiptLeaf(*leaf) for leaf in given["leaves"]], key.sign)
    for receipt in made:
        verify_receipt(receipt, key.public)
    return {
        "leaves": [receipt.leaf.encode() for receipt in made],
        "root": made[0].root,
        "paths": [receipt.path for receipt in made],
        "signature": made[0].signature,
    }


# -- 9: orders log -----------------------------------------------------------------------------
def orders_leaf(given: Fields) -> bytes:
    part, key = codec.encode(given["part"]), SigningKey.from_seed(given["seed"])
    signature = key.sign(Label.SIGN_RECORD, codec.encode([given["kind"], part]))
    head = b"glasslock/1 " + given["kind"].encode() + b"\n"
    entry = head + codec.encode([part, key.public, signature])
    found = decode_leaf(entry)
    assert isinstance(found, SignedLeaf)
    verify_leaf(found)
    return encode_leaf(found)


def orders_extension(given: Fields) -> bytes:
    issuing, judge = (SigningKey.from_seed(given[name]) for name in ("issuing", "judge"))
    leaf = ExtendLeaf(*given["fields"], bytes(32), bytes(64))
    leaf = countersign(given["commitment"], issuing.public, leaf, judge)
    verify_countersignature(given["commitment"], issuing.public, leaf)
    return encode_leaf(sign_leaf(leaf, issuing))


def orders_date(given: Fields) -> Fields:
    leaf = OrderLeaf(bytes(32), "family", "court", "content", 0, 0, given["first"])
    record = OrderRecord(leaf, bytes(32), 0, given["time"])
    for index, (time, number, date) in enumerate(given["extensions"], start=1):
        extension = ExtendLeaf(0, number, date, "x", bytes(32), bytes(64))
        record.said.append(Said(extension, bytes(32), index, time))
    held = [at for at, (_, rule) in enumerate(record.extensions()) if rule is None]
    return {"date": record.date(), "held": held}


# -- 10: preview -------------------------------------------------------------------------------
def preview_of(given: Fields) -> bytes:
    bare = Preview(given["order"], given["time"], Numbers(*given["numbers"]))
    key = SigningKey.from_seed(given["seed"])
    signature = key.sign(Label.SIGN_PREVIEWED, bare.statement)
    signing.verify(key.public, Label.SIGN_PREVIEWED, bare.statement, signature)
    made = replace(bare, signature=signature)
    assert decode_preview(made.encode()) == made
    return made.encode()


def preview_read(given: Fields) -> list[int]:
    found = decode_preview(given["bytes"])
    return [found.time, *astuple(found.numbers)]


def preview_held(given: Fields) -> Fields:
    grant = Grant(b"group", account_id("alice"), ((0, 0),))
    order = Order("r", *[bytes(32)] * 5, "b", "o", 0, 1, 0, 1, (grant,))
    preview = Preview(order.digest, given["time"], Numbers(1, 0, *given["numbers"]))
    slots = [
        ReachedSlot(group_id, tau, time, [(at, removed == 1) for at, removed in messages])
        for group_id, tau, time, messages in given["slots"]
    ]
    clocks = Clocks(slots_per_day=given["slots_per_day"])
    found = compare(preview, order, slots, clocks)
    return {
        "found": list(astuple(found.found))[2:],
        "differences": [[each.number, each.rule] for each in found.differences],
        "false": [each.number for each in found.false],
    }


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
    "xwing": xwing,
    "tier1": tier1,
    "seal": seal,
    "subsets": subsets,
    "every byte": every_byte,
    "exchanged row": exchanged,
    "exchanged part": exchanged_seal,
    "padme": padme,
    "message": message,
    "open body": open_body,
    "heads": heads,
    "device line": device_line,
    "window": window,
    "receipts": receipts,
    "judge": judge_by_product,
    "evidence": evidence,
    "orders leaf": orders_leaf,
    "orders extension": orders_extension,
    "orders date": orders_date,
    "preview": preview_of,
    "preview read": preview_read,
    "preview held": preview_held,
}
