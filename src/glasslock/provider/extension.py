"""The provider's decision on an extension: whether the date of a case's notice moves; pure.

The log decides whether an extension holds, and the provider does not read it whole. So it asks the
log for the two times that matter, the order leaf's and the extension's own, and keeps to the rules
that everybody computes (``orders.extension``).
"""

from __future__ import annotations

from dataclasses import dataclass

from glasslock.errors import Denied, VerificationError
from glasslock.orders.authority import Register
from glasslock.orders.extension import RULES, Due
from glasslock.orders.ledger import verify_countersignature, verify_leaf
from glasslock.wire.leaf import ExtendLeaf, OrderLeaf, SignedLeaf, decode_leaf
from glasslock.wire.order import Order


@dataclass(frozen=True, slots=True)
class Extendable:
    """A logged case whose notice somebody wants to put off.

    ``time`` is the witnessed time of its leaf, ``date`` the one in force after ``count``
    extensions, ``grid`` the seconds that the policy's dates are multiples of.
    """

    order: Order
    register: Register
    leaf: OrderLeaf
    index: int
    time: int
    date: int
    count: int
    disclosed: bool
    grid: int


def read_extension(entry: bytes) -> tuple[SignedLeaf, ExtendLeaf]:
    """Return an extension as it was handed in; nothing in it is verified.

    Raises:
        WireError: it is no leaf.
        VerificationError: it is another one.
    """
    signed = decode_leaf(entry)
    if not isinstance(signed, SignedLeaf) or not isinstance(signed.leaf, ExtendLeaf):
        raise VerificationError("this is no extension", rule="extend.form")
    return signed, signed.leaf


def check_extension(entry: bytes, case: Extendable, now: int) -> ExtendLeaf:
    """Return an extension that moves the date of ``case`` at ``now`` (unix seconds).

    Raises:
        BadSignature, KeyRejected: it is not signed and countersigned for this order.
        Denied: the order is disclosed already.
        VerificationError: it is by others than the order names, or breaks a rule.
        WireError: it is no leaf.
    """
    signed, leaf = read_extension(entry)
    if leaf.order != case.index:
        raise VerificationError("the extension is of another order", rule="extend.order")
    verify_leaf(signed)
    verify_countersignature(case.leaf.commitment, signed.key, leaf)
    if not case.register.parties(case.order)(signed.key, leaf.countersigner, now):
        raise VerificationError("not by the two that the order names", rule="extend.parties")
    if case.disclosed:
        raise Denied(RULES["extend.disclosed"], rule="extend.disclosed")
    if leaf.disclose_by % max(1, case.grid):
        raise VerificationError("the policy's dates are coarser", rule="extend.grid")
    first = Due.of(case.leaf, case.time)
    Due(case.date, first.longest, case.count).moved(leaf, now)
    return leaf


def holds(before: int, time: int) -> bool:
    """Say whether an extension that was witnessed at ``time`` moved the date ``before`` it."""
    return time <= before
