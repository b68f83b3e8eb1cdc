"""The verdict: a function of evidence and of what was expected. Asks no attacked code anything."""

from __future__ import annotations

from dataclasses import dataclass

from glasslock.demo.search import Searcher
from glasslock.lab.evidence import Evidence
from glasslock.lab.scenario import Expected, Outcome


@dataclass(frozen=True)
class Verdict:
    """What the evidence shows, and whether that is what was expected."""

    outcome: Outcome
    gains: tuple[str, ...]
    marks: tuple[str, ...]
    failed_controls: tuple[str, ...]
    as_expected: bool


def judge(evidence: Evidence, expected: Expected) -> Verdict:
    """Look for every planted word in what the attacker has, then compare with ``expected``."""
    searchers = {label: Searcher([word]) for label, word in evidence.words.items()}
    gains = tuple(
        label
        for label in sorted(evidence.wanted)
        if any(searchers[label].in_bytes(loot.data, loot.place) for loot in evidence.loot)
    )
    failed = tuple(
        control.claim
        for control in evidence.controls
        if not searchers[control.label].in_bytes(control.data, control.claim)
    )
    marks = tuple(sorted(evidence.refused | evidence.named))
    outcome = _outcome(evidence, gains, failed)
    fits = (outcome, set(gains), set(marks)) == (
        expected.outcome,
        set(expected.gains),
        set(expected.marks),
    )
    return Verdict(outcome, gains, marks, failed, fits)


def _outcome(evidence: Evidence, gains: tuple[str, ...], failed: tuple[str, ...]) -> Outcome:
    if failed or not evidence.controls:
        return Outcome.VOID
    if gains:
        return Outcome.SUCCEEDS
    if evidence.named:
        return Outcome.NAMED
    return Outcome.REFUSED if evidence.refused else Outcome.NOTHING
