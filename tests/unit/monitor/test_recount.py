"""A provider's counts beside its leaves, and what a monitor says of extended and closed orders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.monitor.audit import audit
from glasslock.monitor.findings import AMISS, BROKEN, moment
from glasslock.monitor.recount import contradictions, recount
from glasslock.monitor.replay import Bodies
from glasslock.monitor.report import CLOSE_SLACK, report
from glasslock.orders.ledger import Ledger, countersign, sign_leaf
from glasslock.signing import SigningKey
from glasslock.wire.leaf import (
    BASES,
    CloseLeaf,
    CountsLeaf,
    DoneLeaf,
    ExtendLeaf,
    IntentLeaf,
    OrderLeaf,
    RefusalLeaf,
    RemovalLeaf,
    SignedKind,
    UnauthenticatedLeaf,
    encode_leaf,
)
from tests.unit.monitor.test_account import (
    DAY,
    NOW,
    OTHER,
    PROVIDER,
    RELEASE,
    SEAT,
    entries,
    found,
    order,
    page,
    seen,
)

JUDGE = SigningKey.from_seed(b"\x04" * 32)
COURT, POLICE = order(), replace(order(), authority_class="police")
# An order, one refused by the provider, a keyholder's no, two days of requests by nobody.
STORY: tuple[tuple[SignedKind, SigningKey], ...] = (
    (COURT, PROVIDER),
    (POLICE, PROVIDER),
    (RefusalLeaf(1, None, "order.dates", "no"), PROVIDER),
    (RefusalLeaf(0, 0, "release.budget", "no", bytes(16)), SEAT),
    (UnauthenticatedLeaf(3, 5), PROVIDER),
    (COURT, OTHER),
)
TRUE = CountsLeaf(1, 0, 6, (("court", 1, 0), ("police", 1, 1)), 5)


def ledger(*said: tuple[SignedKind, SigningKey]) -> Ledger:
    made = Ledger()
    for index, (leaf, key) in enumerate(said):
        made.add(encode_leaf(sign_leaf(leaf, key)), index, NOW)
    return made


def test_true_counts_are_what_the_log_shows() -> None:
    assert recount(ledger(*STORY), PROVIDER.public, 0, 6) == (
        {"court": (1, 0), "police": (1, 1)},
        5,
    )
    assert recount(ledger(*STORY), PROVIDER.public, 1, 2) == ({"police": (1, 0)}, 0)
    later = CountsLeaf(2, 6, 7, (), 0)
    assert contradictions(ledger(*STORY, (TRUE, PROVIDER), (later, PROVIDER))) == []


@pytest.mark.parametrize(
    "false",
    [
        replace(TRUE, classes=(("court", 2, 0), ("police", 1, 1))),
        replace(TRUE, classes=(("court", 1, 1), ("police", 1, 1))),
        replace(TRUE, classes=(("court", 1, 0),)),
        replace(TRUE, classes=(("abroad", 1, 0), *TRUE.classes)),
        replace(TRUE, unauthenticated=4),
        replace(TRUE, first=1, classes=(("police", 1, 1),)),
        replace(TRUE, end=7),
        replace(TRUE, end=4),
    ],
)
def test_every_false_count_is_found(false: CountsLeaf) -> None:
    told = contradictions(ledger(*STORY, (false, PROVIDER)))
    assert [each[:16] for each in told] == ["the counts at 6 "]
    said = [(NOW - 9, leaf, key) for leaf, key in (*STORY, (false, PROVIDER))]
    assert found(seen(*said)) == [(BROKEN, "counts.differ", None)]


def test_counts_leave_nothing_out_and_count_nothing_twice() -> None:
    twice = CountsLeaf(2, 0, 6, TRUE.classes, 5)
    gap = CountsLeaf(2, 7, 8, (), 0)
    for second in (twice, gap):
        assert len(contradictions(ledger(*STORY, (TRUE, PROVIDER), (second, PROVIDER)))) == 1
    # Another provider of the same log counts for itself.
    others = CountsLeaf(1, 0, 6, (("court", 1, 0),), 0)
    assert contradictions(ledger(*STORY, (TRUE, PROVIDER), (others, OTHER))) == []


def extension(number: int, date: int, judge: SigningKey = JUDGE) -> ExtendLeaf:
    leaf = ExtendLeaf(0, number, date, "still searching", bytes(32), bytes(64))
    return countersign(bytes(32), OTHER.public, leaf, judge)


BEGIN = NOW - 9 * DAY
SECRET_FOR = 5 * DAY


def hidden(**changes: object) -> OrderLeaf:
    return replace(order(BEGIN + SECRET_FOR), **changes)


def test_an_order_put_off_is_not_overdue_and_is_counted() -> None:
    said = (
        (BEGIN, hidden(), PROVIDER),
        (BEGIN + DAY, extension(1, BEGIN + 2 * SECRET_FOR), OTHER),
    )
    account = audit([seen(*said)], NOW, DAY)
    assert account.findings == []
    (row,) = account.orders
    assert (row["extensions"], row["void"], row["overdue"]) == (1, 0, False)
    assert row["disclose_by"] == BEGIN + 2 * SECRET_FOR
    assert account.statistics.extended == {"1": 1}
    assert account.statistics.overdue == 0
    assert "1 time<" in page(account)
    assert account.logs[0]["extensions"] == 1
    late = seen(*said, (BEGIN + 2 * SECRET_FOR + 1, COURT, PROVIDER))
    assert (AMISS, "order.overdue", 0) in found(late, NOW + 3 * DAY)


def test_an_extension_that_breaks_a_rule_is_found_and_helps_nobody() -> None:
    said = (
        (BEGIN, hidden(), PROVIDER),
        (BEGIN + SECRET_FOR + 1, extension(1, BEGIN + 2 * SECRET_FOR), OTHER),
    )
    assert found(seen(*said)) == [(AMISS, "order.overdue", 0), (AMISS, "extension.void", 0)]


def test_what_follows_an_orders_end_is_found() -> None:
    story = (
        (NOW - 900, order(), PROVIDER),
        (NOW - 800, IntentLeaf(0, 0, RELEASE), SEAT),
        (NOW - 700, CloseLeaf(0, "withdrawn"), OTHER),
    )
    sent = DoneLeaf(0, 0, RELEASE, 1)
    assert found(seen(*story)) == []
    # It was sent before the end was read.
    assert found(seen(*story, (NOW - 700 + CLOSE_SLACK, sent, SEAT))) == []
    later = (NOW - 699 + CLOSE_SLACK, sent, SEAT)
    assert found(seen(*story, later)) == [(AMISS, "release.afterwards", 0)]
    announced = (NOW - 600, IntentLeaf(0, 1, RELEASE), SEAT)
    assert found(seen(*story, announced)) == [(AMISS, "release.afterwards", 0)]
    account = audit([seen(*story)], NOW, DAY)
    assert account.statistics.closed == {"withdrawn": 1}
    assert account.orders[0]["closed"] == "withdrawn"
    assert "How orders ended" in page(account)


def test_removals_are_counted_by_family_and_basis() -> None:
    said = [
        (NOW - 9, RemovalLeaf(7, "family", 0, 3), PROVIDER),
        (NOW - 8, RemovalLeaf(8, "family", 0, 2), PROVIDER),
        (NOW - 7, RemovalLeaf(8, "family", 2, 1), PROVIDER),
    ]
    account = audit([seen(*said)], NOW, DAY)
    (row,) = account.statistics.removed.values()
    assert row == dict.fromkeys(BASES, 0) | {BASES[0]: 5, BASES[2]: 1}
    assert account.logs[0]["removed"] == 6
    assert "Messages that providers removed" in page(account)


def test_only_who_is_registered_puts_off_closes_and_counts() -> None:
    keys = [frozenset({key.public}) for key in (PROVIDER, SEAT, OTHER)]
    known = Bodies(
        *keys, parties=lambda one, other, _: (one, other) == (OTHER.public, JUDGE.public)
    )
    said = (
        (NOW - 9, order(), PROVIDER),
        (NOW - 8, extension(1, NOW + DAY + 5), OTHER),
        (NOW - 7, extension(1, NOW + DAY + 5, SEAT), OTHER),
        (NOW - 6, CloseLeaf(0, "unused"), OTHER),
        (NOW - 5, CloseLeaf(0, "unused"), PROVIDER),
        (NOW - 4, CountsLeaf(1, 0, 1, (("court", 1, 0),), 0), PROVIDER),
        (NOW - 3, CountsLeaf(1, 0, 1, (), 0), OTHER),
        (NOW - 2, RemovalLeaf(1, "family", 0, 1), SEAT),
    )
    facts = report(entries(*said), NOW, known).facts
    assert (facts["strangers"], facts["extensions"], facts["void"]) == (4, 1, 0)
    assert (facts["closed"], facts["counts"], facts["removed"]) == (1, 1, 0)
    assert report(entries(*said), NOW, Bodies(*keys)).facts["strangers"] == 5


def test_a_date_beyond_all_years_is_shown_as_it_is() -> None:
    assert moment(1 << 63) == str(1 << 63)
