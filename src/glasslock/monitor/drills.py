"""What the drills in a policy log say of each keyholder: who passed last, who did not, who is due.

Fed with verified entries (index, witnessed time, bytes). Knows no log, no proof and no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from glasslock.monitor.findings import AMISS, Finding, moment
from glasslock.monitor.replay import Entries
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.drill import DRILL_DAYS, Drill, DrillBook, Making, State
from glasslock.sealing.roster import Logged
from glasslock.wire.policy import Policy
from glasslock.wire.record import PolicyRecord

# What a drill has settled about a seat: any other state says that it was not asked, or not yet.
_SETTLED = frozenset({State.PASSED, State.FAILED, State.LATE, State.SILENT})


@dataclass
class _Seat:
    """What is known of one seat: its newest settled state, the drill of it, the last pass."""

    state: State | None = None
    drill: Drill | None = None
    passed: int | None = None
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Drilled:
    """One row for each seat of each policy, and what is amiss."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def drilled(log: str, entries: Entries, time: int) -> Drilled:
    """Return what the drills of the policy log ``log`` say, seen whole at ``time``."""
    book, drills = PolicyBook(), DrillBook()
    for index, when, entry in entries:
        book.add(entry, index, when)
        drills.add(entry, index, when)
    book.seen(time)
    found = Drilled()
    for logged in book.policies.values():
        _policy(found, log, logged, book, drills)
    return found


def _policy(
    found: Drilled, log: str, logged: Logged[PolicyRecord], book: PolicyBook, drills: DrillBook
) -> None:
    policy = logged.record.signed.policy
    if policy.access is None:
        return
    seats = [_Seat() for _ in policy.access.seats]
    for drill in drills.of(policy, book):
        found.findings.extend(_making(log, policy, drill, drills, book.time))
        result = drills.result(drill, book.time)
        if result.making is Making.FALSE:
            continue
        for number, state in enumerate(result.seats):
            if state in _SETTLED:
                _settle(seats[number], drill, state, drills, number)
    today = book.time // policy.clocks.day_seconds
    served = book.rosters(policy, today, book.time)[0].seats
    due = book.time - DRILL_DAYS * policy.clocks.day_seconds
    for number, (seat, known) in enumerate(zip(policy.access.seats, seats, strict=True)):
        # A policy under which nobody has a key any more is over.
        late = (known.passed or logged.time) < due and served[number] is not None
        row = {
            "policy": policy.name,
            "keyholder": seat.keyholder,
            "legal_person": seat.legal_person,
            "key_today": served[number] is not None,
            "asked": known.asked,
            "last": "" if known.state is None else known.state.value,
            "passed": known.passed,
            "overdue": late,
        }
        found.rows.append(row)
        found.findings.extend(_about(log, policy, seat.keyholder, known, overdue=late))


def _settle(seat: _Seat, drill: Drill, state: State, drills: DrillBook, number: int) -> None:
    seat.asked += 1
    seat.state, seat.drill = state, drill
    answer = drills.answered(drill, number)
    if state is State.PASSED and answer is not None:
        seat.passed = answer.time


def _about(log: str, policy: Policy, name: str, seat: _Seat, *, overdue: bool) -> Iterator[Finding]:
    if seat.drill is not None and seat.state is not State.PASSED:
        when = moment(seat.drill.time)
        if seat.state is State.FAILED:
            text = f"{name} ({policy.name}) had no working share in the drill of {when}"
            yield Finding(AMISS, "drill.failed", log, text)
        else:
            text = f"{name} ({policy.name}) did not answer the drill of {when} in time"
            yield Finding(AMISS, "drill.silent", log, text)
    if overdue:
        text = f"{name} ({policy.name}) has passed no drill for {DRILL_DAYS} policy days"
        yield Finding(AMISS, "drill.overdue", log, text)


def _making(
    log: str, policy: Policy, drill: Drill, drills: DrillBook, time: int
) -> Iterator[Finding]:
    maker, when = drill.record.keyholder, moment(drill.time)
    making = drills.result(drill, time).making
    if making is Making.FALSE:
        text = f"the drill of {when} was made falsely by {maker} ({policy.name}), and says nothing"
        yield Finding(AMISS, "drill.false", log, text)
    elif making is Making.OPEN and time > drill.record.answer_by + policy.clocks.day_seconds:
        text = f"{maker} ({policy.name}) has not shown what its drill of {when} was made from"
        yield Finding(AMISS, "drill.unshown", log, text)
