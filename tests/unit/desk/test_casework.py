"""Drafts: what is asked for becomes spans of slots, dates and names, and nothing wider."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.desk.casework import (
    Case,
    Request,
    Verdict,
    Wanted,
    draft,
    enough,
    find,
    grants_of,
    keeps_preview,
    lapses,
    notice_date,
    received,
    summary,
    takes_releases,
)
from glasslock.errors import StateError, WireError
from glasslock.orders.authority import Register
from glasslock.orders.lifecycle import State
from glasslock.orders.review import AdmittedOrder, review
from glasslock.wire.policy import Limits
from glasslock.wire.record import ISSUING
from tests.unit.desk.cases import make_record, records_of, sign_order
from tests.unit.desk.world import CLOCKS, START, make_policy

POLICY = make_policy(((2, 3), (3, 5)), Limits(hold_seconds=60, granularity_seconds=3_600))
REGISTER = Register(POLICY, records_of(POLICY).values())
NOW = START + 9_000
SLOT = CLOCKS.slot_seconds
TAU = START // SLOT
ASKED = Request(
    "case 1",
    "section 1",
    "fraud",
    "the issuing",
    "the countersigner",
    "the agency",
    "the court-registry",
    (Wanted(b"group", "alice", START, START + 2 * SLOT),),
)


def test_a_draft_with_the_furthest_dates_passes_the_review() -> None:
    order = draft(ASKED, POLICY, REGISTER, NOW)
    assert isinstance(review(sign_order(order), POLICY, REGISTER, NOW), AdmittedOrder)
    assert (order.issued, order.hold) == (NOW, NOW + 60)
    assert order.grants[0].spans == ((TAU, TAU + 1),)


def test_dates_that_were_asked_for() -> None:
    asked = replace(ASKED, hold=NOW + 90, expires=NOW + 900, disclose_by=NOW + 5_000)
    order = draft(asked, POLICY, REGISTER, NOW)
    assert (order.hold, order.expires) == (NOW + 90, NOW + 900)
    assert order.disclose_by == (NOW + 5_000) // 3_600 * 3_600


def test_a_notice_is_never_later_than_asked_or_allowed() -> None:
    limits = Limits(disclose_seconds=10_000, granularity_seconds=3_000)
    assert notice_date(None, limits, 1_000) == 9_000
    assert notice_date(8_999, limits, 1_000) == 6_000
    assert notice_date(1 << 40, limits, 1_000) == 9_000


@pytest.mark.parametrize(
    ("first", "end", "spans"),
    [
        (0, 1, ((0, 0),)),
        (0, SLOT, ((0, 0),)),
        (0, SLOT + 1, ((0, 1),)),
        (SLOT - 1, SLOT, ((0, 0),)),
        (SLOT, 2 * SLOT, ((1, 1),)),
    ],
)
def test_times_become_the_slots_they_touch(
    first: int, end: int, spans: tuple[tuple[int, int], ...]
) -> None:
    (grant,) = grants_of([Wanted(b"group", "alice", first, end)], CLOCKS)
    assert grant.spans == spans


def test_runs_of_one_sender_become_one_grant() -> None:
    wanted = [
        Wanted(b"group", "alice", 5 * SLOT, 6 * SLOT),
        Wanted(b"group", "alice", 0, 2 * SLOT),
        Wanted(b"group", "alice", SLOT, 3 * SLOT),
        Wanted(b"group", "alice", 3 * SLOT, 4 * SLOT),
        Wanted(b"group", "bob", 0, SLOT, "alice"),
        Wanted(b"other", "alice", 0, SLOT),
    ]
    found = grants_of(wanted, CLOCKS)
    assert [(g.group_id, g.account, g.recipient, g.spans) for g in found] == [
        (b"group", "alice", None, ((0, 3), (5, 5))),
        (b"group", "bob", "alice", ((0, 0),)),
        (b"other", "alice", None, ((0, 0),)),
    ]


@pytest.mark.parametrize("end", [START, START - 1])
def test_a_time_that_runs_backwards_is_refused(end: int) -> None:
    with pytest.raises(StateError) as caught:
        grants_of([Wanted(b"group", "alice", START, end)], CLOCKS)
    assert caught.value.rule == "draft.empty"


def test_nothing_and_everything_are_refused() -> None:
    with pytest.raises(StateError):
        grants_of([], CLOCKS)
    for group, account in ((b"", "alice"), (b"group", ""), (b"group", "*"), (b"x" * 65, "alice")):
        with pytest.raises(WireError):
            grants_of([Wanted(group, account, 0, 1)], CLOCKS)


def test_authorities_by_name_or_digest() -> None:
    by_name = find(REGISTER, "the issuing", ISSUING, NOW)
    assert find(REGISTER, by_name.digest.hex(), ISSUING, NOW) == by_name
    for name, role in (("the issuing", "agency"), ("nobody", ISSUING)):
        with pytest.raises(StateError) as caught:
            find(REGISTER, name, role, NOW)
        assert caught.value.rule == "draft.authority"


def test_of_two_records_the_last_logged_counts() -> None:
    old = make_record(POLICY, ISSUING, not_after=NOW - 1)
    new = make_record(POLICY, ISSUING, authority_class="civil")
    assert find(Register(POLICY, [old, new]), "the issuing", ISSUING, NOW).record == new
    assert find(Register(POLICY, [new, old]), "the issuing", ISSUING, NOW).record == new


def test_a_summary_tells_what_will_be_signed() -> None:
    order = draft(ASKED, POLICY, REGISTER, NOW)
    told = summary(order, CLOCKS)
    assert (told["named"], told["third_parties"], told["slots"]) == (["alice"], [], 2)
    assert told["grants"] == [
        {
            "conversation": b"group".hex(),
            "account": "alice",
            "recipient": None,
            "times": [[START, START + 2 * SLOT]],
        }
    ]


# -- a case on its way ------------------------------------------------------------------------


def a_case(state: State = State.DRAFT) -> Case:
    return Case(draft(ASKED, POLICY, REGISTER, NOW).document, bytes(32), NOW, state)


def test_a_case_is_not_issued_before_both_have_signed() -> None:
    case = a_case()
    for unsigned in (case, replace(case, signature=bytes(64))):
        with pytest.raises(StateError) as caught:
            _ = unsigned.issued
        assert caught.value.rule == "case.unsigned"
    both = replace(case, signature=bytes(64), countersignature=bytes(64))
    assert both.issued.document == case.document


@pytest.mark.parametrize(
    "verdict",
    [
        None,
        Verdict(False, 3, bytes(32), b"", "order.dates", "too late"),  # noqa: FBT003
        Verdict(True, None, bytes(32), bytes(32)),  # noqa: FBT003
    ],
)
def test_what_was_not_admitted_is_not_logged(verdict: Verdict | None) -> None:
    with pytest.raises(StateError) as caught:
        replace(a_case(), verdict=verdict).logged()
    assert caught.value.rule == "case.unlogged"


def test_a_secret_is_not_shown() -> None:
    assert "secret" not in repr(a_case())


@pytest.mark.parametrize("state", list(State))
def test_releases_are_kept_from_issuing_to_closing(state: State) -> None:
    never = {
        State.DRAFT,
        State.PREVIEWED,
        State.SIGNED,
        State.REFUSED,
        State.WITHDRAWN,
        State.CLOSED,
    }
    assert takes_releases(state) == (state not in never)
    moved = state in (State.LOGGED, State.RELEASING)
    assert received(state) == (State.RELEASING if moved else state)


@pytest.mark.parametrize("state", list(State))
def test_a_preview_is_kept_until_the_order_is_signed(state: State) -> None:
    assert keeps_preview(state) == (state in (State.DRAFT, State.PREVIEWED))


@pytest.mark.parametrize(
    ("released", "met"),
    [
        ((), False),
        ((0, 1), False),
        ((0, 1, 3, 4), False),
        ((0, 3, 4, 5), False),
        ((0, 0, 3, 4, 5), False),
        ((0, 2, 3, 5, 7), True),
        (tuple(range(8)), True),
    ],
)
def test_enough_is_a_threshold_in_every_class(released: tuple[int, ...], *, met: bool) -> None:
    assert enough(((2, 3), (3, 5)), released) == met


def test_an_order_lapses_only_without_its_quorum_and_after_its_end() -> None:
    case = a_case(State.RELEASING)
    end = case.order.expires
    assert not lapses(case, [], POLICY, end)
    assert lapses(case, [0, 1], POLICY, end + 1)
    assert not lapses(case, [0, 1, 3, 4, 5], POLICY, end + 1)
    assert not lapses(replace(case, state=State.OPENED), [], POLICY, end + 1)
