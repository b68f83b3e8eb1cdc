"""What the log hides opens to the right facts only, and to nobody more than is theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.errors import VerificationError
from glasslock.ids import account_id
from glasslock.orders.commitment import (
    CONTEST,
    Facts,
    account_bucket,
    check_disclosure,
    check_leaf,
    check_opening,
    count_bucket,
    disclose,
    letter_to,
    make_leaf,
    persons_in,
)
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label
from glasslock.wire.leaf import OrderLeaf
from glasslock.wire.notice import Field
from glasslock.wire.order import Grant
from tests.unit.desk.cases import admit, make_order
from tests.unit.desk.world import START, make_policy, secret

NOW, TAU = START + 9_000, START // 900
POLICY = make_policy(((2, 3), (3, 5)))
GRANTS = [
    Grant(b"group", account_id("alice"), ((TAU, TAU + 2),)),
    Grant(b"group", account_id("bob"), ((TAU, TAU),), account_id("alice")),
]
R, MANIFEST = secret("r"), secret("manifest")
ADMITTED = admit(POLICY, make_order(POLICY, GRANTS, NOW), NOW)
FACTS = Facts.of(ADMITTED, MANIFEST)
LEAF = make_leaf(ADMITTED, POLICY, MANIFEST, R)


def rule(leaf: OrderLeaf, fields: tuple[Field | bytes, ...]) -> str | None:
    with pytest.raises(VerificationError) as caught:
        check_disclosure(leaf, fields)
    return caught.value.rule


def test_the_leaf_shows_buckets_and_a_date() -> None:
    assert (LEAF.family, LEAF.authority_class, LEAF.category) == ("family", "criminal", "content")
    assert (LEAF.accounts, LEAF.slots) == (1, 0)
    assert LEAF.disclose_by == ADMITTED.order.disclose_by
    assert LEAF.commitment == FACTS.commitment(R)
    check_leaf(LEAF, ADMITTED, POLICY, MANIFEST, R)


@pytest.mark.parametrize(
    "leaf",
    [
        replace(LEAF, commitment=bytes(32)),
        replace(LEAF, family="other"),
        replace(LEAF, authority_class="civil"),
        replace(LEAF, accounts=0),
        replace(LEAF, slots=1),
        replace(LEAF, disclose_by=LEAF.disclose_by + 1),
    ],
)
def test_a_leaf_of_another_order_is_refused(leaf: OrderLeaf) -> None:
    with pytest.raises(VerificationError) as caught:
        check_leaf(leaf, ADMITTED, POLICY, MANIFEST, R)
    assert caught.value.rule == "commitment.leaf"


def test_another_secret_or_manifest_is_another_leaf() -> None:
    for manifest, r in ((MANIFEST, bytes(32)), (bytes(32), R)):
        with pytest.raises(VerificationError):
            check_leaf(LEAF, ADMITTED, POLICY, manifest, r)


def test_a_disclosure_opens_all_but_who_is_concerned() -> None:
    facts = check_disclosure(LEAF, disclose(7, FACTS, R).fields)
    assert facts["contest"] == CONTEST
    assert facts["legal basis"] == "section 1"
    assert facts["scale"] == (1, 1, 4)
    assert facts["manifest"] == MANIFEST
    assert not {"order", "reference"} & facts.keys()
    assert persons_in(facts) == []


def test_a_letter_opens_what_concerns_its_reader_and_nobody_else() -> None:
    letter = letter_to("alice", "log.test/orders", 7, FACTS, R)
    facts = check_disclosure(LEAF, letter.fields)
    assert facts["reference"] == "case 1"
    hers = ((b"group", None, ((TAU, TAU + 2),)), (b"group", "alice", ((TAU, TAU),)))
    assert persons_in(facts) == [("alice", True, hers)]
    assert "order" not in facts
    bob = check_disclosure(LEAF, letter_to("bob", "log.test/orders", 7, FACTS, R).fields)
    assert persons_in(bob) == [("bob", False, ((b"group", "alice", ((TAU, TAU),)),))]
    nobody = check_disclosure(LEAF, letter_to("mallory", "log.test/orders", 7, FACTS, R).fields)
    assert persons_in(nobody) == []


def test_who_is_named_only_as_a_recipient_has_a_letter_too() -> None:
    received = Grant(b"group", account_id("bob"), ((TAU, TAU),), account_id("alice"))
    order = make_order(POLICY, [received], NOW)
    facts = Facts.of(admit(POLICY, order, NOW), MANIFEST)
    leaf = make_leaf(admit(POLICY, order, NOW), POLICY, MANIFEST, R)
    opened = check_disclosure(leaf, letter_to("alice", "log.test/orders", 7, facts, R).fields)
    assert persons_in(opened) == [("alice", True, ((b"group", "alice", ((TAU, TAU),)),))]


def test_every_change_of_an_opened_field_is_refused() -> None:
    fields = disclose(7, FACTS, R).fields
    for at, each in enumerate(fields):
        if not isinstance(each, Field):
            continue
        for wrong in (
            replace(each, key=bytes(32)),
            replace(each, value=each.value + b"\x00"),
            replace(each, label=each.label + " "),
        ):
            changed = (*fields[:at], wrong, *fields[at + 1 :])
            assert rule(LEAF, changed) == "commitment.opening"


def test_order_and_number_of_fields_count() -> None:
    fields = disclose(7, FACTS, R).fields
    for changed in (fields[::-1], fields[1:], (*fields, fields[-1]), ()):
        assert rule(LEAF, changed) == "commitment.opening"


def test_a_field_cannot_be_moved_to_another_place() -> None:
    fields = list(disclose(7, FACTS, R).fields)
    fields[0], fields[1] = fields[1], fields[0]
    assert rule(LEAF, tuple(fields)) == "commitment.opening"


def test_the_opening_of_another_order_is_refused() -> None:
    other = admit(POLICY, replace(ADMITTED.order, reference="case 2"), NOW)
    fields = disclose(7, Facts.of(other, MANIFEST), R).fields
    assert rule(LEAF, fields) == "commitment.opening"


@pytest.mark.parametrize(
    "label",
    [
        "authority",
        "contest",
        "countersigner",
        "dates",
        "legal basis",
        "manifest",
        "offence",
        "policy",
        "scale",
    ],
)
def test_a_disclosure_that_withholds_is_none(label: str) -> None:
    hidden = letter_to("nobody", "log", 7, FACTS, secret("other")).fields
    assert rule(LEAF, hidden) == "commitment.opening"
    fields = []
    for each in disclose(7, FACTS, R).fields:
        if isinstance(each, Field) and each.label == label:
            # What a discloser would put there to keep it: the field's own commitment.
            fields.append(_hidden(each))
        else:
            fields.append(each)
    assert check_opening(LEAF, tuple(fields)).keys() >= {"contest", "dates"} - {label}
    assert rule(LEAF, tuple(fields)) == "commitment.withheld"


def _hidden(field: Field) -> bytes:
    return derive(field.key, Label.COMMITMENT_VALUE, field.label, field.value)


def test_a_key_of_one_field_opens_no_other() -> None:
    fields = [each for each in disclose(7, FACTS, R).fields if isinstance(each, Field)]
    assert len({each.key for each in fields}) == len(fields)
    assert R not in {each.key for each in fields}


@pytest.mark.parametrize(
    ("count", "accounts", "others"),
    [(1, 0, 0), (2, 1, 0), (5, 1, 0), (6, 2, 0), (10, 2, 0), (11, 2, 1), (20, 2, 1), (21, 3, 1)],
)
def test_buckets(count: int, accounts: int, others: int) -> None:
    assert (account_bucket(count), count_bucket(count)) == (accounts, others)
    assert [count_bucket(n) for n in (100, 101, 1_000, 1_001)] == [1, 2, 2, 3]
