"""The provider's decisions on orders: admit, refuse, preview, notify; knows no store and no log.

Facts in, verdict out. What the law asks of an order stands in ``glasslock.orders``; here is what
only the provider can say: handed in before, never stored, too large to carry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from glasslock import signing
from glasslock.errors import Conflict, Denied, VerificationError, WireError
from glasslock.orders.authority import Register
from glasslock.orders.commitment import (
    Facts,
    check_opening,
    disclose,
    letter_to,
    make_leaf,
    make_refused_leaf,
    persons_in,
)
from glasslock.orders.review import (
    AdmittedOrder,
    AuthenticOrder,
    Refusal,
    refusal,
    review,
    review_scope,
)
from glasslock.tlog.submission import MAX_ENTRY
from glasslock.wire.api import REQUEST_SKEW_SECONDS, RequestPreview
from glasslock.wire.codec import decode
from glasslock.wire.labels import Label
from glasslock.wire.leaf import OrderLeaf, encode_leaf
from glasslock.wire.manifest import Manifest
from glasslock.wire.notice import decode_letter
from glasslock.wire.order import (
    SECRET_SIZE,
    IssuedOrder,
    Order,
    decode_issued_order,
    decode_order,
    preview_content,
)
from glasslock.wire.policy import Policy
from glasslock.wire.record import ISSUING

# Each of them is logged; whoever holds an issued order must not fill the log with it.
MAX_REPLAYS: Final = 4
# A keyholder and a desk take a case in one answer each.
MAX_CARRIED: Final = 6 * 1024 * 1024
_HIGHEST: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Handed:
    """An order as it was handed in before: its bytes, its secret and the number of its case."""

    issued: bytes
    secret: bytes = field(repr=False)
    number: int


@dataclass(frozen=True, slots=True)
class Served:
    """A policy with keyholders that this provider serves, and who may act under it."""

    policy: Policy
    register: Register


@dataclass(frozen=True, slots=True)
class Known:
    """What a decision may ask: a served policy by digest, an order's earlier cases by digest."""

    served: Callable[[bytes], Served | None]
    handed: Callable[[bytes], Sequence[Handed]]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody registered has signed this: to be counted. ``policy``: the served one it names."""

    refusal: Refusal
    policy: bytes | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """An authentic order with the answer: to be logged, whatever the answer."""

    policy: Policy
    issued: bytes
    secret: bytes = field(repr=False)
    answer: AdmittedOrder | Refusal
    authentic: AuthenticOrder

    @property
    def origin(self) -> str:
        """The orders log that it goes into."""
        return "" if self.policy.access is None else self.policy.access.orders_origin

    def refused(self, rule: str) -> Judged:
        """Return the same with the answer no under ``rule``."""
        return replace(self, answer=refusal(rule, self.authentic))


Decision: TypeAlias = Handed | Unknown | Judged


@dataclass(frozen=True, slots=True)
class NewCase:
    """A case as it is stored: what was handed in, the answer, and what will be logged of it.

    ``manifest`` is empty when the order was refused.
    """

    order: Order
    issuing_key: bytes
    policy: Policy
    issued: bytes
    secret: bytes = field(repr=False)
    facts: Facts
    leaf: OrderLeaf
    manifest: bytes = b""
    refusal: Refusal | None = None


def judge(issued: bytes, secret: bytes, known: Known, now: int) -> Decision:
    """Judge an order that is handed in at ``now`` (unix seconds).

    Returns the earlier case when the same bytes come again.

    Raises:
        Conflict: the order came too often under other secrets.
    """
    order, parts = _read(issued)
    if order is None or parts is None or len(secret) != SECRET_SIZE:
        return Unknown(refusal("order.format"))
    served = known.served(order.policy)
    if served is None:
        return Unknown(refusal("order.policy"))
    answer = review(parts, served.policy, served.register, now)
    authentic = answer.authentic
    if authentic is None:
        return Unknown(refusal("order.issuer"), order.policy)
    before = known.handed(order.digest)
    for each in before:
        if (each.issued, each.secret) == (issued, secret):
            return each
    # Under the same secret a second leaf would be the first one's: it tells nothing new.
    if len(before) > MAX_REPLAYS or any(each.secret == secret for each in before):
        raise Conflict("this order was handed in too often", rule="order.replayed")
    if before:
        answer = refusal("order.replayed", authentic)
    return Judged(served.policy, issued, secret, answer, authentic)


def names_unknown(issued: bytes, known: Known) -> bool:
    """Say whether an order under a served policy names an authority that is not known here."""
    order, _ = _read(issued)
    served = None if order is None else known.served(order.policy)
    if order is None or served is None:
        return False
    registered = {each.digest for each in served.register.all()}
    return not {order.authority, order.countersigner, order.agency, order.registry} <= registered


def _read(issued: bytes) -> tuple[Order | None, IssuedOrder | None]:
    try:
        parts = decode_issued_order(issued)
        return decode_order(parts.document), parts
    except WireError:
        return None, None


def open_case(judged: Judged, manifest: Manifest | None) -> NewCase:
    """Return the case of an order, admitted with its manifest or refused without one.

    An admitted order that could not be carried or disclosed becomes one refused.
    """
    answer, secret = judged.answer, judged.secret
    if isinstance(answer, AdmittedOrder) and manifest is not None:
        facts = Facts.of(answer, manifest.digest)
        if len(manifest.encoded) > MAX_CARRIED or not _fits(facts, secret):
            return open_case(judged.refused("order.size"), None)
        leaf = make_leaf(answer, judged.policy, manifest.digest, secret)
        return _case(judged, facts, leaf, manifest.encoded, None)
    if isinstance(answer, AdmittedOrder):
        return open_case(judged.refused("order.conversation"), None)
    facts = Facts.of_refused(judged.authentic)
    leaf = make_refused_leaf(judged.authentic, judged.policy, secret)
    return _case(judged, facts, leaf, b"", answer)


def _fits(facts: Facts, secret: bytes) -> bool:
    """Say whether the order could be disclosed by one leaf, at whatever index it will stand."""
    return len(encode_leaf(disclose(_HIGHEST, facts, secret))) <= MAX_ENTRY


def _case(
    judged: Judged, facts: Facts, leaf: OrderLeaf, manifest: bytes, refused: Refusal | None
) -> NewCase:
    authentic = judged.authentic
    return NewCase(
        authentic.order,
        authentic.issuing.key,
        judged.policy,
        judged.issued,
        judged.secret,
        facts,
        leaf,
        manifest,
        refused,
    )


def check_preview(wanted: RequestPreview, known: Known, now: int) -> tuple[Order, Policy]:
    """Return the order that an issuing authority may have counts about.

    Raises:
        Denied: the policy is not served here, or the request is too old.
        VerificationError: no registered issuing authority has signed it, or it asks for too much.
        WireError: it holds no order.
    """
    order = decode_order(wanted.document)
    served = known.served(order.policy)
    if served is None or served.policy.access is None:
        raise Denied("no policy of this provider has keyholders for that", rule="preview.policy")
    if abs(now - wanted.time) > REQUEST_SKEW_SECONDS:
        raise Denied("this request was signed too long ago", rule="preview.time")
    issuing = served.register.find(order.authority, ISSUING, now)
    content = preview_content(wanted.document, wanted.time)
    signing.verify(issuing.key, Label.SIGN_PREVIEW, content, wanted.signature)
    refused = review_scope(order, served.policy.access.limits)
    if refused is not None:
        raise VerificationError(refused.ground, rule=refused.rule)
    return order, served.policy


@dataclass(frozen=True, slots=True)
class LoggedCase:
    """An order whose leaf stands in the log ``origin`` at ``index``; ``date`` is in force."""

    number: int
    origin: str
    index: int
    leaf: OrderLeaf
    facts: Facts
    secret: bytes = field(repr=False)
    admitted: bool
    date: int

    def letters(self) -> dict[str, bytes]:
        """Return the notice to each person whose messages the order reached; none if refused."""
        if not self.admitted:
            return {}
        facts = {label: decode(value) for label, value in self.facts.fields}
        return {account: self._letter(account) for account, _, _ in persons_in(facts)}

    def _letter(self, account: str) -> bytes:
        return letter_to(account, self.origin, self.index, self.facts, self.secret).encode()


def check_notice(data: bytes, case: LoggedCase, now: int) -> str:
    """Return whom a letter about ``case`` is for, once it is the one that the case gives.

    Raises:
        Denied: it comes before the order's date.
        VerificationError: it does not open the order, or not to one person.
        WireError: a value in it is malformed.
    """
    opened = check_opening(case.leaf, decode_letter(data).fields)
    if now < case.date:
        raise Denied("the date of notice has not come", rule="notice.early")
    persons = persons_in(opened)
    if len(persons) != 1:
        raise VerificationError("a letter is to one person", rule="notice.person")
    # Whoever sends it, a person gets the same bytes: nothing can be withheld from one copy.
    if case.letters().get(persons[0][0]) != data:
        raise VerificationError("a letter tells all that it may", rule="notice.withheld")
    return persons[0][0]
