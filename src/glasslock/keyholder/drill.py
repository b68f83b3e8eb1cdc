"""Drills as a keyholder has part in them: what to answer, and when to show a secret (section 6).

Facts in, records out. A drill is answered without asking anybody: what it opens is a canary, and
``sealing.drill`` takes nothing else for a drill. Knows the policy log as it was read and own seeds;
no store and no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from glasslock.errors import StateError
from glasslock.keyholder.period import OwnKey
from glasslock.keyholder.seat import Seated
from glasslock.sealing.book import PolicyBook
from glasslock.sealing.drill import (
    LONGEST_DAYS,
    SHORTEST_PART,
    Drill,
    DrillBook,
    MadeDrill,
    State,
    make_drill,
)
from glasslock.sealing.shares import ShareUnreadable, open_seat, open_share
from glasslock.wire.drill import DrillAnswer, DrillSecret, encode_drill
from glasslock.wire.labels import Label

# What a keyholder answers of one maker in a policy day: more would be work for nothing.
MAX_DRILLS: Final = 2
FRESH: Final = 64


@dataclass(frozen=True)
class DrillFacts:
    """What a keyholder's part in drills rests on.

    ``answered`` are the contexts of drills that it answered; ``secrets`` those of its own drills
    with what they were made from. ``written`` says whether an entry is logged or on its way.
    """

    seated: Seated
    book: PolicyBook
    drills: DrillBook
    keys: Mapping[bytes, OwnKey] = field(repr=False)
    answered: AbstractSet[bytes]
    secrets: Mapping[bytes, bytes] = field(repr=False)
    written: Callable[[bytes], bool]


def start(facts: DrillFacts, day: int, seconds: int, fresh: bytes, now: int) -> MadeDrill:
    """Return a new drill of the keys of ``day``; ``fresh`` are 64 random bytes.

    Raises:
        StateError: too little or too much time to answer, or a day to come.
        SeatsVacant: a class has fewer keys than its threshold.
    """
    seated, length = facts.seated, facts.seated.day
    at = max(now, facts.book.time)
    # The log takes a moment, and by its time it must be enough.
    if not 2 * (length // SHORTEST_PART) <= seconds <= LONGEST_DAYS * length:
        raise StateError("a drill gives a twelfth of a day to seven days", rule="drill.seconds")
    if day > at // length:
        raise StateError("a drill is of a day that has begun", rule="drill.day-to-come")
    roster = facts.book.rosters(seated.policy, day, at)[0]
    return make_drill(seated.policy, roster, seated.seat, at + seconds, fresh, seated.key)


def answers_due(facts: DrillFacts, now: int) -> Iterator[DrillAnswer]:
    """Yield this keyholder's answers to drills that wait for them at ``now`` (unix seconds).

    Raises:
        TransportError: a key cannot be reached; that is no ground to say that it is lost.
    """
    seated, at = facts.seated, max(now, facts.book.time)
    made: Counter[tuple[int, int]] = Counter()
    for drill in facts.drills.of(seated.policy, facts.book):
        place = (drill.maker, drill.time // seated.day)
        made[place] += 1
        if made[place] > MAX_DRILLS or drill.maker == seated.seat:
            continue
        key_id = drill.record.key_ids[seated.seat]
        done = drill.record.context in facts.answered or facts.drills.answered(drill, seated.seat)
        if key_id is None or done or at > drill.record.answer_by:
            continue
        enc = facts.drills.parts.get(drill.enc_digest(seated.seat))
        if enc is not None and facts.drills.shown(drill) is None:
            yield _answer(facts, drill, key_id, enc)


def secrets_due(facts: DrillFacts, now: int) -> Iterator[DrillSecret]:
    """Yield what own drills were made from, once all have answered or the time is over."""
    seated, at = facts.seated, max(now, facts.book.time)
    for drill in facts.drills.of(seated.policy, facts.book):
        secret = facts.secrets.get(drill.record.context)
        if secret is None:
            continue
        waiting = State.WAITING in facts.drills.result(drill, at).seats
        if waiting and at <= drill.record.answer_by:
            continue
        bare = DrillSecret(drill.record.context, secret)
        signature = seated.key.sign(Label.SIGN_RECORD, bare.signed_part())
        shown = replace(bare, signature=signature)
        if not facts.written(encode_drill(shown)):
            yield shown


def _answer(facts: DrillFacts, drill: Drill, key_id: bytes, enc: bytes) -> DrillAnswer:
    """Return the share, or the word that there is none: the key is lost, or was never ours."""
    seated = facts.seated
    bare = DrillAnswer(drill.record.context, seated.name, None, None)
    key = facts.keys.get(key_id)
    secret = None if key is None else key.secret
    if secret is not None:
        try:
            opened = open_seat(drill.slot, seated.seat, secret, key_id, enc)
            share = open_share(drill.slot, opened)
        except ShareUnreadable:
            pass
        else:
            bare = replace(bare, share=share.share, blind=share.blind)
    return replace(bare, signature=seated.key.sign(Label.SIGN_RECORD, bare.signed_part()))


# -- how it stands ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DrillRow:
    """One seat in one drill, in words; times are unix seconds."""

    drill: str
    maker: str
    day: int
    answer_by: int
    keyholder: str
    state: str
    making: str


def rows(facts: DrillFacts, now: int) -> list[DrillRow]:
    """Return how all drills of the policy stand, the newest first, one row for each seat."""
    seated, at = facts.seated, max(now, facts.book.time)
    found = []
    for drill in reversed(facts.drills.of(seated.policy, facts.book)):
        record, result = drill.record, facts.drills.result(drill, at)
        for seat, state in zip(seated.access.seats, result.seats, strict=True):
            found.append(
                DrillRow(
                    record.context.hex(),
                    record.keyholder,
                    record.day,
                    record.answer_by,
                    seat.keyholder,
                    state.value,
                    result.making.value,
                )
            )
    return found


__all__ = [
    "FRESH",
    "DrillFacts",
    "DrillRow",
    "answers_due",
    "rows",
    "secrets_due",
    "start",
]
