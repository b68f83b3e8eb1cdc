"""One conversation of a session: entries in, messages out; knows no stream and no store.

Every method works on copies and writes what changed into ``Effects``; the conversation itself
moves only with them, and a session whose effects could not be stored is thrown away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from glasslock.client import receive
from glasslock.client.changes import Effects, MessageState, NewMessage, Outgoing, Record
from glasslock.client.events import (
    Failed,
    MembersChanged,
    MessageReceived,
    PolicyChanged,
    PolicyProposed,
    Warned,
)
from glasslock.client.incoming import Incoming
from glasslock.client.own import Own
from glasslock.client.policies import BookBehind, Policies
from glasslock.client.receive import ForkedStream
from glasslock.client.sealed import SlotMismatch
from glasslock.client.sending import Draft, Self, audience_of, open_slot, still_for, write
from glasslock.client.state import GroupState
from glasslock.errors import GlasslockError, KeyRejected, StateError, VerificationError
from glasslock.mls import CommitPreview, Device, Group, Roster, StagedCommit, context_digest
from glasslock.sealing.body import Opened
from glasslock.sealing.roster import SeatsVacant
from glasslock.sealing.slots import SlotErased, SlotTree, day_of, low_after, root_secret, tau_at
from glasslock.tlog.receipt import SignedBatches
from glasslock.wire.api import EntryItem, SubmitEnvelope, encode_frame
from glasslock.wire.codec import encode
from glasslock.wire.entry import EntryKind, Head
from glasslock.wire.envelope import Close
from glasslock.wire.policy import Policy

Sign = Callable[[str, bytes], bytes]

HEADS: Final = 4_096
IN_FLIGHT: Final = 128
LEAF_SECONDS: Final = 7 * 86_400
PROPOSED: Final = "policy"
REMOVED: Final = "removed"


@dataclass
class Conversation:
    """A group this device is in, with what waits to be read and to be sent.

    ``stopped`` says why nothing moves; with ``policy`` it is a commit to ``proposed``, which this
    device's person has not accepted. ``held`` says why nothing is sent. ``over`` says that nothing
    of it is written any more: this device has left it, or the engine went where it must not.
    """

    group: Group
    state: GroupState
    policy: Policy
    policies: Policies
    heads: dict[int, bytes] = field(default_factory=dict)
    incoming: Incoming = field(default_factory=Incoming)
    drafts: deque[Draft] = field(default_factory=deque)
    in_flight: dict[bytes, Draft] = field(default_factory=dict)
    own: Own = field(default_factory=Own)
    merged: list[bytes] = field(default_factory=list)
    committing: bool = False
    newest: int | None = None
    wants_book: bool = False
    stopped: str = ""
    held: str = ""
    over: bool = False
    proposed: bytes | None = None
    _erased_below: int = -1
    _audience: bytes | None = None
    roster: Roster = field(default=Roster(()), init=False)

    def __post_init__(self) -> None:
        """Read epoch, members and own leaf from the engine."""
        self._look(())

    def _look(self, removed: Iterable[int]) -> None:
        """Look at the group as it is after a commit that took the leaves ``removed`` away."""
        view = self.group.view
        self.roster = self.roster.after(view.members, removed)
        self.context = context_digest(view.context)
        self.leaf = view.own_leaf
        self._audience = None

    @property
    def accounts(self) -> tuple[str, ...]:
        """Who is in it."""
        return tuple(sorted(self.roster.accounts))

    # -- receiving --------------------------------------------------------------------------

    def read(self, effects: Effects, now: int, next_number: int) -> int:
        """Process entries until one changes the group or must wait; returns messages stored.

        A commit ends the step, because the engine waits until its rows are durable.
        """
        stored = 0
        batches = SignedBatches(self.policy.provider_key)
        while self.incoming and not self.stopped:
            item = self.incoming.first
            if item.position <= self.state.head.position:
                self.incoming.drop_first()
                continue
            if item.time > now + self.policy.clocks.skew_seconds:
                break
            try:
                placed = receive.place(self.state, batches, item)
                self.own.check(placed.head.position, placed.digest)
            except GlasslockError as error:
                self.stop(effects, item.position, error)
                break
            try:
                if item.kind == EntryKind.HANDSHAKE:
                    self._handshake(effects, placed)
                    break
                stored += self._envelope(effects, placed, next_number + stored)
            except BookBehind:
                self.wants_book = True
                break
            self.incoming.drop_first()
        return stored

    def stop(self, effects: Effects, position: int, error: GlasslockError) -> None:
        """Read and send nothing more: the line itself is broken, and with it all that follows."""
        self.stopped = error.rule or error.slug
        self.incoming.clear()
        self._warn(effects, position, error)

    def promised(self, digest: bytes, position: int, head: bytes) -> None:
        """Take in where the provider says that an own entry stands, and under which head.

        Raises:
            ForkedStream: this device was shown another entry there.
        """
        known = self.heads.get(position)
        if known is not None and known != head:
            raise ForkedStream("the provider showed another entry there", rule="receive.promise")
        if position > self.state.head.position:
            self.own.promise(position, digest)

    def _envelope(self, effects: Effects, placed: receive.Placed, number: int) -> int:
        item, head = placed.item, placed.head
        if self.own.came(head.position, placed.digest):
            self._move(effects, self.state, head)
            return 0
        count = 0
        try:
            facts = receive.Facts(
                self.state,
                self.policy,
                self.context,
                self.roster,
                self.heads.get,
                self.policies.book(self.policy),
            )
            got = receive.receive(facts, placed)
            if got.leaf.index == self.leaf:
                raise VerificationError("another device uses this leaf", rule="receive.clone")
            state = got.state
            if got.failure is not None:
                self._warn(effects, item.position, got.failure)
            if got.opened is not None:
                self._show(effects, got.leaf.device, got.opened, item, number)
                count = 1
        except BookBehind:
            raise
        except GlasslockError as error:
            self._warn(effects, item.position, error)
            state = receive.refused(self.state, placed)
        self._move(effects, state, head)
        return count

    def _show(
        self, effects: Effects, sender: Device, opened: Opened, item: EntryItem, number: int
    ) -> None:
        group_id, who, content = (
            self.state.group_id,
            (sender.account, sender.device),
            opened.content,
        )
        place = (item.time, item.position)
        effects.messages.append(NewMessage(number, group_id, "received", *who, content, *place))
        effects.events.append(MessageReceived(group_id, number, *who, content, item.time))
        where = (group_id, item.position, item.time)
        self.policies.views.hear(effects, self.policy, sender, where, opened.carried)

    def _warn(self, effects: Effects, position: int, error: GlasslockError) -> None:
        rule = error.rule or error.slug
        group_id = self.state.group_id
        evidence = error.evidence if isinstance(error, SlotMismatch) else b""
        effects.records.append(Record(group_id, position, rule, evidence))
        effects.events.append(Warned(group_id, rule, position, str(error)))

    def _move(self, effects: Effects, state: GroupState, head: Head) -> None:
        state = replace(state, head=head)
        # Nothing below it comes back, so that one erasing serves all entries until time moves it.
        low = low_after(self.policy.clocks, head.time)
        if low > self._erased_below:
            state = self._erased(state, low)
        self._keep(effects, state)
        self.heads[head.position] = head.head
        effects.heads.append((state.group_id, head.position, head.head))
        self.heads.pop(head.position - HEADS, None)

    def _erased(self, state: GroupState, low: int) -> GroupState:
        day = day_of(self.policy.clocks, low)
        kept = {leaf: tier for leaf, tier in state.tiers.items() if tier.day >= day}
        self._erased_below = low
        return replace(state, tiers=kept).erase_below(low)

    def _keep(self, effects: Effects, state: GroupState) -> None:
        self.state = state
        effects.states[state.group_id] = state

    # -- commits ----------------------------------------------------------------------------

    def _handshake(self, effects: Effects, placed: receive.Placed) -> None:
        item, head = placed.item, placed.head
        try:
            staged = self.group.stage(item.data)
        except GlasslockError as error:
            self._warn(effects, item.position, error)
            self.own.came(head.position, placed.digest)
            self._move(effects, self.state, head)
            return
        try:
            policy = self._policy_after(staged.preview, head)
        except BookBehind:
            raise
        except GlasslockError as error:
            self.stop(effects, item.position, error)
            return
        place = (self.state.group_id, policy.digest)
        changed = policy.digest != self.policy.digest
        if changed and place not in self.policies.accepted:
            self.stopped, self.proposed = PROPOSED, policy.digest
            effects.events.append(PolicyProposed(*place))
        elif self._merge(effects, placed, staged, policy) and changed:
            self.policies.accepted.discard(place)
            effects.accepted[place] = False
            effects.events.append(PolicyChanged(*place))

    def _policy_after(self, preview: CommitPreview, head: Head) -> Policy:
        """Return the policy that a commit leads to; one without this device is not its business.

        Raises:
            BookBehind: the new policy, or its log, must be read first.
            VerificationError: it does not stand in its log.
        """
        if preview.self_removed or preview.policy == self.group.view.policy:
            return self.policy
        return self.policies.named(preview.policy, head.time)

    def _merge(
        self, effects: Effects, placed: receive.Placed, staged: StagedCommit, policy: Policy
    ) -> bool:
        """Enter the epoch that a commit starts, or leave with it; says whether it was entered."""
        preview, head = staged.preview, placed.head
        root, written = staged.accept()
        if root is None:
            effects.take(written)
            self.leave(effects, "this device was removed before the message was sent")
            self.roster = self.roster.without(preview.removed)
            gone = MembersChanged(self.state.group_id, preview.epoch, self.accounts, removed=True)
            effects.events.append(gone)
            return False
        try:
            self._look(preview.removed)
        except GlasslockError as error:
            # Who is in the group then cannot be said: it is not entered, neither here nor on disk.
            written.abandon()
            self.over = True
            self.stop(effects, head.position, error)
            return False
        effects.take(written)
        self.own.came(head.position, placed.digest)
        refreshed, since = self.state.refreshed, self.state.since
        if preview.own:
            self.merged.append(placed.digest)
            refreshed = head.time
        # The engine drops an own commit when another one is merged first.
        self.committing = False
        if policy.digest != self.policy.digest:
            self.policy, since = policy, preview.epoch
        state = GroupState(
            group_id=self.state.group_id,
            policy=policy.digest,
            epoch=preview.epoch,
            began=head.time,
            head=head,
            tree=tree_of(root, policy, self.state.group_id, preview.epoch, self.context, head.time),
            closes={k: v for k, v in self.state.closes.items() if k not in preview.removed},
            own_position=self.state.own_position,
            refreshed=refreshed,
            since=since,
        )
        self._erased_below = -1
        self._move(effects, state, head)
        effects.events.append(MembersChanged(state.group_id, preview.epoch, self.accounts))
        return True

    def accept_policy(self, effects: Effects) -> None:
        """Go on under the policy that a commit proposes; its person has read it.

        Raises:
            StateError: nothing was proposed.
        """
        if self.proposed is None:
            raise StateError("no other policy was proposed", rule="policy.proposed")
        place = (self.state.group_id, self.proposed)
        self.policies.accepted.add(place)
        effects.accepted[place] = True
        self.stopped, self.proposed = "", None

    def leave(self, effects: Effects, text: str) -> None:
        """Forget the group; ``text`` says why what waits is not sent.

        What is on its way has its verdict still to come.
        """
        group_id = self.state.group_id
        effects.states[group_id] = None
        self.stopped, self.over = REMOVED, True
        self.incoming.clear()
        for draft in self.drafts:
            effects.message_states.append(MessageState(draft.message, "refused"))
            effects.events.append(Failed(group_id, REMOVED, text, draft.message))
        self.drafts.clear()

    # -- sending ----------------------------------------------------------------------------

    def send(self, effects: Effects, sign: Sign, now: int, fresh: bytes, number: int) -> bool:
        """Make an envelope of the first draft if the rules let it go now; says whether it did.

        ``number`` is its place in the outbox, ``fresh`` are 32 random bytes.
        """
        if not self.drafts or self.committing or self.stopped or self.stale(now):
            return False
        if len(self.in_flight) >= IN_FLIGHT:
            return False
        tau = tau_at(self.policy.clocks, max(now, self.state.head.time))
        me = Self(
            self.policy,
            self.context,
            self.roster,
            self.leaf,
            sign,
            self.policies.book(self.policy),
        )
        state, opened = self.state, None
        if state.sending is None or state.sending.tau != tau:
            # A new header closes the slot before it, so every verdict must be in and read.
            if self.in_flight or state.own_position > state.head.position or self._passed(tau):
                return False
            try:
                state, opened = open_slot(me, state, tau, now)
                opened = replace(opened, carried=self.policies.views.carried(self.policy))
            except SlotErased:
                return False
            except (BookBehind, KeyRejected, SeatsVacant) as error:
                self._hold(effects, error)
                return False
            self.held = ""
        draft = self.drafts[0]
        envelope, state, place = write(me, state, draft.content, fresh, opened)
        self.drafts.popleft()
        self._keep(effects, state)
        upload = None if opened is None else opened.upload()
        frame = SubmitEnvelope(number, state.group_id, envelope.encode(), upload)
        effects.outgoing.append(
            Outgoing(
                number,
                state.group_id,
                envelope.digest,
                encode_frame(frame),
                draft.message,
                encode(place),
            )
        )
        effects.message_states.append(MessageState(draft.message, "sent", digest=envelope.digest))
        effects.frames.append(frame)
        self.in_flight[envelope.digest] = replace(draft, place=place)
        self.own.add(envelope.digest)
        return True

    def _passed(self, tau: int) -> bool:
        """Say whether this leaf has used a later slot already: its clock ran back."""
        last = self.state.closes.get(self.leaf)
        return last is not None and last.epoch >= self.state.since and tau < last.tau

    def _hold(self, effects: Effects, error: GlasslockError) -> None:
        """Let the drafts wait for the policy log; say so once when it is for want of keys."""
        self.wants_book = True
        rule = error.rule or error.slug
        if self.held == rule or isinstance(error, BookBehind):
            return
        self.held = rule
        message = self.drafts[0].message
        effects.events.append(Failed(self.state.group_id, rule, str(error), message))

    def hold_back(self, effects: Effects) -> None:
        """Take back what was written for other readers than there are now: its author is asked.

        A message goes out without asking only under the policy, and to no more accounts, than its
        author saw.
        """
        seen, accounts = self.audience(), self.accounts
        held = [
            draft
            for draft in self.drafts
            if draft.audience != seen and not still_for(draft, self.policy, accounts)
        ]
        if not held:
            return
        self.drafts = deque(draft for draft in self.drafts if draft not in held)
        text = "the members or the policy changed: send it to them?"
        for draft in held:
            effects.message_states.append(MessageState(draft.message, "ask"))
            effects.events.append(Failed(self.state.group_id, "audience", text, draft.message))

    def accepted(self, effects: Effects, digest: bytes, position: int) -> Draft | None:
        """Take in the provider's yes to an own envelope."""
        draft = self.in_flight.pop(digest, None)
        if draft is None or draft.place is None:
            return None
        epoch, tau, m = draft.place
        closes = {**self.state.closes, self.leaf: Close(epoch, tau, m + 1, digest)}
        own_position = max(self.state.own_position, position)
        self._keep(effects, replace(self.state, closes=closes, own_position=own_position))
        if position <= self.state.head.position:
            self.own.drop(digest)
        return draft

    def bounced(self, effects: Effects, digest: bytes) -> Draft | None:
        """Take in the provider's no to an own envelope: its slot is given up."""
        draft = self.in_flight.pop(digest, None)
        if draft is None:
            return None
        self.own.drop(digest)
        # A tier 1 that came with it is nobody's: the next slot brings a new one.
        tiers = {leaf: tier for leaf, tier in self.state.tiers.items() if leaf != self.leaf}
        self._keep(effects, replace(self.state, sending=None, tiers=tiers))
        return replace(draft, place=None)

    def stale(self, now: int) -> bool:
        """Say whether a commit must come before the next message (section 2, Epochs).

        It must when this device joined by a last-resort KeyPackage, when its leaf key is a week
        old, and when the epoch is older than a day.
        """
        if not self.state.refreshed or now - self.state.refreshed >= LEAF_SECONDS:
            return True
        return bool(self.drafts) and now - self.state.began >= self.policy.clocks.day_seconds

    def idle(self) -> bool:
        """Say whether a commit of this device would not cross anything of its own."""
        return not (self.stopped or self.committing or self.in_flight) and self.caught_up

    @property
    def caught_up(self) -> bool:
        """Whether this device has read all that the provider has told of."""
        return self.newest is not None and self.state.head.position >= self.newest

    def tick(self, effects: Effects, now: int) -> None:
        """Erase by the clock what no entry can need any more (section 2, Time)."""
        if self.stopped or not self.caught_up:
            return
        low = low_after(self.policy.clocks, now - self.policy.clocks.skew_seconds)
        if low > low_after(self.policy.clocks, self.state.head.time):
            state = self._erased(self.state, low)
            if state != self.state:
                self._keep(effects, state)

    def audience(self) -> bytes:
        """Return what a person saw of policy and members when writing."""
        if self._audience is None:
            self._audience = audience_of(self.policy, self.accounts)
        return self._audience


def tree_of(
    root: bytes, policy: Policy, group_id: bytes, epoch: int, context: bytes, time: int
) -> SlotTree:
    """Return the slot tree of an epoch entered at ``time``."""
    secret = root_secret(root, policy.digest, group_id, epoch, context)
    return SlotTree.from_root(secret).advance(low_after(policy.clocks, time))
