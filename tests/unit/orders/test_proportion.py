"""What a provider signs of an order's reach, and which of its numbers must come true."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.errors import BadSignature, VerificationError
from glasslock.ids import account_id
from glasslock.orders.proportion import (
    SLACK_SECONDS,
    ReachedSlot,
    compare,
    count,
    sign_preview,
    verify_preview,
)
from glasslock.wire.order import Grant, Order
from glasslock.wire.preview import Numbers, Preview, decode_preview
from tests.unit.provider.scene import GROUP, NOW, key, order, policy

PROVIDER, OTHER = key("provider"), key("another provider")
CLOCKS = policy().clocks


def wanted() -> Order:
    base = order(policy())
    spans = base.grants[0].spans
    third = Grant(GROUP, account_id("bob"), spans, account_id("alice"))
    return replace(base, grants=(base.grants[0], third))


def reached(*slots: tuple[int, int]) -> list[ReachedSlot]:
    """Slots stored (seconds before now) ago, with so many messages each."""
    return [
        ReachedSlot(GROUP, 1_000 + number, NOW - ago, [(NOW - ago, False)] * messages)
        for number, (ago, messages) in enumerate(slots)
    ]


def previewed(stored: list[ReachedSlot], **lie: int) -> Preview:
    what = wanted()
    numbers = replace(count(what, stored, CLOCKS), **lie)
    return sign_preview(what, numbers, NOW, PROVIDER)


def rules(preview: Preview, slots: list[ReachedSlot]) -> dict[str, str]:
    found = compare(preview, wanted(), slots, CLOCKS)
    return {each.number: each.rule for each in found.differences}


def test_a_preview_is_its_provider_word_on_one_order() -> None:
    what, made = wanted(), previewed(reached((500, 2)))
    assert decode_preview(made.encode()) == made
    verify_preview(made, what, PROVIDER.public)
    with pytest.raises(BadSignature):
        verify_preview(made, what, OTHER.public)
    with pytest.raises(BadSignature):
        verify_preview(replace(made, time=NOW + 1), what, PROVIDER.public)
    with pytest.raises(VerificationError) as caught:
        verify_preview(made, replace(what, reference="CASE 8"), PROVIDER.public)
    assert caught.value.rule == "preview.order"


@pytest.mark.parametrize("lie", [{"named": 2}, {"third_parties": 0}])
def test_who_is_named_is_what_the_order_says(lie: dict[str, int]) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_preview(previewed(reached((500, 2)), **lie), wanted(), PROVIDER.public)
    assert caught.value.rule == "preview.persons"


def test_a_preview_is_of_the_life_of_its_order() -> None:
    """Dated back, it would call everything it left out stored later."""
    what = wanted()
    numbers = count(what, [], CLOCKS)
    for time in (what.issued - SLACK_SECONDS, what.expires):
        verify_preview(sign_preview(what, numbers, time, PROVIDER), what, PROVIDER.public)
    for time in (0, what.issued - SLACK_SECONDS - 1, what.expires + 1):
        with pytest.raises(VerificationError) as caught:
            verify_preview(sign_preview(what, numbers, time, PROVIDER), what, PROVIDER.public)
        assert caught.value.rule == "preview.dated"


def test_numbers_that_come_true_are_no_difference() -> None:
    slots = reached((5_000, 2), (500, 3))
    found = compare(previewed(slots), wanted(), slots, CLOCKS)
    assert found.differences == ()
    assert found.found == Numbers(1, 1, 1, 2, 1, 5, 0)


@pytest.mark.parametrize("number", ["conversations", "slots", "days", "messages"])
def test_a_provider_that_previews_few_or_much_is_named(number: str) -> None:
    slots = reached((5_000, 2), (500, 3))
    true = getattr(count(wanted(), slots, CLOCKS), number)
    for said, rule in ((true - 1, "preview.fewer"), (true + 1, "preview.more")):
        preview = previewed(slots, **{number: said})
        found = compare(preview, wanted(), slots, CLOCKS)
        assert [(d.number, d.rule, d.foreseen, d.found) for d in found.false] == [
            (number, rule, said, true)
        ]
        assert found.false[0].says
        assert found.differences == found.false


def test_what_is_stored_after_the_preview_accuses_nobody() -> None:
    before = reached((5_000, 2))
    after = [*before, ReachedSlot(GROUP, 1_009, NOW + 900, [(NOW + 900, False)])]
    assert rules(previewed(before), after) == {
        "slots": "preview.later",
        "messages": "preview.later",
    }
    assert compare(previewed(before), wanted(), after, CLOCKS).false == ()
    # What was stored a minute around it may be in it or not; a second more, and it is one of both.
    for shift, held in ((-SLACK_SECONDS, False), (1 - SLACK_SECONDS, True)):
        close = [*before, ReachedSlot(GROUP, 1_009, NOW + shift, [(NOW + shift, False)])]
        wanted_rule = "preview.later" if held else "preview.fewer"
        assert rules(previewed(before), close)["messages"] == wanted_rule
        assert rules(previewed(close), close) == {}
    for shift, held in ((SLACK_SECONDS, True), (SLACK_SECONDS + 1, False)):
        close = [*before, ReachedSlot(GROUP, 1_009, NOW + shift, [(NOW + shift, False)])]
        assert rules(previewed(close), close) == (
            {} if held else {"slots": "preview.more", "messages": "preview.more"}
        )


def test_messages_may_be_removed_in_between_and_never_come_back() -> None:
    there = [ReachedSlot(GROUP, 1_000, NOW - 500, [(NOW - 500, False), (NOW - 400, False)])]
    gone = [replace(there[0], messages=[(NOW - 500, False), (NOW - 400, True)])]
    assert rules(previewed(there), gone) == {"removed": "preview.removed"}
    assert compare(previewed(there), wanted(), gone, CLOCKS).false == ()
    assert rules(previewed(gone), there) == {"removed": "preview.back"}
    assert [d.number for d in compare(previewed(gone), wanted(), there, CLOCKS).false] == [
        "removed"
    ]
