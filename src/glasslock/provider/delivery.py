"""The Delivery Service's decisions on one group's line of entries; knows no store, clock or socket.

Facts in, verdict out: every function takes the line as it stands and returns what would follow,
or raises. Rules are those of protocol sections 1, 2 and 4; recipients check the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from glasslock.errors import Conflict, StaleEpoch, StaleSlot, VerificationError
from glasslock.mls import CommitPreview, Device, Leaf, Roster
from glasslock.provider.seals import TakenSeal, Tier1At, take_seal
from glasslock.wire.entry import EntryKind, Head, handshake_digest
from glasslock.wire.envelope import Envelope, SlotHeader, decode_slot_header
from glasslock.wire.policy import Policy


@dataclass(frozen=True, slots=True)
class LeafSlot:
    """The newest slot of a leaf: what the next message of it must continue.

    ``opened`` is the position of its message 0, None for a slot from before that was kept.
    """

    epoch: int
    tau: int
    slot: bytes
    count: int
    last: bytes
    opened: int | None = None


@dataclass(frozen=True)
class Line:
    """One group as the Delivery Service must know it to judge the next entry.

    ``since`` is the epoch that brought the policy: slots before it are counted by other clocks.
    """

    group_id: bytes
    policy: Policy
    epoch: int
    context: bytes
    roster: Roster
    head: Head
    slots: Mapping[int, LeafSlot] = field(default_factory=dict)
    since: int = 0

    def moved(self, head: Head, slots: Mapping[int, LeafSlot]) -> Line:
        """Return the line after an entry that changes nothing else."""
        return Line(
            self.group_id,
            self.policy,
            self.epoch,
            self.context,
            self.roster,
            head,
            slots,
            self.since,
        )


@dataclass(frozen=True)
class Entry:
    """An entry that was accepted, with the line as it is afterwards.

    ``slot`` is the one that an envelope's sender is in then.
    """

    kind: EntryKind
    digest: bytes
    data: bytes
    head: Head
    line: Line
    slot: LeafSlot | None = None
    seal: TakenSeal | None = None


@dataclass(frozen=True, slots=True)
class Lookups:
    """What a decision may ask of the line's past: heads by position, tier 1 headers by digest."""

    head_at: Callable[[int], bytes | None]
    tier1_at: Tier1At


def append_envelope(
    line: Line,
    sender: Device,
    envelope: Envelope,
    upload: bytes | None,
    now: int,
    lookups: Lookups,
) -> Entry:
    """Judge an envelope that ``sender`` submits at ``now`` (unix seconds).

    ``upload`` is the encoded seal upload that came beside it.

    Raises:
        Denied: the sender has no leaf.
        StaleEpoch: it was made for another epoch.
        StaleSlot: its slot is not open at this time.
        Conflict: the slot or message number was used already, or one is missing before it.
        VerificationError: header, close or seen do not say what is the case.
    """
    leaf = line.roster.of_device(sender)
    time = max(now, line.head.time)
    seal = None
    if envelope.opening is None:
        if upload is not None:
            raise VerificationError("a seal goes with an opening", rule="delivery.upload")
        slot = _continue(line, leaf, envelope, time)
    else:
        slot, header = _open(line, leaf, envelope, time, lookups)
        seal = take_seal(line.policy, header, envelope.opening, upload, lookups.tier1_at)
    digest = envelope.digest
    head = line.head.next(time, digest)
    newest = LeafSlot(slot.epoch, slot.tau, slot.slot, slot.count + 1, digest, slot.opened)
    after = line.moved(head, {**line.slots, leaf.index: newest})
    return Entry(EntryKind.ENVELOPE, digest, envelope.encode(), head, after, newest, seal)


def append_commit(
    line: Line, commit: bytes, preview: CommitPreview, after: Line, now: int
) -> Entry:
    """Put a commit that the engine verified on the line; ``after`` is the group it leads to.

    Raises:
        StaleEpoch: another commit came first.
    """
    if preview.epoch != line.epoch + 1:
        raise StaleEpoch("another commit came first", epoch=line.epoch)
    digest = handshake_digest(commit)
    head = line.head.next(max(now, line.head.time), digest)
    # A leaf that was removed ends its slots, even when the same device comes back to it.
    kept = {index: slot for index, slot in line.slots.items() if index not in preview.removed}
    return Entry(EntryKind.HANDSHAKE, digest, commit, head, replace(after, head=head, slots=kept))


def check_window(policy: Policy, tau: int, time: int) -> None:
    """Check that slot ``tau`` is open at ``time`` (section 2, Time).

    Raises:
        StaleSlot: it is over, or has not begun, by more than the skew.
    """
    clocks = policy.clocks
    first = (time - clocks.skew_seconds) // clocks.slot_seconds
    last = (time + clocks.skew_seconds) // clocks.slot_seconds
    if not first <= tau <= last:
        raise StaleSlot("the slot is not open at this time", rule="delivery.slot")


def _continue(line: Line, leaf: Leaf, envelope: Envelope, time: int) -> LeafSlot:
    slot = line.slots.get(leaf.index)
    header = envelope.message_header
    if slot is None or header.slot != slot.slot:
        # The header that opened this slot never came, or the group moved on since.
        raise StaleEpoch("the slot of this message is not open", epoch=line.epoch)
    if slot.epoch != line.epoch:
        raise StaleEpoch("the group moved to another epoch", epoch=line.epoch)
    check_window(line.policy, slot.tau, time)
    if header.m != slot.count or header.previous != slot.last:
        raise Conflict("the message before this one is another", rule="delivery.chain")
    return slot


def _open(
    line: Line,
    leaf: Leaf,
    envelope: Envelope,
    time: int,
    lookups: Lookups,
) -> tuple[LeafSlot, SlotHeader]:
    if envelope.opening is None or envelope.message_header.m != 0:
        raise VerificationError("an opening stands with message 0", rule="delivery.opening")
    header = decode_slot_header(envelope.opening.slot_header)
    if header.digest != envelope.message_header.slot:
        raise VerificationError("the opening is of another slot", rule="delivery.opening")
    if header.epoch != line.epoch:
        raise StaleEpoch("the slot is of another epoch", epoch=line.epoch)
    _check_header(line, leaf, header)
    check_window(line.policy, header.tau, time)
    before = line.slots.get(leaf.index)
    _check_order(line.since, before, header)
    seen = header.seen
    if seen.position > line.head.position or lookups.head_at(seen.position) != seen.head:
        raise VerificationError("the sender has seen another line", rule="delivery.seen")
    opened = line.head.position + 1
    return LeafSlot(header.epoch, header.tau, header.digest, 0, b"", opened), header


def _check_header(line: Line, leaf: Leaf, header: SlotHeader) -> None:
    claims = (header.policy, header.group_id, header.context, header.leaf)
    facts = (line.policy.digest, line.group_id, line.context, leaf.index)
    if claims != facts:
        raise VerificationError("the slot header is of another group", rule="delivery.header")
    if (header.credential, header.signer) != (leaf.credential_digest, leaf.signer):
        raise VerificationError("the slot header is of another leaf", rule="delivery.leaf")


def _check_order(since: int, before: LeafSlot | None, header: SlotHeader) -> None:
    close = header.close
    if before is None:
        if close is not None:
            raise VerificationError("there is no slot to close", rule="delivery.close")
        return
    earlier = before.epoch >= since and header.tau < before.tau
    if earlier or (header.tau, header.epoch) == (before.tau, before.epoch):
        raise Conflict("this leaf has used the slot already", rule="delivery.second-header")
    if close is None or (close.epoch, close.tau, close.count, close.last) != (
        before.epoch,
        before.tau,
        before.count,
        before.last,
    ):
        raise VerificationError("the close is not the last slot", rule="delivery.close")
