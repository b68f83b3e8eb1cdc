"""Whether a manifest holds what an order grants, nothing else, with nothing left out (section 4).

Knows an admitted order and heads already proven under logged ingest roots; knows no log, no key
and no seal: whether a granted slot's seal holds is judged by ``glasslock.sealing``.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from glasslock.errors import StateError, VerificationError
from glasslock.orders.review import AdmittedOrder
from glasslock.wire.credential import decode_credential
from glasslock.wire.digest import digest
from glasslock.wire.entry import EntryKind, Head, device_next
from glasslock.wire.envelope import Opening, SlotHeader, Tombstone, decode_slot_header
from glasslock.wire.labels import Label
from glasslock.wire.manifest import (
    DeviceLine,
    GroupLine,
    HeadProof,
    KeptSlot,
    KeptTier1,
    Manifest,
    NextSlot,
)
from glasslock.wire.order import Grant, Order
from glasslock.wire.policy import Clocks
from glasslock.wire.seal import decode_tier1_header

DEVICE_START = bytes(32)


@dataclass(frozen=True, slots=True)
class GrantedSlot:
    """A slot in the manifest that a grant names; ``account`` is what its credential says."""

    grant: Grant
    kept: KeptSlot
    tier1: KeptTier1
    header: SlotHeader
    account: str
    device: bytes

    @property
    def opening(self) -> Opening | None:
        """What opened it."""
        return self.kept.tombstone.opening


@dataclass(frozen=True, slots=True, init=False)
class CheckedManifest:
    """A manifest that fits its order; comes only from ``check_manifest``."""

    manifest: Manifest
    slots: tuple[GrantedSlot, ...]

    def __init__(self, *_: object, **__: object) -> None:
        """Refuse: a manifest is checked, not declared; raises ``StateError``."""
        raise StateError("a manifest is checked, not declared", rule="manifest.unchecked")


def check_manifest(
    manifest: Manifest, admitted: AdmittedOrder, proven: AbstractSet[HeadProof], clocks: Clocks
) -> CheckedManifest:
    """Check a manifest against its order.

    Raises:
        VerificationError: a rule ``manifest...`` that names what does not fit.
        WireError: a part is malformed.
    """
    if manifest.order != admitted.digest:
        raise VerificationError("the manifest is of another order", rule="manifest.order")
    if not proven >= frozenset(manifest.proofs):
        raise VerificationError("a head is not proven", rule="manifest.head")
    groups = [line.group_id for line in manifest.lines]
    if sorted(set(groups)) != sorted(groups) or set(groups) != {
        grant.group_id for grant in admitted.order.grants
    }:
        raise VerificationError("other conversations than granted", rule="manifest.lines")
    lines = {line.group_id: line for line in manifest.lines}
    for line in manifest.lines:
        check_line(line)
        _check_span(line, granted_window(admitted.order, line.group_id, clocks))
    slots = tuple(_granted(kept, manifest, admitted, lines) for kept in manifest.slots)
    named = {(s.kept.group_id, s.header.epoch, s.header.leaf, s.header.tau) for s in slots}
    if len(named) != len(slots):
        raise VerificationError("a slot stands twice", rule="manifest.twice")
    _check_devices(manifest, slots, lines)
    _check_closes(manifest, slots, lines)
    made = object.__new__(CheckedManifest)
    object.__setattr__(made, "manifest", manifest)
    object.__setattr__(made, "slots", slots)
    return made


def check_line(line: GroupLine) -> None:
    """Recompute a group's heads from one proven end to the other.

    Raises:
        VerificationError: an entry is missing, added or changed: rule ``manifest.line``.
        WireError: time runs back.
    """
    head = Head.start(line.group_id)
    if line.before is not None:
        head = Head(line.before.position, 0, line.before.head)
    for entry in line.entries:
        head = head.next(entry.time, entry.digest)
    if (head.position, head.head) != (line.after.position, line.after.head):
        raise VerificationError("entries are missing, or not what was stored", rule="manifest.line")


def check_device_line(line: DeviceLine) -> None:
    """Recompute a device's own line; raises ``VerificationError`` (rule ``manifest.device``)."""
    q, head = 0, DEVICE_START
    if line.before is not None:
        q, head = line.before.position, line.before.head
    for entry in line.entries:
        q, head = q + 1, device_next(head, q + 1, entry)
    if (q, head) != (line.after.position, line.after.head):
        raise VerificationError("a device's line is not whole", rule="manifest.device")


def granted_window(order: Order, group_id: bytes, clocks: Clocks) -> tuple[int, int]:
    """Return the times (unix seconds) between which entries of granted slots can lie."""
    spans = [s for g in order.grants if g.group_id == group_id for s in g.spans]
    first = min(span[0] for span in spans) * clocks.slot_seconds
    last = (max(span[1] for span in spans) + 1) * clocks.slot_seconds
    return first - clocks.skew_seconds, last + clocks.skew_seconds


def _check_span(line: GroupLine, window: tuple[int, int]) -> None:
    """One entry before the granted time, unless the line itself begins later."""
    if line.first > 1 and line.entries[0].time >= window[0]:
        raise VerificationError("the line begins after the granted time", rule="manifest.begin")


def _granted(
    kept: KeptSlot, manifest: Manifest, admitted: AdmittedOrder, lines: dict[bytes, GroupLine]
) -> GrantedSlot:
    tier1 = manifest.tier1s[kept.tier1]
    first = kept.tombstone
    header = _header(first)
    _check_listed(lines, kept.group_id, kept.position, first)
    if header.group_id != kept.group_id or header.policy != admitted.order.policy:
        raise VerificationError("a slot is of another group or policy", rule="manifest.slot")
    if digest(Label.CREDENTIAL, tier1.credential) != header.credential:
        raise VerificationError("a slot is another credential's", rule="manifest.credential")
    account, device = decode_credential(tier1.credential)
    for grant in admitted.order.grants:
        if (grant.group_id, grant.account) == (kept.group_id, account) and grant.covers(header.tau):
            return GrantedSlot(grant, kept, tier1, header, account, device)
    raise VerificationError("a slot is not granted", rule="manifest.granted")


def _header(first: Tombstone) -> SlotHeader:
    opening = first.opening
    if opening is None:
        raise VerificationError("a slot begins with its opening", rule="manifest.opening")
    header = decode_slot_header(opening.slot_header)
    if header.digest != first.message_header.slot:
        raise VerificationError("an opening is of another slot", rule="manifest.opening")
    if opening.tier1_header is not None:
        decode_tier1_header(opening.tier1_header)
    return header


def _check_listed(
    lines: dict[bytes, GroupLine], group_id: bytes, position: int, first: Tombstone
) -> None:
    """What opens a slot must stand in the line that was fixed before the order: not planted."""
    line = lines.get(group_id)
    at = -1 if line is None else position - line.first
    if line is None or not 0 <= at < len(line.entries):
        raise VerificationError("an entry lies outside its line", rule="manifest.planted")
    entry = line.entries[at]
    if entry.kind == EntryKind.HANDSHAKE or entry.digest != first.digest:
        raise VerificationError("an entry is not the one that was stored", rule="manifest.planted")


def _check_devices(
    manifest: Manifest, slots: tuple[GrantedSlot, ...], lines: dict[bytes, GroupLine]
) -> None:
    """Every granted device's own line is there, whole, and has the entries that opened its slots.

    It proves "all of the account's": the line runs over all groups, without a gap in q.
    """
    own = {(d.account, d.device): d for d in manifest.devices}
    for line in own.values():
        check_device_line(line)
    if len(own) != len(manifest.devices):
        raise VerificationError("a device's line stands twice", rule="manifest.device")
    entries = {name: frozenset(line.entries) for name, line in own.items()}
    for slot in slots:
        device = entries.get((slot.grant.account, slot.device))
        entry = lines[slot.kept.group_id].entries[
            slot.kept.position - lines[slot.kept.group_id].first
        ]
        if device is None or entry.digest not in device:
            raise VerificationError("a device's line is short", rule="manifest.device")


def _check_closes(
    manifest: Manifest, slots: tuple[GrantedSlot, ...], lines: dict[bytes, GroupLine]
) -> None:
    """Where a granted leaf opened another slot later, that header names the last one's end."""
    earliest: dict[tuple[bytes, int, bytes], int] = {}
    for slot in slots:
        mine = (slot.kept.group_id, slot.header.leaf, slot.header.credential)
        earliest[mine] = min(slot.kept.position, earliest.get(mine, slot.kept.position))
    for following in manifest.nexts:
        header = _next_header(following, lines)
        first = earliest.get((following.group_id, header.leaf, header.credential))
        if first is None or first >= following.position or header.close is None:
            raise VerificationError("a following slot follows nothing", rule="manifest.next")


def _next_header(following: NextSlot, lines: dict[bytes, GroupLine]) -> SlotHeader:
    first = following.tombstone
    _check_listed(lines, following.group_id, following.position, first)
    return _header(first)
