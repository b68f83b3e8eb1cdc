"""Two hands at one case: the one that comes second has to look again."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasslock.casefile.custody import Link, Step
from glasslock.desk import store as store_module
from glasslock.desk.casework import Case
from glasslock.desk.store import Store
from glasslock.errors import Conflict
from glasslock.orders.lifecycle import State
from glasslock.runtime.sqlite import Database
from tests.unit.desk.cases import make_order
from tests.unit.desk.history import grants
from tests.unit.desk.world import START, make_policy, secret

POLICY = make_policy(((2, 3), (3, 5)))


def test_a_case_that_moved_meanwhile_is_not_moved_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "desk.db")
    order = make_order(POLICY, grants(), START + 9_000)
    store.add_case(Case(order.document, secret("r"), START))
    mine, theirs = store.cases()[0], store.cases()[0]
    store.put_signature(theirs, bytes(64), State.SIGNED, START)
    for late in (
        lambda: store.put_state(mine, State.WITHDRAWN),
        lambda: store.put_signature(mine, bytes((1,)) * 64, State.SIGNED, START),
    ):
        with pytest.raises(Conflict) as caught:
            late()
        assert caught.value.rule == "case.moved"
    (kept,) = store.cases()
    assert (kept.state, kept.signature) == (State.SIGNED, bytes(64))
    assert [link.what for link in store.custody(order.digest)] == [Step.DRAFTED, Step.SIGNED]


def test_what_came_while_a_case_was_opened_is_not_left_out_of_its_custody(tmp_path: Path) -> None:
    store = Store(tmp_path / "desk.db")
    order = make_order(POLICY, grants(), START + 9_000)
    store.add_case(Case(order.document, secret("r"), START))
    (case,) = store.cases()
    known = store.custody(order.digest)
    store.put_signature(case, bytes(64), State.SIGNED, START)
    with pytest.raises(Conflict) as caught:
        store.put_opened(case, secret("manifest"), known, START)
    assert caught.value.rule == "case.moved"
    known = store.custody(order.digest)
    told = store.put_opened(case, secret("manifest"), known, START + 5)
    assert told == store.custody(order.digest)
    assert told[-1] == Link(START + 5, Step.OPENED, secret("manifest"))


def test_a_desk_of_before_goes_on_with_its_cases_and_reads_its_logs_anew(tmp_path: Path) -> None:
    """What was not written down then has no time; no release and no signature is lost."""
    path = tmp_path / "desk.db"
    order = make_order(POLICY, grants(), START + 9_000)
    old = Database.open(path, store_module._MIGRATIONS[:1])
    with old.transaction("old"):
        old.execute(
            "INSERT INTO cases VALUES (?, ?, ?, ?, 'releasing', ?, ?, NULL, 0)",
            (order.digest, order.document, secret("r"), START, bytes(64), bytes(64)),
        )
        old.execute(
            "INSERT INTO verdicts VALUES (?, 1, 4, ?, ?, NULL, NULL)",
            (order.digest, secret("C"), secret("manifest")),
        )
        for seat in range(2):
            row = (order.digest, seat, secret("release", seat), b"release %d" % seat)
            old.execute("INSERT INTO releases VALUES (?, ?, ?, ?)", row)
        old.execute("INSERT INTO log_entries VALUES ('log.test/orders', 0, 1, ?)", (b"entry",))
        old.execute("INSERT INTO log_state VALUES ('log.test/orders', 1, 1, ?, ?)", (b"n", b"h"))
    old.close()
    store = Store(path)
    (case,) = store.cases()
    assert (case.state, case.secret) == (State.RELEASING, secret("r"))
    assert store.custody(order.digest) == (
        Link(START, Step.DRAFTED, order.digest),
        Link(0, Step.SIGNED, order.digest),
        Link(0, Step.COUNTERSIGNED, order.digest),
        Link(0, Step.ADMITTED, secret("C")),
        Link(0, Step.RELEASE, secret("release", 0)),
        Link(0, Step.RELEASE, secret("release", 1)),
    )
    assert len(store.releases(order.digest)) == 2
    assert store.entries("log.test/orders") == []
    assert store.log_time("log.test/orders") == 0
    told = store.put_opened(case, secret("m"), store.custody(order.digest), START)
    assert len(store.custody(order.digest)) == len(told) == 7
