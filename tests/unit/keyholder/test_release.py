"""Each rule of the decision by itself: one thing is wrong, and exactly that is the ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from glasslock.errors import ConfigError, GlasslockError, StateError, TransportError
from glasslock.keyholder.check import RULES, LoggedOrder, Reason, Wait
from glasslock.keyholder.release import (
    Answer,
    Plan,
    done_entry,
    intent_entry,
    refusal_entry,
    release,
)
from glasslock.keyholder.vault import Plain
from glasslock.keyholder.watch import Announced, Bundle, Case, Step, announced, finished, steps
from glasslock.orders.ledger import countersign, sign_leaf
from glasslock.orders.review import Refusal
from glasslock.sealing.releasing import check_release
from glasslock.signing import SigningKey
from glasslock.wire.leaf import CloseLeaf, ExtendLeaf, OrderLeaf, encode_leaf
from glasslock.wire.order import IssuedOrder
from glasslock.wire.release import decode_release
from tests.unit.desk.cases import ISSUER, JUDGE, KEYS, R, sign_order
from tests.unit.desk.world import PROVIDER, seat_key, secret
from tests.unit.keyholder.bench import LIMITS, Bench

MALLORY = SigningKey.from_seed(b"\x66" * 32)
FRESH = bytes(range(96))


def refused(bench: Bench) -> str:
    verdict = bench.decide()
    assert isinstance(verdict, Refusal), verdict
    assert verdict.ground
    return verdict.rule


def leaf_by(bench: Bench, key: SigningKey, **changes: object) -> None:
    """Log the order's leaf with changes, or under another key."""
    bench.script.log()
    leaf = replace(bench.record.leaf, **changes)  # type: ignore[arg-type]
    del bench.ledger.orders[bench.script.index]
    bench.script.index = bench.script.add(encode_leaf(sign_leaf(leaf, key)))


def test_an_order_that_keeps_every_rule_is_released_and_opens() -> None:
    bench = Bench()
    verdict = bench.decide()
    assert isinstance(verdict, Plan)
    made = release(verdict, FRESH)
    check_release(made, seat_key(2).public)
    assert decode_release(made.encode()) == made
    assert len(made.slots) == 3
    script = bench.script
    script.announce(made)
    others = script.released([0, 3, 4, 5])
    found = script.open(script.bundle(), [made.encode(), *others], KEYS)
    assert [m.content for m in found.messages] == [b"message %d" % n for n in range(3)]
    assert found.faults == ()


@pytest.mark.parametrize("seat", range(8))
def test_every_seat_reads_its_own_shares(seat: int) -> None:
    verdict = Bench(seat=seat).decide()
    assert isinstance(verdict, Plan)
    assert {share.seat for _, share in verdict.shares} == {seat}


def other_quorum(bench: Bench) -> None:
    bench.quorum = "quorum 2"


def other_provider(bench: Bench) -> None:
    leaf_by(bench, MALLORY)


def no_bundle(bench: Bench) -> None:
    bench.bundle = replace(bench.bundle, manifest=b"")


def short_secret(bench: Bench) -> None:
    bench.bundle = replace(bench.bundle, secret=R[:31])


def other_secret(bench: Bench) -> None:
    bench.bundle = replace(bench.bundle, secret=secret("another r"))


def other_leaf(bench: Bench) -> None:
    leaf_by(bench, PROVIDER, slots=3)


def other_manifest(bench: Bench) -> None:
    manifest = replace(bench.script.manifest, slots=())
    bench.bundle = replace(bench.bundle, manifest=manifest.encoded)


def unsigned(bench: Bench) -> None:
    issued = sign_order(bench.order, issuer=MALLORY)
    bench.bundle = replace(bench.bundle, issued=issued.encode())


def uncountersigned(bench: Bench) -> None:
    good = sign_order(bench.order)
    bad = IssuedOrder(good.document, good.signature, bytes(64))
    bench.bundle = replace(bench.bundle, issued=bad.encode())


def expired(bench: Bench) -> None:
    bench.late, bench.max_age = 2 * 86_400, 1 << 30


def expired_by_the_log(bench: Bench) -> None:
    bench.script.log()
    bench.ledger.seen(bench.world.time + 2 * 86_400)
    bench.max_age = 1 << 30


def replayed(bench: Bench) -> None:
    bench.cases[0] = bench.case(0, bench.order.digest)


def restored(bench: Bench) -> None:
    bench.script.log()
    bench.intent(bench.script.index)


def over_budget(bench: Bench) -> None:
    _orders_before(bench, 3)


def overdue(bench: Bench) -> None:
    bench.script.log()
    leaf = replace(bench.record.leaf, disclose_by=bench.world.time - LIMITS.batch_seconds - 1)
    index = bench.script.add(encode_leaf(sign_leaf(leaf, PROVIDER)))
    bench.cases[index] = bench.case(index, b"another order")


def closed(bench: Bench) -> None:
    bench.script.log()
    leaf = CloseLeaf(bench.script.index, "withdrawn")
    bench.script.add(encode_leaf(sign_leaf(leaf, ISSUER)))


def person(bench: Bench) -> None:
    bench.answer = Answer(yes=False, ground="not proportionate")


def destroyed(bench: Bench) -> None:
    bench.keys = {key_id: replace(key, seed=None) for key_id, key in bench.keys.items()}


def unreadable(bench: Bench) -> None:
    bench.keys = {k: replace(key, seed=bytes(32)) for k, key in bench.keys.items()}


def not_ours(bench: Bench) -> None:
    bench.keys = {}


def unproven(bench: Bench) -> None:
    """The ingest roots stand in the log after the order, as if they were made for it."""
    bench.script.log()
    for said in list(bench.ledger.ingest):
        old = bench.ledger.ingest[said]
        bench.ledger.ingest[said] = replace(old, index=bench.script.index + 1)


def _orders_before(bench: Bench, count: int, *, known: bool = True, late: int = 0) -> None:
    """Log other orders of the same authority, each with an intent of ours."""
    bench.script.log()
    for number in range(count):
        leaf: OrderLeaf = replace(bench.record.leaf, commitment=secret("c", number))
        index = bench.script.add(encode_leaf(sign_leaf(leaf, PROVIDER)))
        bench.intent(index)
        if known:
            bench.cases[index] = bench.case(index, secret("d", number))
    if late:
        bench.ledger.time += late


BROKEN: list[tuple[Callable[[Bench], None], str]] = [
    (other_quorum, "release.pinned"),
    (other_provider, "release.provider"),
    (no_bundle, "release.bundle"),
    (short_secret, "release.bundle"),
    (other_secret, "release.commitment"),
    (other_leaf, "release.commitment"),
    (other_manifest, "release.commitment"),
    (unsigned, "order.issuer"),
    (uncountersigned, "order.countersigner"),
    (expired, "order.dates"),
    (expired_by_the_log, "order.dates"),
    (unproven, "ingest.interval"),
    (replayed, "release.replayed"),
    (restored, "release.restored"),
    (over_budget, "release.budget"),
    (overdue, "release.overdue"),
    (closed, "release.closed"),
    (person, "release.person"),
    (destroyed, "release.destroyed"),
    (unreadable, "release.unreadable"),
    (not_ours, "release.unreadable"),
]


class Away(Plain):
    """A token that is not in its slot just now, or whose PIN was changed."""

    def __init__(self, error: type[GlasslockError]) -> None:
        self.error = error

    def unwrap(self, kept: bytes, about: bytes) -> bytes:
        raise self.error(str(len(kept)), rule=about.hex())


@pytest.mark.parametrize("error", [TransportError, ConfigError])
def test_a_key_that_cannot_be_reached_is_no_ground_to_refuse(error: type[GlasslockError]) -> None:
    bench = Bench()
    bench.keys = {k: replace(key, vault=Away(error)) for k, key in bench.keys.items()}
    with pytest.raises(error):
        bench.decide()


@pytest.mark.parametrize(
    ("break_it", "rule"), BROKEN, ids=lambda item: getattr(item, "__name__", item)
)
def test_one_thing_wrong_is_refused_by_its_name(
    break_it: Callable[[Bench], None], rule: str
) -> None:
    bench = Bench()
    break_it(bench)
    assert refused(bench) == rule


def test_every_own_rule_is_broken_by_a_test() -> None:
    assert {rule for _, rule in BROKEN if rule.startswith("release.")} == RULES.keys() - {
        "release.empty"
    }


def test_an_order_over_empty_slots_is_refused_as_empty() -> None:
    bench = Bench()
    empty = replace(bench.script.manifest, slots=(), nexts=(), tier1s=(), devices=())
    bench.script.manifest = empty
    bench.bundle = replace(bench.bundle, manifest=empty.encoded)
    assert refused(bench) == "release.empty"


def test_a_manifest_that_does_not_fit_is_refused_under_its_own_rule() -> None:
    bench = Bench()
    manifest = bench.script.manifest
    line = replace(manifest.lines[0], entries=manifest.lines[0].entries[:-1])
    bench.script.manifest = replace(manifest, lines=(line,))
    bench.bundle = replace(bench.bundle, manifest=bench.script.manifest.encoded)
    assert refused(bench) == "manifest.line"


@pytest.mark.parametrize("role", ["order.case-keys", "order.hold", "order.future", "order.notice"])
def test_rules_of_the_order_hold_here_too(role: str) -> None:
    now = Bench().order.issued
    broken: dict[str, dict[str, object]] = {
        "order.case-keys": {"agency": Bench().order.registry},
        "order.hold": {"hold": now - 1},
        "order.future": {"issued": now - 3_600, "hold": now},
        "order.notice": {"disclose_by": Bench().order.disclose_by + 1},
    }
    good = Bench()
    bad = Bench(order_changes=broken[role])
    # A leaf as its provider would have to make it: of an order that no honest one admits.
    good.script.log()
    bad.script.ledger = good.ledger
    bad.script.index = good.script.index
    assert refused(bad) == role


# -- waiting ----------------------------------------------------------------------------------


def waits(bench: Bench) -> Reason:
    verdict = bench.decide()
    assert isinstance(verdict, Wait), verdict
    return verdict.reason


def test_a_person_is_asked_unless_the_answer_stands() -> None:
    assert waits(Bench(standing=False)) is Reason.PERSON
    assert isinstance(Bench(standing=False, answer=Answer(yes=True)).decide(), Plan)


def test_nobody_can_turn_a_failed_rule_into_a_yes() -> None:
    bench = Bench(standing=False, answer=Answer(yes=True))
    other_secret(bench)
    assert refused(bench) == "release.commitment"


def test_nothing_is_judged_by_an_old_log() -> None:
    bench = Bench()
    bench.late = bench.max_age + 1
    assert waits(bench) is Reason.LOG
    bench = Bench()
    bench.script.log()
    bench.book.time -= bench.max_age + 1
    assert waits(bench) is Reason.LOG


def test_a_hold_date_is_kept_by_both_clocks() -> None:
    hold = Bench().order.issued + 600
    bench = Bench(order_changes={"hold": hold})
    assert waits(bench) is Reason.HOLD
    bench.late = 600
    assert waits(bench) is Reason.HOLD
    bench.ledger.seen(hold)
    assert isinstance(bench.decide(), Plan)


def test_an_order_under_another_policy_of_the_family_is_left_alone() -> None:
    bench, other = Bench(), Bench(limits=replace(LIMITS, accounts=15))
    bench.bundle = Bundle(other.bundle.issued, R, other.bundle.manifest)
    assert waits(bench) is Reason.FOREIGN


# -- budgets ----------------------------------------------------------------------------------


def test_a_budget_is_full_at_its_number_and_not_before() -> None:
    bench = Bench()
    _orders_before(bench, 2)
    assert isinstance(bench.decide(), Plan)


def test_a_store_that_was_rolled_back_does_not_reset_a_budget() -> None:
    bench = Bench()
    _orders_before(bench, 3, known=False)
    assert refused(bench) == "release.budget"


def test_a_release_on_its_way_counts_before_the_log_shows_it() -> None:
    bench = Bench()
    _orders_before(bench, 2)
    leaf: OrderLeaf = replace(bench.record.leaf, commitment=secret("c"))
    index = bench.script.add(encode_leaf(sign_leaf(leaf, PROVIDER)))
    bench.cases[index] = replace(bench.case(index, b"x"), release=b"bytes")
    assert refused(bench) == "release.budget"


def test_releases_of_other_authorities_and_other_weeks_do_not_count() -> None:
    bench = Bench()
    _orders_before(bench, 3)
    for index, case in bench.cases.items():
        bench.cases[index] = replace(case, authority="another")
    assert isinstance(bench.decide(), Plan)
    bench = Bench(order_changes={"expires": Bench().order.issued + 30 * 86_400})
    bench.max_age = 1 << 30
    _orders_before(bench, 3, late=7 * 86_400)
    assert isinstance(bench.decide(), Plan)


# -- shares -----------------------------------------------------------------------------------


def test_a_slot_that_fails_is_left_out_without_a_word() -> None:
    bench = Bench()
    manifest = bench.script.manifest
    seal = bytearray(manifest.slots[1].seal)
    seal[-1] ^= 1
    slots = (manifest.slots[0], replace(manifest.slots[1], seal=bytes(seal)), manifest.slots[2])
    bench.script.manifest = replace(manifest, slots=slots)
    bench.bundle = replace(bench.bundle, manifest=bench.script.manifest.encoded)
    verdict = bench.decide()
    assert isinstance(verdict, Plan)
    assert len(verdict.shares) == 2


def test_a_release_is_made_of_a_checked_order_only() -> None:
    for kind in (LoggedOrder, Announced):
        with pytest.raises(StateError):
            kind()


# -- the log ----------------------------------------------------------------------------------


def test_a_release_is_sent_only_once_the_log_shows_its_own_intent() -> None:
    bench = Bench()
    verdict = bench.decide()
    assert isinstance(verdict, Plan)
    made, seated, index = release(verdict, FRESH), bench.seated, bench.script.index
    case = replace(bench.case(index, bench.order.digest), release=made.encode())
    assert announced(bench.record, seated, case) is None
    bench.intent(index, secret("another release"))
    bench.intent(index, made.digest, seat=1)
    assert announced(bench.record, seated, case) is None
    assert list(steps(bench.ledger, seated, {index: case}, bench.date)) == []
    bench.script.add(intent_entry(seated, index, made))
    found = announced(bench.record, seated, case)
    assert found is not None
    assert found.release == made.encode()
    assert [step for _, step in steps(bench.ledger, seated, {index: case}, bench.date)] == [
        Step.SEND
    ]
    assert not finished(bench.record, seated)
    bench.script.add(done_entry(seated, index, made.encode()))
    assert finished(bench.record, seated)


def test_what_is_next_on_an_order() -> None:
    bench = Bench()
    bench.script.log()
    seated, index, ledger = bench.seated, bench.script.index, bench.ledger
    case = bench.case(index, bench.order.digest)

    def found(cases: dict[int, Case]) -> list[Step]:
        return [step for _, step in steps(ledger, seated, cases, bench.date)]

    assert found({}) == [Step.FETCH]
    assert found({index: case}) == [Step.JUDGE]
    assert found({index: replace(case, rule="release.person")}) == []
    ledger.seen(bench.order.disclose_by)
    assert found({index: replace(case, rule="release.person")}) == [Step.NOTIFY]
    assert found({index: replace(case, rule="x", noticed=True)}) == []
    bench.script.add(refusal_entry(seated, index, Refusal("release.person", "no"), bytes(16)))
    assert found({}) == []


def test_nobody_but_its_own_authority_closes_an_order() -> None:
    bench = Bench()
    bench.script.log()
    for key in (MALLORY, JUDGE, PROVIDER, seat_key(2)):
        leaf = CloseLeaf(bench.script.index, "withdrawn")
        bench.script.add(encode_leaf(sign_leaf(leaf, key)))
    assert isinstance(bench.decide(), Plan)


def extended(bench: Bench, date: int, key: SigningKey = ISSUER, judge: SigningKey = JUDGE) -> None:
    """Log the next extension of the order."""
    number = len(bench.record.extensions()) + 1
    leaf = ExtendLeaf(bench.script.index, number, date, "searching", bytes(32), bytes(64))
    leaf = countersign(bench.record.leaf.commitment, key.public, leaf, judge)
    bench.script.add(encode_leaf(sign_leaf(leaf, key)))


def test_notice_is_given_on_the_date_in_force() -> None:
    bench = Bench()
    bench.script.log()
    first, index = bench.order.disclose_by, bench.script.index
    case = replace(bench.case(index, bench.order.digest), rule="release.person")

    def found() -> list[Step]:
        return [s for _, s in steps(bench.ledger, bench.seated, {index: case}, bench.date)]

    # By two bodies that are not this order's: it holds nothing back here.
    extended(bench, first + 60, MALLORY, SigningKey.from_seed(b"\x67" * 32))
    assert bench.date(bench.record, case) == first
    extended(bench, first + 3_600)
    assert bench.date(bench.record, case) == first + 3_600
    bench.ledger.seen(first + 3_599)
    assert found() == []
    bench.ledger.seen(first + 3_600)
    assert found() == [Step.NOTIFY]
    # A bundle that cannot be read names nobody who may put it off.
    broken = replace(case, bundle=replace(case.bundle, issued=b""))
    assert bench.date(bench.record, broken) == first


def test_an_authority_is_served_whose_notice_is_put_off_in_time() -> None:
    bench = Bench()
    bench.script.log()
    due = bench.world.time + 1_800
    leaf = replace(bench.record.leaf, disclose_by=due)
    index = bench.script.add(encode_leaf(sign_leaf(leaf, PROVIDER)))
    bench.cases[index] = bench.case(index, b"another order")
    longer = ExtendLeaf(index, 1, due + 1_800, "searching", bytes(32), bytes(64))
    longer = countersign(leaf.commitment, ISSUER.public, longer, JUDGE)
    bench.ledger.add(encode_leaf(sign_leaf(longer, ISSUER)), bench.ledger.size, due)
    bench.max_age = 1 << 30
    bench.ledger.seen(due + LIMITS.batch_seconds + 1)
    assert isinstance(bench.decide(), Plan)
    bench.ledger.seen(due + 1_800 + LIMITS.batch_seconds + 1)
    assert refused(bench) == "release.overdue"


def test_another_family_is_nobody_s_business_here() -> None:
    bench = Bench()
    leaf_by(bench, PROVIDER, family="other")
    assert list(steps(bench.ledger, bench.seated, {}, bench.date)) == []
