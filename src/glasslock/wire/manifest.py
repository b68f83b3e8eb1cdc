"""What the provider had stored of the granted lines, so that nothing can be planted or left out.

Knows the bytes of section 4, Ingest; does not know a root, a grant or a seal that holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from glasslock.errors import WireError
from glasslock.ids import AccountId, account_id
from glasslock.wire.codec import Encodable, Value, encode
from glasslock.wire.digest import digest
from glasslock.wire.entry import MAX_BATCH, MAX_PATH, EntryKind
from glasslock.wire.envelope import Tombstone, decode_tombstone
from glasslock.wire.labels import Label
from glasslock.wire.policy import MAX_SEATS
from glasslock.wire.record import ENCAPSULATION_SIZE
from glasslock.wire.seal import PerSeat
from glasslock.wire.shape import U32, Fields, expect_digest

MAX_MANIFEST: Final = 16 * 1024 * 1024
MAX_ITEMS: Final = 1 << 20
_KINDS: Final = frozenset(kind.value for kind in EntryKind)


@dataclass(frozen=True, slots=True)
class HeadProof:
    """A line's head under the root of an ingest interval.

    ``H("ingest", blind, position, head)`` is leaf ``index`` of the interval's ``count`` leaves.
    """

    interval: int
    index: int
    count: int
    blind: bytes
    position: int
    head: bytes
    path: tuple[bytes, ...]

    @property
    def leaf(self) -> bytes:
        """The leaf's content."""
        return digest(Label.INGEST, self.blind, self.position, self.head)

    def value(self) -> Encodable:
        """Return the wire form."""
        return (
            self.interval,
            self.index,
            self.count,
            self.blind,
            self.position,
            self.head,
            self.path,
        )


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """An entry of a group's line: its time, kind and D."""

    time: int
    kind: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A stretch of a group's line between two proven heads (None: from its start)."""

    group_id: bytes
    before: HeadProof | None
    entries: tuple[ListedEntry, ...]
    after: HeadProof

    @property
    def first(self) -> int:
        """The position of the first entry."""
        return 1 if self.before is None else self.before.position + 1


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """A stretch of a sending device's own line over all its groups, as the digests D in order."""

    account: AccountId
    device: bytes
    before: HeadProof | None
    entries: tuple[bytes, ...]
    after: HeadProof


@dataclass(frozen=True, slots=True)
class KeptTier1:
    """A tier 1: its header, all encapsulations, and the credential of its leaf as TLS bytes."""

    header: bytes
    encs: PerSeat
    credential: bytes


@dataclass(frozen=True)
class KeptSlot:
    """A granted slot: the entry that opened it without its body, its seal, its tier 1's number."""

    group_id: bytes
    position: int
    first: bytes
    seal: bytes
    tier1: int

    @cached_property
    def tombstone(self) -> Tombstone:
        """The opening entry; raises ``WireError``."""
        return decode_tombstone(self.first)


@dataclass(frozen=True, slots=True)
class NextSlot:
    """The next slot that a granted device opened after its granted ones: it closes the last."""

    group_id: bytes
    position: int
    first: bytes

    @property
    def tombstone(self) -> Tombstone:
        """The opening entry; raises ``WireError``."""
        return decode_tombstone(self.first)


@dataclass(frozen=True)
class Manifest:
    """Everything a keyholder needs to judge and release, and a desk to know what is missing."""

    order: bytes
    lines: tuple[GroupLine, ...]
    devices: tuple[DeviceLine, ...]
    tier1s: tuple[KeptTier1, ...]
    slots: tuple[KeptSlot, ...]
    nexts: tuple[NextSlot, ...]

    @cached_property
    def encoded(self) -> bytes:
        """The wire form."""
        return encode(
            (
                self.order,
                [
                    (
                        line.group_id,
                        _proof_value(line.before),
                        [(e.time, e.kind, e.digest) for e in line.entries],
                        line.after.value(),
                    )
                    for line in self.lines
                ],
                [
                    (d.account, d.device, _proof_value(d.before), d.entries, d.after.value())
                    for d in self.devices
                ],
                [(t.header, t.encs, t.credential) for t in self.tier1s],
                [(s.group_id, s.position, s.first, s.seal, s.tier1) for s in self.slots],
                [(n.group_id, n.position, n.first) for n in self.nexts],
            )
        )

    @cached_property
    def digest(self) -> bytes:
        """``H("manifest", bytes)``: one field of the order leaf's commitment."""
        return digest(Label.MANIFEST, self.encoded)

    @property
    def proofs(self) -> tuple[HeadProof, ...]:
        """Every head that must be proven."""
        found = [line.after for line in self.lines] + [line.after for line in self.devices]
        found += [line.before for line in self.lines if line.before is not None]
        found += [line.before for line in self.devices if line.before is not None]
        return tuple(found)


def decode_manifest(data: bytes) -> Manifest:
    """Decode a manifest; raises ``WireError``. Nothing is verified here."""
    fields = Fields.of(data, "manifest", 6, limit=MAX_MANIFEST)
    manifest = Manifest(
        fields.digest(),
        fields.each(_line, 1_024, 1),
        fields.each(_device, 1_024),
        fields.each(_tier1, 65_536),
        fields.each(_slot, 65_536),
        fields.each(_next, 65_536),
    )
    fields.close()
    if any(slot.tier1 >= len(manifest.tier1s) for slot in manifest.slots):
        raise WireError("a slot names a tier 1 that is not there", rule="manifest.tier1")
    return manifest


def _proof_value(proof: HeadProof | None) -> Encodable:
    return None if proof is None else proof.value()


def _proof(fields: Fields) -> HeadProof:
    proof = HeadProof(
        fields.uint(U32),
        fields.uint(MAX_BATCH),
        fields.uint(MAX_BATCH, 1),
        fields.digest(),
        fields.uint(least=1),
        fields.digest(),
        fields.each(expect_digest, MAX_PATH),
    )
    fields.close()
    return proof


def _line(value: Value) -> GroupLine:
    fields = Fields(value, "group line", 4)
    return GroupLine(
        fields.bytes(64, 1),
        fields.maybe(lambda: _proof(fields.nested("head proof", 7))),
        fields.each(_entry, MAX_ITEMS, 1),
        _proof(fields.nested("head proof", 7)),
    )


def _entry(value: Value) -> ListedEntry:
    fields = Fields(value, "listed entry", 3)
    time, kind = fields.uint(), fields.text(16)
    if kind not in _KINDS:
        raise WireError("no such kind of entry", rule="manifest.kind")
    return ListedEntry(time, kind, fields.digest())


def _device(value: Value) -> DeviceLine:
    fields = Fields(value, "device line", 5)
    return DeviceLine(
        account_id(fields.text(64, 1)),
        fields.exactly(16),
        fields.maybe(lambda: _proof(fields.nested("head proof", 7))),
        fields.each(expect_digest, MAX_ITEMS, 1),
        _proof(fields.nested("head proof", 7)),
    )


def _tier1(value: Value) -> KeptTier1:
    fields = Fields(value, "kept tier 1", 3)
    return KeptTier1(
        fields.bytes(4_096, 1), fields.each(_enc_or_null, MAX_SEATS, 1), fields.bytes(1_024, 1)
    )


def _enc_or_null(value: Value) -> bytes | None:
    return None if value is None else Fields((value,), "encapsulations").exactly(ENCAPSULATION_SIZE)


def _slot(value: Value) -> KeptSlot:
    fields = Fields(value, "kept slot", 5)
    return KeptSlot(
        fields.bytes(64, 1),
        fields.uint(least=1),
        fields.bytes(16_384, 1),
        fields.bytes(8_192, 1),
        fields.uint(65_535),
    )


def _next(value: Value) -> NextSlot:
    fields = Fields(value, "next slot", 3)
    return NextSlot(fields.bytes(64, 1), fields.uint(least=1), fields.bytes(16_384, 1))
