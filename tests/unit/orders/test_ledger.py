"""The orders log replayed: who said what, which root counts, what is passed over and counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.errors import VerificationError
from glasslock.ids import account_id
from glasslock.orders.commitment import Facts, disclose, make_leaf
from glasslock.orders.ledger import Ledger, sign_leaf, verify_leaf
from glasslock.wire.leaf import (
    DisclosureLeaf,
    DoneLeaf,
    IngestLeaf,
    IntentLeaf,
    RefusalLeaf,
    ReportLeaf,
    SignedKind,
    UnauthenticatedLeaf,
    encode_leaf,
)
from glasslock.wire.order import Grant
from tests.unit.desk.cases import ISSUER, admit, make_order
from tests.unit.desk.world import PROVIDER, START, make_policy, seat_key, secret

NOW = START + 9_000
POLICY = make_policy(((2, 3), (3, 5)))
GRANT = Grant(b"group", account_id("alice"), ((START // 900, START // 900),))
ADMITTED = admit(POLICY, make_order(POLICY, [GRANT], NOW), NOW)
R, MANIFEST = secret("r"), secret("manifest")
LEAF = make_leaf(ADMITTED, POLICY, MANIFEST, R)
FACTS = Facts.of(ADMITTED, MANIFEST)
DUE = LEAF.disclose_by


class Reader:
    def __init__(self) -> None:
        self.ledger = Ledger()

    def add(self, entry: bytes, time: int = NOW) -> int:
        self.ledger.add(entry, self.ledger.size, time)
        return self.ledger.size - 1

    def said(self, leaf: SignedKind, key=PROVIDER, time: int = NOW) -> int:  # noqa: ANN001
        return self.add(encode_leaf(sign_leaf(leaf, key)), time)


@pytest.fixture
def log() -> Reader:
    return Reader()


def test_an_order_and_all_that_is_said_of_it(log: Reader) -> None:
    index = log.said(LEAF)
    record = log.ledger.orders[index]
    assert (record.leaf, record.provider, record.time) == (LEAF, PROVIDER.public, NOW)
    assert log.ledger.find(LEAF.commitment) is record
    assert log.ledger.find(bytes(32)) is None
    for leaf in (
        IntentLeaf(index, 2, bytes(32)),
        DoneLeaf(index, 2, bytes(32), 3),
        RefusalLeaf(index, 2, "a rule", "a ground", bytes(16)),
    ):
        log.said(leaf, seat_key(2))
    log.said(ReportLeaf(index, 0, 1, bytes(32)), ISSUER)
    kinds = [said.leaf.kind for said in record.said]
    assert kinds == ["intent", "done", "refusal", "report"]
    assert [said.leaf.kind for said in record.by(ISSUER.public)] == ["report"]
    assert log.ledger.invalid == 0


def test_an_intent_counts_for_its_order_seat_release_and_key_only(log: Reader) -> None:
    first, second = log.said(LEAF), log.said(replace(LEAF, commitment=bytes(32)))
    release = secret("release")
    log.said(IntentLeaf(first, 2, release), seat_key(2))
    mine = log.ledger.orders[first]
    key = seat_key(2).public
    assert mine.intent(2, key, release) is not None
    assert mine.intent(3, key, release) is None
    assert mine.intent(2, seat_key(3).public, release) is None
    assert mine.intent(2, key, bytes(32)) is None
    assert log.ledger.orders[second].intent(2, key, release) is None


@pytest.mark.parametrize(
    "leaf",
    [
        IntentLeaf(7, 0, bytes(32)),
        DoneLeaf(7, 0, bytes(32), 1),
        RefusalLeaf(7, None, "a rule", "a ground"),
        ReportLeaf(7, 0, 0, bytes(32)),
    ],
)
def test_what_is_said_of_no_order_is_passed_over(log: Reader, leaf: SignedKind) -> None:
    log.said(leaf)
    assert (log.ledger.invalid, log.ledger.size) == (1, 1)


def test_nothing_is_said_of_an_order_before_it_is_there(log: Reader) -> None:
    log.said(IntentLeaf(1, 0, bytes(32)), seat_key(0))
    index = log.said(LEAF)
    assert index == 1
    assert log.ledger.orders[1].said == []


def test_a_leaf_nobody_signed_is_passed_over(log: Reader) -> None:
    signed = sign_leaf(LEAF, PROVIDER)
    for wrong in (
        replace(signed, signature=bytes(64)),
        replace(signed, key=ISSUER.public),
        replace(signed, leaf=replace(LEAF, slots=3)),
    ):
        with pytest.raises(VerificationError):
            verify_leaf(wrong)
        log.add(encode_leaf(wrong))
    log.add(b"")
    log.add(b"glasslock/1 order\n\x80")
    log.add(b"glasslock/1 stranger\n\x80")
    assert log.ledger.orders == {}
    assert log.ledger.invalid == 6


def test_a_signature_over_one_kind_of_leaf_serves_no_other(log: Reader) -> None:
    index = log.said(LEAF)
    done = sign_leaf(DoneLeaf(index, 2, bytes(32), 0), seat_key(2))
    intent = sign_leaf(IntentLeaf(index, 2, bytes(32)), seat_key(2))
    log.add(encode_leaf(replace(intent, signature=done.signature)))
    assert log.ledger.orders[index].said == []


def test_the_first_root_of_an_interval_counts(log: Reader) -> None:
    first, second = IngestLeaf(3, NOW, 2, secret("one")), IngestLeaf(3, NOW, 2, secret("two"))
    log.said(first)
    log.said(second)
    log.said(second, ISSUER)
    assert log.ledger.invalid == 1
    assert log.ledger.roots(PROVIDER.public, 9) == {3: first}
    assert log.ledger.roots(ISSUER.public, 9) == {3: second}


def test_roots_before_an_index_and_no_later_ones(log: Reader) -> None:
    leaves = [IngestLeaf(n, NOW, 1, secret("root", n)) for n in range(3)]
    for leaf in leaves:
        log.said(leaf)
    assert set(log.ledger.roots(PROVIDER.public, 2)) == {0, 1}
    assert log.ledger.roots(PROVIDER.public, 0) == {}


def test_a_disclosure_opens_its_own_order_once(log: Reader) -> None:
    index = log.said(LEAF)
    entry = encode_leaf(disclose(index, FACTS, R))
    log.add(entry, NOW + 5)
    log.add(entry, NOW + 9)
    record = log.ledger.orders[index]
    assert record.disclosed_at == NOW + 5
    assert record.disclosed is not None
    assert record.disclosed["offence"] == "fraud"
    assert log.ledger.invalid == 0


def test_a_disclosure_that_does_not_open_is_none(log: Reader) -> None:
    index, other = log.said(LEAF), log.said(replace(LEAF, commitment=bytes(32)))
    good = disclose(index, FACTS, R)
    for wrong in (
        replace(good, order=other),
        replace(good, order=7),
        DisclosureLeaf(index, good.fields[1:]),
        disclose(index, FACTS, bytes(32)),
    ):
        log.add(encode_leaf(wrong))
    assert log.ledger.orders[index].disclosed is None
    assert log.ledger.invalid == 4


def test_overdue_by_the_witnesses_clocks(log: Reader) -> None:
    index = log.said(LEAF)
    record = log.ledger.orders[index]
    log.ledger.seen(DUE)
    assert not log.ledger.overdue(record)
    log.ledger.seen(DUE + 1)
    assert log.ledger.overdue(record)
    log.ledger.seen(NOW)
    assert log.ledger.time == DUE + 1
    log.add(encode_leaf(disclose(index, FACTS, R)), DUE + 2)
    assert not log.ledger.overdue(record)


def test_requests_of_nobody_are_counted(log: Reader) -> None:
    log.said(UnauthenticatedLeaf(20_553, 4))
    (said,) = log.ledger.unauthenticated
    assert said.leaf == UnauthenticatedLeaf(20_553, 4)
