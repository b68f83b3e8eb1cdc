"""Numbered steps, each of which holds or does not; knows how to tell them, not what they do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from glasslock.errors import GlasslockError


class StepFailed(GlasslockError):
    """A step of the story did not hold."""

    slug = "step-failed"


@dataclass
class Step:
    """One step: what was claimed, whether it held, and the facts it was judged by."""

    number: int
    chapter: int
    claim: str
    held: bool = False
    seconds: float = 0.0
    facts: list[str] = field(default_factory=list)
    failure: str | None = None

    def fact(self, text: str) -> None:
        """Add one measured fact to be shown under the claim."""
        self.facts.append(text)

    def require(self, holds: object, otherwise: str) -> None:
        """End the step as not held unless ``holds``; raises ``StepFailed``."""
        if not holds:
            raise StepFailed(otherwise)


Act = Callable[[Any, Step], None]


@dataclass
class Story:
    """All steps told so far, printed as they happen to ``out``."""

    out: TextIO
    steps: list[Step] = field(default_factory=list)
    chapter: int = 0
    began: float = field(default_factory=time.monotonic)

    def open_chapter(self, number: int, title: str) -> None:
        """Begin chapter ``number``."""
        self.chapter = number
        self._say(f"\nChapter {number}: {title}")

    @contextmanager
    def step(self, claim: str) -> Iterator[Step]:
        """Tell one step; a Glasslock error inside it means that it did not hold.

        Raises:
            StepFailed: the step did not hold, after it was told: later steps build on it.
        """
        step = Step(len(self.steps) + 1, self.chapter, claim)
        self.steps.append(step)
        start = time.monotonic()
        try:
            yield step
            step.held = True
        except GlasslockError as error:
            step.failure = f"{type(error).__name__}: {error}"
            raise StepFailed(claim) from error
        finally:
            step.seconds = round(time.monotonic() - start, 2)
            self._tell(step)

    def play(self, act: Act, cast: Any) -> None:  # noqa: ANN401 - the story does not know its cast
        """Tell one act as a step; the first line of its docstring is the claim.

        Raises:
            StepFailed: it did not hold.
        """
        claim = (act.__doc__ or "").strip().splitlines()[0]
        with self.step(claim) as step:
            act(cast, step)

    @property
    def held(self) -> int:
        """How many steps held."""
        return sum(step.held for step in self.steps)

    def close(self, total: int) -> None:
        """Print the closing line; ``total`` counts the steps that should have been told."""
        seconds = time.monotonic() - self.began
        self._say(f"\nstory: {self.held} of {total} steps held ({seconds:.1f} s)")

    def write_json(self, path: Path, total: int) -> None:
        """Write what was told to ``path``."""
        report = {
            "steps": [asdict(step) for step in self.steps],
            "held": self.held,
            "total": total,
            "seconds": round(time.monotonic() - self.began, 1),
        }
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")

    def _tell(self, step: Step) -> None:
        mark = "ok " if step.held else "NOT"
        self._say(f"{step.number:3}. {mark} {step.claim}  ({step.seconds:.1f} s)")
        for fact in step.facts:
            self._say(f"         {fact}")
        if step.failure:
            self._say(f"         {step.failure}")

    def _say(self, line: str) -> None:
        self.out.write(line + "\n")
        self.out.flush()
