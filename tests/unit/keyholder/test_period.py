"""Period keys: published, proven and destroyed in time, in a log that is a list."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasslock.errors import StateError
from glasslock.keyholder.period import (
    Coins,
    Known,
    OwnKey,
    Work,
    make_challenge,
    make_end,
    make_key,
    work_due,
)
from glasslock.keyholder.seat import Seated
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.roster import SeatsVacant
from glasslock.wire.policy import MAX_PERIOD_DAYS, Policy
from glasslock.wire.record import ProofRecord, Record, encode_record
from tests.unit.desk.world import make_policy, seat_key, secret

SHAPE = ((2, 2), (2, 2))
DAY = 96 * 900
TODAY = 20_000
NOW = TODAY * DAY


@dataclass
class Log:
    """Entries with their times, as every reader sees them."""

    book: PolicyBook = field(default_factory=PolicyBook)
    entries: list[bytes] = field(default_factory=list)

    def add(self, record: Record, time: int) -> None:
        entry = encode_record(record)
        if entry not in self.entries:
            self.book.add(entry, len(self.entries), time)
            self.entries.append(entry)


@dataclass
class Actor:
    """A keyholder without a disk."""

    policy: Policy
    seat: int
    ahead_days: int = 3
    period_days: int = 7
    own: dict[bytes, OwnKey] = field(default_factory=dict)
    coins: dict[bytes, Coins] = field(default_factory=dict)

    @property
    def seated(self) -> Seated:
        return Seated.of(self.policy, f"keyholder-{self.seat}", seat_key(self.seat))

    def due(self, log: Log, now: int) -> Work:
        known = Known(
            self.seated,
            log.book,
            self.own,
            self.coins,
            lambda entry: entry in log.entries,
            self.ahead_days,
            self.period_days,
        )
        return work_due(known, now)

    def act(self, log: Log, now: int, late: int = 0) -> Work:
        """Do what is due; the log shows it ``late`` seconds later."""
        work = self.due(log, now)
        for end in work.ends:
            self.own[end.key_id] = replace(self.own[end.key_id], seed=None)
            log.add(end, now + late)
        for key_id in work.late:
            self.own[key_id] = replace(self.own[key_id], seed=None)
        if work.make is not None:
            seed = secret("seed", self.seat, work.make, len(self.own))
            key = make_key(self.seated, seed, work.make, self.period_days)
            self.own[key.key_id] = key
            log.add(key.record, now + late)
        for record in work.keys:
            made, proof = make_challenge(self.seated, record, secret("c", record.key_id) * 2)
            self.coins[made.key_id] = made
            log.add(proof, now + late)
        for proof in work.proofs:
            log.add(proof, now + late)
        return work


def actors(shape: tuple[tuple[int, int], ...] = SHAPE, **settings: int) -> list[Actor]:
    policy = make_policy(shape)
    return [Actor(policy, seat, **settings) for seat in range(sum(n for _, n in shape))]


def vetted(log: Log, policy: Policy) -> list[tuple[int, int, int]]:
    return [(k.seat, k.record.first_day, k.record.last_day) for k in log.book.vetted(policy)]


def test_four_keyholders_fill_the_roster_by_themselves() -> None:
    log, everybody = Log(), actors()
    for step in range(5):
        for actor in everybody:
            actor.act(log, NOW + step)
    policy = everybody[0].policy
    assert sorted(vetted(log, policy)) == [(n, TODAY + 2, TODAY + 8) for n in range(4)]
    roster = log.book.rosters(policy, TODAY + 2, NOW + 2 * DAY)[0]
    assert None not in roster.seats
    assert len(log.entries) == 4 + 3 * 4 * 3
    assert not any(actor.act(log, NOW + 9).keys for actor in everybody)


def test_every_day_is_covered_for_weeks_and_no_key_outlives_its_time() -> None:
    log, everybody = Log(), actors()
    policy = everybody[0].policy
    assert policy.access is not None
    for hour in range(45 * 4):
        now = NOW + hour * DAY // 4
        for actor in everybody:
            actor.act(log, now)
            for key in actor.own.values():
                end = (key.record.last_day + 1 + policy.access.limits.retention_days) * DAY
                assert (key.seed is None) == (now >= end)
    for day in range(TODAY + 2, TODAY + 45):
        roster = log.book.rosters(policy, day, day * DAY)[0]
        assert None not in roster.seats
    assert {end.record.kind for end in log.book.ends} == {"destroyed"}
    ended = [end.record.key_id for end in log.book.ends]
    assert len(ended) == len(set(ended)) > 0


@settings(max_examples=40, deadline=None)
@given(
    ahead=st.integers(0, 6),
    days=st.integers(1, MAX_PERIOD_DAYS),
    hours=st.lists(st.integers(0, 40), min_size=4, max_size=14),
    late=st.integers(0, DAY),
)
def test_whatever_is_published_keeps_the_rules(
    ahead: int, days: int, hours: list[int], late: int
) -> None:
    """At any pace of clock and log: in time when written, whole days, no day published twice."""
    log, actor = Log(), Actor(make_policy(SHAPE), 1, ahead, days)
    now, made = NOW, []
    for pause in hours:
        now += pause * 3_600
        work = actor.due(log, now)
        if work.make is not None:
            at = max(now, log.book.time)
            assert at < (work.make - 1) * DAY
            made.append((at, work.make))
        actor.act(log, now, late)
    for key in actor.own.values():
        assert 0 <= key.record.last_day - key.record.first_day < MAX_PERIOD_DAYS
    usable = [
        k.record
        for k in log.book.keys
        if k.time < (k.record.first_day - 1) * DAY and actor.own[k.record.key_id].seed is not None
    ]
    for one, other in itertools.combinations(usable, 2):
        # Only where the first could no longer be proven does a second serve the same days.
        if one.first_day <= other.last_day and other.first_day <= one.last_day:
            assert max(one.first_day, other.first_day) > TODAY + 2


def filled(log: Log, policy: Policy, day: int) -> list[int]:
    """Return the seats that have a key on ``day``."""
    roster = log.book.rosters(policy, day, day * DAY)[0]
    return [number for number, seat in enumerate(roster.seats) if seat is not None]


def test_one_is_away_for_three_periods_and_comes_back() -> None:
    log, everybody = Log(), actors(((2, 3), (3, 5)))
    policy, gone = everybody[0].policy, 5
    for hour in range(55 * 4):
        now = NOW + hour * DAY // 4
        for actor in everybody:
            if actor.seat != gone or not 10 <= hour // 4 < 31:
                actor.act(log, now)
    others = [0, 1, 2, 3, 4, 6, 7]
    for day in range(TODAY + 2, TODAY + 53):
        # Its next key was due when it was away; the one that it makes when it is back serves at 33.
        away = TODAY + 16 <= day < TODAY + 33
        assert filled(log, policy, day) == (others if away else [*range(8)])
        log.book.rosters(policy, day, day * DAY)[0].check_sendable()


@pytest.mark.parametrize("gone", [{0}, {3, 7}, {2, 4, 5}])
def test_a_loss_that_an_order_survives_keeps_the_periods_rolling(gone: set[int]) -> None:
    """All of n - t in every class, for ever: the others' keys are proven all the same."""
    log, everybody = Log(), actors(((2, 3), (3, 5)))
    policy = everybody[0].policy
    for hour in range(30 * 4):
        for actor in everybody:
            if actor.seat not in gone or hour < 4:
                actor.act(log, NOW + hour * DAY // 4)
    assert filled(log, policy, TODAY + 2) == [*range(8)]
    rest = sorted(set(range(8)) - gone)
    for day in range(TODAY + 9, TODAY + 30):
        assert filled(log, policy, day) == rest
        log.book.rosters(policy, day, day * DAY)[0].check_sendable()


def test_a_class_below_its_threshold_stops_all_until_it_is_back() -> None:
    """Two of a 2 of 3: nobody's next key is proven, nothing can be sealed, and nothing is lost."""
    log, everybody = Log(), actors(((2, 3), (3, 5)))
    policy = everybody[0].policy
    for hour in range(40 * 4):
        for actor in everybody:
            if actor.seat not in {0, 1} or not 4 <= hour < 20 * 4:
                actor.act(log, NOW + hour * DAY // 4)
    assert filled(log, policy, TODAY + 8) == [*range(8)]
    for day in range(TODAY + 9, TODAY + 21):
        assert filled(log, policy, day) == []
        with pytest.raises(SeatsVacant) as caught:
            log.book.rosters(policy, day, day * DAY)[0].check_sendable()
        assert caught.value.rule == "roster.threshold"
    assert filled(log, policy, TODAY + 23) == [*range(8)]


def test_a_key_that_the_log_took_too_late_is_replaced() -> None:
    log, actor = Log(), Actor(make_policy(SHAPE), 0)
    assert actor.act(log, NOW, late=DAY).make == TODAY + 2
    assert actor.act(log, NOW + DAY + 1).make == TODAY + 3


def test_a_key_that_was_never_logged_is_dropped_without_a_word() -> None:
    log, actor = Log(), Actor(make_policy(SHAPE), 0)
    key = make_key(actor.seated, secret("s"), TODAY + 2, 7)
    actor.own[key.key_id] = key
    assert actor.due(log, NOW).late == ()
    assert actor.due(log, NOW).make is None
    work = actor.due(log, NOW + DAY)
    assert (work.late, work.ends, work.make) == ((key.key_id,), (), TODAY + 3)


def test_the_end_of_a_day_is_too_short_for_a_key_of_the_day_after_the_next() -> None:
    log, actor = Log(), Actor(make_policy(SHAPE), 0)
    assert actor.due(log, NOW + DAY - 60).make == TODAY + 3


def test_coins_are_shown_only_after_the_right_answer() -> None:
    log, everybody = Log(), actors()
    owner, asker = everybody[0], everybody[1]
    owner.act(log, NOW)
    asker.act(log, NOW)
    key_id = next(iter(owner.own))
    assert steps_of(asker, log) == []
    coins = asker.coins[key_id]
    for forged in (
        ProofRecord("answer", key_id, asker.seated.name, bytes(32)),
        ProofRecord("answer", key_id, asker.seated.name, secret("guess")),
    ):
        log.add(forged, NOW + 1)
    assert steps_of(asker, log) == []
    assert coins.coins not in b"".join(log.entries)
    owner.act(log, NOW + 2)
    assert steps_of(asker, log) == ["reveal"]


def steps_of(actor: Actor, log: Log) -> list[str]:
    return [p.step for p in actor.due(log, NOW + 3).proofs if p.step == "reveal"]


def test_nothing_is_answered_about_a_key_in_use() -> None:
    """What is encapsulated to it then seals shares."""
    log, everybody = Log(), actors()
    everybody[0].act(log, NOW)
    everybody[1].act(log, NOW)
    assert len(everybody[0].due(log, NOW + 2 * DAY - 1).proofs) == 1
    assert everybody[0].due(log, NOW + 2 * DAY).proofs == ()


def test_who_asks_again_and_again_is_not_answered_for_ever() -> None:
    log, everybody = Log(), actors()
    owner, asker = everybody[0], everybody[1]
    owner.act(log, NOW)
    record = next(iter(owner.own.values())).record
    for number in range(6):
        _, proof = make_challenge(asker.seated, record, secret("again", number) * 2)
        log.add(proof, NOW)
    assert len(owner.due(log, NOW).proofs) == 3


def test_challenges_of_strangers_are_not_answered() -> None:
    log, everybody = Log(), actors()
    everybody[0].act(log, NOW)
    record = next(iter(everybody[0].own.values())).record
    stranger = Actor(make_policy(SHAPE), 1)
    _, proof = make_challenge(stranger.seated, record, secret("x") * 2)
    log.add(replace(proof, signature=bytes(64)), NOW)
    assert everybody[0].due(log, NOW).proofs == ()


def test_a_key_ended_early_is_replaced_and_counts_no_more() -> None:
    log, everybody = Log(), actors()
    for step in range(5):
        for actor in everybody:
            actor.act(log, NOW + step)
    owner = everybody[0]
    key_id = next(iter(owner.own))
    log.add(make_end(owner.seated, key_id, NOW + 9), NOW + 9)
    owner.own[key_id] = replace(owner.own[key_id], seed=None)
    roster = log.book.rosters(owner.policy, TODAY + 2, NOW + 2 * DAY)[0]
    assert roster.seats[0] is None
    assert owner.due(log, NOW + 10).make == TODAY + 2


def test_a_log_that_stands_still_keeps_no_key_alive() -> None:
    log, actor = Log(), Actor(make_policy(SHAPE), 0)
    actor.act(log, NOW)
    assert len(actor.due(log, NOW + 40 * DAY).ends) == 1
    log.book.seen(NOW + 40 * DAY)
    assert len(actor.due(log, NOW).ends) == 1


@pytest.mark.parametrize("days", [0, 8])
def test_a_key_serves_one_to_seven_days(days: int) -> None:
    with pytest.raises(StateError):
        make_key(Actor(make_policy(SHAPE), 0).seated, bytes(32), TODAY, days)


def test_a_seat_is_taken_by_who_has_its_key() -> None:
    policy = make_policy(SHAPE)
    for name, key in (("keyholder-9", seat_key(0)), ("keyholder-0", seat_key(1))):
        with pytest.raises(StateError):
            Seated.of(policy, name, key)
