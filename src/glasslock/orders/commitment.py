"""What the log shows of a secret order, and how it is opened later (protocol section 5).

Every fact of an order is one field, hidden under a key of its own that is derived from the secret
r, so each can be opened without the others. Pure; knows no log.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from glasslock.errors import VerificationError
from glasslock.orders.authority import Authority
from glasslock.orders.review import AdmittedOrder, AuthenticOrder
from glasslock.wire.codec import Encodable, Value, decode, encode
from glasslock.wire.digest import derive, digest
from glasslock.wire.labels import Label
from glasslock.wire.leaf import DisclosureLeaf, OrderLeaf
from glasslock.wire.notice import Field, Letter
from glasslock.wire.order import Order
from glasslock.wire.policy import Policy

_ACCOUNT_BUCKETS: Final = (1, 5, 20)
_COUNT_BUCKETS: Final = (10, 100, 1_000)
_PERSON: Final = "person "
# These tell who is concerned: they are opened to those concerned, never in the log.
_SECRET: Final = ("order", "reference", _PERSON)
# Stands for the manifest of an order that was refused: there is none.
NO_MANIFEST: Final = bytes(32)
CONTEST: Final = "Ask the court of the issuing authority for review; you may have a lawyer do it."


@dataclass(frozen=True, slots=True)
class Facts:
    """All fields of an order's commitment, as (label, value bytes) in order of labels."""

    fields: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, admitted: AdmittedOrder, manifest: bytes) -> Facts:
        """Return the facts of an order with the digest of its manifest."""
        found = _about(admitted.order, admitted.issuing, admitted.countersigner, manifest)
        order = admitted.order
        for number, account in enumerate(order.accounts):
            mine = [g for g in order.grants if account in (g.account, g.recipient)]
            grants: Encodable = [(g.group_id, g.recipient, g.spans) for g in mine]
            found[f"{_PERSON}{number:04}"] = (account, int(account in order.named), grants)
        return cls(tuple((label, encode(value)) for label, value in sorted(found.items())))

    @classmethod
    def of_refused(cls, refused: AuthenticOrder) -> Facts:
        """Return the facts of an order that the provider refused: nobody was reached by it."""
        found = _about(refused.order, refused.issuing, None, NO_MANIFEST)
        return cls(tuple((label, encode(value)) for label, value in sorted(found.items())))

    def commitment(self, secret: bytes) -> bytes:
        """Return C under r = ``secret``, 32 bytes."""
        return _root(_hide(label, value, _key(secret, label)) for label, value in self.fields)

    def opened(self, secret: bytes, *, for_account: str | None = None) -> tuple[Field | bytes, ...]:
        """Return all fields: opened to everybody, or to the person with ``for_account`` too."""
        return tuple(
            Field(label, value, _key(secret, label))
            if _shown(label, value, for_account)
            else _hide(label, value, _key(secret, label))
            for label, value in self.fields
        )


def _about(
    order: Order, issuing: Authority, countersigner: Authority | None, manifest: bytes
) -> dict[str, Encodable]:
    return {
        "authority": _who(issuing),
        "contest": CONTEST,
        "countersigner": None if countersigner is None else _who(countersigner),
        "dates": (order.issued, order.expires, order.hold, order.disclose_by),
        "legal basis": order.legal_basis,
        "manifest": manifest,
        "offence": order.offence,
        "order": order.digest,
        "policy": order.policy,
        "reference": order.reference,
        "scale": (len(order.named), len(order.third_parties), order.slots),
    }


def _who(authority: Authority) -> Encodable:
    record = authority.record
    return (record.name, record.owner, record.authority_class)


def make_leaf(admitted: AdmittedOrder, policy: Policy, manifest: bytes, secret: bytes) -> OrderLeaf:
    """Return the order leaf: the commitment and coarse buckets."""
    facts = Facts.of(admitted, manifest)
    return _leaf(admitted.order, admitted.issuing, policy, facts, secret)


def make_refused_leaf(refused: AuthenticOrder, policy: Policy, secret: bytes) -> OrderLeaf:
    """Return the order leaf of an authentic order that the provider refused."""
    facts = Facts.of_refused(refused)
    return _leaf(refused.order, refused.issuing, policy, facts, secret)


def _leaf(
    order: Order, issuing: Authority, policy: Policy, facts: Facts, secret: bytes
) -> OrderLeaf:
    return OrderLeaf(
        commitment=facts.commitment(secret),
        family=policy.family,
        authority_class=issuing.record.authority_class,
        category=order.grants[0].category,
        accounts=account_bucket(len(order.accounts)),
        slots=count_bucket(order.slots),
        disclose_by=order.disclose_by,
    )


def check_leaf(
    leaf: OrderLeaf, admitted: AdmittedOrder, policy: Policy, manifest: bytes, secret: bytes
) -> None:
    """Check that a logged leaf is this order's, under this manifest and secret.

    Raises:
        VerificationError: rule ``commitment.leaf``.
    """
    if make_leaf(admitted, policy, manifest, secret) != leaf:
        raise VerificationError("the logged leaf is of another order", rule="commitment.leaf")


def account_bucket(count: int) -> int:
    """Return the bucket of a number of accounts: 1, 2 to 5, 6 to 20, more."""
    return sum(count > edge for edge in _ACCOUNT_BUCKETS)


def count_bucket(count: int) -> int:
    """Return the bucket of a number of slots or messages: to 10, to 100, to 1,000, more."""
    return sum(count > edge for edge in _COUNT_BUCKETS)


def disclose(index: int, facts: Facts, secret: bytes) -> DisclosureLeaf:
    """Return the leaf that opens the order at ``index`` of its log to everybody."""
    return DisclosureLeaf(index, facts.opened(secret))


def letter_to(account: str, origin: str, index: int, facts: Facts, secret: bytes) -> Letter:
    """Return the notice to ``account`` about the order at ``index`` of the log ``origin``."""
    return Letter(origin, index, facts.opened(secret, for_account=account))


def check_opening(leaf: OrderLeaf, fields: tuple[Field | bytes, ...]) -> dict[str, Value]:
    """Return the opened facts by label, once they give the leaf's commitment.

    Raises:
        VerificationError: rule ``commitment.opening``.
        WireError: a value is malformed.
    """
    found = _root(
        each if isinstance(each, bytes) else _hide(each.label, each.value, each.key)
        for each in fields
    )
    if not hmac.compare_digest(found, leaf.commitment):
        raise VerificationError("this does not open the commitment", rule="commitment.opening")
    return {each.label: decode(each.value) for each in fields if isinstance(each, Field)}


def check_disclosure(leaf: OrderLeaf, fields: tuple[Field | bytes, ...]) -> dict[str, Value]:
    """Return the facts of a disclosure in the log, which must open all that is not secret.

    Raises:
        VerificationError: as ``check_opening``, or rule ``commitment.withheld``.
    """
    facts = check_opening(leaf, fields)
    missing = _PUBLIC - facts.keys()
    if missing:
        raise VerificationError("a disclosure withholds facts", rule="commitment.withheld")
    return facts


_PUBLIC: Final = frozenset(
    {
        "authority",
        "contest",
        "countersigner",
        "dates",
        "legal basis",
        "manifest",
        "offence",
        "policy",
        "scale",
    }
)


def persons_in(facts: dict[str, Value]) -> list[tuple[str, bool, Value]]:
    """Return (account, named, grants) of every person field among opened facts."""
    found = []
    for label, value in facts.items():
        if label.startswith(_PERSON) and isinstance(value, tuple) and len(value) == 3:
            account, named, grants = value
            if isinstance(account, str):
                found.append((account, named == 1, grants))
    return found


def _key(secret: bytes, label: str) -> bytes:
    return derive(secret, Label.COMMITMENT_FIELD, label)


def _hide(label: str, value: bytes, key: bytes) -> bytes:
    return derive(key, Label.COMMITMENT_VALUE, label, value)


def _root(hidden: Iterable[bytes]) -> bytes:
    return digest(Label.COMMITMENT, list(hidden))


def _shown(label: str, value: bytes, account: str | None) -> bool:
    if not label.startswith(_SECRET):
        return True
    if account is None:
        return False
    if label.startswith(_PERSON):
        fields = decode(value)
        return isinstance(fields, tuple) and fields[0] == account
    return label == "reference"
