"""A provider's word on what an order would reach, and what of it must come true (section 5).

What may differ is what a provider cannot know when it is asked: what is stored afterwards, and what
is removed afterwards. All else is equal, or one of its two words was false. Knows no store, no
manifest and no log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from glasslock import signing
from glasslock.errors import VerificationError
from glasslock.signing import SigningKey
from glasslock.wire.labels import Label
from glasslock.wire.order import Order
from glasslock.wire.policy import Clocks
from glasslock.wire.preview import Numbers, Preview

# What was on its way into a line when it was counted may be in a preview or not (seconds).
SLACK_SECONDS: Final = 60
FEWER, MORE, BACK = "preview.fewer", "preview.more", "preview.back"
LATER, REMOVED = "preview.later", "preview.removed"
SAYS: Final[dict[str, str]] = {
    FEWER: "the provider had stored more than its preview says",
    MORE: "the provider's preview says more than it has handed over",
    BACK: "what the preview says was removed is there",
    LATER: "stored after the preview",
    REMOVED: "removed after the preview",
}
# These accuse the provider; the others say only what happened in between.
FALSE: Final = frozenset({FEWER, MORE, BACK})
_COUNTED: Final = ("conversations", "slots", "days", "messages")


@dataclass(frozen=True, slots=True)
class ReachedSlot:
    """A granted slot: who wrote in it, when it was opened, when its messages were stored.

    ``messages`` are (time, whether it was removed), times in unix seconds.
    """

    group_id: bytes
    tau: int
    time: int
    messages: Sequence[tuple[int, bool]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A number that did not come true as the preview had it, and the rule that says why."""

    number: str
    foreseen: int
    found: int
    rule: str

    @property
    def says(self) -> str:
        """The rule in words."""
        return SAYS[self.rule]


@dataclass(frozen=True, slots=True)
class Proportion:
    """What was foreseen, what was found, and each difference."""

    preview: Preview
    found: Numbers
    differences: tuple[Difference, ...]

    @property
    def false(self) -> tuple[Difference, ...]:
        """The differences that nothing explains but a provider's false word."""
        return tuple(each for each in self.differences if each.rule in FALSE)


def count(
    order: Order, slots: Iterable[ReachedSlot], clocks: Clocks, until: int | None = None
) -> Numbers:
    """Return what an order reaches; with ``until``, only what was stored up to that time."""
    reached = [slot for slot in slots if until is None or slot.time <= until]
    messages = [
        removed
        for slot in reached
        for time, removed in slot.messages
        if until is None or time <= until
    ]
    return Numbers(
        named=len(order.named),
        third_parties=len(order.third_parties),
        conversations=len({slot.group_id for slot in reached}),
        slots=len(reached),
        days=len({slot.tau // clocks.slots_per_day for slot in reached}),
        messages=len(messages),
        removed=sum(messages),
    )


def sign_preview(order: Order, numbers: Numbers, time: int, key: SigningKey) -> Preview:
    """Return the preview that a provider signs with the key of its receipts."""
    bare = Preview(order.digest, time, numbers)
    signature = key.sign(Label.SIGN_PREVIEWED, bare.statement)
    return Preview(order.digest, time, numbers, signature)


def verify_preview(preview: Preview, order: Order, provider: bytes) -> None:
    """Check that a preview is of this order, by the policy's provider, about its persons.

    Its time lies in the order's life, so that all it grants had been written: a preview dated back
    would leave everything to what was stored later.

    Raises:
        BadSignature: the provider did not sign it.
        VerificationError: rule ``preview.order``, ``preview.dated``, ``preview.persons``.
    """
    signing.verify(provider, Label.SIGN_PREVIEWED, preview.statement, preview.signature)
    if preview.order != order.digest:
        raise VerificationError("the preview is of another order", rule="preview.order")
    if not order.issued - SLACK_SECONDS <= preview.time <= order.expires:
        raise VerificationError("the preview is not of the order's time", rule="preview.dated")
    numbers = preview.numbers
    if (numbers.named, numbers.third_parties) != (len(order.named), len(order.third_parties)):
        raise VerificationError("the preview counts other persons", rule="preview.persons")


def compare(
    preview: Preview, order: Order, slots: Sequence[ReachedSlot], clocks: Clocks
) -> Proportion:
    """Hold a checked preview against what the provider has frozen and handed over.

    Raises nothing: a number that is not true is a difference.
    """
    foreseen, found = preview.numbers, count(order, slots, clocks)
    least = count(order, slots, clocks, preview.time - SLACK_SECONDS)
    most = count(order, slots, clocks, preview.time + SLACK_SECONDS)
    differences = []
    for name in _COUNTED:
        said, there = getattr(foreseen, name), getattr(found, name)
        if said < getattr(least, name):
            differences.append(Difference(name, said, there, FEWER))
        elif said > getattr(most, name):
            differences.append(Difference(name, said, there, MORE))
        elif said < there:
            differences.append(Difference(name, said, there, LATER))
    if foreseen.removed != found.removed:
        rule = BACK if foreseen.removed > found.removed else REMOVED
        differences.append(Difference("removed", foreseen.removed, found.removed, rule))
    return Proportion(preview, found, tuple(differences))
