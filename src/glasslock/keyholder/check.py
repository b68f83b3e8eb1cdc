"""Whether an order is what the log says, and holds: each check of section 5.3 that needs no secret.

``LoggedOrder`` comes only from ``check`` and is all that a release is made from. A failed rule is a
``Refusal``; what may still come right is a ``Wait``. Knows both logs as they were read; no store,
no period key and no person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from glasslock.errors import GlasslockError, StateError, VerificationError, WireError
from glasslock.keyholder.seat import Seated
from glasslock.keyholder.watch import Bundle
from glasslock.orders.authority import Register
from glasslock.orders.commitment import check_leaf
from glasslock.orders.ledger import Ledger, OrderRecord
from glasslock.orders.manifest import CheckedManifest, check_manifest
from glasslock.orders.review import AdmittedOrder, Refusal, review
from glasslock.sealing.book import PolicyBook
from glasslock.tlog.ingest import verify_heads
from glasslock.wire.manifest import Manifest, decode_manifest
from glasslock.wire.order import SECRET_SIZE, IssuedOrder, decode_issued_order, decode_order

RULES: Final[dict[str, str]] = {
    "release.pinned": "the policy names other logs or witnesses than this keyholder has pinned",
    "release.provider": "the order was not logged by the provider of its policy",
    "release.bundle": "what the provider handed over is no order with its manifest",
    "release.commitment": "the logged leaf is of another order or another manifest",
    "release.replayed": "the same order stands in the log under an earlier leaf",
    "release.restored": "this keyholder announced a release that its store does not know",
    "release.budget": "the authority has had all the releases that the policy allows in a period",
    "release.overdue": "the authority has an order whose notice is overdue",
    "release.person": "the keyholder's person has refused",
    "release.closed": "the issuing authority has said that the order is over",
    "release.empty": "nothing that the order names was stored",
    "release.destroyed": "the period keys that the order needs are destroyed",
    "release.unreadable": "no share of what the order names can be read",
}


class Reason(StrEnum):
    """Why an order cannot be answered yet."""

    LOG = "the witnesses' word on a log is too old"
    FOREIGN = "the order is under another policy of the family"
    HOLD = "the order's hold date has not come"
    PERSON = "the keyholder's person has not answered"


@dataclass(frozen=True, slots=True)
class Wait:
    """No answer yet."""

    reason: Reason


@dataclass(frozen=True)
class Logs:
    """Both logs as far as they were read, and how far their witnesses' word may lie back.

    ``quorum`` is the text of the pinned quorum file; ``origins`` those of policy and orders log.
    ``max_age`` is in seconds.
    """

    quorum: str
    origins: tuple[str, str]
    book: PolicyBook
    ledger: Ledger
    max_age: int


@dataclass(frozen=True, slots=True, init=False)
class LoggedOrder:
    """An order that stands in the log and passed every rule; comes only from ``check``."""

    seated: Seated
    index: int
    admitted: AdmittedOrder
    checked: CheckedManifest

    def __init__(self, *_: object, **__: object) -> None:
        """Refuse: an order is checked, not declared; raises ``StateError``."""
        raise StateError("an order is checked, not declared", rule="release.unchecked")


def refuse(rule: str, ground: str = "") -> Refusal:
    """Return the refusal under ``rule``, one of ``RULES``, on its ground or another."""
    return Refusal(rule, ground or RULES[rule])


def is_over(record: OrderRecord, issuing: bytes) -> bool:
    """Say whether the authority of the key ``issuing`` has called its order over."""
    return record.closed(issuing) is not None


def register_of(seated: Seated, book: PolicyBook) -> Register:
    """Return who may act under the policy, as its log says."""
    return Register(seated.policy, [each.record for each in book.authorities])


def check(
    seated: Seated, logs: Logs, record: OrderRecord, bundle: Bundle, now: int
) -> LoggedOrder | Refusal | Wait:
    """Check the order at ``record`` of the orders log by ``bundle``, in the order of section 5.3.

    That both logs are signed, cosigned by a quorum and consistent with what was stored before is
    in their types: they were read through ``tlog.follow.Replica``.
    """
    not_now = _unready(seated, logs, record, now)
    if not_now is not None:
        return not_now
    try:
        issued, order_policy, manifest = _read(bundle)
    except WireError:
        return refuse("release.bundle")
    if order_policy != seated.policy.digest:
        return Wait(Reason.FOREIGN)
    # The later clock: an order that one of them calls expired is.
    at = max(now, logs.ledger.time)
    admitted = review(issued, seated.policy, register_of(seated, logs.book), at)
    if isinstance(admitted, Refusal):
        return admitted
    try:
        _committed(seated, record, admitted, manifest.digest, bundle.secret)
        _not_over(record, admitted)
        checked = _fits(seated, logs, record, admitted, manifest)
    except GlasslockError as error:
        return Refusal(error.rule or error.slug, str(error))
    return _make(seated, record.index, admitted, checked)


def _unready(seated: Seated, logs: Logs, record: OrderRecord, now: int) -> Refusal | Wait | None:
    """What can be said before anything of the order is read."""
    access = seated.access
    if (access.quorum, access.policy_origin, access.orders_origin) != (logs.quorum, *logs.origins):
        return refuse("release.pinned")
    if not _fresh(logs, now):
        return Wait(Reason.LOG)
    if record.provider != seated.policy.provider_key:
        return refuse("release.provider")
    return None


def _committed(
    seated: Seated, record: OrderRecord, admitted: AdmittedOrder, manifest: bytes, secret: bytes
) -> None:
    try:
        check_leaf(record.leaf, admitted, seated.policy, manifest, secret)
    except VerificationError:
        rule = "release.commitment"
        raise VerificationError(RULES[rule], rule=rule) from None


def _not_over(record: OrderRecord, admitted: AdmittedOrder) -> None:
    if is_over(record, admitted.issuing.key):
        rule = "release.closed"
        raise VerificationError(RULES[rule], rule=rule)


def _fits(
    seated: Seated, logs: Logs, record: OrderRecord, admitted: AdmittedOrder, manifest: Manifest
) -> CheckedManifest:
    """Only roots that were logged before the order count: none can be made for it."""
    roots = logs.ledger.roots(seated.policy.provider_key, record.index)
    proven = verify_heads(manifest.proofs, roots)
    return check_manifest(manifest, admitted, proven, seated.policy.clocks)


def _fresh(logs: Logs, now: int) -> bool:
    """Both logs were seen lately, by own clock and by the other's witnesses."""
    times = (logs.book.time, logs.ledger.time)
    return max(now, *times) - min(times) <= logs.max_age


def _read(bundle: Bundle) -> tuple[IssuedOrder, bytes, Manifest]:
    issued = decode_issued_order(bundle.issued)
    if len(bundle.secret) != SECRET_SIZE:
        raise WireError("a commitment's secret has 32 bytes", rule="order.secret")
    return issued, decode_order(issued.document).policy, decode_manifest(bundle.manifest)


def _make(
    seated: Seated, index: int, admitted: AdmittedOrder, checked: CheckedManifest
) -> LoggedOrder:
    made = object.__new__(LoggedOrder)
    values = {"seated": seated, "index": index, "admitted": admitted, "checked": checked}
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made
