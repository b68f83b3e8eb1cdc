"""What keyholders with the provider's database could open, with every check that they make.

Takes a copy of the database and the keyholders' seeds; knows no member and no member's secret.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from glasslock.provider.archive import read_digests
from glasslock.sealing.body import open_body
from glasslock.sealing.shares import (
    Share,
    SlotFacts,
    VerifiedSlot,
    combine,
    open_seat,
    open_share,
    verify_slot,
)
from glasslock.sealing.slots import chain_start, chain_step
from glasslock.wire.codec import decode
from glasslock.wire.entry import decode_receipt
from glasslock.wire.envelope import Envelope, decode_envelope, decode_slot_header
from glasslock.wire.policy import Policy
from tests.village.access import Keyholder


@dataclass(frozen=True)
class StoredSlot:
    """A sealed slot as the provider keeps it, with its envelopes in the order of the line."""

    facts: SlotFacts
    encs: tuple[bytes | None, ...]
    policy: bytes
    envelopes: tuple[Envelope, ...]

    def verified(self, policy: Policy) -> VerifiedSlot:
        return verify_slot(self.facts, policy)

    def shares(self, slot: VerifiedSlot, seats: Iterable[int]) -> dict[int, Share]:
        """Have the keyholders of ``seats`` open their shares."""
        found = {}
        for seat in seats:
            key_id, enc = slot.tier1.key_ids[seat], self.encs[seat]
            assert key_id is not None
            assert enc is not None
            opened = open_seat(slot, seat, Keyholder.of(seat).seed, key_id, enc)
            found[seat] = open_share(slot, opened)
        return found

    def contents(self, key: bytes) -> Iterator[bytes]:
        """Open every body of the slot with the slot key W."""
        chain = chain_start(key)
        signer = decode_slot_header(self.facts.header).signer
        for m, envelope in enumerate(self.envelopes):
            message_key, chain = chain_step(chain, m)
            header = envelope.message_header
            assert header.m == m
            yield open_body(message_key, header, envelope.body, signer).content


def stored_slots(database: Path) -> list[StoredSlot]:
    """Read every sealed slot whose receipt names its seal; checks that the receipts do."""
    db = sqlite3.connect(database)
    try:
        rows = db.execute(
            "SELECT data, receipt FROM entries WHERE kind = 'envelope' ORDER BY group_id, position"
        ).fetchall()
        seals = dict(db.execute("SELECT slot, seal FROM seals").fetchall())
        tier1s = {
            digest: (header, digests, encs)
            for digest, header, digests, encs in db.execute(
                "SELECT digest, header, enc_digests, encs FROM tier1s"
            )
        }
    finally:
        db.close()
    lines: dict[bytes, list[Envelope]] = {}
    receipts = {}
    for data, receipt in rows:
        envelope = decode_envelope(data)
        lines.setdefault(envelope.message_header.slot, []).append(envelope)
        if envelope.opening is not None:
            receipts[envelope.message_header.slot] = decode_receipt(receipt).leaf
    found = []
    for slot, envelopes in lines.items():
        opening = envelopes[0].opening
        assert opening is not None
        if slot not in seals:
            continue
        header = decode_slot_header(opening.slot_header)
        named = (receipts[slot].seal, receipts[slot].tier1)
        assert named == (opening.seal_digest, header.tier1)
        assert header.tier1 is not None
        first, digests, encs = tier1s[header.tier1]
        facts = SlotFacts(
            opening.slot_header,
            opening.seal_digest or b"",
            opening.signature or b"",
            seals[slot],
            first,
            read_digests(digests),
        )
        list_of_encs: tuple[bytes | None, ...] = decode(encs)  # type: ignore[assignment]
        found.append(StoredSlot(facts, list_of_encs, header.policy, tuple(envelopes)))
    return found


def opened_by(slots: Iterable[StoredSlot], policy: Policy, seats: Iterable[int]) -> list[bytes]:
    """Return all contents that a quorum of ``seats`` opens, slot by slot."""
    chosen = list(seats)
    contents: list[bytes] = []
    for stored in slots:
        slot = stored.verified(policy)
        contents += stored.contents(combine(slot, stored.shares(slot, chosen)))
    return contents
