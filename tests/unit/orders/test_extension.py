"""A notice is put off three times at most, by two bodies, forward, in time, and never further."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.orders.authority import Register, Registers
from glasslock.orders.commitment import Facts, disclose, make_leaf
from glasslock.orders.extension import RULES, anybody
from glasslock.orders.ledger import Ledger, OrderRecord, countersign, sign_leaf
from glasslock.signing import SigningKey
from glasslock.wire.leaf import CloseLeaf, ExtendLeaf, encode_leaf
from glasslock.wire.record import COUNTERSIGNER, ISSUING, AuthorityRecord
from tests.unit.desk.cases import ISSUER, JUDGE, make_record, records_of
from tests.unit.desk.world import PROVIDER, secret
from tests.unit.orders.test_ledger import ADMITTED, DUE, FACTS, LEAF, MANIFEST, NOW, POLICY, R

LONG = DUE - NOW
STRANGER = SigningKey.from_seed(secret("stranger"))


class Log:
    """A log with one order in it."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.add(encode_leaf(sign_leaf(LEAF, PROVIDER)), NOW)

    @property
    def record(self) -> OrderRecord:
        return self.ledger.orders[0]

    def add(self, entry: bytes, time: int) -> None:
        self.ledger.add(entry, self.ledger.size, time)

    def extend(
        self,
        number: int,
        date: int,
        *,
        at: int = NOW,
        key: SigningKey = ISSUER,
        judge: SigningKey = JUDGE,
        order: int = 0,
        commitment: bytes = LEAF.commitment,
    ) -> None:
        leaf = ExtendLeaf(order, number, date, "still searching", bytes(32), bytes(64))
        leaf = countersign(commitment, key.public, leaf, judge)
        self.add(encode_leaf(sign_leaf(leaf, key)), at)

    def rules(self) -> list[str | None]:
        return [rule for _, rule in self.record.extensions()]


def register(**changes: dict[str, object]) -> Register:
    """Who is registered; the fields of a role may be others."""
    records: dict[str, AuthorityRecord] = records_of(POLICY)
    for role, values in changes.items():
        records[role] = make_record(POLICY, role, **values)  # type: ignore[arg-type]
    return Register(POLICY, records.values())


def test_an_extension_moves_the_date_for_everybody() -> None:
    log = Log()
    log.ledger.seen(DUE + 1)
    assert log.ledger.overdue(log.record)
    log.extend(1, DUE + LONG, at=DUE)
    assert log.rules() == [None]
    assert log.record.date() == log.ledger.date(log.record) == DUE + LONG
    assert not log.ledger.overdue(log.record)
    assert [said.leaf.number for said in log.ledger.extensions(log.record)] == [1]  # type: ignore[union-attr]
    log.ledger.seen(DUE + LONG + 1)
    assert log.ledger.overdue(log.record)
    assert log.ledger.invalid == 0


def test_three_times_and_never_a_fourth() -> None:
    log = Log()
    for number in range(1, 5):
        log.extend(number, DUE + number * LONG)
    assert log.rules() == [None, None, None, "extend.most"]
    assert log.record.date() == DUE + 3 * LONG
    log.extend(1, DUE + 4 * LONG)
    assert log.rules()[-1] == "extend.most"


@pytest.mark.parametrize(
    ("number", "date", "at", "rule"),
    [
        (0, DUE + 1, NOW, None),
        (2, DUE + 1, NOW, "extend.number"),
        (4, DUE + 1, NOW, "extend.most"),
        (1, DUE, NOW, "extend.forward"),
        (1, DUE - 1, NOW, "extend.forward"),
        (1, DUE + LONG + 1, NOW, "extend.length"),
        (1, DUE + 1, DUE + 1, "extend.late"),
    ],
)
def test_each_rule_by_itself(number: int, date: int, at: int, rule: str | None) -> None:
    log = Log()
    log.extend(number, date, at=at)
    # A number of nought has no form: it never becomes an extension.
    assert log.rules() == ([] if rule is None else [rule])
    assert log.ledger.invalid == (rule is None)
    assert log.record.date() == DUE
    if rule is not None:
        assert rule in RULES
    # What breaks a rule takes no number away from one that does not.
    log.extend(1, DUE + LONG)
    assert log.record.date() == DUE + LONG


def test_one_extension_counts_from_the_date_before_it() -> None:
    log = Log()
    log.extend(1, DUE + LONG)
    log.extend(1, DUE + LONG + 1)
    log.extend(2, DUE + 2 * LONG + 1)
    log.extend(2, DUE + 2 * LONG, at=DUE + LONG)
    assert log.rules() == [None, "extend.number", "extend.length", None]
    assert log.record.date() == DUE + 2 * LONG


def test_an_order_that_was_overdue_stays_overdue() -> None:
    log = Log()
    log.extend(1, DUE + LONG, at=DUE + 1)
    log.ledger.seen(DUE + 2)
    assert log.rules() == ["extend.late"]
    assert log.ledger.overdue(log.record)


def test_an_order_that_came_late_to_its_log_is_not_put_off() -> None:
    ledger = Ledger()
    ledger.add(encode_leaf(sign_leaf(LEAF, PROVIDER)), 0, DUE + 5)
    leaf = ExtendLeaf(0, 1, DUE + 1, "x", bytes(32), bytes(64))
    leaf = countersign(LEAF.commitment, ISSUER.public, leaf, JUDGE)
    ledger.add(encode_leaf(sign_leaf(leaf, ISSUER)), 1, DUE)
    assert [rule for _, rule in ledger.orders[0].extensions()] == ["extend.length"]


def test_nothing_is_put_off_after_it_was_told() -> None:
    log = Log()
    log.add(encode_leaf(disclose(0, FACTS, R)), NOW + 1)
    log.extend(1, DUE + LONG, at=NOW + 1)
    assert log.rules() == ["extend.disclosed"]
    assert log.record.date() == DUE


def test_a_countersignature_is_for_one_order_date_and_authority() -> None:
    log = Log()
    other = make_leaf(ADMITTED, POLICY, MANIFEST, secret("another r"))
    log.extend(1, DUE + 1, commitment=other.commitment)
    leaf = ExtendLeaf(0, 1, DUE + LONG, "still searching", bytes(32), bytes(64))
    good = countersign(LEAF.commitment, ISSUER.public, leaf, JUDGE)
    for wrong, key in (
        (replace(good, disclose_by=DUE + LONG - 1), ISSUER),
        (replace(good, number=2), ISSUER),
        (replace(good, ground="another"), ISSUER),
        (replace(good, countersigner=STRANGER.public), ISSUER),
        (replace(good, countersignature=bytes(64)), ISSUER),
        # The countersigner agreed to somebody else's extension.
        (good, STRANGER),
    ):
        log.add(encode_leaf(sign_leaf(wrong, key)), NOW)
    assert log.rules() == []
    assert log.ledger.invalid == 7
    log.add(encode_leaf(sign_leaf(good, ISSUER)), NOW)
    assert log.record.date() == DUE + LONG


def test_two_registered_bodies_of_two_owners_may_put_off_a_notice() -> None:
    pair = (ISSUER.public, JUDGE.public)
    assert register().may_extend(*pair, NOW)
    assert not register().may_extend(JUDGE.public, ISSUER.public, NOW)
    assert not register().may_extend(STRANGER.public, JUDGE.public, NOW)
    assert not register().may_extend(ISSUER.public, STRANGER.public, NOW)
    assert not register(countersigner={"owner": "Prosecution"}).may_extend(*pair, NOW)
    assert not register(countersigner={"key": ISSUER.public}).may_extend(*[ISSUER.public] * 2, NOW)
    for role in (ISSUING, COUNTERSIGNER):
        assert not register(**{role: {"not_after": NOW - 1}}).may_extend(*pair, NOW)
        assert not register(**{role: {"not_before": NOW + 1}}).may_extend(*pair, NOW)


def test_who_knows_the_order_takes_only_the_two_that_it_names() -> None:
    order, pair = ADMITTED.order, (ISSUER.public, JUDGE.public)
    assert register().parties(order)(*pair, NOW)
    assert not register().parties(order)(JUDGE.public, ISSUER.public, NOW)
    assert not register().parties(order)(ISSUER.public, STRANGER.public, NOW)
    assert not register().parties(replace(order, authority=bytes(32)))(*pair, NOW)
    assert not register(countersigner={"not_after": NOW - 1}).parties(order)(*pair, NOW)


def test_a_foreign_extension_holds_nothing_back_where_the_order_is_known() -> None:
    """Another authority and another judge, both registered: the public cannot tell, others can."""
    log, judge = Log(), SigningKey.from_seed(secret("another judge"))
    mine = register().parties(ADMITTED.order)
    log.extend(1, DUE + LONG, key=STRANGER, judge=judge)
    assert log.ledger.date(log.record) == DUE + LONG
    assert log.ledger.date(log.record, mine) == DUE
    # The order's own bodies go on from the number that stands there.
    log.extend(2, DUE + 2 * LONG, at=DUE)
    assert log.ledger.date(log.record, mine) == log.ledger.date(log.record) == DUE + 2 * LONG
    # What they say when their own date is over does not come in time, whatever the public's is.
    late = Log()
    late.extend(1, DUE + LONG, key=STRANGER, judge=judge)
    late.extend(2, DUE + 2 * LONG, at=DUE + 1)
    assert late.ledger.date(late.record) == DUE + 2 * LONG
    assert late.ledger.date(late.record, mine) == DUE


def test_a_reader_who_knows_the_register_passes_strangers_over() -> None:
    log = Log()
    log.ledger.parties = register().may_extend
    log.extend(1, DUE + LONG, key=STRANGER, judge=SigningKey.from_seed(secret("another judge")))
    log.extend(1, DUE + LONG - 1)
    assert log.ledger.date(log.record) == DUE + LONG - 1
    assert log.record.date(anybody) == DUE + LONG


def test_registers_are_made_anew_when_the_log_has_grown() -> None:
    registers, records = Registers(), list(records_of(POLICY).values())
    pair = (ISSUER.public, JUDGE.public, NOW)
    assert not registers.may_extend(*pair)
    assert not registers.at(3, [POLICY], records[:1]).may_extend(*pair)
    assert not registers.at(3, [POLICY], records).may_extend(*pair)
    assert registers.at(4, [POLICY], records).may_extend(*pair)


def test_the_first_word_that_an_order_is_over_counts() -> None:
    log = Log()
    assert log.record.closed() is None
    log.add(encode_leaf(sign_leaf(CloseLeaf(0, "unused"), STRANGER)), NOW)
    log.add(encode_leaf(sign_leaf(CloseLeaf(0, "withdrawn"), ISSUER)), NOW + 1)
    log.add(encode_leaf(sign_leaf(CloseLeaf(7, "done"), ISSUER)), NOW + 1)
    everybodys, own = log.record.closed(), log.record.closed(ISSUER.public)
    assert everybodys is not None
    assert own is not None
    assert (everybodys.leaf, own.leaf) == (CloseLeaf(0, "unused"), CloseLeaf(0, "withdrawn"))
    assert log.record.closed(JUDGE.public) is None
    assert log.ledger.invalid == 1
    # A closed order is told all the same.
    log.ledger.seen(DUE + 1)
    assert log.ledger.overdue(log.record)
    assert Facts.of(ADMITTED, MANIFEST) == FACTS


def test_a_notice_is_never_moved_back() -> None:
    """Else an order is overdue at once, which nobody could have kept."""
    log = Log()
    log.extend(1, NOW + 1)
    log.ledger.seen(NOW + 2)
    assert not log.ledger.overdue(log.record)
