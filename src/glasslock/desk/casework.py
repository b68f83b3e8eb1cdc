"""What a case is before anything is opened: the draft of an order, its secret, where it stands.

Knows a policy, its register and the table of an order's life; knows no log, key file or store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from glasslock.casefile.releases import enough
from glasslock.errors import StateError
from glasslock.ids import account_id, group_id
from glasslock.orders.authority import Authority, Register
from glasslock.orders.lifecycle import NEXT, State, advance
from glasslock.sealing.slots import tau_at
from glasslock.wire.order import Grant, IssuedOrder, Order, Spans, decode_order
from glasslock.wire.policy import Clocks, Limits, Policy
from glasslock.wire.preview import Preview
from glasslock.wire.record import AGENCY, COUNTERSIGNER, ISSUING, REGISTRY

ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one sender wrote in one conversation from ``first`` until before ``end`` (seconds)."""

    group_id: bytes
    account: str
    first: int
    end: int
    recipient: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a draft is made from; authorities by name, or by the hex digest of their record."""

    reference: str
    legal_basis: str
    offence: str
    authority: str
    countersigner: str
    agency: str
    registry: str
    wanted: tuple[Wanted, ...]
    hold: int | None = None
    expires: int | None = None
    disclose_by: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The provider's answer: where the order stands in the log, or why it was refused.

    ``manifest`` is the manifest's digest.
    """

    admitted: bool
    index: int | None
    commitment: bytes
    manifest: bytes
    rule: str | None = None
    ground: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """An order as its desk has it; ``secret`` is r, drawn once and kept."""

    document: bytes
    secret: bytes = field(repr=False)
    created: int
    state: State = State.DRAFT
    signature: bytes | None = None
    countersignature: bytes | None = None
    verdict: Verdict | None = None
    preview: Preview | None = None
    noticed: bool = False

    @property
    def order(self) -> Order:
        """The order."""
        return decode_order(self.document)

    @property
    def id(self) -> str:
        """The name it has on this desk."""
        return case_id(self.order)

    @property
    def issued(self) -> IssuedOrder:
        """The order with both signatures.

        Raises:
            StateError: rule ``case.unsigned``.
        """
        if self.signature is None or self.countersignature is None:
            raise StateError("this order is not signed by both", rule="case.unsigned")
        return IssuedOrder(self.document, self.signature, self.countersignature)

    def logged(self) -> Verdict:
        """Return the verdict of an order that was admitted.

        Raises:
            StateError: rule ``case.unlogged``.
        """
        if self.verdict is None or not self.verdict.admitted or self.verdict.index is None:
            raise StateError("this order was not admitted", rule="case.unlogged")
        return self.verdict


@dataclass(frozen=True, slots=True)
class Extension:
    """A new date for a case's notice, on its way: drafted, countersigned, signed (``entry``).

    ``taken``: the provider has answered, so that nobody needs to tell it again.
    """

    number: int
    disclose_by: int
    ground: str
    countersigner: bytes | None = None
    countersignature: bytes | None = None
    entry: bytes | None = None
    taken: bool = False


def case_id(order: Order) -> str:
    """Return the name of an order's case: the beginning of its digest."""
    return order.digest.hex()[:ID_LENGTH]


def draft(request: Request, policy: Policy, register: Register, now: int) -> Order:
    """Return the order that ``request`` asks for, issued at ``now`` (unix seconds).

    Dates that were not given are the furthest that the policy allows. Whether the order would be
    admitted is judged by the review, by everybody; this only refuses what cannot be written.

    Raises:
        StateError: an authority cannot be found, or nothing is asked for.
        WireError: a name is malformed, or a time lies outside all slots.
    """
    limits = policy.access.limits if policy.access is not None else Limits()
    order = Order(
        reference=request.reference,
        policy=policy.digest,
        authority=find(register, request.authority, ISSUING, now).digest,
        countersigner=find(register, request.countersigner, COUNTERSIGNER, now).digest,
        agency=find(register, request.agency, AGENCY, now).digest,
        registry=find(register, request.registry, REGISTRY, now).digest,
        legal_basis=request.legal_basis,
        offence=request.offence,
        issued=now,
        expires=now + limits.order_seconds if request.expires is None else request.expires,
        hold=now + limits.hold_seconds if request.hold is None else request.hold,
        disclose_by=notice_date(request.disclose_by, limits, now),
        grants=grants_of(request.wanted, policy.clocks),
    )
    return decode_order(order.document)


def notice_date(wanted: int | None, limits: Limits, now: int) -> int:
    """Return the date of notice: on the policy's grid, not after what was asked or is allowed."""
    latest = now + limits.disclose_seconds
    date = latest if wanted is None else min(wanted, latest)
    return date - date % max(1, limits.granularity_seconds)


def grants_of(wanted: Sequence[Wanted], clocks: Clocks) -> tuple[Grant, ...]:
    """Return one grant per conversation, sender and recipient, their slots as rising spans.

    Raises:
        StateError: rule ``draft.empty``: nothing is asked for, or a time runs backwards.
        WireError: a name is malformed.
    """
    runs: dict[tuple[bytes, str, str | None], list[tuple[int, int]]] = defaultdict(list)
    for each in wanted:
        if each.end <= each.first:
            raise StateError("a grant ends after it begins", rule="draft.empty")
        span = (tau_at(clocks, each.first), tau_at(clocks, each.end - 1))
        runs[each.group_id, each.account, each.recipient].append(span)
    if not runs:
        raise StateError("an order grants something", rule="draft.empty")
    return tuple(
        Grant(
            group_id(group),
            account_id(account),
            _spans(spans),
            None if recipient is None else account_id(recipient),
        )
        for (group, account, recipient), spans in sorted(
            runs.items(), key=lambda item: (item[0][0], item[0][1], item[0][2] or "")
        )
    )


def _spans(runs: Iterable[tuple[int, int]]) -> Spans:
    """Merge runs that overlap or touch."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def find(register: Register, name: str, role: str, now: int) -> Authority:
    """Return the authority of this name (or record digest in hex) that has ``role`` now.

    Of several records under one name the last one logged counts.

    Raises:
        StateError: rule ``draft.authority``.
    """
    for each in reversed(register.all()):
        record = each.record
        serves = record.role == role and record.not_before <= now <= record.not_after
        if serves and name in (record.name, each.digest.hex()):
            return each
    raise StateError(f"nobody of this name is registered as {role} now", rule="draft.authority")


def summary(order: Order, clocks: Clocks) -> dict[str, object]:
    """Return an order as facts for a person who is to sign it."""
    return {
        "reference": order.reference,
        "legal_basis": order.legal_basis,
        "offence": order.offence,
        "issued": order.issued,
        "hold": order.hold,
        "expires": order.expires,
        "disclose_by": order.disclose_by,
        "named": sorted(order.named),
        "third_parties": sorted(order.third_parties),
        "slots": order.slots,
        "grants": [
            {
                "conversation": grant.group_id.hex(),
                "account": grant.account,
                "recipient": grant.recipient,
                "times": [
                    [first * clocks.slot_seconds, (last + 1) * clocks.slot_seconds]
                    for first, last in grant.spans
                ],
            }
            for grant in order.grants
        ],
    }


def keeps_preview(state: State) -> bool:
    """Say whether a preview is kept: not once the order is signed, which was done on another."""
    return State.PREVIEWED in NEXT[state]


def received(state: State) -> State:
    """Return the state once a release has come."""
    return advance(state, State.RELEASING) if state in (State.LOGGED, State.RELEASING) else state


def takes_releases(state: State) -> bool:
    """Say whether releases of an order are kept: from its signing until its case is closed.

    Already before the provider's verdict is known here, which may have been lost on its way.
    """
    return state not in (
        State.DRAFT,
        State.PREVIEWED,
        State.SIGNED,
        State.REFUSED,
        State.WITHDRAWN,
        State.CLOSED,
    )


def lapses(case: Case, released: Sequence[int], policy: Policy, time: int) -> bool:
    """Say whether an order has run out at ``time`` without enough releases.

    ``released`` are the numbers of seats whose release has come.
    """
    if case.state not in (State.LOGGED, State.RELEASING) or time <= case.order.expires:
        return False
    return policy.access is not None and not enough(policy.access.shape, released)
