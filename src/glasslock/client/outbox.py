"""What is on its way to the provider, each until its verdict, and the device's own line.

Part of a session, without IO. What stands here was stored before it left and is sent again until
the provider has said yes or no to it, whatever became of its conversation in the meantime.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from glasslock.client.changes import Effects, MessageState, Outgoing
from glasslock.client.conversation import Conversation
from glasslock.client.events import Failed, MessageSent
from glasslock.client.membership import Membership
from glasslock.client.receive import ForkedStream
from glasslock.client.sending import Draft, sealed_in
from glasslock.errors import Conflict, VerificationError
from glasslock.tlog.receipt import SignedBatches
from glasslock.wire import api
from glasslock.wire.codec import encode
from glasslock.wire.entry import decode_receipt, device_next

REMADE: Final = frozenset({"stale-epoch", "stale-slot", Conflict.slug})


class Host(Protocol):
    """What this part needs of the session it belongs to."""

    conversations: dict[bytes, Conversation]
    membership: Membership

    def enqueue(self, effects: Effects) -> None:
        """Add a step."""

    def wake(self, group_id: bytes) -> None:
        """Look at a conversation in the steps to come."""


class Outbox:
    """Bytes without a verdict, by number, and the device's line as the provider counts it."""

    def __init__(
        self,
        session: Host,
        kept: dict[int, Outgoing],
        line: tuple[int, bytes],
        batches: SignedBatches,
    ) -> None:
        """Go on from what is ``kept``; ``batches`` are receipts of the device's provider."""
        self._session = session
        self._kept = kept
        self._line = line
        self._batches = batches

    def __len__(self) -> int:
        """Say how many have no verdict."""
        return len(self._kept)

    def __contains__(self, number: object) -> bool:
        """Say whether a number has no verdict."""
        return number in self._kept

    def put(self, outgoing: Outgoing) -> None:
        """Take in bytes; the caller stores them, then sends them."""
        self._kept[outgoing.number] = outgoing

    def frames(self) -> list[api.DeviceFrame]:
        """Return all frames without a verdict in the order in which they were made."""
        return [api.decode_device_frame(self._kept[number].frame) for number in sorted(self._kept)]

    def _conversation(self, outgoing: Outgoing) -> Conversation | None:
        """Wake and return the conversation that is to hear of a verdict, None once it is over."""
        self._session.wake(outgoing.group_id)
        conversation = self._session.conversations.get(outgoing.group_id)
        return None if conversation is None or conversation.over else conversation

    # -- yes ----------------------------------------------------------------------------------

    def accepted(self, frame: api.Accepted, now: int) -> None:
        """Take in the provider's yes to an entry.

        Raises:
            VerificationError: its receipt does not hold, or the own line has a gap; as it was.
        """
        outgoing = self._kept[frame.id]
        effects = Effects()
        self._check_accepted(frame, outgoing)
        line = self._next_line(frame, outgoing)
        conversation = self._conversation(outgoing)
        if conversation is not None:
            try:
                conversation.promised(outgoing.digest, frame.position, frame.head)
            except ForkedStream as error:
                # It stays here: after a restart it is asked for, and found out, again.
                conversation.stop(effects, frame.position, error)
                self._session.enqueue(effects)
                return
        self._line = line
        effects.meta["line"] = encode(line)
        effects.settled.append(outgoing.number)
        del self._kept[frame.id]
        if outgoing.message is not None:
            self._sent(effects, outgoing.message, outgoing, frame)
        if conversation is not None:
            _check_clock(effects, conversation, frame.time, now)
        self._session.enqueue(effects)

    def _check_accepted(self, frame: api.Accepted, outgoing: Outgoing) -> None:
        receipt = decode_receipt(frame.receipt)
        self._batches.verify(receipt)
        leaf = receipt.leaf
        claims = (leaf.group_id, leaf.entry, leaf.position, leaf.time, leaf.head)
        facts = (outgoing.group_id, outgoing.digest, frame.position, frame.time, frame.head)
        sealed = sealed_in(outgoing.frame, outgoing.place)
        if claims != facts or (leaf.seal, leaf.tier1) != sealed:
            raise VerificationError("a receipt is of another entry", rule="session.receipt")

    def _next_line(self, frame: api.Accepted, outgoing: Outgoing) -> tuple[int, bytes]:
        q, head = self._line
        if frame.device_q != q + 1 or frame.device_head != device_next(
            head, frame.device_q, outgoing.digest
        ):
            raise VerificationError("this device's own line has a gap", rule="session.line")
        return frame.device_q, frame.device_head

    def _sent(
        self, effects: Effects, message: int, outgoing: Outgoing, frame: api.Accepted
    ) -> None:
        conversation, position = self._conversation(outgoing), frame.position
        if conversation is not None:
            conversation.accepted(effects, outgoing.digest, position)
        # A line that this device has left is not read: nothing shows that it stands there.
        placed = None if conversation is None else position
        effects.message_states.append(MessageState(message, "accepted", frame.time, placed))
        effects.events.append(MessageSent(outgoing.group_id, message, position, frame.time))

    def created(self, number: int) -> None:
        """Take in the provider's yes to a new group."""
        outgoing = self._kept.pop(number)
        effects = Effects(settled=[number])
        self._session.membership.created(effects, outgoing.group_id)
        self._session.enqueue(effects)

    # -- no -----------------------------------------------------------------------------------

    def refused(self, frame: api.Refused) -> None:
        """Take in the provider's no."""
        outgoing = self._kept.pop(frame.id)
        effects = Effects(settled=[outgoing.number])
        conversation = self._conversation(outgoing)
        if isinstance(api.decode_device_frame(outgoing.frame), api.CreateGroup):
            self._session.membership.creation_refused(effects, outgoing.group_id, frame)
        elif outgoing.message is not None:
            draft = None
            if conversation is not None:
                draft = conversation.bounced(effects, outgoing.digest)
            self._not_sent(effects, outgoing.message, draft, frame, outgoing.group_id)
        else:
            self._session.membership.commit_refused(effects, conversation, outgoing, frame)
        self._session.enqueue(effects)

    def _not_sent(
        self,
        effects: Effects,
        message: int,
        draft: Draft | None,
        frame: api.Refused,
        group_id: bytes,
    ) -> None:
        if draft is not None and frame.slug in REMADE:
            effects.message_states.append(MessageState(message, "queued"))
            conversation = self._session.conversations[group_id]
            waiting = [*conversation.drafts, draft]
            conversation.drafts = deque(sorted(waiting, key=lambda each: each.message))
            return
        effects.message_states.append(MessageState(message, "refused"))
        rule = frame.rule or frame.slug
        effects.events.append(Failed(group_id, rule, frame.message, message))


def _check_clock(effects: Effects, conversation: Conversation, time: int, now: int) -> None:
    """Stop a conversation whose provider lives in another time, loudly."""
    skew = conversation.policy.clocks.skew_seconds
    if abs(time - now) > 2 * skew and not conversation.stopped:
        conversation.stopped = "clock"
        text = "this device's clock and the provider's differ: nothing is sent"
        effects.events.append(Failed(conversation.state.group_id, "clock", text))
