"""The checks between an entry and a message on screen, in the protocol's order (section 4).

Pure: takes the conversation as it is, returns it as it will be, or raises the first check that
fails under its own name. What raises here has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from glasslock.client.sealed import Book, SlotMismatch, check
from glasslock.client.state import Chain, GroupState
from glasslock.errors import GlasslockError, StateError, VerificationError, WireError
from glasslock.mls import Leaf, Roster
from glasslock.sealing.body import Opened, open_body
from glasslock.sealing.slots import chain_start, chain_step, slot_key, window
from glasslock.tlog.receipt import SignedBatches
from glasslock.wire.api import EntryItem
from glasslock.wire.entry import EntryKind, Head, ReceiptLeaf, decode_receipt, handshake_digest
from glasslock.wire.envelope import (
    Close,
    Envelope,
    Opening,
    SlotHeader,
    Tombstone,
    decode_envelope,
    decode_slot_header,
    decode_tombstone,
)
from glasslock.wire.policy import Policy


class ForkedStream(VerificationError):
    """Members have been shown different lines of the same conversation."""

    slug = "forked-stream"


class Muted(StateError):
    """A sender is not read until its next slot, because an earlier message was refused."""

    slug = "muted"


@dataclass(frozen=True)
class Facts:
    """What an entry is judged against."""

    state: GroupState
    policy: Policy
    context: bytes
    roster: Roster
    head_at: Callable[[int], bytes | None]
    book: Book | None = None


@dataclass(frozen=True)
class Received:
    """An envelope that could be placed, with the conversation after it.

    ``failure`` is why it is not shown: of its body, or a ``SlotMismatch``.
    """

    state: GroupState
    leaf: Leaf
    opened: Opened | None
    failure: GlasslockError | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry read once, at its place on the line; comes only from ``place``.

    ``envelope`` is None for a handshake, whose bytes the engine reads.
    """

    item: EntryItem
    digest: bytes
    envelope: Envelope | Tombstone | None
    head: Head
    receipt: ReceiptLeaf


def _read(item: EntryItem) -> tuple[bytes, Envelope | Tombstone | None]:
    """Return D of an entry and the envelope in it; raises ``WireError``."""
    match item.kind:
        case EntryKind.HANDSHAKE:
            return handshake_digest(item.data), None
        case EntryKind.TOMBSTONE:
            tombstone = decode_tombstone(item.data)
            return tombstone.digest, tombstone
        case EntryKind.ENVELOPE:
            envelope = decode_envelope(item.data)
            return envelope.digest, envelope
        case _:
            raise WireError("there is no such kind of entry", rule="receive.kind")


def place(state: GroupState, batches: SignedBatches, item: EntryItem) -> Placed:
    """Check position, time and receipt of the next entry; ``batches`` are of the line's provider.

    Raises:
        VerificationError: the line has a gap, or the provider's receipt does not hold. Nothing of
            the line can be read on until that is cleared.
    """
    if item.position != state.head.position + 1:
        raise VerificationError("the line has a gap", rule="receive.position")
    digest, envelope = _read(item)
    head = state.head.next(item.time, digest)
    receipt = decode_receipt(item.receipt)
    batches.verify(receipt)
    leaf = receipt.leaf
    claims = (leaf.group_id, leaf.position, leaf.time, leaf.entry, leaf.head)
    if claims != (state.group_id, head.position, head.time, digest, head.head):
        raise VerificationError("the receipt is of another entry", rule="receive.receipt")
    return Placed(item, digest, envelope, head, leaf)


def receive(facts: Facts, placed: Placed) -> Received:
    """Judge an envelope or tombstone; returns the conversation after it.

    An opening stands by itself: a body that fails leaves the slot's tier 1 in force, and its
    sender mute.

    Raises:
        BookBehind: the policy log must be read further first; nothing may move until then.
        GlasslockError: the first check that failed, by its own class and rule.
    """
    envelope, head = placed.envelope, placed.head
    if envelope is None:
        raise StateError("a handshake is the engine's to judge", rule="receive.kind")
    if envelope.opening is None:
        leaf, chain = _continued(facts, envelope, head)
        state = facts.state
    else:
        header = decode_slot_header(envelope.opening.slot_header)
        leaf = _check_opening(facts, envelope, header, head)
        secret, state = facts.state.secret(
            header.tau,
            leaf.index,
            [(each.index, each.credential_digest) for each in facts.roster.leaves],
        )
        in_force = state.tiers.get(leaf.index)
        try:
            tier = check(
                facts.policy, facts.book, in_force, header, envelope.opening, secret, head.time
            )
        except SlotMismatch as failure:
            return Received(_closed(state, header, envelope.digest), leaf, None, failure)
        _check_receipt(placed.receipt, header, envelope.opening)
        if tier is not None:
            state = replace(state, tiers={**state.tiers, leaf.index: tier})
        chain = Chain(
            header.tau, header.digest, chain_start(slot_key(secret, header.digest)), 0, None
        )
    key, following = chain_step(chain.key, chain.m)
    opened = None
    if isinstance(envelope, Envelope):
        try:
            opened = open_body(key, envelope.message_header, envelope.body, leaf.signer)
        except GlasslockError as failure:
            mute = {**state.chains, leaf.index: replace(chain, mute=True)}
            closes = {**state.closes, leaf.index: None}
            return Received(replace(state, chains=mute, closes=closes), leaf, None, failure)
    after = replace(chain, key=following, m=chain.m + 1, last=envelope.digest)
    close = Close(state.epoch, chain.tau, after.m, envelope.digest)
    state = replace(
        state,
        chains={**state.chains, leaf.index: after},
        closes={**state.closes, leaf.index: close},
    )
    return Received(state, leaf, opened)


def _closed(state: GroupState, header: SlotHeader, last: bytes) -> GroupState:
    """Return the conversation after a seal mismatch: the slot is closed unread, its secret gone."""
    chain = Chain(header.tau, header.digest, bytes(len(header.digest)), 1, last, mute=True)
    return replace(
        state,
        chains={**state.chains, header.leaf: chain},
        closes={**state.closes, header.leaf: None},
    )


def _check_receipt(leaf: ReceiptLeaf, header: SlotHeader, opening: Opening) -> None:
    """Check that the provider acknowledged this seal; what it did not, no quorum could be given."""
    if (leaf.seal, leaf.tier1) != (opening.seal_digest, header.tier1):
        raise VerificationError("the receipt is of another seal", rule="receive.seal")


def refused(state: GroupState, placed: Placed) -> GroupState:
    """Return the conversation after an envelope that was refused: its sender is mute for the slot.

    The sender's next close will count what was not read here, so it is not compared. What cannot
    even be placed changes nothing.
    """
    envelope = placed.envelope
    if envelope is None:
        return state
    try:
        leaf = _leaf_of(state, envelope)
    except WireError:
        return state
    chains = dict(state.chains)
    if leaf in chains:
        chains[leaf] = replace(chains[leaf], mute=True)
    return replace(state, chains=chains, closes={**state.closes, leaf: None})


def _leaf_of(state: GroupState, envelope: Envelope | Tombstone) -> int:
    if envelope.opening is not None:
        return decode_slot_header(envelope.opening.slot_header).leaf
    slot = envelope.message_header.slot
    for leaf, chain in state.chains.items():
        if chain.slot == slot:
            return leaf
    raise WireError("the message belongs to no open slot", rule="receive.slot")


def _continued(facts: Facts, envelope: Envelope | Tombstone, head: Head) -> tuple[Leaf, Chain]:
    header = envelope.message_header
    found = next((item for item in facts.state.chains.items() if item[1].slot == header.slot), None)
    if found is None:
        raise VerificationError("the slot of this message is not open", rule="receive.slot")
    index, chain = found
    if chain.mute:
        raise Muted("an earlier message of this slot was refused", rule="receive.mute")
    _check_window(facts.policy, chain.tau, head.time)
    if (header.m, header.previous) != (chain.m, chain.last):
        raise VerificationError("a message is missing before this one", rule="receive.chain")
    return facts.roster.leaf(index), chain


def _check_opening(
    facts: Facts, envelope: Envelope | Tombstone, header: SlotHeader, head: Head
) -> Leaf:
    state = facts.state
    if header.digest != envelope.message_header.slot or header.group_id != state.group_id:
        raise VerificationError("the opening is of another slot", rule="receive.opening")
    if (header.epoch, header.context) != (state.epoch, facts.context):
        raise VerificationError("the slot is of another epoch", rule="receive.epoch")
    leaf = facts.roster.leaf(header.leaf)
    if (header.credential, header.signer) != (leaf.credential_digest, leaf.signer):
        raise VerificationError("the slot is of another leaf", rule="receive.leaf")
    if header.policy != facts.policy.digest:
        raise VerificationError("the slot is under another policy", rule="receive.policy")
    _check_window(facts.policy, header.tau, head.time)
    _check_seen(facts, header)
    _check_close(state, header)
    return leaf


def _check_window(policy: Policy, tau: int, time: int) -> None:
    first, last = window(policy.clocks, time)
    if not first <= tau <= last:
        raise VerificationError("the slot is not open at this time", rule="receive.tau")


def _check_seen(facts: Facts, header: SlotHeader) -> None:
    seen = header.seen
    if seen.position > facts.state.head.position:
        raise VerificationError("the sender has seen the future", rule="receive.seen")
    known = facts.head_at(seen.position)
    if known is not None and known != seen.head:
        raise ForkedStream("the sender was shown another line", rule="receive.fork")


def _check_close(state: GroupState, header: SlotHeader) -> None:
    if header.leaf not in state.closes:
        if header.close is not None:
            raise VerificationError("there is no slot to close", rule="receive.close")
        return
    before = state.closes[header.leaf]
    if before is None:
        return
    if header.close != before:
        raise VerificationError("messages of the last slot are missing", rule="receive.close")
    earlier = before.epoch >= state.since and header.tau < before.tau
    if earlier or (header.epoch, header.tau) == (before.epoch, before.tau):
        raise VerificationError("this leaf has used the slot already", rule="receive.second-header")
