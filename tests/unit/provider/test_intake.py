"""What the provider says to an order, a preview and a letter, each rule by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.errors import Conflict, Denied, VerificationError
from glasslock.ids import account_id
from glasslock.orders.commitment import (
    NO_MANIFEST,
    Facts,
    check_disclosure,
    check_opening,
    disclose,
    letter_to,
)
from glasslock.orders.review import AdmittedOrder, AuthenticOrder, Refusal
from glasslock.provider.intake import (
    MAX_REPLAYS,
    Handed,
    Judged,
    LoggedCase,
    NewCase,
    Unknown,
    check_notice,
    check_preview,
    judge,
    open_case,
)
from glasslock.wire.api import RequestPreview
from glasslock.wire.codec import decode
from glasslock.wire.labels import Label
from glasslock.wire.leaf import encode_leaf
from glasslock.wire.manifest import GroupLine, HeadProof, ListedEntry, Manifest
from glasslock.wire.notice import decode_letter
from glasslock.wire.order import Grant, Order, preview_content
from glasslock.wire.policy import Limits
from tests.unit.provider.scene import (
    GROUP,
    ISSUER,
    JUDGE,
    NOW,
    SECRET,
    Memory,
    issue,
    order,
    policy,
)


def judged(memory: Memory, what: Order, secret: bytes = SECRET, now: int = NOW) -> Judged:
    found = judge(issue(what).encode(), secret, memory.known, now)
    assert isinstance(found, Judged)
    return found


def manifest(what: Order) -> Manifest:
    proof = HeadProof(1, 0, 1, bytes(32), 1, bytes(32), ())
    entry = ListedEntry(NOW, "envelope", bytes(32))
    return Manifest(what.digest, (GroupLine(GROUP, None, (entry,), proof),), (), (), (), ())


def logged(memory: Memory, what: Order) -> LoggedCase:
    case = open_case(judged(memory, what), manifest(what))
    return LoggedCase(
        1,
        "log/orders",
        7,
        case.leaf,
        case.facts,
        SECRET,
        case.refusal is None,
        case.leaf.disclose_by,
    )


def test_an_order_is_admitted_with_its_manifest() -> None:
    memory = Memory()
    what = order(memory.policy)
    found = judged(memory, what)
    assert isinstance(found.answer, AdmittedOrder)
    case = open_case(found, manifest(what))
    assert case.refusal is None
    assert case.manifest == manifest(what).encoded
    assert case.leaf.family == "family"
    assert case.leaf.commitment == Facts.of(found.answer, manifest(what).digest).commitment(SECRET)


@pytest.mark.parametrize(
    ("issued", "secret", "rule"),
    [
        (b"no order", SECRET, "order.format"),
        (issue(order(policy())).encode() + b"\x00", SECRET, "order.format"),
        (issue(order(policy())).encode(), b"short", "order.format"),
        (issue(replace(order(policy()), policy=bytes(32))).encode(), SECRET, "order.policy"),
        (issue(order(policy()), by=JUDGE).encode(), SECRET, "order.issuer"),
        (issue(replace(order(policy()), authority=bytes(32))).encode(), SECRET, "order.issuer"),
    ],
)
def test_what_nobody_known_has_signed_is_no_case(issued: bytes, secret: bytes, rule: str) -> None:
    memory = Memory()
    found = judge(issued, secret, memory.known, NOW)
    assert isinstance(found, Unknown)
    assert found.refusal.rule == rule
    assert found.refusal.authentic is None
    assert (found.policy is not None) == (rule == "order.issuer")


def test_a_refused_order_can_be_committed_to_and_disclosed_and_reaches_nobody() -> None:
    memory = Memory()
    what = order(memory.policy, expires=NOW - 1, issued=NOW - 10)
    found = judged(memory, what)
    assert isinstance(found.answer, Refusal)
    assert found.answer.rule == "order.dates"
    case = open_case(found, None)
    assert (case.manifest, case.refusal) == (b"", found.answer)
    facts = check_disclosure(case.leaf, disclose(7, case.facts, SECRET).fields)
    assert (facts["manifest"], facts["countersigner"]) == (NO_MANIFEST, None)
    assert not any(label.startswith("person") for label, _ in case.facts.fields)
    assert (
        LoggedCase(1, "o", 7, case.leaf, case.facts, SECRET, admitted=False, date=NOW).letters()
        == {}
    )


def test_an_authentic_order_is_reviewed_and_not_declared() -> None:
    with pytest.raises(Exception, match="reviewed"):
        AuthenticOrder()


def test_the_same_bytes_are_the_same_case_and_others_a_replay() -> None:
    memory = Memory()
    what = order(memory.policy)
    issued = issue(what).encode()
    memory.handed = [Handed(issued, SECRET, 3)]
    assert judge(issued, SECRET, memory.known, NOW) == memory.handed[0]
    # The answer stays, however late it is asked for again.
    assert judge(issued, SECRET, memory.known, NOW + 9_999) == memory.handed[0]
    replay = judged(memory, what, bytes(32))
    assert isinstance(replay.answer, Refusal)
    assert replay.answer.rule == "order.replayed"
    assert open_case(replay, None).refusal == replay.answer


def test_replays_do_not_fill_the_log() -> None:
    memory = Memory()
    what = order(memory.policy)
    issued = issue(what).encode()
    memory.handed = [Handed(issued, bytes([n]) * 32, n) for n in range(MAX_REPLAYS + 1)]
    with pytest.raises(Conflict):
        judge(issued, SECRET, memory.known, NOW)
    memory.handed = [Handed(b"other bytes", SECRET, 1)]
    with pytest.raises(Conflict):
        judge(issued, SECRET, memory.known, NOW)


def test_an_admitted_order_without_its_conversations_is_refused() -> None:
    memory = Memory()
    case = open_case(judged(memory, order(memory.policy)), None)
    assert case.refusal is not None
    assert case.refusal.rule == "order.conversation"


def test_an_order_that_no_leaf_could_disclose_is_refused() -> None:
    memory = Memory(policy(Limits(granularity_seconds=1, accounts=600, grants=600)))
    bare = order(memory.policy)
    grants = tuple(
        Grant(GROUP, account_id(f"person-{n}"), bare.grants[0].spans) for n in range(500)
    )
    what = replace(bare, grants=grants)
    case = open_case(judged(memory, what), manifest(what))
    assert case.refusal is not None
    assert case.refusal.rule == "order.size"
    leaf = disclose((1 << 63) - 1, case.facts, SECRET)
    assert len(encode_leaf(leaf)) < 16_384


def previewed(what: Order, time: int = NOW) -> RequestPreview:
    signature = ISSUER.sign(Label.SIGN_PREVIEW, preview_content(what.document, time))
    return RequestPreview(what.document, time, signature)


def test_a_preview_is_for_the_issuing_authority_now() -> None:
    memory = Memory(policy(Limits(granularity_seconds=1, grants=1)))
    what = order(memory.policy)
    assert check_preview(previewed(what), memory.known, NOW) == (what, memory.policy)
    for wanted, now, rule in (
        (previewed(what), NOW + 61, "preview.time"),
        (previewed(what, NOW + 61), NOW, "preview.time"),
        (previewed(replace(what, policy=bytes(32))), NOW, "preview.policy"),
        (previewed(replace(what, grants=what.grants * 2)), NOW, "order.grants"),
        (previewed(replace(what, authority=what.countersigner)), NOW, "authority.role"),
    ):
        with pytest.raises((Denied, VerificationError)) as caught:
            check_preview(wanted, memory.known, now)
        assert caught.value.rule == rule
    with pytest.raises(VerificationError):
        check_preview(replace_signature(previewed(what)), memory.known, NOW)


def replace_signature(wanted: RequestPreview) -> RequestPreview:
    return RequestPreview(wanted.document, wanted.time + 1, wanted.signature)


def test_a_letter_is_taken_on_its_day_and_as_it_must_be() -> None:
    memory = Memory()
    what = order(memory.policy)
    case = logged(memory, what)
    (letter,) = case.letters().values()
    due = what.disclose_by
    assert check_notice(letter, case, due) == "alice"
    with pytest.raises(Denied) as early:
        check_notice(letter, case, due - 1)
    assert early.value.rule == "notice.early"
    bob = letter_to("bob", case.origin, case.index, case.facts, SECRET).encode()
    for data, rule in (
        (letter.replace(b"fraud", b"theft"), "commitment.opening"),
        (bob, "notice.person"),
        (replace(decode_letter(letter), origin="another").encode(), "notice.withheld"),
    ):
        with pytest.raises(VerificationError) as caught:
            check_notice(data, case, due)
        assert caught.value.rule == rule


def test_a_letter_opens_one_person_and_nobody_else() -> None:
    memory = Memory()
    bare = order(memory.policy)
    bob = Grant(GROUP, account_id("bob"), bare.grants[0].spans)
    case = logged(memory, replace(bare, grants=(*bare.grants, bob)))
    assert set(case.letters()) == {"alice", "bob"}
    opened = check_opening(case.leaf, decode_letter(case.letters()["bob"]).fields)
    assert [name for name in opened if name.startswith("person")] == ["person 0001"]
    assert opened["reference"] == "CASE 7"
    assert "order" not in opened
    value = dict(case.facts.fields)["person 0001"]
    assert opened["person 0001"] == decode(value)


def test_new_cases_show_no_secret() -> None:
    memory = Memory()
    what = order(memory.policy)
    case = open_case(judged(memory, what), manifest(what))
    assert isinstance(case, NewCase)
    assert repr(SECRET) not in repr(case)
    assert repr(SECRET) not in repr(judged(memory, what))
