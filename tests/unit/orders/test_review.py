"""One rule, one order that breaks exactly that rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from glasslock.errors import StateError
from glasslock.ids import account_id
from glasslock.orders.authority import Register
from glasslock.orders.review import (
    RULES,
    AdmittedOrder,
    AuthenticOrder,
    Refusal,
    refusal,
    review,
)
from glasslock.signing import SigningKey
from glasslock.wire.order import Grant, IssuedOrder, Order, entry_digest
from glasslock.wire.policy import Limits, Policy
from glasslock.wire.record import (
    AGENCY,
    COUNTERSIGNER,
    ISSUING,
    REGISTRY,
    AuthorityRecord,
    encode_record,
)
from tests.unit.desk.cases import (
    ISSUER,
    JUDGE,
    KEYS,
    make_order,
    make_record,
    records_of,
    sign_order,
)
from tests.unit.desk.world import CLOCKS, START, make_policy, seat_key, secret

NOW = START + 10 * 900
TAU = START // 900
LIMITS = Limits(
    grants=3,
    accounts=2,
    slots=20,
    order_seconds=86_400,
    hold_seconds=600,
    disclose_seconds=20 * 86_400,
    granularity_seconds=3_600,
)
POLICY = make_policy(((2, 3), (3, 5)), LIMITS)
ALICE, BOB, CAROL = (account_id(name) for name in ("alice", "bob", "carol"))
STRANGER = SigningKey.from_seed(secret("stranger"))


def good() -> Order:
    grants = [
        Grant(b"group", ALICE, ((TAU, TAU + 2), (TAU + 5, TAU + 5))),
        Grant(b"group", BOB, ((TAU, TAU),), ALICE),
    ]
    order = make_order(POLICY, grants, NOW)
    return replace(order, hold=NOW + 600)


def judge(
    issued: IssuedOrder,
    records: Iterable[AuthorityRecord] | None = None,
    policy: Policy = POLICY,
    now: int = NOW,
) -> AdmittedOrder | Refusal:
    found = records_of(POLICY).values() if records is None else records
    return review(issued, policy, Register(POLICY, found), now)


def rule_of(verdict: AdmittedOrder | Refusal) -> str:
    assert isinstance(verdict, Refusal)
    assert verdict.ground == RULES[verdict.rule]
    return verdict.rule


def acting(role: str, **changes: object) -> tuple[Order, list[AuthorityRecord]]:
    """The good order under a register where one record is another."""
    records = records_of(POLICY)
    records[role] = make_record(POLICY, role, **changes)
    names = {ISSUING: "authority", COUNTERSIGNER: "countersigner", AGENCY: "agency"}
    named = entry_digest(encode_record(records[role]))
    return replace(good(), **{names.get(role, "registry"): named}), list(records.values())


def test_a_good_order_is_admitted() -> None:
    admitted = judge(sign_order(good()))
    assert isinstance(admitted, AdmittedOrder)
    assert admitted.digest == good().digest
    assert admitted.issuing.key == ISSUER.public
    assert admitted.countersigner.key == JUDGE.public
    assert (admitted.agency.key, admitted.registry.key) == (
        KEYS.agency.public,
        KEYS.registry.public,
    )
    assert (admitted.issuing.name, admitted.order.named) == ("the issuing", {"alice"})
    assert admitted.order.third_parties == {"bob"}


# -- each rule alone --------------------------------------------------------------------------


def test_order_format() -> None:
    issued = sign_order(good())
    for document in (b"", issued.document[:-1], issued.document + b"\x00", b"\x80"):
        assert rule_of(judge(replace(issued, document=document))) == "order.format"


def test_order_policy() -> None:
    other = make_policy(((2, 2), (2, 2)), LIMITS)
    assert rule_of(judge(sign_order(good()), policy=other)) == "order.policy"
    assert rule_of(judge(sign_order(replace(good(), policy=bytes(32))))) == "order.policy"
    none = replace(POLICY, access=None)
    order = replace(good(), policy=none.digest)
    register = Register(none, records_of(none).values())
    assert rule_of(review(sign_order(order), none, register, NOW)) == "order.policy"


def test_order_issuer() -> None:
    assert rule_of(judge(sign_order(good(), issuer=STRANGER))) == "order.issuer"
    assert rule_of(judge(sign_order(replace(good(), authority=bytes(32))))) == "order.issuer"
    wrong_role = replace(good(), authority=good().countersigner)
    assert rule_of(judge(sign_order(wrong_role, issuer=JUDGE))) == "order.issuer"


@pytest.mark.parametrize("dates", [{"not_before": NOW + 1}, {"not_after": NOW - 1}])
def test_order_issuer_serves_at_the_time(dates: dict[str, int]) -> None:
    order, records = acting(ISSUING, **dates)
    assert rule_of(judge(sign_order(order), records)) == "order.issuer"


def test_order_issuer_is_vouched_for_by_this_policys_registry() -> None:
    order, records = acting(ISSUING, policy=bytes(32))
    assert rule_of(judge(sign_order(order), records)) == "order.issuer"
    order, records = acting(ISSUING)
    forged = [replace(r, signature=bytes(64)) if r.role == ISSUING else r for r in records]
    named = next(entry_digest(encode_record(r)) for r in forged if r.role == ISSUING)
    order = replace(order, authority=named)
    assert rule_of(judge(sign_order(order), forged)) == "order.issuer"


def test_order_countersigner() -> None:
    assert rule_of(judge(sign_order(good(), judge=STRANGER))) == "order.countersigner"
    order = replace(good(), countersigner=good().authority)
    assert rule_of(judge(sign_order(order, judge=ISSUER))) == "order.countersigner"


def test_order_countersigner_has_seen_the_signature() -> None:
    issued = sign_order(good())
    other = sign_order(replace(good(), reference="case 2"))
    mixed = replace(issued, countersignature=other.countersignature)
    assert rule_of(judge(mixed)) == "order.countersigner"


@pytest.mark.parametrize(
    ("role", "changes"),
    [
        (COUNTERSIGNER, {"owner": "Prosecution"}),
        (REGISTRY, {"owner": "Police"}),
        (REGISTRY, {"owner": "Prosecution"}),
        (REGISTRY, {"key": KEYS.agency.public}),
        (AGENCY, {"owner": "Person 3"}),
    ],
)
def test_order_independence(role: str, changes: dict[str, object]) -> None:
    order, records = acting(role, **changes)
    assert rule_of(judge(sign_order(order), records)) == "order.independence"


def test_order_independence_of_keys() -> None:
    order, records = acting(COUNTERSIGNER, key=ISSUER.public)
    assert rule_of(judge(sign_order(order, judge=ISSUER), records)) == "order.independence"
    order, records = acting(COUNTERSIGNER, key=seat_key(2).public)
    assert rule_of(judge(sign_order(order, judge=seat_key(2)), records)) == "order.independence"


def test_order_case_keys() -> None:
    assert rule_of(judge(sign_order(replace(good(), agency=good().registry)))) == "order.case-keys"
    assert rule_of(judge(sign_order(replace(good(), registry=bytes(32))))) == "order.case-keys"
    order, records = acting(AGENCY, not_after=NOW - 1)
    assert rule_of(judge(sign_order(order), records)) == "order.case-keys"


Change = Callable[[Order], Order]


def _latest(order: Order) -> int:
    return (order.issued + LIMITS.disclose_seconds) // 3_600 * 3_600


WRONG: list[tuple[str, Change]] = [
    ("order.dates", lambda o: replace(o, expires=o.issued + 86_401)),
    ("order.dates", lambda o: replace(o, expires=o.issued)),
    ("order.hold", lambda o: replace(o, hold=o.issued + 599)),
    ("order.hold", lambda o: replace(o, hold=o.expires)),
    ("order.notice", lambda o: replace(o, disclose_by=_latest(o) + 3_600)),
    ("order.notice", lambda o: replace(o, disclose_by=o.issued // 3_600 * 3_600)),
    ("order.notice", lambda o: replace(o, disclose_by=_latest(o) - 1)),
    (
        "order.future",
        lambda o: replace(o, grants=(Grant(b"group", ALICE, ((TAU + 10, TAU + 10),)),)),
    ),
    (
        "order.grants",
        lambda o: replace(
            o, grants=tuple(Grant(b"group %d" % n, ALICE, ((TAU, TAU),)) for n in range(4))
        ),
    ),
    (
        "order.accounts",
        lambda o: replace(o, grants=(*o.grants, Grant(b"group", CAROL, ((TAU, TAU),), ALICE))),
    ),
    ("order.slots", lambda o: replace(o, grants=(Grant(b"group", ALICE, ((TAU - 12, TAU + 8),)),))),
    (
        "order.overlap",
        lambda o: replace(o, grants=(*o.grants, Grant(b"group", ALICE, ((TAU + 2, TAU + 3),)))),
    ),
    (
        "order.overlap",
        lambda o: replace(o, grants=(*o.grants, Grant(b"group", ALICE, ((TAU, TAU),), BOB))),
    ),
]


@pytest.mark.parametrize(("rule", "change"), WRONG)
def test_dates_and_scope(rule: str, change: Change) -> None:
    assert rule_of(judge(sign_order(change(good())))) == rule


@pytest.mark.parametrize("now", [NOW - 121, NOW + 86_401])
def test_order_dates_by_the_clock_of_who_judges(now: int) -> None:
    assert rule_of(judge(sign_order(good()), now=now)) == "order.dates"


@pytest.mark.parametrize("now", [NOW - 120, NOW + 86_400])
def test_the_last_moments_are_in_time(now: int) -> None:
    assert isinstance(judge(sign_order(good()), now=now), AdmittedOrder)


def test_what_the_limits_just_allow_is_admitted() -> None:
    order = replace(
        good(),
        expires=NOW + 86_400,
        disclose_by=_latest(good()),
        grants=(
            Grant(b"group", ALICE, ((TAU - 9, TAU + 8),)),
            Grant(b"group", BOB, ((TAU + 9, TAU + 9),)),
            Grant(b"other", ALICE, ((TAU, TAU),)),
        ),
    )
    assert isinstance(judge(sign_order(order)), AdmittedOrder)
    assert CLOCKS.slot_seconds * (TAU + 10) == NOW


def test_every_rule_is_tested_here_or_belongs_to_a_store() -> None:
    """Some rules need a memory, or what was stored: the provider has both."""
    here = {rule for rule, _ in WRONG} | {
        "order.format",
        "order.policy",
        "order.issuer",
        "order.countersigner",
        "order.independence",
        "order.case-keys",
    }
    assert set(RULES) - here == {"order.replayed", "order.conversation", "order.size"}
    assert refusal("order.replayed").ground == RULES["order.replayed"]


def test_an_admitted_order_cannot_be_declared() -> None:
    for declared in (AuthenticOrder, AdmittedOrder):
        with pytest.raises(StateError) as caught:
            declared()
        assert caught.value.rule == "order.unreviewed"
