"""The rules an order must pass, one id each; provider and every keyholder run this same code.

``AdmittedOrder`` comes only from ``review``. A failed rule is a ``Refusal``: a value with the rule
and its ground, because a refusal is an answer that gets logged, not a fault. Knows no log, no
budget and no store.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NoReturn

from glasslock import signing
from glasslock.errors import GlasslockError, StateError, VerificationError, WireError
from glasslock.orders.authority import Authority, Register
from glasslock.wire.labels import Label
from glasslock.wire.order import (
    Grant,
    IssuedOrder,
    Order,
    countersigned_content,
    decode_order,
)
from glasslock.wire.policy import Access, Limits, Policy
from glasslock.wire.record import AGENCY, COUNTERSIGNER, ISSUING, REGISTRY

RULES: Final[dict[str, str]] = {
    "order.format": "the order is not in the form the protocol gives",
    "order.policy": "the order is under a policy without keyholders, or another one",
    "order.issuer": "no registered issuing authority has signed this order",
    "order.countersigner": "no registered countersigner has signed this order",
    "order.independence": "authority, countersigner and holders of case keys are not independent",
    "order.case-keys": "agency or court registry is not registered for its role",
    "order.dates": "the order is not valid now, or valid for longer than the policy allows",
    "order.hold": "the order asks for release earlier than the policy allows",
    "order.notice": "the date of notice is not one that the policy allows",
    "order.future": "the order reaches into time that had not passed when it was issued",
    "order.grants": "the order has more grants than the policy allows",
    "order.accounts": "the order reaches more accounts than the policy allows",
    "order.slots": "the order names more slots than the policy allows",
    "order.overlap": "two grants name the same slot of the same sender",
    "order.replayed": "this order was handed in before",
    "order.conversation": "a conversation is not stored here, or was never under this policy",
    "order.size": "what the order reaches is more than one case can carry",
}
CLOCK_SKEW: Final = 120


@dataclass(frozen=True, slots=True, init=False)
class AuthenticOrder:
    """An order that its issuing authority has signed; nothing else of it is known to hold."""

    order: Order
    issuing: Authority

    def __init__(self, *_: object, **__: object) -> None:
        """Refuse: an order is reviewed, not declared; raises ``StateError``."""
        raise StateError("an order is reviewed, not declared", rule="order.unreviewed")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer no: the rule that failed and its ground, fit to be logged and shown.

    ``authentic`` is what was refused, when a registered authority has signed it: without it a
    request is by nobody we know, and is counted, not logged.
    """

    rule: str
    ground: str
    authentic: AuthenticOrder | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, init=False)
class AdmittedOrder:
    """An order that passed every rule, with the records of those who act in it."""

    issued: IssuedOrder
    order: Order
    issuing: Authority
    countersigner: Authority
    agency: Authority
    registry: Authority

    def __init__(self, *_: object, **__: object) -> None:
        """Refuse: an order is reviewed, not declared; raises ``StateError``."""
        raise StateError("an order is reviewed, not declared", rule="order.unreviewed")

    @property
    def digest(self) -> bytes:
        """``H("order", document)``."""
        return self.order.digest

    @property
    def authentic(self) -> AuthenticOrder:
        """The order as its issuing authority's, for an answer no on other grounds."""
        return _authentic(self.order, self.issuing)


class _Failed(GlasslockError):
    """A rule of the review did not hold."""

    slug = "rule-failed"


def refusal(rule: str, authentic: AuthenticOrder | None = None) -> Refusal:
    """Return the refusal under ``rule``, one of ``RULES``."""
    return Refusal(rule, RULES[rule], authentic)


def review(
    issued: IssuedOrder, policy: Policy, register: Register, now: int
) -> AdmittedOrder | Refusal:
    """Judge an order at ``now`` (unix seconds) under ``policy`` and its ``register``."""
    authentic = None
    try:
        access, authentic = _authenticate(issued, policy, register)
        return _judge(issued, authentic, access, policy, register, now)
    except _Failed as failed:
        return refusal(failed.rule or "order.format", authentic)


def review_scope(order: Order, limits: Limits) -> Refusal | None:
    """Say whether an order asks for more than a policy allows, whoever signed it (previews)."""
    try:
        _check_scope(order, limits)
    except _Failed as failed:
        return refusal(failed.rule or "order.format")
    return None


def _authenticate(
    issued: IssuedOrder, policy: Policy, register: Register
) -> tuple[Access, AuthenticOrder]:
    try:
        order = decode_order(issued.document)
    except WireError:
        _fail("order.format")
    access = policy.access
    if access is None or order.policy != policy.digest or register.policy != policy.digest:
        _fail("order.policy")
    issuing = _signer(register, order.authority, ISSUING, order.issued, "order.issuer")
    _signed(issuing, Label.SIGN_ORDER, issued.document, issued.signature, "order.issuer")
    return access, _authentic(order, issuing)


def _judge(
    issued: IssuedOrder,
    authentic: AuthenticOrder,
    access: Access,
    policy: Policy,
    register: Register,
    now: int,
) -> AdmittedOrder:
    order, issuing = authentic.order, authentic.issuing
    countersigner = _signer(
        register, order.countersigner, COUNTERSIGNER, order.issued, "order.countersigner"
    )
    content = countersigned_content(issued.document, issued.signature)
    _signed(
        countersigner,
        Label.SIGN_COUNTERSIGN,
        content,
        issued.countersignature,
        "order.countersigner",
    )
    agency = _signer(register, order.agency, AGENCY, order.issued, "order.case-keys")
    registry = _signer(register, order.registry, REGISTRY, order.issued, "order.case-keys")
    _check_independent(access, issuing, countersigner, agency, registry)
    _check_dates(order, policy, access.limits, now)
    _check_scope(order, access.limits)
    return _make(issued, order, issuing, countersigner, agency, registry)


def _signer(register: Register, digest: bytes, role: str, at: int, rule: str) -> Authority:
    try:
        return register.find(digest, role, at)
    except VerificationError:
        _fail(rule)


def _signed(by: Authority, label: Label, content: bytes, signature: bytes, rule: str) -> None:
    try:
        signing.verify(by.key, label, content, signature)
    except VerificationError:
        _fail(rule)


def _check_independent(
    access: Access,
    issuing: Authority,
    countersigner: Authority,
    agency: Authority,
    registry: Authority,
) -> None:
    """Two owners must agree at each step: to issue, and to open; no keyholder is one of them."""
    pairs = ((issuing, countersigner), (agency, registry), (issuing, registry))
    if any(a.record.owner == b.record.owner or a.key == b.key for a, b in pairs):
        _fail("order.independence")
    seats = access.seats
    people, keys = {s.legal_person for s in seats}, {s.signing_key for s in seats}
    acting = (issuing, countersigner, agency, registry)
    if any(each.record.owner in people or each.key in keys for each in acting):
        _fail("order.independence")


def _check_dates(order: Order, policy: Policy, limits: Limits, now: int) -> None:
    if order.issued > now + CLOCK_SKEW or not order.issued < order.expires:
        _fail("order.dates")
    if now > order.expires or order.expires - order.issued > limits.order_seconds:
        _fail("order.dates")
    if order.hold < order.issued + limits.hold_seconds or order.hold >= order.expires:
        _fail("order.hold")
    latest = order.issued + limits.disclose_seconds
    step = max(1, limits.granularity_seconds)
    if not order.issued < order.disclose_by <= latest or order.disclose_by % step:
        _fail("order.notice")
    end = max(grant.spans[-1][1] + 1 for grant in order.grants) * policy.clocks.slot_seconds
    if end > order.issued:
        _fail("order.future")


def _check_scope(order: Order, limits: Limits) -> None:
    if len(order.grants) > limits.grants:
        _fail("order.grants")
    if len(order.named | order.third_parties) > limits.accounts:
        _fail("order.accounts")
    if order.slots > limits.slots:
        _fail("order.slots")
    of_sender: dict[tuple[bytes, str], list[Grant]] = defaultdict(list)
    for grant in order.grants:
        of_sender[grant.group_id, grant.account].append(grant)
    for grants in of_sender.values():
        spans = sorted(span for grant in grants for span in grant.spans)
        if any(after[0] <= before[1] for before, after in pairwise(spans)):
            _fail("order.overlap")


def _fail(rule: str) -> NoReturn:
    raise _Failed(RULES[rule], rule=rule)


def _make(issued: IssuedOrder, order: Order, *acting: Authority) -> AdmittedOrder:
    made = object.__new__(AdmittedOrder)
    names = ("issuing", "countersigner", "agency", "registry")
    for name, value in (
        ("issued", issued),
        ("order", order),
        *zip(names, acting, strict=True),
    ):
        object.__setattr__(made, name, value)
    return made


def _authentic(order: Order, issuing: Authority) -> AuthenticOrder:
    made = object.__new__(AuthenticOrder)
    object.__setattr__(made, "order", order)
    object.__setattr__(made, "issuing", issuing)
    return made
