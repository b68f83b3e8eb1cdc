"""Whose period key a day's seals go to: published in time, proven to every seat, not ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from glasslock.errors import BadSignature, VerificationError
from glasslock.keyholder.period import make_challenge, make_end
from glasslock.sealing import possession
from glasslock.sealing.roster import (
    REVOCATION_GRACE,
    Logged,
    StaleRoster,
    VettedKey,
    check_roster,
    rosters_in_force,
    vet_key,
    vet_revocation,
)
from glasslock.wire.labels import Label
from glasslock.wire.record import PeriodKeyRecord, ProofRecord
from glasslock.wire.seal import Tier1Header
from tests.unit.keyholder.test_period import DAY, NOW, TODAY, Log, actors

Proofs = list[Logged[ProofRecord]]
RECORD = Label.SIGN_RECORD
EVERYBODY = actors()
POLICY = EVERYBODY[0].policy
LOG = Log()
for step in range(5):
    for actor in EVERYBODY:
        actor.act(LOG, NOW + step)
KEY = next(key for key in LOG.book.keys if key.record.keyholder == "keyholder-0")
PROOFS = [p for p in LOG.book.proofs if p.record.key_id == KEY.record.key_id]
MIDNIGHT = (TODAY + 2) * DAY


def test_a_key_that_every_other_seat_has_proven_is_vetted() -> None:
    assert vet_key(POLICY, KEY, PROOFS).seat == 0
    assert {p.record.step for p in PROOFS} == {"challenge", "answer", "reveal"}


def rule(key: Logged[PeriodKeyRecord], proofs: Proofs) -> str | None:
    with pytest.raises(VerificationError) as caught:
        vet_key(POLICY, key, proofs)
    return caught.value.rule


def _without(kind: str) -> Proofs:
    """All but the one that a seat has to do with: its ``kind`` of step."""
    gone = next(p for p in PROOFS if p.record.step == kind)
    return [p for p in PROOFS if p is not gone]


def _changed(kind: str, change: Callable[[Logged[ProofRecord]], Logged[ProofRecord]]) -> Proofs:
    one = next(p for p in PROOFS if p.record.step == kind)
    return [change(p) if p is one else p for p in PROOFS]


@pytest.mark.parametrize("kind", ["challenge", "answer", "reveal"])
def test_a_step_that_is_missing_forged_or_late_proves_nothing(kind: str) -> None:
    assert rule(KEY, _without(kind)) == "roster.unproven"
    forged = _changed(kind, lambda p: replace(p, record=replace(p.record, signature=bytes(64))))
    assert rule(KEY, forged) == "roster.unproven"
    other = _changed(kind, lambda p: replace(p, record=replace(p.record, data=p.record.data[::-1])))
    assert rule(KEY, other) == "roster.unproven"
    late = _changed(kind, lambda p: replace(p, time=MIDNIGHT))
    assert rule(KEY, late) == "roster.unproven"


def test_the_answer_comes_before_the_coins_are_shown() -> None:
    """Else anybody who sees the coins could answer."""
    shown = next(p for p in PROOFS if p.record.step == "reveal")
    after = [
        replace(p, index=shown.index + 1)
        if (p.record.step, p.record.challenger) == ("answer", shown.record.challenger)
        else p
        for p in PROOFS
    ]
    assert rule(KEY, after) == "roster.unproven"


def test_a_key_is_logged_before_the_day_that_precedes_its_first() -> None:
    assert rule(replace(KEY, time=MIDNIGHT - DAY), PROOFS) == "roster.late"
    vet_key(POLICY, replace(KEY, time=MIDNIGHT - DAY - 1), PROOFS)


def test_a_key_is_its_keyholders_and_of_a_seat() -> None:
    unsigned = replace(KEY, record=replace(KEY.record, signature=bytes(64)))
    with pytest.raises(BadSignature):
        vet_key(POLICY, unsigned, PROOFS)
    stranger = replace(KEY, record=replace(KEY.record, keyholder="keyholder-9"))  # type: ignore[arg-type]
    assert rule(stranger, PROOFS) == "roster.seat"


@pytest.mark.parametrize("absent", [(), (0,), (1, 4), (2, 5), (3, 4), (1, 2), (3, 4, 5)])
def test_owner_and_provers_together_are_a_quorum(absent: tuple[int, ...]) -> None:
    """2 of 3 in both classes: who proves for the owner may be missing where a share may be."""
    log, everybody = Log(), actors(((2, 3), (2, 3)))
    for step in range(5):
        for each in everybody:
            each.act(log, NOW + step)
    policy = everybody[0].policy
    missing = {f"keyholder-{number}" for number in absent}
    for key in log.book.keys:
        owner = key.record.keyholder
        proofs = [
            p
            for p in log.book.proofs
            if p.record.key_id == key.record.key_id and p.record.challenger not in missing
        ]
        there = set(range(6)) - set(absent) | {int(owner[-1])}
        if len(there & {0, 1, 2}) >= 2 and len(there & {3, 4, 5}) >= 2:
            assert vet_key(policy, key, proofs).record.keyholder == owner
            continue
        with pytest.raises(VerificationError) as caught:
            vet_key(policy, key, proofs)
        assert caught.value.rule == "roster.unproven"


def test_no_owner_answers_for_a_copy_of_its_key() -> None:
    """A seat publishes another's key as its own, and passes on what it is asked about it."""
    owner, thief = EVERYBODY[0], EVERYBODY[1]
    copied = replace(KEY.record, keyholder=thief.seated.name)
    copied = replace(copied, signature=thief.seated.key.sign(RECORD, copied.signed_part()))
    proofs: Proofs = []
    for number, asker in enumerate(a for a in EVERYBODY if a is not thief):
        coins, asked = make_challenge(asker.seated, copied, bytes([number]) * 64)
        seed = owner.own[KEY.record.key_id].seed
        assert seed is not None
        # What the owner says when the thief asks it the same about the owner's own key.
        data = possession.answer(seed, asked.data, KEY.record.key_id)
        said = ProofRecord("answer", copied.key_id, asker.seated.name, data)
        said = replace(said, signature=thief.seated.key.sign(RECORD, said.signed_part()))
        shown = ProofRecord("reveal", copied.key_id, asker.seated.name, coins.coins)
        shown = replace(shown, signature=asker.seated.key.sign(RECORD, shown.signed_part()))
        steps = (asked, said, shown)
        proofs += [Logged(s, 100 + 3 * number + n, NOW) for n, s in enumerate(steps)]
    assert rule(replace(KEY, record=copied), proofs) == "roster.unproven"


def test_two_seats_with_one_key_stop_nobody_else() -> None:
    """Both know the secret, so both can prove it: the later one is vacant, the others send."""
    first, second = (next(k for k in _vetted() if k.seat == seat) for seat in (0, 1))
    twin = replace(second.record, public_key=first.record.public_key)
    keys = [first, replace(second, record=twin), *(k for k in _vetted() if k.seat > 1)]
    (roster,) = rosters_in_force(POLICY, TODAY + 2, keys, [], MIDNIGHT)
    assert [seat is None for seat in roster.seats] == [False, True, False, False]


def _vetted() -> list[VettedKey]:
    return LOG.book.vetted(POLICY)


def test_a_keyholder_ends_its_own_keys_only() -> None:
    key_id = KEY.record.key_id
    own = Logged(make_end(EVERYBODY[0].seated, key_id, NOW), 99, NOW)
    assert vet_revocation(POLICY, own, _vetted()).key_id == key_id
    foreign = Logged(make_end(EVERYBODY[1].seated, key_id, NOW), 99, NOW)
    with pytest.raises(VerificationError) as caught:
        vet_revocation(POLICY, foreign, _vetted())
    assert caught.value.rule == "roster.owner"
    forged = replace(own, record=replace(own.record, signature=bytes(64)))
    with pytest.raises(BadSignature):
        vet_revocation(POLICY, forged, _vetted())


def test_a_revoked_key_counts_for_an_hour_more_and_not_longer() -> None:
    end = Logged(make_end(EVERYBODY[0].seated, KEY.record.key_id, MIDNIGHT), 99, MIDNIGHT)
    ended = [vet_revocation(POLICY, end, _vetted())]

    def first_seats(at: int) -> list[bool]:
        found = rosters_in_force(POLICY, TODAY + 2, _vetted(), ended, at)
        return [roster.seats[0] is not None for roster in found]

    assert first_seats(MIDNIGHT - 1) == [True]
    assert first_seats(MIDNIGHT) == [False, True]
    assert first_seats(MIDNIGHT + REVOCATION_GRACE - 1) == [False, True]
    assert first_seats(MIDNIGHT + REVOCATION_GRACE) == [False]


def test_a_later_key_does_not_displace_an_earlier_one() -> None:
    (first,) = [key for key in _vetted() if key.seat == 0]
    later = replace(first, record=EVERYBODY[1].own[next(iter(EVERYBODY[1].own))].record, index=90)
    (roster,) = rosters_in_force(POLICY, TODAY + 2, [later, first], [], MIDNIGHT)
    assert roster.seats[0] is not None
    assert roster.seats[0].key_id == first.record.key_id


def test_a_tier_1_names_the_keys_that_the_log_has() -> None:
    rosters = rosters_in_force(POLICY, TODAY + 2, _vetted(), [], MIDNIGHT)
    digest = bytes(32)
    header = Tier1Header(
        POLICY.digest, b"group", 1, digest, 0, digest, TODAY + 2, 7, rosters[0].key_ids
    )
    assert check_roster(header, rosters) is rosters[0]
    for wrong in (
        replace(header, policy=digest),
        replace(header, day=TODAY + 3),
        replace(header, key_ids=(None, *header.key_ids[1:])),
    ):
        with pytest.raises(StaleRoster):
            check_roster(wrong, rosters)
