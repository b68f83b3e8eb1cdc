"""A letter is believed by the log alone: every lie about an order has its own name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.client.events import PutOff
from glasslock.client.notices import (
    NoticePending,
    policy_of,
    read_notice,
    registered,
    verify_for,
    verify_letter,
)
from glasslock.errors import VerificationError
from glasslock.ids import account_id
from glasslock.orders.commitment import Facts, disclose, letter_to, make_leaf
from glasslock.orders.extension import anybody
from glasslock.orders.ledger import Ledger, countersign, sign_leaf
from glasslock.sealing.book import PolicyBook
from glasslock.signing import SigningKey
from glasslock.wire.codec import Encodable, encode
from glasslock.wire.leaf import ExtendLeaf, OrderLeaf, encode_leaf
from glasslock.wire.notice import Field, Letter
from glasslock.wire.order import Grant
from glasslock.wire.policy import Clocks, Policy
from glasslock.wire.record import encode_record
from tests.unit.desk.cases import ISSUER, JUDGE, admit, make_order, records_of
from tests.unit.desk.world import PROVIDER, START, make_policy, secret

NOW, TAU = START + 9_000, START // 900
POLICY = make_policy(((2, 3), (3, 5)))
assert POLICY.access is not None
ORIGIN = POLICY.access.orders_origin
GRANTS = [
    Grant(b"group", account_id("alice"), ((TAU, TAU + 2),)),
    Grant(b"group", account_id("bob"), ((TAU, TAU),), account_id("alice")),
]
R, MANIFEST = secret("r"), secret("manifest")
ADMITTED = admit(POLICY, make_order(POLICY, GRANTS, NOW), NOW)
FACTS = Facts.of(ADMITTED, MANIFEST)
LEAF = make_leaf(ADMITTED, POLICY, MANIFEST, R)
LETTER = letter_to("alice", ORIGIN, 0, FACTS, R)


def log(leaf: OrderLeaf = LEAF, by: SigningKey = PROVIDER, *, told: bool = True) -> Ledger:
    """A log with one order in it, and its disclosure."""
    ledger = Ledger()
    ledger.add(encode_leaf(sign_leaf(leaf, by)), 0, NOW)
    if told:
        ledger.add(encode_leaf(disclose(0, FACTS, R)), 1, leaf.disclose_by)
    return ledger


def says(label: str, value: Encodable) -> bytes:
    """The letter with another value in one field."""
    fields = [
        replace(each, value=encode(value))
        if isinstance(each, Field) and each.label == label
        else each
        for each in LETTER.fields
    ]
    return replace(LETTER, fields=tuple(fields)).encode()


def rule(letter: Letter, ledger: Ledger, account: str = "alice", policy: Policy = POLICY) -> str:
    with pytest.raises(VerificationError) as caught:
        verify_for(letter.encode(), account, policy, ledger, 2)
    return str(caught.value.rule)


def test_a_true_letter_says_what_the_log_says() -> None:
    notice = verify_for(LETTER.encode(), "alice", POLICY, log(), 2)
    assert (notice.account, notice.named, notice.provider) == ("alice", True, PROVIDER.public)
    assert (notice.policy, notice.disclose_by) == (POLICY.digest, LEAF.disclose_by)
    assert [(each.recipient, each.spans) for each in notice.conversations] == [
        (None, ((TAU, TAU + 2),)),
        ("alice", ((TAU, TAU),)),
    ]


def put_off(ledger: Ledger, number: int, date: int, judge: SigningKey = JUDGE) -> None:
    """Put the notice off, by this order's authority."""
    leaf = ExtendLeaf(0, number, date, "still searching", bytes(32), bytes(64))
    leaf = countersign(LEAF.commitment, ISSUER.public, leaf, judge)
    ledger.add(encode_leaf(sign_leaf(leaf, ISSUER)), ledger.size, NOW)


def test_a_notice_tells_how_often_it_was_put_off_and_why() -> None:
    book = PolicyBook()
    for number, record in enumerate(records_of(POLICY).values()):
        book.add(encode_record(record), number, NOW)
    # The policy itself stands in no log here: whom it registers, nobody can say.
    for parties, held in ((registered(None), 0), (registered(book), 0), (anybody, 2)):
        ledger = Ledger(parties)
        ledger.add(encode_leaf(sign_leaf(LEAF, PROVIDER)), 0, NOW)
        put_off(ledger, 1, LEAF.disclose_by + 10)
        put_off(ledger, 2, LEAF.disclose_by + 20)
        put_off(ledger, 3, LEAF.disclose_by)
        ledger.add(encode_leaf(disclose(0, FACTS, R)), ledger.size, LEAF.disclose_by)
        notice = verify_for(LETTER.encode(), "alice", POLICY, ledger, ledger.size)
        assert notice.disclose_by == LEAF.disclose_by
        told = [PutOff(LEAF.disclose_by + by, "still searching") for by in (10, 20)]
        assert list(notice.put_off) == told[:held]


def test_a_letter_is_its_readers_own() -> None:
    assert rule(LETTER, log(), account="bob") == "notice.person"
    assert rule(LETTER, log(), policy=replace(POLICY, name="another")) == "notice.policy"
    stranger = SigningKey.from_seed(secret("stranger"))
    assert rule(LETTER, log(by=stranger)) == "notice.provider"


def test_a_letter_is_about_an_order_in_its_log() -> None:
    assert rule(replace(LETTER, index=1), log()) == "notice.leaf"
    with pytest.raises(VerificationError) as caught:
        verify_letter(LETTER.encode(), "log.test/another", log(), 2)
    assert caught.value.rule == "notice.origin"
    other = replace(LEAF, commitment=secret("other"))
    assert rule(LETTER, log(other)) == "commitment.opening"


def test_leaf_and_letter_name_one_date() -> None:
    moved = replace(LEAF, disclose_by=LEAF.disclose_by + 3_600)
    assert rule(LETTER, log(moved)) == "notice.dates"


def test_before_the_log_shows_the_disclosure_a_letter_waits() -> None:
    for ledger, index, wanted in (
        (log(told=False), 0, "notice.undisclosed"),
        (log(), 7, "notice.unread"),
    ):
        with pytest.raises(NoticePending) as caught:
            verify_for(replace(LETTER, index=index).encode(), "alice", POLICY, ledger, 2)
        assert caught.value.rule == wanted


def test_a_letter_claims_a_policy_that_its_reader_knows_and_that_is_of_its_log() -> None:
    known = {POLICY.digest: POLICY}
    assert policy_of(LETTER, known) is POLICY
    bare = Policy("none", "none", PROVIDER.public, Clocks())
    for letter, policies in (
        (LETTER, {}),
        (LETTER, {POLICY.digest: bare}),
        (replace(LETTER, origin="log.test/another"), known),
    ):
        with pytest.raises(VerificationError) as caught:
            policy_of(letter, policies)
        assert caught.value.rule == "notice.policy"


@pytest.mark.parametrize(
    ("letter", "wanted"),
    [
        (letter_to("mallory", ORIGIN, 0, FACTS, R).encode(), "notice.person"),
        (says("authority", "the authority"), "commitment.withheld"),
        (says("contest", 1), "commitment.withheld"),
        (says("person 0000", ("alice", 1, ((b"group", None),))), "notice.grants"),
        (says("person 0000", ("alice", 1, ((b"group", None, (1,)),))), "notice.grants"),
    ],
)
def test_what_cannot_be_shown_whole_is_not_shown(letter: bytes, wanted: str) -> None:
    with pytest.raises(VerificationError) as caught:
        read_notice(letter)
    assert caught.value.rule == wanted
