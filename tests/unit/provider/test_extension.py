"""What the provider says to an extension, and what it counts of its own leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from glasslock.errors import BadSignature, GlasslockError
from glasslock.monitor.recount import contradictions
from glasslock.orders.authority import Register
from glasslock.orders.ledger import Ledger, countersign, sign_leaf
from glasslock.provider.counting import PERIOD_DAYS, close_period, count_told, is_over
from glasslock.provider.extension import Extendable, check_extension, holds
from glasslock.signing import SigningKey
from glasslock.wire.leaf import (
    CloseLeaf,
    CountsLeaf,
    ExtendLeaf,
    OrderLeaf,
    RefusalLeaf,
    SignedKind,
    UnauthenticatedLeaf,
    encode_leaf,
)
from tests.unit.provider.scene import ISSUER, JUDGE, NOW, key, order, policy, records

POLICY = policy()
ORDER = order(POLICY)
LEAF = OrderLeaf(b"\x0c" * 32, "family", "court", "content", 0, 1, NOW + 600)
CASE = Extendable(
    ORDER,
    Register(POLICY, records(POLICY).values()),
    LEAF,
    index=7,
    time=NOW,
    date=NOW + 600,
    count=0,
    disclosed=False,
    grid=60,
)
GOOD = ExtendLeaf(7, 1, NOW + 1_200, "still searching", bytes(32), bytes(64))


def entry(
    leaf: ExtendLeaf = GOOD,
    by: SigningKey = ISSUER,
    judge: SigningKey = JUDGE,
    commitment: bytes = LEAF.commitment,
) -> bytes:
    return encode_leaf(sign_leaf(countersign(commitment, by.public, leaf, judge), by))


def test_an_extension_by_both_is_taken() -> None:
    assert check_extension(entry(), CASE, NOW + 600).disclose_by == NOW + 1_200
    second = replace(GOOD, number=2, disclose_by=NOW + 1_800)
    later = replace(CASE, date=NOW + 1_200, count=1)
    assert check_extension(entry(second), later, NOW + 1_200).number == 2


@pytest.mark.parametrize(
    ("rule", "data", "case", "now"),
    [
        ("extend.form", encode_leaf(sign_leaf(CloseLeaf(7, "unused"), ISSUER)), CASE, NOW),
        ("extend.order", entry(replace(GOOD, order=8)), CASE, NOW),
        ("extend.parties", entry(by=key("another prosecutor")), CASE, NOW),
        ("extend.parties", entry(judge=key("another judge")), CASE, NOW),
        ("extend.parties", entry(by=JUDGE, judge=ISSUER), CASE, NOW),
        ("extend.disclosed", entry(), replace(CASE, disclosed=True), NOW),
        ("extend.grid", entry(replace(GOOD, disclose_by=NOW + 1_201)), CASE, NOW),
        ("extend.number", entry(replace(GOOD, number=2)), CASE, NOW),
        ("extend.most", entry(replace(GOOD, number=4)), replace(CASE, count=3), NOW),
        ("extend.forward", entry(replace(GOOD, disclose_by=NOW + 600)), CASE, NOW),
        ("extend.length", entry(replace(GOOD, disclose_by=NOW + 1_260)), CASE, NOW),
        ("extend.length", entry(), replace(CASE, time=NOW + 1), NOW),
        ("extend.late", entry(), CASE, NOW + 601),
    ],
)
def test_each_thing_wrong_has_its_name(rule: str, data: bytes, case: Extendable, now: int) -> None:
    with pytest.raises(GlasslockError) as caught:
        check_extension(data, case, now)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    "make",
    [
        lambda: entry(commitment=bytes(32)),
        lambda: encode_leaf(replace(sign_leaf(GOOD, ISSUER), signature=bytes(64))),
        # The authority alone: what the countersigner did not sign.
        lambda: encode_leaf(sign_leaf(replace(GOOD, countersigner=JUDGE.public), ISSUER)),
    ],
)
def test_nobody_signs_for_another(make: Callable[[], bytes]) -> None:
    with pytest.raises(BadSignature):
        check_extension(make(), CASE, NOW)


def test_an_extension_holds_if_the_log_had_it_in_time() -> None:
    assert holds(NOW, NOW)
    assert not holds(NOW, NOW + 1)


class Stored:
    """What a provider has had logged, in memory; one log."""

    def __init__(self) -> None:
        self.begun: tuple[int, int] | None = None
        self.ledger = Ledger()
        self.known: list[tuple[int, bytes]] = []

    def log(self, leaf: SignedKind, by: SigningKey = ISSUER, *, known: bool = True) -> None:
        data = encode_leaf(sign_leaf(leaf, by))
        if known:
            self.known.append((self.ledger.size, data))
        self.ledger.add(data, self.ledger.size, NOW)

    def period(self, _origin: str) -> tuple[int, int] | None:
        return self.begun

    def count_from(self, _origin: str, period: int, ended: int) -> None:
        self.begun = (period, ended)

    def told(self, _origin: str, first: int) -> list[tuple[int, bytes]]:
        return [each for each in self.known if each[0] >= first]

    def class_at(self, _origin: str, index: int) -> str | None:
        record = self.ledger.orders.get(index)
        return None if record is None else record.leaf.authority_class


def test_what_the_provider_counts_is_what_anybody_counts() -> None:
    stored = Stored()
    assert is_over(stored, "log", 5)
    assert close_period(stored, "log", 5, ISSUER.public) is None
    assert not is_over(stored, "log", PERIOD_DAYS - 1)
    stored.log(replace(LEAF, authority_class="police"))
    stored.log(LEAF, JUDGE, known=False)
    stored.log(LEAF)
    stored.log(RefusalLeaf(0, None, "order.dates", "no"))
    stored.log(UnauthenticatedLeaf(3, 5))
    # Handed on, and not its own.
    stored.log(CloseLeaf(2, "unused"), JUDGE)
    assert is_over(stored, "log", PERIOD_DAYS)
    first = close_period(stored, "log", PERIOD_DAYS, ISSUER.public)
    assert first == CountsLeaf(0, 0, 6, (("court", 1, 0), ("police", 1, 1)), 5)
    stored.log(RefusalLeaf(2, None, "order.dates", "no"))
    stored.log(first)
    second = close_period(stored, "log", 3 * PERIOD_DAYS, ISSUER.public)
    assert second == CountsLeaf(2, 6, 8, (("court", 0, 1),), 0)
    stored.log(second)
    assert contradictions(stored.ledger) == []


def test_nothing_told_is_nothing_counted() -> None:
    assert count_told(1, 4, [], ISSUER.public, lambda _: None) is None
    stored = Stored()
    stored.begun = (0, 9)
    assert close_period(stored, "log", PERIOD_DAYS, ISSUER.public) is None
    assert stored.begun == (1, 9)
