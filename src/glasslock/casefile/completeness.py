"""What is missing: numbers without a message, ends that do not fit, entries nobody handed over.

Three witnesses are heard: the messages themselves (m and previous), the sender's next slot (its
close), and the device's own line. Knows digests and positions; opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glasslock.casefile.bundle import Bundle, Line
from glasslock.casefile.findings import Gap, Message, Place
from glasslock.errors import GlasslockError
from glasslock.orders.manifest import CheckedManifest, GrantedSlot
from glasslock.sealing.shares import check_slot_signature
from glasslock.sealing.slots import window
from glasslock.wire.entry import EntryKind
from glasslock.wire.envelope import Close, SlotHeader, decode_slot_header
from glasslock.wire.manifest import NextSlot
from glasslock.wire.order import Grant
from glasslock.wire.policy import Clocks

# A sender's word on one of its slots: group, credential, leaf, epoch and tau.
_Ended = tuple[bytes, bytes, int, int, int]


@dataclass(frozen=True, slots=True)
class Granted:
    """What an order grants, asked slot by slot."""

    grants: Sequence[Grant]
    clocks: Clocks

    def covers(self, group_id: bytes, account: str, tau: int) -> bool:
        """Say whether some grant names this slot of this sender."""
        return any(
            (grant.group_id, grant.account) == (group_id, account) and grant.covers(tau)
            for grant in self.grants
        )

    def holds(self, group_id: bytes, account: str, time: int) -> bool:
        """Say whether an entry at ``time`` lies in a granted slot, whichever the skew allows."""
        first, last = window(self.clocks, time)
        return all(self.covers(group_id, account, tau) for tau in range(first, last + 1))


def missing_entries(checked: CheckedManifest, bundle: Bundle, granted: Granted) -> list[Gap]:
    """Return a gap for everything granted that was not handed over, as far as anything shows it."""
    closes, gaps = _closes(checked)
    for slot in checked.slots:
        gaps += _of_slot(slot, bundle, closes.pop(_name(slot.kept.group_id, slot.header), None))
    gaps += _slots_left_out(closes, checked, bundle, granted)
    told = {(gap.place.group_id, gap.place.position) for gap in gaps}
    gaps += _of_devices(checked, bundle, granted, told)
    return gaps


def unproven_ends(checked: CheckedManifest, granted: Granted) -> list[Gap]:
    """Return where nothing shows that there was no more.

    A root holds the lines that grew, so a line that ends within the granted time may have been
    cut at an older head; and a grant of which no slot is listed has no device's line behind it.
    """
    found = []
    skew, seconds = granted.clocks.skew_seconds, granted.clocks.slot_seconds
    for line in checked.manifest.lines:
        spans = [g.spans for g in granted.grants if g.group_id == line.group_id]
        end = max((each[-1][1] + 1 for each in spans), default=0) * seconds + skew
        if line.entries[-1].time < end:
            says = "no entry after the granted time is there: that the line ends here is not proven"
            found.append(Gap(Place(line.group_id, line.after.position), "line.end", says))
    listed = {(slot.kept.group_id, str(slot.account)) for slot in checked.slots}
    for grant in granted.grants:
        if (grant.group_id, grant.account) not in listed:
            says = "no slot of this sender is listed: that there was none is not proven"
            found.append(Gap(Place(grant.group_id, None, grant.account), "grant.empty", says))
    return found


def without_line(messages: Sequence[Message], checked: CheckedManifest) -> list[Gap]:
    """Return a gap for every message that its device's own line does not have."""
    own = {(str(d.account), d.device): frozenset(d.entries) for d in checked.manifest.devices}
    return [
        Gap(message.place, "device.short", "the device's own line does not have this message")
        for message in messages
        if message.entry not in own.get((message.place.account or "", message.device), ())
    ]


def _name(group_id: bytes, header: SlotHeader) -> _Ended:
    return (group_id, header.credential, header.leaf, header.epoch, header.tau)


def _closes(checked: CheckedManifest) -> tuple[dict[_Ended, Close], list[Gap]]:
    """Return how slots ended, as the next slot of the same device says it, where that is signed.

    The leaf may be another one by then: an account's device is found by its credential.
    """
    gaps: list[Gap] = []
    found: dict[_Ended, Close] = {}
    leaves = {(s.kept.group_id, s.header.credential, s.header.epoch): s for s in checked.slots}
    for group_id, position, header in _headers(checked, gaps):
        close = header.close
        if close is None:
            continue
        before = leaves.get((group_id, header.credential, close.epoch))
        leaf = header.leaf if before is None else before.header.leaf
        name = (group_id, header.credential, leaf, close.epoch, close.tau)
        if found.setdefault(name, close) != close:
            place = Place(group_id, position, None, close.tau)
            gaps.append(Gap(place, "close.two", "two slots tell different ends of one"))
    return found, gaps


def _headers(checked: CheckedManifest, gaps: list[Gap]) -> Iterator[tuple[bytes, int, SlotHeader]]:
    for slot in checked.slots:
        yield slot.kept.group_id, slot.kept.position, slot.header
    for following in checked.manifest.nexts:
        try:
            yield following.group_id, following.position, _signed_header(following)
        except GlasslockError as error:
            place = Place(following.group_id, following.position)
            gaps.append(Gap(place, error.rule or error.slug, str(error)))


def _signed_header(following: NextSlot) -> SlotHeader:
    opening = following.tombstone.opening
    header = decode_slot_header(b"" if opening is None else opening.slot_header)
    if opening is not None:
        check_slot_signature(header, opening.seal_digest or b"", opening.signature or b"")
    return header


def _of_slot(slot: GrantedSlot, bundle: Bundle, close: Close | None) -> list[Gap]:
    """Return the gaps among the numbers of one slot."""
    kept = bundle.entries.get(slot.header.digest, {})
    line = bundle.lines[slot.kept.group_id]
    count = max(kept, default=0) + 1
    gaps = []
    if close is not None:
        if close.count < count:
            says = "there are more messages than the sender closed the slot with"
            gaps.append(_gap(slot, slot.kept.position, "close.count", says))
        last = kept.get(close.count - 1)
        if last is not None and last.digest != close.last:
            says = "the slot was closed with another last message"
            gaps.append(_gap(slot, last.stored.position, "close.last", says))
        if close.count > count:
            gaps += _beyond(slot, line, close, count)
    for m in range(count):
        if m not in kept:
            after = kept.get(m + 1)
            digest = None if after is None else after.header.previous
            position = slot.kept.position if m == 0 else _position(line, digest)
            says = f"message {m} of its slot was not handed over"
            gaps.append(_gap(slot, position, "evidence.missing", says))
    return gaps


def _beyond(slot: GrantedSlot, line: Line, close: Close, count: int) -> list[Gap]:
    """Messages that only the close tells of: its last one by position, others as a number."""
    says = f"the sender closed the slot with {close.count} messages, {count} are there"
    return [_gap(slot, _position(line, close.last), "close.count", says)]


def _slots_left_out(
    closes: dict[_Ended, Close], checked: CheckedManifest, bundle: Bundle, granted: Granted
) -> list[Gap]:
    """A close of a granted slot that the manifest does not have: a whole slot was left out."""
    accounts = {(s.kept.group_id, s.header.credential): s.account for s in checked.slots}
    gaps = []
    for (group_id, credential, _, _, tau), close in closes.items():
        account = accounts.get((group_id, credential))
        if account is not None and granted.covers(group_id, account, tau):
            position = _position(bundle.lines[group_id], close.last)
            place = Place(group_id, position, account, tau)
            gaps.append(Gap(place, "manifest.left-out", "a granted slot is not in the manifest"))
    return gaps


def _of_devices(
    checked: CheckedManifest,
    bundle: Bundle,
    granted: Granted,
    told: set[tuple[bytes, int | None]],
) -> list[Gap]:
    """Return a gap for every message in a device's own line that must lie in a granted slot.

    At a slot's edges the skew leaves open whose slot it was: there numbers and closes decide.
    """
    handed = bundle.digests()
    gaps = []
    for device in checked.manifest.devices:
        for digest in set(device.entries) - handed:
            for group_id, stored in bundle.find(digest):
                if stored.listed.kind == EntryKind.HANDSHAKE or (group_id, stored.position) in told:
                    continue
                if granted.holds(group_id, device.account, stored.listed.time):
                    place = Place(group_id, stored.position, device.account)
                    says = "the device sent it in the granted time, and it was not handed over"
                    gaps.append(Gap(place, "evidence.missing", says))
    return gaps


def _position(line: Line, digest: bytes | None) -> int | None:
    stored = None if digest is None else line.of.get(digest)
    return None if stored is None else stored.position


def _gap(slot: GrantedSlot, position: int | None, rule: str, says: str) -> Gap:
    return Gap(Place(slot.kept.group_id, position, slot.account, slot.header.tau), rule, says)
