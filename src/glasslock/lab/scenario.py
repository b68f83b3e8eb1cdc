"""What an attack is: who holds what, what is tried, and what is expected before anything runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from glasslock.lab.evidence import Evidence
from glasslock.lab.founding import USUAL, Plan
from glasslock.lab.world import World


class Actor(StrEnum):
    """Whose part the attacker has taken over."""

    SERVER = "server"
    NETWORK = "network"
    SENDER = "sender"
    MEMBER = "member"
    KEYHOLDER = "keyholder"
    QUORUM = "quorum"
    DESK = "desk"
    AUTHORITY = "authority"
    LOG = "log"
    WITNESS = "witness"
    DEVICE = "device"
    ADMIN = "admin"


class Outcome(StrEnum):
    """How an attack ends, judged by evidence."""

    NOTHING = "gains nothing"
    REFUSED = "refused"
    NAMED = "named"
    SUCCEEDS = "succeeds, as stated"
    VOID = "proves nothing"


@dataclass(frozen=True)
class Expected:
    """The only end that the lab accepts.

    ``gains`` are labels of planted words that the attacker must have in the end, no more and no
    less; ``marks`` are the lines that disks and logs must show of the attack.
    """

    outcome: Outcome
    says: str
    gains: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


Attack = Callable[[World, Random], Awaitable[Evidence]]


@dataclass(frozen=True)
class Scenario:
    """One attack; ``number`` is its place in the list of adversaries in docs/attacks.md."""

    id: str
    number: int
    actor: Actor
    holds: str
    tries: str
    expected: Expected
    attack: Attack
    plan: Plan = USUAL
