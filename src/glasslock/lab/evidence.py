"""What an attack brings home: bytes and lines, no opinions. Knows no party and no verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True)
class Loot:
    """Bytes the attacker has in the end, or that it brought an honest party to take for true."""

    place: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Control:
    """Where the word ``label`` must be found, or the search proves nothing."""

    claim: str
    label: str
    data: bytes = field(repr=False)


@dataclass
class Evidence:
    """Everything that a verdict may rest on.

    ``words`` are random, by label; those ``wanted`` are what the attack is about. ``refused`` and
    ``named`` are lines read off a disk or a log by a reader of its own; ``facts`` are for people
    and change no verdict.
    """

    words: dict[str, str] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)
    loot: list[Loot] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    facts: list[str] = field(default_factory=list)

    def plant(self, rng: Random, label: str) -> str:
        """Draw a word that the attacker wants, or wants others to take for true."""
        self.wanted.add(label)
        return self.sample(rng, label)

    def sample(self, rng: Random, label: str) -> str:
        """Draw a word that serves a control only: it may turn up anywhere."""
        self.words[label] = "planted-" + rng.randbytes(12).hex()
        return self.words[label]

    def take(self, place: str, *data: bytes) -> None:
        """Put ``data`` into the attacker's hands."""
        self.loot += [Loot(place, each) for each in data]

    def control(self, claim: str, label: str, data: Iterable[bytes]) -> None:
        """Say where the word ``label`` must be found by the same search."""
        self.controls.append(Control(claim, label, b"\n".join(data)))

    def fact(self, text: str) -> None:
        """Add a line for people; it must follow from the seed alone."""
        self.facts.append(text)
