"""Reading a slot whose key was combined: chain, bodies, numbers, receipts (sections 2 and 4).

Knows one slot key at a time and what was stored of its slot; knows no keyholder and no order.
"""

from __future__ import annotations

from collections.abc import Sequence

from glasslock.casefile.bundle import Bundle, Kept
from glasslock.casefile.findings import Gap, Message, Place
from glasslock.errors import GlasslockError, VerificationError
from glasslock.orders.manifest import GrantedSlot
from glasslock.sealing.body import open_body
from glasslock.sealing.slots import chain_start, chain_step, window
from glasslock.tlog.receipt import SignedBatches
from glasslock.wire.entry import ReceiptLeaf, decode_receipt
from glasslock.wire.policy import Policy


def read_slots(
    keys: Sequence[tuple[GrantedSlot, bytes]], bundle: Bundle, policy: Policy
) -> tuple[list[Message], list[Gap]]:
    """Open every message of the slots in ``keys`` (slot, W); what does not open is a gap."""
    messages: list[Message] = []
    gaps: list[Gap] = []
    batches = SignedBatches(policy.provider_key)
    for slot, key in keys:
        _Reading(slot, bundle, policy, batches, messages, gaps).read(key)
    return messages, gaps


class _Reading:
    """One slot."""

    def __init__(
        self,
        slot: GrantedSlot,
        bundle: Bundle,
        policy: Policy,
        batches: SignedBatches,
        messages: list[Message],
        gaps: list[Gap],
    ) -> None:
        self._slot = slot
        self._kept = bundle.entries.get(slot.header.digest, {})
        self._policy = policy
        self._batches = batches
        self._messages = messages
        self._gaps = gaps

    def read(self, key: bytes) -> None:
        chain = chain_start(key)
        previous: bytes | None = None
        after = 0
        for m in range(max(self._kept, default=-1) + 1):
            message_key, chain = chain_step(chain, m)
            kept = self._kept.get(m)
            if kept is None:
                # Not handed over: ``missing_entries`` names it. The chain goes on without it.
                previous = None
                continue
            try:
                self._check(kept, previous, after)
                self._open(kept, message_key)
            except GlasslockError as error:
                self._gap(kept, error)
            previous, after = kept.digest, kept.stored.position

    def _check(self, kept: Kept, previous: bytes | None, after: int) -> None:
        """Hold a message to its place: its number, the one before it, its slot's time."""
        header = kept.header
        if previous is not None and header.previous != previous:
            raise VerificationError("a message names another before it", rule="message.previous")
        if kept.stored.position <= after:
            raise VerificationError("messages are out of order", rule="message.order")
        first, last = window(self._policy.clocks, kept.stored.listed.time)
        if not first <= self._slot.header.tau <= last:
            raise VerificationError("a message is outside its slot's time", rule="message.time")

    def _open(self, kept: Kept, key: bytes) -> None:
        if kept.body is None:
            raise VerificationError("this message was removed", rule="message.removed")
        header = kept.header
        opened = open_body(key, header, kept.body, self._slot.header.signer)
        receipt: bytes | None = kept.receipt
        try:
            self._check_receipt(kept)
        except GlasslockError as error:
            # The message is the sender's all the same; that it was acknowledged is not shown.
            self._gap(kept, error)
            receipt = None
        self._messages.append(
            Message(
                place=self._place(kept),
                time=kept.stored.listed.time,
                device=self._slot.device,
                slot=header.slot,
                m=header.m,
                content=opened.content,
                entry=kept.digest,
                header=kept.tombstone.header,
                signature=opened.signature,
                signer=self._slot.header.signer,
                receipt=receipt,
                carried=opened.carried,
            )
        )

    def _check_receipt(self, kept: Kept) -> None:
        receipt = decode_receipt(kept.receipt)
        self._batches.verify(receipt)
        stored, opening = kept.stored, kept.tombstone.opening
        wanted = ReceiptLeaf(
            self._slot.kept.group_id,
            stored.position,
            stored.listed.time,
            kept.digest,
            stored.head,
            None if opening is None else opening.seal_digest,
            None if opening is None else self._slot.header.tier1,
        )
        if receipt.leaf != wanted:
            raise VerificationError("a receipt is of another entry", rule="message.receipt")

    def _place(self, kept: Kept) -> Place:
        slot = self._slot
        return Place(slot.kept.group_id, kept.stored.position, slot.account, slot.header.tau)

    def _gap(self, kept: Kept, error: GlasslockError) -> None:
        self._gaps.append(Gap(self._place(kept), error.rule or error.slug, str(error)))
