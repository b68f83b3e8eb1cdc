"""A device's session with its provider: events in, effects out; does no IO and reads no clock.

The shell hands in frames, commands and the time, then takes ``poll()`` until it gives nothing:
each ``Effects`` is stored in one transaction, then its frames leave, then its events are told. If
storing fails, the session is thrown away and loaded again from disk, where nothing was lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from glasslock.client.changes import Effects, MessageState, NewMessage, Outgoing
from glasslock.client.conversation import Conversation
from glasslock.client.membership import Membership
from glasslock.client.outbox import Outbox
from glasslock.client.policies import LogEntry, Policies
from glasslock.client.sending import Draft
from glasslock.errors import (
    Denied,
    StateError,
    TransportError,
    VerificationError,
)
from glasslock.mls import Device, Engine
from glasslock.sealing.body import text_size
from glasslock.tlog.receipt import SignedBatches
from glasslock.wire import api
from glasslock.wire.codec import encode
from glasslock.wire.labels import Label
from glasslock.wire.policy import Policy
from glasslock.wire.shape import Fields

REQUEST_IDS: Final = 1 << 40
KEY_PACKAGES: Final = 10
LAST_RESORT_SECONDS: Final = 3 * 86_400
FRESH: Final = 32

Random = Callable[[int], bytes]
Answer = Callable[[Effects, api.ProviderFrame, int], None]


@dataclass
class Loaded:
    """What a session starts from: everything the store knows."""

    device: Device
    engine: Engine
    provider_key: bytes
    policies: Policies
    conversations: dict[bytes, Conversation] = field(default_factory=dict)
    outbox: dict[int, Outgoing] = field(default_factory=dict)
    invitations: dict[bytes, api.InboxItem] = field(default_factory=dict)
    device_line: tuple[int, bytes] = (0, bytes(FRESH))
    inbox_seq: int = 0
    last_resort: int = 0
    next_message: int = 1
    next_outgoing: int = 1


class Session:
    """One device; not safe for use from two threads."""

    def __init__(self, loaded: Loaded, random: Random) -> None:
        """Start from ``loaded``; ``random(n)`` gives n fresh bytes."""
        self.device = loaded.device
        self.engine = loaded.engine
        self.policies = loaded.policies
        self.conversations = loaded.conversations
        self._provider_key = loaded.provider_key
        self._inbox_seq = loaded.inbox_seq
        self._last_resort = loaded.last_resort
        self._next_message = loaded.next_message
        self._next_outgoing = loaded.next_outgoing
        self._random = random
        self._ready: deque[Effects] = deque()
        # Conversations in which something may be to do: a step costs these, and not all there are.
        self._awake = dict.fromkeys(self.conversations)
        # Whether what waits is to be stored before anything else is taken in.
        self.full = False
        self._requests: dict[int, Answer] = {}
        # Asked for while nobody was there to hear it.
        self._unasked: list[api.DeviceFrame] = []
        self._next_request = REQUEST_IDS
        self._inbox: deque[api.InboxItem] = deque()
        self._wanted: deque[bool] = deque()
        self._made: list[bytes] = []
        self._made_last_resort: bytes | None = None
        self._publishing = False
        self.online = False
        self.membership = Membership(self, loaded.invitations)
        batches = SignedBatches(self._provider_key)
        self._outbox = Outbox(self, loaded.outbox, loaded.device_line, batches)

    # -- the stream ---------------------------------------------------------------------------

    def connected(self) -> None:
        """A stream is open: log in."""
        self._tell(api.Hello(self.device.account, self.device.device))

    def disconnected(self) -> None:
        """The stream ended: what waited for an answer fails, what is in the outbox stays."""
        self.online = False
        self._inbox.clear()
        self._requests.clear()
        self._unasked.clear()
        self._publishing = False
        self._wanted.clear()
        self._made.clear()
        self._made_last_resort = None
        for conversation in self.conversations.values():
            conversation.incoming.clear()
            conversation.newest = None
        self.membership.fail_all(TransportError("the connection was lost", rule="stream.closed"))

    def received(self, frame: api.ProviderFrame, now: int) -> None:
        """Take in a frame of the provider.

        Raises:
            Denied: the provider does not let this device in.
            VerificationError: it is not what it must be; the shell closes the stream.
        """
        match frame:
            case api.Challenge():
                self._check_clock(frame.time, now)
                content = api.login_content(
                    self._provider_key, self.device.account, self.device.device, frame.nonce
                )
                self._tell(api.Login(self.engine.sign(Label.SIGN_LOGIN, content)))
            case api.LoggedIn():
                self._logged_in(frame, now)
            case api.Deliver():
                self._delivered(frame)
            case api.InboxItem():
                if frame.seq > self._inbox_seq:
                    self._inbox.append(frame)
            case api.Accepted() if frame.id in self._outbox:
                self._outbox.accepted(frame, now)
            case api.Done() if frame.id in self._outbox:
                self._outbox.created(frame.id)
            case api.Refused() if frame.id in self._outbox:
                self._outbox.refused(frame)
            case _:
                self._answered(frame, now)

    def _delivered(self, frame: api.Deliver) -> None:
        conversation = self.conversations.get(frame.group_id)
        if conversation is None:
            return
        conversation.newest = max(conversation.newest or 0, frame.newest)
        if conversation.stopped and conversation.proposed is None:
            # Nothing of it is read any more.
            return
        self.wake(frame.group_id)
        conversation.incoming.take(frame.entries, conversation.state.head.position)
        self.full = self.full or conversation.incoming.full

    def _check_clock(self, time: int, now: int) -> None:
        known = self.policies.known.values()
        skew = max((policy.clocks.skew_seconds for policy in known), default=0)
        if abs(time - now) > 2 * skew:
            text = f"this clock and the provider's are {abs(time - now)} seconds apart"
            raise VerificationError(text, rule="session.clock")

    def _logged_in(self, frame: api.LoggedIn, now: int) -> None:
        self.online = True
        self._awake = dict.fromkeys(self.conversations)
        for waiting in self._outbox.frames():
            self._tell(waiting)
        for asked in self._unasked:
            self._tell(asked)
        self._unasked.clear()
        for group_id, conversation in self.conversations.items():
            if not conversation.stopped:
                self.follow(group_id, conversation.state.head.position)
        if now - self._last_resort > LAST_RESORT_SECONDS:
            self._wanted.append(True)
        self.replenish(KEY_PACKAGES - max(frame.key_packages, 0))

    def _answered(self, frame: api.ProviderFrame, now: int) -> None:
        answer = self._requests.pop(getattr(frame, "id", 0), None)
        if answer is None:
            if isinstance(frame, api.Refused):
                raise Denied(frame.message, rule=frame.rule)
            return
        effects = Effects()
        answer(effects, frame, now)
        self.enqueue(effects)

    def request(self, make: Callable[[int], api.DeviceFrame], answer: Answer) -> None:
        """Ask the provider something, once logged in; ``answer`` gets the frame that comes back."""
        self._next_request += 1
        self._requests[self._next_request] = answer
        frame = make(self._next_request)
        if self.online:
            self._tell(frame)
        else:
            self._unasked.append(frame)

    def follow(self, group_id: bytes, after: int) -> None:
        """Ask for a line's entries from ``after`` on."""

        def answer(_effects: Effects, frame: api.ProviderFrame, _now: int) -> None:
            conversation = self.conversations.get(group_id)
            if isinstance(frame, api.Following) and conversation is not None:
                conversation.newest = max(conversation.newest or 0, frame.newest)
                self.wake(group_id)

        self.request(lambda number: api.Follow(number, group_id, after), answer)

    def replenish(self, count: int) -> None:
        """Publish ``count`` more single-use KeyPackages, soon."""
        self._wanted.extend([False] * count)

    def _tell(self, frame: api.DeviceFrame) -> None:
        self.enqueue(Effects(frames=[frame]))

    # -- policies -----------------------------------------------------------------------------

    @property
    def wants_log(self) -> bool:
        """Whether something waits for a policy, or for its log to be read on."""
        waiting = any(conversation.wants_book for conversation in self.conversations.values())
        return waiting or self.membership.wants_book

    def learnt(self, policies: Sequence[Policy]) -> None:
        """Take in policies that the provider serves."""
        self.policies.known.update({policy.digest: policy for policy in policies})
        self._try_again()

    def log_read(self, policy: bytes, entries: Sequence[LogEntry], time: int) -> None:
        """Take in what a policy's log had; see ``Policies.log_read``."""
        self.policies.log_read(policy, entries, time)
        self._try_again()

    def _try_again(self) -> None:
        for group_id, conversation in self.conversations.items():
            conversation.wants_book = False
            self.wake(group_id)
        self.membership.reconsider()

    # -- commands -----------------------------------------------------------------------------

    def send(self, group_id: bytes, content: bytes, now: int) -> int:
        """Queue a message and return its number on this device.

        Raises:
            StateError: the conversation is not known, or has stopped.
            WireError: the content is too long.
        """
        conversation = self.conversation(group_id)
        if conversation.stopped:
            raise StateError(f"this conversation has stopped: {conversation.stopped}")
        text_size(content)
        self.wake(group_id)
        number = self.take_message_numbers(1)
        draft = Draft(number, content, conversation.audience())
        conversation.drafts.append(draft)
        message = NewMessage(
            number,
            group_id,
            "queued",
            self.device.account,
            self.device.device,
            content,
            now,
            audience=draft.audience,
        )
        self.enqueue(Effects(messages=[message]))
        return number

    def again(self, group_id: bytes, number: int, content: bytes) -> None:
        """Queue a message that was held back until its author looked at the members again.

        Raises:
            StateError: the conversation is not known, or has stopped.
        """
        conversation = self.conversation(group_id)
        if conversation.stopped:
            raise StateError(f"this conversation has stopped: {conversation.stopped}")
        self.wake(group_id)
        conversation.drafts.append(Draft(number, content, conversation.audience()))
        change = MessageState(number, "queued", audience=conversation.audience())
        self.enqueue(Effects(message_states=[change]))

    def conversation(self, group_id: bytes) -> Conversation:
        """Return a conversation; raises ``StateError`` when this device is not in it."""
        try:
            return self.conversations[group_id]
        except KeyError:
            raise StateError("this device is not in the conversation") from None

    def tick(self, now: int) -> None:
        """Let time pass: erase what is over, and look at every conversation again."""
        self._awake = dict.fromkeys(self.conversations)
        effects = Effects()
        for conversation in self.conversations.values():
            conversation.tick(effects, now)
        if not effects.empty:
            self.enqueue(effects)

    def wake(self, group_id: bytes) -> None:
        """Look at a conversation in the steps to come."""
        self._awake[group_id] = None

    def awake(self) -> list[tuple[bytes, Conversation]]:
        """Return the conversations that are to be looked at."""
        known = self.conversations
        return [(each, known[each]) for each in self._awake if each in known]

    def enqueue(self, effects: Effects) -> None:
        """Add a step made elsewhere."""
        for read in effects.orders_read:
            self.policies.orders_read(read)
        self.policies.compared(effects.compared)
        self._ready.append(effects)
        self.full = self.full or effects.alone

    def close_command(self, number: int) -> None:
        """Let command ``number`` be over once all that waits now is stored."""
        if not self._ready:
            self._ready.append(Effects())
        self._ready[-1].commands.append(number)

    def post(self, effects: Effects, outgoing: Outgoing) -> None:
        """Put something into the outbox and send it."""
        self._outbox.put(outgoing)
        effects.outgoing.append(outgoing)
        effects.frames.append(api.decode_device_frame(outgoing.frame))

    def take_outgoing_number(self) -> int:
        """Return the next number of the outbox."""
        self._next_outgoing += 1
        return self._next_outgoing - 1

    def take_message_numbers(self, count: int) -> int:
        """Reserve message numbers; returns the first."""
        self._next_message += count
        return self._next_message - count

    def fresh(self, size: int = FRESH) -> bytes:
        """Return fresh random bytes."""
        return self._random(size)

    @property
    def ready(self) -> bool:
        """Whether this device is logged in and can be invited by others."""
        return self.online and not (self._wanted or self._made or self._publishing)

    @property
    def caught_up(self) -> bool:
        """Whether everything the provider has told of is read, stored and sent."""
        return (
            self.ready
            and not self._inbox
            and all(
                conversation.stopped or conversation.caught_up
                for conversation in self.conversations.values()
            )
        )

    # -- work ---------------------------------------------------------------------------------

    def poll(self, now: int) -> Effects | None:
        """Return the next step, or None when there is nothing to do before something happens.

        What can be stored together is one step: verdicts, commands and what is sent for them.
        """
        effects = Effects()
        self._take_ready(effects)
        if self._ready or effects.alone:
            return effects
        self.full = False
        if self._inbox:
            if effects.empty:
                self._read_inbox(effects)
        elif not (self._read(effects, now) or self._prepare(effects, now)):
            self._write(effects, now)
        if not effects.empty:
            return effects
        if self._ready:
            return self._ready.popleft()
        found = self.membership.retry() or self.membership.due(now)
        if found is None:
            # All that can be done is done: what comes next wakes its conversation, time wakes all.
            self._awake.clear()
        return found

    def _take_ready(self, effects: Effects) -> None:
        """Move steps that are ready into ``effects``, up to one that must be stored alone."""
        while self._ready:
            if self._ready[0].alone and not effects.empty:
                return
            effects.follow(self._ready.popleft())
            if effects.alone:
                return

    def _read_inbox(self, effects: Effects) -> None:
        item = self._inbox.popleft()
        self._inbox_seq = item.seq
        effects.meta["inbox"] = encode((item.seq,))
        self.membership.inbox(effects, item)
        effects.frames.append(api.AckInbox(item.seq))

    def _read(self, effects: Effects, now: int) -> bool:
        """Read what has come for the groups, up to a commit; says whether a line moved."""
        moved = False
        for group_id, conversation in self.awake():
            before = conversation.state.head.position
            stored = conversation.read(effects, now, self._next_message)
            self._next_message += stored
            self.membership.merged(effects, conversation)
            position = conversation.state.head.position
            if position > before:
                effects.frames.append(api.Ack(group_id, position))
                moved = True
            if conversation.incoming.starved and not conversation.stopped:
                conversation.incoming.asked()
                self.follow(group_id, position)
            if effects.alone:
                break
        return moved or effects.alone

    def _write(self, effects: Effects, now: int) -> None:
        if not self.online:
            return
        for _, conversation in self.awake():
            conversation.hold_back(effects)
            while conversation.drafts:
                number = self._next_outgoing
                if not conversation.send(effects, self.engine.sign, now, self.fresh(), number):
                    break
                self._next_outgoing += 1
                self._outbox.put(effects.outgoing[-1])

    def _prepare(self, effects: Effects, now: int) -> bool:
        """Make one KeyPackage if some are wanted; its secret half is stored before it leaves."""
        if not self.online or not (self._wanted or self._made or self._made_last_resort):
            return False
        if self._wanted:
            last_resort = self._wanted.popleft()
            package, written = self.engine.key_package(now, last_resort)
            effects.take(written)
            if last_resort:
                self._made_last_resort = package
            else:
                self._made.append(package)
            return True
        single, last = self._made, self._made_last_resort
        self._made, self._made_last_resort = [], None
        self._publishing = True

        def answer(done: Effects, frame: api.ProviderFrame, _now: int) -> None:
            self._publishing = False
            if last is not None and isinstance(frame, api.Done):
                self._last_resort = now
                done.meta["last_resort"] = encode((now,))

        self.request(lambda number: api.PutKeyPackages(number, single, last), answer)
        return False


def read_line(data: bytes) -> tuple[int, bytes]:
    """Read a stored device line; raises ``WireError``."""
    fields = Fields.of(data, "device line", 2)
    return fields.uint(), fields.digest()
