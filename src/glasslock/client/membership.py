"""How a session creates, enters and changes groups; part of the session, without IO."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from glasslock.client.changes import Effects, Outgoing
from glasslock.client.conversation import Conversation, tree_of
from glasslock.client.events import Invited, Joined, Warned
from glasslock.client.inviting import choose
from glasslock.client.policies import BookBehind, Policies
from glasslock.client.state import GroupState
from glasslock.errors import Denied, GlasslockError, StateError, VerificationError
from glasslock.mls import (
    Device,
    Engine,
    Group,
    Roster,
    StagedWelcome,
    context_digest,
    key_package_info,
)
from glasslock.wire import api
from glasslock.wire.entry import Head, handshake_digest
from glasslock.wire.policy import Policy

DEVICE_SCOPE: Final = b""
_UNASKED: Final = 0

Answer = Callable[[Effects, api.ProviderFrame, int], None]


class Host(Protocol):
    """What this part needs of the session it belongs to."""

    device: Device
    engine: Engine
    policies: Policies
    conversations: dict[bytes, Conversation]
    online: bool

    def conversation(self, group_id: bytes) -> Conversation:
        """Return a conversation; raises ``StateError``."""

    def request(self, make: Callable[[int], api.DeviceFrame], answer: Answer) -> None:
        """Ask the provider."""

    def wake(self, group_id: bytes) -> None:
        """Look at a conversation in the steps to come."""

    def awake(self) -> list[tuple[bytes, Conversation]]:
        """Return the conversations that are to be looked at."""

    def follow(self, group_id: bytes, after: int) -> None:
        """Ask for the entries of a line."""

    def replenish(self, count: int) -> None:
        """Publish more KeyPackages."""

    def enqueue(self, effects: Effects) -> None:
        """Add a step."""

    def post(self, effects: Effects, outgoing: Outgoing) -> None:
        """Put into the outbox and send."""

    def take_outgoing_number(self) -> int:
        """Return the next number of the outbox."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A change that a person asked for: whom to add and remove, which policy to go under."""

    number: int
    group_id: bytes
    add: tuple[bytes, ...] = field(default=(), repr=False)
    remove: tuple[Device, ...] = ()
    policy: Policy | None = None
    epoch: int = -1


class Membership:
    """Groups of a session."""

    def __init__(self, session: Host, invitations: dict[bytes, api.InboxItem]) -> None:
        """Serve ``session``; ``invitations`` wait for their person's answer."""
        self._session = session
        self._operations: dict[bytes, Operation] = {}
        self._waiting: list[Operation] = []
        self._open: dict[int, bytes] = {}
        self._creating: dict[bytes, int] = {}
        self._invitations = invitations
        # Those whose person was not asked yet; all of them are asked again after a start.
        self._unasked = set(invitations)
        self._next = 0

    def _number(self, group_id: bytes) -> int:
        self._next += 1
        self._open[self._next] = group_id
        return self._next

    def _finish(self, effects: Effects, number: int, error: GlasslockError | None = None) -> None:
        if self._open.pop(number, None) is not None:
            effects.done.append((number, error))

    def fail_all(self, error: GlasslockError) -> None:
        """End every operation that has nothing in the outbox."""
        kept = {operation.number for operation in self._operations.values()}
        kept |= {operation.number for operation in self._waiting}
        kept |= set(self._creating.values())
        effects = Effects()
        for number in [number for number in self._open if number not in kept]:
            self._finish(effects, number, error)
        if effects.done:
            self._session.enqueue(effects)

    # -- creating -----------------------------------------------------------------------------

    def create(self, group_id: bytes, policy: Policy, now: int) -> int:
        """Create a group of one under ``policy``; returns the operation's number.

        Raises:
            BookBehind: the policy's log was not read yet.
            VerificationError: the policy does not stand in its log.
        """
        session = self._session
        extension = session.policies.extension(policy)
        group, info, root, written = session.engine.create_group(group_id, extension)
        number = self._number(group_id)
        self._creating[group_id] = number
        effects = Effects()
        effects.take(written)
        self._enter(effects, group, root, policy, Head.start(group_id), now, {})
        outbox = session.take_outgoing_number()
        frame = api.CreateGroup(outbox, group_id, info)
        session.post(effects, Outgoing(outbox, group_id, group_id, api.encode_frame(frame)))
        session.enqueue(effects)
        return number

    def created(self, effects: Effects, group_id: bytes) -> None:
        """Take in the provider's yes to a new group."""
        self._session.follow(group_id, 0)
        self._finish(effects, self._creating.pop(group_id, _UNASKED))

    def creation_refused(self, effects: Effects, group_id: bytes, frame: api.Refused) -> None:
        """Drop a group that the provider did not take."""
        conversation = self._session.conversations.pop(group_id, None)
        if conversation is not None:
            conversation.leave(effects, "the conversation could not be created")
        error = Denied(frame.message, rule=frame.rule)
        self._finish(effects, self._creating.pop(group_id, _UNASKED), error)

    def _enter(
        self,
        effects: Effects,
        group: Group,
        root: bytes,
        policy: Policy,
        head: Head,
        began: int,
        closes: dict[int, None],
        *,
        fresh: bool = True,
    ) -> Conversation:
        view = group.view
        context = context_digest(view.context)
        state = GroupState(
            group_id=view.group_id,
            policy=policy.digest,
            epoch=view.epoch,
            began=began,
            head=head,
            tree=tree_of(root, policy, view.group_id, view.epoch, context, began),
            closes=closes,
            refreshed=began if fresh else 0,
        )
        conversation = Conversation(
            group,
            state,
            policy,
            self._session.policies,
            heads={head.position: head.head},
        )
        effects.states[view.group_id] = state
        effects.heads.append((view.group_id, head.position, head.head))
        self._session.conversations[view.group_id] = conversation
        self._session.wake(view.group_id)
        return conversation

    # -- changing -----------------------------------------------------------------------------

    def invite(self, group_id: bytes, account: str) -> int:
        """Add all devices of an account that are not in the group; returns the operation."""
        conversation = self._session.conversation(group_id)
        number = self._number(group_id)

        def answer(effects: Effects, frame: api.ProviderFrame, now: int) -> None:
            if not isinstance(frame, api.KeyPackages):
                message = frame.message if isinstance(frame, api.Refused) else "no KeyPackages"
                self._finish(effects, number, Denied(message, rule="invite.claim"))
                return
            key, suite = conversation.policy.provider_key, self._session.engine.suite
            try:
                choice = choose(conversation.roster, account, frame, key, suite, now)
            except GlasslockError as error:
                self._finish(effects, number, error)
                return
            if choice.strangers:
                text = f"the provider names {choice.strangers} more of {account}'s devices, "
                text += "which none that is in it has approved: not invited"
                effects.events.append(Warned(group_id, "invite.stranger", 0, text))
            if not choice.packages:
                self._finish(effects, number, self._nobody(conversation, account))
                return
            self._commit(effects, Operation(number, group_id, choice.packages))

        self._session.request(lambda request: api.ClaimKeyPackages(request, account), answer)
        return number

    def remove(self, group_id: bytes, account: str) -> int:
        """Remove all devices of an account; returns the operation.

        Raises:
            StateError: the account is not in the group.
        """
        leaves = self._session.conversation(group_id).roster.of_account(account)
        if not leaves:
            raise StateError("this account is not in the conversation", rule="remove.account")
        number = self._number(group_id)
        effects = Effects()
        gone = tuple(leaf.device for leaf in leaves)
        self._commit(effects, Operation(number, group_id, remove=gone))
        self._session.enqueue(effects)
        return number

    def refresh(self, group_id: bytes) -> int:
        """Renew the own leaf and start a new epoch; returns the operation."""
        number = self._number(group_id)
        effects = Effects()
        self._commit(effects, Operation(number, group_id))
        self._session.enqueue(effects)
        return number

    def change_policy(self, group_id: bytes, policy: Policy) -> int:
        """Put the group under another policy, which the person has read; returns the operation.

        Raises:
            BookBehind: the policy's log was not read yet.
            StateError: the group is under this policy.
            VerificationError: the policy does not stand in its log.
        """
        if self._session.conversation(group_id).policy.digest == policy.digest:
            raise StateError("the conversation is under this policy", rule="policy.same")
        self._session.policies.extension(policy)
        number = self._number(group_id)
        effects = Effects()
        self._commit(effects, Operation(number, group_id, policy=policy))
        self._session.enqueue(effects)
        return number

    def accept_policy(self, group_id: bytes) -> None:
        """Go on in a conversation whose proposed policy its person has accepted.

        Raises:
            StateError: nothing was proposed.
        """
        conversation = self._session.conversation(group_id)
        effects = Effects()
        conversation.accept_policy(effects)
        self._session.wake(group_id)
        self._session.enqueue(effects)
        if self._session.online and conversation.newest is None:
            self._session.follow(group_id, conversation.state.head.position)

    def _nobody(self, conversation: Conversation, account: str) -> GlasslockError | None:
        if conversation.roster.of_account(account):
            return None
        return Denied("no device of this account can be invited now", rule="invite.nobody")

    def _commit(self, effects: Effects, operation: Operation) -> None:
        session = self._session
        conversation = session.conversations.get(operation.group_id)
        if conversation is None or conversation.stopped:
            self._finish(effects, operation.number, StateError("the conversation has stopped"))
            return
        if conversation.committing:
            self._waiting.append(operation)
            return
        inside = {leaf.device: leaf.index for leaf in conversation.roster.leaves}
        add = [
            package
            for package in operation.add
            if Device.of(key_package_info(package).member.identity) not in inside
        ]
        remove = [inside[device] for device in operation.remove if device in inside]
        same = operation.policy is not None and operation.policy == conversation.policy
        if same or ((operation.add or operation.remove) and not (add or remove)):
            self._finish(effects, operation.number)
            return
        try:
            commit, welcome, info, written = conversation.group.commit(
                add=add, remove=remove, policy=self._extension(operation)
            )
        except GlasslockError as error:
            self._finish(effects, operation.number, error)
            return
        effects.take(written)
        if operation.policy is not None:
            # Who proposes a policy has accepted it.
            place = (operation.group_id, operation.policy.digest)
            session.policies.accepted.add(place)
            effects.accepted[place] = True
        conversation.committing = True
        outbox = session.take_outgoing_number()
        frame = api.SubmitHandshake(outbox, operation.group_id, commit, info, welcome)
        digest = handshake_digest(commit)
        self._operations[digest] = replace(operation, epoch=conversation.state.epoch)
        session.post(effects, Outgoing(outbox, operation.group_id, digest, api.encode_frame(frame)))

    def _extension(self, operation: Operation) -> bytes | None:
        policy = operation.policy
        return None if policy is None else self._session.policies.extension(policy)

    def merged(self, effects: Effects, conversation: Conversation) -> None:
        """Finish the operations whose commits were merged."""
        for digest in conversation.merged:
            operation = self._operations.pop(digest, None)
            if operation is not None:
                self._finish(effects, operation.number)
        conversation.merged.clear()

    def commit_refused(
        self,
        effects: Effects,
        conversation: Conversation | None,
        outgoing: Outgoing,
        frame: api.Refused,
    ) -> None:
        """Drop an own commit that was refused; one that came too late is tried again.

        ``conversation`` is None once it is over.
        """
        if conversation is not None:
            if conversation.group.view.pending:
                effects.take(conversation.group.clear_pending())
            conversation.committing = False
        operation = self._operations.pop(outgoing.digest, None)
        if operation is None:
            return
        if conversation is None or frame.slug != "stale-epoch":
            error = Denied(frame.message, rule=frame.rule)
            self._finish(effects, operation.number, error)
        elif operation.number != _UNASKED:
            self._waiting.append(operation)

    def retry(self) -> Effects | None:
        """Try an operation again once the group has moved on, if one waits."""
        for operation in self._waiting:
            conversation = self._session.conversations.get(operation.group_id)
            if conversation is None or conversation.stopped:
                ready = True
            else:
                moved = conversation.state.epoch > operation.epoch
                ready = moved and not conversation.committing
            if ready:
                self._waiting.remove(operation)
                effects = Effects()
                self._commit(effects, operation)
                return None if effects.empty else effects
        return None

    def due(self, now: int) -> Effects | None:
        """Renew a leaf or epoch that has become too old to send in, if there is one."""
        if not self._session.online:
            return None
        for group_id, conversation in self._session.awake():
            if conversation.idle() and conversation.stale(now):
                effects = Effects()
                self._commit(effects, Operation(_UNASKED, group_id))
                if not effects.empty:
                    return effects
        return None

    # -- joining ------------------------------------------------------------------------------

    def inbox(self, effects: Effects, item: api.InboxItem) -> None:
        """Take in what came for this device alone."""
        if item.kind == "device":
            for group_id in list(self._session.conversations):
                self.invite(group_id, self._session.device.account)
        elif item.kind == "welcome":
            self._welcome(effects, item)
        elif item.kind == "notice":
            effects.letters.append(item.data)

    def accept(self, group_id: bytes) -> None:
        """Join a conversation whose policy the person has now accepted.

        Raises:
            BookBehind: the policy's log was not read yet.
            StateError: there is no such invitation.
            VerificationError: the policy does not stand in its log where the group says.
        """
        item = self._invitations.get(group_id)
        if item is None:
            raise StateError("there is no such invitation", rule="join.invitation")
        effects = Effects(invitations={group_id: None})
        staged = self._session.engine.stage_welcome(item.data)
        self._join(effects, item, staged, self._policy_of(item, staged))
        self._forget(group_id)
        self._session.enqueue(effects)

    def reconsider(self) -> None:
        """Look again at invitations that waited for a policy or its log."""
        for group_id in sorted(self._unasked):
            effects = Effects()
            self._welcome(effects, self._invitations[group_id])
            if not effects.empty:
                self._session.enqueue(effects)

    @property
    def wants_book(self) -> bool:
        """Whether an invitation waits for a policy or its log."""
        return bool(self._unasked)

    def _forget(self, group_id: bytes) -> None:
        self._invitations.pop(group_id, None)
        self._unasked.discard(group_id)

    def _welcome(self, effects: Effects, item: api.InboxItem) -> None:
        group_id = item.group_id
        try:
            staged = self._session.engine.stage_welcome(item.data)
            policy = self._policy_of(item, staged)
            if policy.access is not None:
                self._keep(effects, item)
                self._unasked.discard(group_id)
                accounts = tuple(sorted(Roster.of(staged.invitation.members).accounts))
                effects.events.append(Invited(group_id, policy.digest, accounts))
                return
            self._join(effects, item, staged, policy)
        except BookBehind:
            self._keep(effects, item)
            return
        except GlasslockError as error:
            rule = error.rule or error.slug
            effects.events.append(Warned(group_id, rule, item.position, str(error)))
        if group_id in self._invitations:
            self._forget(group_id)
            effects.invitations[group_id] = None

    def _keep(self, effects: Effects, item: api.InboxItem) -> None:
        if self._invitations.get(item.group_id) != item:
            self._invitations[item.group_id] = item
            self._unasked.add(item.group_id)
            effects.invitations[item.group_id] = api.encode_frame(item)

    def _policy_of(self, item: api.InboxItem, staged: StagedWelcome) -> Policy:
        if staged.invitation.group_id != item.group_id:
            raise VerificationError("a Welcome is of another group", rule="join.group")
        return self._session.policies.named(staged.invitation.policy, item.time)

    def _join(
        self, effects: Effects, item: api.InboxItem, staged: StagedWelcome, policy: Policy
    ) -> None:
        invitation = staged.invitation
        # Who is in it is read first: nothing is entered that cannot be said to be with somebody.
        Roster.of(invitation.members)
        group, root, written = staged.accept(self._session.engine)
        effects.take(written)
        head = Head(item.position, item.time, item.head)
        closes = {m.leaf: None for m in invitation.members if m.leaf != invitation.own_leaf}
        # The private half of a last-resort KeyPackage stays: such a leaf must be renewed at once.
        fresh = any(value is None for scope, _, value in written.rows if scope == DEVICE_SCOPE)
        conversation = self._enter(
            effects, group, root, policy, head, item.time, closes, fresh=fresh
        )
        if fresh:
            self._session.replenish(1)
        self._session.follow(item.group_id, item.position)
        effects.events.append(Joined(item.group_id, policy.digest, conversation.accounts))
