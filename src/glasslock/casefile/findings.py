"""What an opening found: messages, gaps by position, keyholders that did not keep their word.

Values only; knows no proof and no key.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from glasslock.orders.proportion import ReachedSlot


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a conversation, a position in its line, and whose slot it is in."""

    group_id: bytes
    position: int | None = None
    account: str | None = None
    tau: int | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was granted and is not there, or not as it must be, and the rule it broke."""

    place: Place
    rule: str
    says: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What a keyholder's release did wrong; ``slot`` is Hh, None for the release as a whole.

    ``release`` is then the release's number among those that came.
    """

    seat: int
    keyholder: str
    rule: str
    says: str
    slot: bytes | None = None
    release: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """An opened message with everything that proves it.

    ``entry`` is D, ``header`` the message header's bytes, ``signature`` the sender's over header,
    content and ``carried`` (what message 0 may carry of the logs) by ``signer``; ``receipt`` is
    None where the provider's did not hold.
    """

    place: Place
    time: int
    device: bytes
    slot: bytes
    m: int
    content: bytes = field(repr=False)
    entry: bytes
    header: bytes
    signature: bytes
    signer: bytes
    receipt: bytes | None
    carried: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Opening:
    """Everything that one opening gave, in order of conversations and positions.

    ``unproven`` is no gap: it says where only the provider's word stands for there being no more.
    ``keys`` are the slot keys W by Hh: each opens its slot, all of which was granted, and no other.
    ``reach`` is what was granted, found and handed over, opened or not.
    """

    messages: tuple[Message, ...]
    gaps: tuple[Gap, ...]
    unproven: tuple[Gap, ...]
    faults: tuple[Fault, ...]
    slots: int
    opened_slots: int
    released: tuple[int, ...]
    keys: dict[bytes, bytes] = field(default_factory=dict, repr=False)
    reach: tuple[ReachedSlot, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.gaps


def in_order(gaps: list[Gap]) -> tuple[Gap, ...]:
    """Return gaps by conversation and position, each once."""
    return tuple(
        sorted(
            dict.fromkeys(gaps),
            key=lambda gap: (
                gap.place.group_id,
                gap.place.position or 0,
                gap.rule,
                gap.place.account or "",
                gap.place.tau or 0,
                gap.says,
            ),
        )
    )
