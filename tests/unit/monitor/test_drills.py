"""A monitor says of each keyholder how its last drill went, and when it is due for another."""

from __future__ import annotations

from dataclasses import replace

from glasslock.monitor.drills import Drilled, drilled
from glasslock.monitor.replay import POLICY as POLICY_LOG
from glasslock.monitor.report import report
from glasslock.sealing.drill import DRILL_DAYS
from glasslock.wire.drill import Drilled as Records
from glasslock.wire.drill import encode_drill
from glasslock.wire.labels import Label
from glasslock.wire.policy import SignedPolicy
from glasslock.wire.record import PolicyRecord, encode_record
from tests.unit.desk.world import seat_key
from tests.unit.sealing import test_drill as scene
from tests.unit.sealing.test_drill import BEGIN, BY, DAY, LOG, NOW, POLICY

SIGNED = SignedPolicy(
    POLICY, tuple(seat_key(n).sign(Label.SIGN_POLICY, POLICY.document) for n in range(6))
)
BEFORE = [(0, NOW, encode_record(PolicyRecord(SIGNED)))]
BEFORE += [(1 + n, NOW, entry) for n, entry in enumerate(LOG.entries)]
Steps = tuple[tuple[int, Records], ...]


def told(steps: Steps, time: int) -> Drilled:
    entries = [(len(BEFORE) + n, at, encode_drill(each)) for n, (at, each) in enumerate(steps)]
    facts = report([*BEFORE, *entries], time)
    assert (facts.kind, facts.facts["invalid"]) == (POLICY_LOG, 0)
    return drilled("log.test/p", [*BEFORE, *entries], time)


def steps(*seats: int) -> Steps:
    """A drill by seat 0 with the answers of ``seats``, and its secret in the end."""
    made, board = scene.made(), scene.board()
    answers = [(BEGIN + 60, scene.right(board, seat)) for seat in seats]
    shown = scene.shown(made.record.context, made.secret)
    return ((BEGIN, made.record), *((BEGIN, p) for p in made.parts), *answers, (BY + 1, shown))


def rules(found: Drilled) -> list[tuple[str, str]]:
    return [(each.rule, each.text.partition(" ")[0]) for each in found.findings]


def test_who_passed_and_who_did_not() -> None:
    found = told(steps(1, 2, 4), BY + 2)
    assert [row["last"] for row in found.rows] == ["", "passed", "passed", "silent", "passed", ""]
    assert [row["passed"] for row in found.rows][1:3] == [BEGIN + 60] * 2
    assert [row["key_today"] for row in found.rows] == [True] * 5 + [False]
    assert rules(found) == [("drill.silent", "keyholder-3")]


def test_a_lost_key_is_told_until_a_later_drill_is_passed() -> None:
    made = scene.made()
    none = scene.answer(1, None, made.record.context)
    first = tuple(s for s in steps(2, 3, 4) if s[0] <= BY)
    failed = told((*first, (BEGIN + 60, none)), BEGIN + 120)
    assert rules(failed) == [("drill.failed", "keyholder-1")]
    later = scene.made(2, fresh=bytes(64), by=BY + 9)
    board = scene.board(later)
    answers = [(BEGIN + 200, scene.right(board, seat)) for seat in (0, 1, 3, 4)]
    after = ((BEGIN + 150, later.record), *((BEGIN + 150, p) for p in later.parts), *answers)
    found = told((*first, (BEGIN + 60, none), *after), BEGIN + 300)
    assert rules(found) == []
    assert [row["last"] for row in found.rows] == ["passed"] * 5 + [""]


def test_a_drill_that_was_made_falsely_blames_its_maker_alone() -> None:
    made = scene.made()
    other = scene.shown(made.record.context, bytes(32))
    none = scene.answer(1, None, made.record.context)
    first = tuple(s for s in steps(2, 3, 4) if s[0] <= BY)
    found = told((*first, (BEGIN + 60, none), (BY + 1, other)), BY + 2)
    assert [rule for rule, _ in rules(found)] == ["drill.false"]
    assert {row["last"] for row in found.rows} == {""}


def test_a_secret_that_is_not_shown_is_told() -> None:
    first = tuple(s for s in steps(1, 2, 3, 4) if s[0] <= BY)
    assert rules(told(first, BY + DAY)) == []
    assert rules(told(first, BY + DAY + 1)) == [("drill.unshown", "keyholder-0")]


def test_who_has_passed_none_for_two_periods_is_overdue() -> None:
    """As long as it has a key: seat 5 never had one, and from the ninth day on nobody has."""
    short = replace(POLICY.clocks)
    assert short.day_seconds == DAY
    late = told(steps(1, 2, 3, 4), BEGIN + 6 * DAY)
    assert not any(row["overdue"] for row in late.rows)
    old = [(index, time - (DRILL_DAYS + 1) * DAY, entry) for index, time, entry in BEFORE]
    found = drilled("log.test/p", [old[0], *BEFORE[1:]], BEGIN)
    assert [row["overdue"] for row in found.rows] == [True] * 5 + [False]
    assert {rule for rule, _ in rules(found)} == {"drill.overdue"}
    over = drilled("log.test/p", BEFORE, BEGIN + 30 * DAY)
    assert rules(over) == []
