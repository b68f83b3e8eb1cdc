"""What a client tells its person; knows no protocol step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message that passed every check and is stored."""

    group_id: bytes
    message: int
    account: str
    device: bytes
    content: bytes = field(repr=False)
    time: int


@dataclass(frozen=True, slots=True)
class MessageSent:
    """The provider has stored an own message and said so in a signed receipt."""

    group_id: bytes
    message: int
    position: int
    time: int


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody invites this device into a conversation under a policy not accepted yet."""

    group_id: bytes
    policy: bytes
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """This device is now in a conversation."""

    group_id: bytes
    policy: bytes
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyProposed:
    """A commit puts the conversation under another policy; nothing moves until it is accepted."""

    group_id: bytes
    policy: bytes


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """The conversation stands under another policy, which this device's person has accepted."""

    group_id: bytes
    policy: bytes


@dataclass(frozen=True, slots=True)
class MembersChanged:
    """A commit was merged: who is in the conversation, in which epoch."""

    group_id: bytes
    epoch: int
    accounts: tuple[str, ...]
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """Something the person asked for did not happen; ``message`` names the message, if one."""

    group_id: bytes
    rule: str
    text: str
    message: int | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """A check failed on what others or the provider sent; nothing of it was shown."""

    group_id: bytes
    rule: str
    position: int
    text: str


@dataclass(frozen=True, slots=True)
class Reached:
    """What of a person an order reached: a conversation, its first and last slots.

    ``recipient`` is the person the order names, when it reached what that person received.
    """

    group_id: bytes
    recipient: str | None
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class PutOff:
    """A notice was put off until ``until`` (unix seconds), on this ground."""

    until: int
    ground: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What a verified letter says of an order; times are unix seconds.

    ``origin`` and ``index`` say where its leaf stands, ``provider`` whose key logged it.
    ``disclose_by`` is the date that the order had at first; the log shows each time that it was
    put off.
    """

    number: int
    origin: str
    index: int
    policy: bytes
    provider: bytes
    account: str
    named: bool
    authority: str
    countersigner: str
    reference: str
    legal_basis: str
    offence: str
    issued: int
    expires: int
    hold: int
    disclose_by: int
    contest: str
    conversations: tuple[Reached, ...]
    put_off: tuple[PutOff, ...] = ()

    def numbered(self, number: int) -> Notice:
        """Return the same under the number it has on this device."""
        return replace(self, number=number)

    def logged_by(self, provider: bytes) -> Notice:
        """Return the same as logged by a provider's key."""
        return replace(self, provider=provider)


@dataclass(frozen=True, slots=True)
class Standing:
    """What an orders log shows to a person who asks about herself; times are unix seconds.

    The log was read whole to ``size`` entries, which a quorum saw at ``time``: ``checkpoint`` is
    their signed word. ``disclosed`` and ``overdue`` are orders by the index of their leaf, as are
    those whose notice was ``put_off``, ``letters`` those of them of which a letter to this person
    was verified.
    """

    policy: bytes
    origin: str
    size: int
    time: int
    orders: int
    disclosed: tuple[int, ...]
    overdue: tuple[int, ...]
    letters: tuple[int, ...]
    checkpoint: bytes = field(repr=False)
    put_off: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NoticeReceived:
    """A letter about an order that opened messages of this person, verified against its log."""

    group_id: bytes
    notice: Notice


@dataclass(frozen=True, slots=True)
class LogSplit:
    """A log has shown two pasts: to this device one, another to ``device`` of ``account``.

    ``held`` is how many entries this device has read, ``shown`` how many the other was shown. The
    proof is kept, and nothing more is taken from the log ``origin``.
    """

    group_id: bytes
    policy: bytes
    origin: str
    held: int
    shown: int
    account: str
    device: bytes


@dataclass(frozen=True, slots=True)
class LogWithheld:
    """A log does not show this device what it signed for ``device`` of ``account`` long ago.

    ``held`` is how many entries it shows, ``shown`` how many the other was shown.
    """

    group_id: bytes
    policy: bytes
    origin: str
    held: int
    shown: int
    account: str
    device: bytes


@dataclass(frozen=True, slots=True)
class Alarm:
    """What stands against a log on this device: rule ``log.split`` or ``log.withheld``.

    Sizes and peer as in the events; ``evidence`` is the proof of a split view, empty otherwise.
    """

    rule: str
    policy: bytes
    origin: str
    held: int
    shown: int
    account: str
    device: bytes
    evidence: bytes = field(repr=False)


Event: TypeAlias = (
    MessageReceived
    | MessageSent
    | Invited
    | Joined
    | PolicyProposed
    | PolicyChanged
    | MembersChanged
    | Failed
    | Warned
    | NoticeReceived
    | LogSplit
    | LogWithheld
)
