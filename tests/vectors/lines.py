"""A group's line under policy ``none`` as the product judges it; knows the inputs of ``judge``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from glasslock.ids import account_id, device_id
from glasslock.mls import Device, Leaf, Roster
from glasslock.provider.delivery import Line, Lookups, append_envelope
from glasslock.signing import SigningKey
from glasslock.wire.digest import digest
from glasslock.wire.entry import Head, handshake_digest
from glasslock.wire.envelope import (
    Close,
    Envelope,
    MessageHeader,
    Opening,
    Seen,
    SlotHeader,
    decode_envelope,
)
from glasslock.wire.labels import Label
from glasslock.wire.policy import Clocks, Policy

Fields = Mapping[str, Any]
SIZE = 256


def _start(given: Fields) -> Line:
    slot_seconds, per_day, skew = given["clocks"]
    policy = Policy("none", "none", bytes(32), Clocks(slot_seconds, per_day, skew))
    device = Device(account_id("writer"), device_id(bytes(16)))
    signer = SigningKey.from_seed(given["sender"]).public
    credential = given["credential"]
    leaf = Leaf(given["leaf"], device, signer, credential, digest(Label.CREDENTIAL, credential))
    head = Head.start(given["group_id"])
    roster = Roster((leaf,))
    return Line(given["group_id"], policy, given["epoch"], given["context"], roster, head)


def _slot_header(line: Line, entry: Fields) -> SlotHeader:
    (leaf,) = line.roster.leaves
    before = line.slots.get(leaf.index)
    own = before and [before.epoch, before.tau, before.count, before.last]
    close = entry.get("close", own)
    if "alter close" in entry:
        at, value = entry["alter close"]
        close = [*close[:at], value, *close[at + 1 :]]
    seen = entry.get("seen", [line.head.position, line.head.head])
    return SlotHeader(
        line.policy.digest,
        line.group_id,
        line.epoch,
        line.context,
        leaf.index,
        leaf.credential_digest,
        leaf.signer,
        entry["tau"],
        None,
        close and Close(*close),
        Seen(*seen),
    )


def _envelope(line: Line, entry: Fields) -> Envelope:
    body = bytes([entry.get("filler", 0)]) * (32 + SIZE + 16)
    if entry["kind"] == "open":
        header = _slot_header(line, entry)
        message = MessageHeader(header.digest, 0, bytes(16), None, SIZE)
        return Envelope(message.encoded, body, Opening(header.encoded))
    before = line.slots[line.roster.leaves[0].index]
    m, previous = entry.get("m", before.count), entry.get("previous", before.last)
    message = MessageHeader(before.slot, m, bytes(16), previous, SIZE)
    return Envelope(message.encoded, body)


def judge_by_product(given: Fields) -> Fields:
    """The digests and heads of a line all of whose entries the Delivery Service takes."""
    line = _start(given)
    heads, entries = [line.head.head], []
    lookups = Lookups(
        lambda position: heads[position] if position < len(heads) else None, lambda _: None
    )
    for entry in given["entries"]:
        if entry["kind"] == "commit":
            d = handshake_digest(entry["data"])
            head = line.head.next(max(line.head.time, entry["now"]), d)
            line = replace(line, head=head, epoch=line.epoch + 1)
        else:
            envelope = decode_envelope(_envelope(line, entry).encode())
            device = line.roster.leaves[0].device
            taken = append_envelope(line, device, envelope, None, entry["now"], lookups)
            line, d = taken.line, taken.digest
            assert d == envelope.tombstone().digest
        heads.append(line.head.head)
        entries.append(d)
    return {"D": entries, "heads": heads}
