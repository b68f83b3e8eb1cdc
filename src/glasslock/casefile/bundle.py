"""The ciphertext that a provider hands over, held against the lines that were fixed before.

Knows positions, digests and slots; opens nothing. What was not granted, or is not what was stored,
is named and put aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from glasslock.casefile.findings import Gap, Place
from glasslock.errors import GlasslockError, VerificationError
from glasslock.orders.manifest import CheckedManifest, GrantedSlot
from glasslock.wire.api import KeptEntry
from glasslock.wire.entry import EntryKind, Head
from glasslock.wire.envelope import (
    Envelope,
    MessageHeader,
    Tombstone,
    decode_envelope,
    decode_tombstone,
)
from glasslock.wire.manifest import GroupLine, ListedEntry


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry of a proven line: where it stands, what is listed of it, the head it gave."""

    position: int
    listed: ListedEntry
    head: bytes


class Line:
    """A group's proven line by position and by digest."""

    def __init__(self, line: GroupLine) -> None:
        """Recompute the heads of a line that ``check_line`` has let pass."""
        head = Head.start(line.group_id)
        if line.before is not None:
            head = Head(line.before.position, 0, line.before.head)
        self.at: dict[int, Stored] = {}
        self.of: dict[bytes, Stored] = {}
        for entry in line.entries:
            head = head.next(entry.time, entry.digest)
            stored = Stored(head.position, entry, head.head)
            self.at[head.position] = stored
            self.of.setdefault(entry.digest, stored)


@dataclass(frozen=True, slots=True)
class Kept:
    """A granted entry as it was stored: a body, or the tombstone that a removal left."""

    stored: Stored
    header: MessageHeader
    tombstone: Tombstone
    body: bytes | None = field(repr=False)
    receipt: bytes

    @property
    def digest(self) -> bytes:
        """D."""
        return self.stored.listed.digest


@dataclass
class Bundle:
    """What was handed over of the granted slots, by slot (Hh) and number m."""

    lines: dict[bytes, Line]
    slots: dict[bytes, GrantedSlot]
    entries: dict[bytes, dict[int, Kept]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)

    def digests(self) -> set[bytes]:
        """Return D of every entry that was handed over and belongs here."""
        return {kept.digest for of_slot in self.entries.values() for kept in of_slot.values()}

    def find(self, digest: bytes) -> Iterator[tuple[bytes, Stored]]:
        """Yield where in the granted conversations' lines an entry stands."""
        for group_id, line in self.lines.items():
            if digest in line.of:
                yield group_id, line.of[digest]

    def unread(self, opened: AbstractSet[bytes]) -> list[Gap]:
        """Return a gap for every message in a slot that did not open, but for its first."""
        return [
            Gap(
                Place(slot.kept.group_id, kept.stored.position, slot.account, slot.header.tau),
                "slot.unreadable",
                "its slot did not open",
            )
            for digest, slot in self.slots.items()
            if digest not in opened
            for m, kept in sorted(self.entries.get(digest, {}).items())
            if m > 0
        ]


def read_bundle(entries: Sequence[KeptEntry], checked: CheckedManifest) -> Bundle:
    """Sort what a provider handed over; what does not belong is a gap with its rule."""
    bundle = Bundle(
        {line.group_id: Line(line) for line in checked.manifest.lines},
        {slot.header.digest: slot for slot in checked.slots},
    )
    for entry in entries:
        try:
            _take(entry, bundle)
        except GlasslockError as error:
            place = Place(entry.group_id, entry.position)
            bundle.gaps.append(Gap(place, error.rule or error.slug, str(error)))
    return bundle


def _take(entry: KeptEntry, bundle: Bundle) -> None:
    header, tombstone, body = _decoded(entry)
    slot = bundle.slots.get(header.slot)
    if slot is None or slot.kept.group_id != entry.group_id:
        raise VerificationError("more was handed over than granted", rule="evidence.ungranted")
    stored = bundle.lines[entry.group_id].at.get(entry.position)
    if stored is None or stored.listed.digest != tombstone.digest:
        raise VerificationError("an entry is not what was stored there", rule="evidence.planted")
    # The m-th message stands at least m positions after the first: no header makes us count far.
    if entry.position < slot.kept.position + header.m:
        raise VerificationError("a message stands before those before it", rule="evidence.order")
    of_slot = bundle.entries.setdefault(header.slot, {})
    if header.m in of_slot:
        raise VerificationError("a message stands twice", rule="evidence.twice")
    of_slot[header.m] = Kept(stored, header, tombstone, body, entry.receipt)


def _decoded(entry: KeptEntry) -> tuple[MessageHeader, Tombstone, bytes | None]:
    if entry.kind == EntryKind.TOMBSTONE:
        tombstone = decode_tombstone(entry.data)
        return tombstone.message_header, tombstone, None
    if entry.kind == EntryKind.ENVELOPE:
        envelope: Envelope = decode_envelope(entry.data)
        return envelope.message_header, envelope.tombstone(), envelope.body
    raise VerificationError("only messages are evidence", rule="evidence.kind")
