"""A keyholder's part in drills: it answers by itself, once, and never for what a drill is not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from glasslock.errors import StateError, TransportError
from glasslock.keyholder.drill import DrillFacts, answers_due, rows, secrets_due, start
from glasslock.keyholder.period import OwnKey
from glasslock.sealing.drill import DrillBook, MadeDrill, State
from glasslock.wire.drill import DrillAnswer, Drilled, DrillSecret, encode_drill
from tests.unit.desk.world import secret
from tests.unit.keyholder.test_period import DAY, NOW, TODAY, Log, actors

LOG = Log()
EVERYBODY = actors(((2, 3), (2, 3)))
for step in range(5):
    for actor in EVERYBODY:
        actor.act(LOG, NOW + step)
POLICY = EVERYBODY[0].policy
D = TODAY + 2
BEGIN = D * DAY + 100


class Away:
    """A vault whose token is not there."""

    def wrap(self, plain: bytes, about: bytes) -> bytes:
        raise TransportError(f"no token: {len(plain)} {len(about)}")

    def unwrap(self, kept: bytes, about: bytes) -> bytes:
        raise TransportError(f"no token: {len(kept)} {len(about)}")


@dataclass
class Board:
    """A log of drills, as six keyholders see it."""

    book: DrillBook = field(default_factory=DrillBook)
    entries: list[bytes] = field(default_factory=list)
    secrets: dict[int, dict[bytes, bytes]] = field(default_factory=dict)

    def add(self, *records: Drilled, time: int = BEGIN) -> None:
        for record in records:
            entry = encode_drill(record)
            self.book.add(entry, 1_000 + len(self.entries), time)
            self.entries.append(entry)

    def facts(self, seat: int, **changes: object) -> DrillFacts:
        facts = DrillFacts(
            EVERYBODY[seat].seated,
            LOG.book,
            self.book,
            EVERYBODY[seat].own,
            frozenset(),
            self.secrets.get(seat, {}),
            lambda entry: entry in self.entries,
        )
        return replace(facts, **changes)  # type: ignore[arg-type]

    def start(self, seat: int, number: int = 0) -> MadeDrill:
        fresh = secret("nonce", seat, number) + secret("seed", seat, number)
        made = start(self.facts(seat), D, DAY, fresh, BEGIN)
        self.secrets.setdefault(seat, {})[made.record.context] = made.secret
        return made

    def answers(self, seat: int, now: int = BEGIN, **changes: object) -> list[DrillAnswer]:
        return list(answers_due(self.facts(seat, **changes), now))

    def shown(self, seat: int, now: int = BEGIN) -> list[DrillSecret]:
        return list(secrets_due(self.facts(seat), now))

    def states(self, now: int = BEGIN) -> list[State]:
        (drill,) = self.book.of(POLICY, LOG.book)
        return list(self.book.result(drill, now).seats)


def test_all_answer_and_the_maker_shows_its_secret_at_the_end() -> None:
    board = Board()
    made = board.start(0)
    board.add(made.record, *made.parts)
    assert board.answers(0) == []
    for seat in range(1, 6):
        assert board.shown(0) == []
        (answer,) = board.answers(seat)
        board.add(answer)
        assert board.answers(seat) == []
    assert board.states() == [State.MAKER, *[State.PASSED] * 5]
    (shown,) = board.shown(0)
    board.add(shown)
    assert (board.shown(0), board.shown(1)) == ([], [])
    assert {row.state for row in rows(board.facts(3), BEGIN)} == {"maker", "passed"}
    assert {row.making for row in rows(board.facts(3), BEGIN)} == {"made right"}


def test_the_secret_waits_for_the_date_when_one_is_silent() -> None:
    board = Board()
    made = board.start(0)
    board.add(made.record, *made.parts)
    for seat in range(1, 5):
        board.add(*board.answers(seat))
    assert board.shown(0, BEGIN + DAY) == []
    (shown,) = board.shown(0, BEGIN + DAY + 1)
    board.add(shown, time=BEGIN + DAY + 1)
    assert board.states(BEGIN + DAY + 1)[5] is State.SILENT
    # And now it is too late for it: who has read the secret could give any share.
    assert board.answers(5, BEGIN + DAY) == []


def test_a_lost_key_is_said_and_one_out_of_reach_is_not() -> None:
    board = Board()
    made = board.start(0)
    board.add(made.record, *made.parts)
    (lost,) = board.answers(1, keys={})
    assert lost.share is None
    gone = {k: replace(key, seed=None) for k, key in EVERYBODY[2].own.items()}
    (destroyed,) = board.answers(2, keys=gone)
    other = {k: replace(key, seed=secret("another")) for k, key in EVERYBODY[3].own.items()}
    (broken,) = board.answers(3, keys=other)
    board.add(lost, destroyed, broken)
    assert board.states()[1:4] == [State.FAILED] * 3
    token = {k: OwnKey(key.record, key.seed, Away()) for k, key in EVERYBODY[4].own.items()}
    with pytest.raises(TransportError):
        board.answers(4, keys=token)


def test_nothing_is_said_before_the_own_part_is_there_nor_after_the_date() -> None:
    board = Board()
    made = board.start(0)
    board.add(made.record)
    assert board.answers(1) == []
    board.add(replace(made.parts[1], enc=made.parts[1].enc[::-1]))
    assert board.answers(1) == []
    board.add(*made.parts)
    assert board.answers(1, BEGIN + DAY + 1) == []
    assert board.answers(1, answered={made.record.context}) == []
    assert len(board.answers(1)) == 1


def test_one_maker_has_two_drills_a_day_answered() -> None:
    board = Board()
    for number in range(4):
        made = board.start(0, number)
        board.add(made.record, *made.parts)
    other = board.start(2)
    board.add(other.record, *other.parts)
    assert [a.context for a in board.answers(1)][2:] == [other.record.context]
    assert len(board.answers(1)) == 3


def test_a_drill_gives_time_enough_and_not_too_much() -> None:
    facts = Board().facts(0)
    for day, seconds, rule in (
        (D, DAY // 13, "drill.seconds"),
        (D, 7 * DAY + 1, "drill.seconds"),
        (D + 1, DAY, "drill.day-to-come"),
    ):
        with pytest.raises(StateError) as caught:
            start(facts, day, seconds, bytes(64), BEGIN)
        assert caught.value.rule == rule
