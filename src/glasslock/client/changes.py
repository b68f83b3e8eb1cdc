"""What one step of a session must write, send and tell, in that order; knows no store."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final

from glasslock.client.events import Event
from glasslock.client.state import GroupState
from glasslock.errors import GlasslockError
from glasslock.mls import WriteSet
from glasslock.tlog.follow import Replica
from glasslock.wire.api import DeviceFrame

AGREED: Final = "agreed"
SPLIT: Final = "split"
WITHHELD: Final = "withheld"

Row = tuple[bytes, bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message row to insert; ``number`` is its id on this device."""

    number: int
    group_id: bytes
    state: str
    account: str
    device: bytes
    content: bytes = field(repr=False)
    time: int
    position: int | None = None
    digest: bytes | None = None
    audience: bytes | None = None


@dataclass(frozen=True, slots=True)
class MessageState:
    """A change of a message row."""

    number: int
    state: str
    time: int | None = None
    position: int | None = None
    digest: bytes | None = None
    audience: bytes | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Bytes that must reach the provider: stored before they leave, kept until the verdict."""

    number: int
    group_id: bytes
    digest: bytes
    frame: bytes = field(repr=False)
    message: int | None = None
    place: bytes | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A refused entry: where, why; and for a mismatch what is needed to show it."""

    group_id: bytes
    position: int
    rule: str
    evidence: bytes = b""


@dataclass(frozen=True, slots=True)
class LetterState:
    """What became of a letter: ``verified``, or ``refused`` with the rule that failed."""

    number: int
    state: str
    rule: str


@dataclass(frozen=True, slots=True)
class OrdersRead:
    """How far the orders log of a policy was read, and entries (index, time, bytes) to keep."""

    policy: bytes
    replica: Replica
    entries: list[tuple[int, int, bytes]]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a device carried of a log: a claim that this device has not compared with its own view.

    ``time`` is that of the entry that carried it (unix seconds); ``size`` and ``root`` are those of
    ``note``.
    """

    policy: bytes
    origin: str
    account: str
    device: bytes
    group_id: bytes
    time: int
    size: int
    root: bytes
    note: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Compared:
    """How the comparison of what was heard with a log of ``held`` entries ended.

    ``agreed``; ``split``, with the proof as ``evidence``; or ``withheld``: the log does not show so
    much. What is withheld waits on.
    """

    heard: Heard
    outcome: str
    held: int
    evidence: bytes = field(default=b"", repr=False)


@dataclass
class Effects:
    """One step: first everything is stored in one transaction, then sent, then told.

    ``accepted`` says for (group, policy) whether its person's yes is kept or used up. ``done`` are
    operations that have come to an end, ``commands`` those whose last step this is.
    """

    rows: list[Row] = field(default_factory=list)
    written: list[WriteSet] = field(default_factory=list)
    states: dict[bytes, GroupState | None] = field(default_factory=dict)
    heads: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    messages: list[NewMessage] = field(default_factory=list)
    message_states: list[MessageState] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    accepted: dict[tuple[bytes, bytes], bool] = field(default_factory=dict)
    invitations: dict[bytes, bytes | None] = field(default_factory=dict)
    meta: dict[str, bytes] = field(default_factory=dict)
    letters: list[bytes] = field(default_factory=list)
    letter_states: list[LetterState] = field(default_factory=list)
    orders_read: list[OrdersRead] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)
    frames: list[DeviceFrame] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    done: list[tuple[int, GlasslockError | None]] = field(default_factory=list)
    commands: list[int] = field(default_factory=list)

    def take(self, written: WriteSet) -> None:
        """Add the engine's rows; the shell confirms them after the transaction."""
        self.rows.extend(written.rows)
        self.written.append(written)

    @property
    def stores(self) -> bool:
        """Whether there is anything to write."""
        return bool(
            self.rows
            or self.states
            or self.heads
            or self.messages
            or self.message_states
            or self.outgoing
            or self.settled
            or self.records
            or self.accepted
            or self.invitations
            or self.meta
            or self.letters
            or self.letter_states
            or self.orders_read
            or self.heard
            or self.compared
        )

    @property
    def alone(self) -> bool:
        """Whether this step must be stored before anything else is worked out.

        The engine waits for its rows, and what a group leaves behind must not meet what follows.
        """
        return bool(self.written or None in self.states.values())

    def follow(self, later: Effects) -> None:
        """Add a ``later`` step to this one; neither may be ``alone``."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(later, each.name)
            if isinstance(mine, list):
                mine.extend(theirs)
            else:
                mine.update(theirs)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do at all."""
        return not (self.stores or self.frames or self.events or self.done or self.commands)
