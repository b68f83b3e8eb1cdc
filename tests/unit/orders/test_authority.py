"""Who may act: only who the policy's registry vouches for, in one role, in its time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.errors import StateError, VerificationError
from glasslock.orders.authority import Register
from glasslock.orders.lifecycle import NEXT, State, advance, ended
from glasslock.wire.order import entry_digest
from glasslock.wire.record import COUNTERSIGNER, ISSUING, AuthorityRecord, encode_record
from tests.unit.desk.cases import make_record, records_of
from tests.unit.desk.world import make_policy

POLICY = make_policy(((2, 2), (2, 2)))
RECORD = make_record(POLICY, ISSUING, not_before=100, not_after=200)
NAMED = entry_digest(encode_record(RECORD))


def rule(record: AuthorityRecord, role: str = ISSUING, at: int = 150) -> str | None:
    register = Register(POLICY, [record])
    with pytest.raises(VerificationError) as caught:
        register.find(entry_digest(encode_record(record)), role, at)
    return caught.value.rule


@pytest.mark.parametrize("at", [100, 150, 200])
def test_found_in_its_time(at: int) -> None:
    found = Register(POLICY, [RECORD]).find(NAMED, ISSUING, at)
    assert (found.record, found.name, found.key) == (RECORD, "the issuing", RECORD.key)


@pytest.mark.parametrize("at", [99, 201])
def test_not_outside_its_time(at: int) -> None:
    assert rule(RECORD, at=at) == "authority.dates"


def test_not_in_another_role() -> None:
    assert rule(RECORD, COUNTERSIGNER) == "authority.role"


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": bytes(64)},
        {"owner": "Somebody else"},
        {"not_after": 1 << 41},
        {"key": bytes(32)},
        {"role": COUNTERSIGNER},
    ],
)
def test_a_record_nobody_vouched_for_is_not_there(changes: dict[str, object]) -> None:
    forged = replace(RECORD, **changes)  # type: ignore[arg-type]
    assert rule(forged, str(changes.get("role", ISSUING))) == "authority.unknown"


def test_a_record_of_another_policy_is_not_there() -> None:
    other = make_policy(((2, 3), (2, 2)))
    assert rule(make_record(other, ISSUING)) == "authority.unknown"


def test_none_has_no_authorities() -> None:
    none = replace(POLICY, access=None)
    assert Register(none, records_of(none).values()).all() == ()


def test_all_in_order_of_the_log() -> None:
    records = list(records_of(POLICY).values())
    assert [each.record for each in Register(POLICY, records).all()] == records


# -- the table of an order's life -------------------------------------------------------------


@pytest.mark.parametrize("state", list(State))
def test_every_state_goes_where_the_table_says_and_nowhere_else(state: State) -> None:
    for to in State:
        if to in NEXT[state]:
            assert advance(state, to) is to
        else:
            with pytest.raises(StateError) as caught:
                advance(state, to)
            assert caught.value.rule == "lifecycle.step"


@pytest.mark.parametrize("state", list(State))
def test_an_order_ends_as_it_can(state: State) -> None:
    wanted = {
        "unused": {State.LOGGED, State.RELEASING, State.LAPSED},
        "withdrawn": {State.LOGGED, State.RELEASING, State.WITHDRAWN},
        "done": {State.REPORTED, State.NOTICED, State.CLOSED},
    }
    for outcome, states in wanted.items():
        if state in states:
            to = ended(state, outcome)
            assert to in NEXT[state] | {state}
            continue
        with pytest.raises(StateError) as caught:
            ended(state, outcome)
        assert caught.value.rule == "lifecycle.end"


def test_nothing_opens_that_was_not_logged() -> None:
    """Whatever way one takes, an order is issued, logged and released before it is opened."""
    for missing in (State.ISSUED, State.LOGGED, State.RELEASING):
        reached, waiting = set(), [State.DRAFT]
        while waiting:
            state = waiting.pop()
            if state == missing or state in reached:
                continue
            reached.add(state)
            waiting.extend(NEXT[state])
        assert State.OPENED not in reached
