"""The notice of an order on its due date: to everybody in the log, to each person by letter (5.5).

Every keyholder makes the same bytes, so it does not matter who comes first or that all come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from glasslock.errors import WireError
from glasslock.keyholder.check import register_of
from glasslock.keyholder.seat import Seated
from glasslock.keyholder.watch import Bundle
from glasslock.orders.commitment import Facts, check_leaf, disclose, letter_to
from glasslock.orders.ledger import Ledger, OrderRecord
from glasslock.orders.review import Refusal, review
from glasslock.sealing.book import PolicyBook
from glasslock.wire.leaf import encode_leaf
from glasslock.wire.manifest import decode_manifest
from glasslock.wire.order import decode_issued_order, decode_order


@dataclass(frozen=True, slots=True)
class Notice:
    """What opens an order: the entry for the orders log, and a letter for every account."""

    disclosure: bytes = field(repr=False)
    letters: Mapping[str, bytes] = field(repr=False)


def make_notice(
    seated: Seated, book: PolicyBook, record: OrderRecord, bundle: Bundle
) -> Notice | None:
    """Return the notice of an order, or None when the bundle is not what was logged.

    The order is reviewed as of its issue: that it has expired since, or was refused, keeps nobody
    from being told.

    Raises:
        VerificationError: the bundle does not open the leaf.
        WireError: it is malformed.
    """
    issued = decode_issued_order(bundle.issued)
    order = decode_order(issued.document)
    admitted = review(issued, seated.policy, register_of(seated, book), order.issued)
    if isinstance(admitted, Refusal):
        return None
    manifest = decode_manifest(bundle.manifest).digest
    check_leaf(record.leaf, admitted, seated.policy, manifest, bundle.secret)
    facts, origin = Facts.of(admitted, manifest), seated.access.orders_origin
    letters = {
        account: letter_to(account, origin, record.index, facts, bundle.secret).encode()
        for account in order.accounts
    }
    return Notice(encode_leaf(disclose(record.index, facts, bundle.secret)), letters)


def date_of(
    seated: Seated, book: PolicyBook, ledger: Ledger, record: OrderRecord, bundle: Bundle
) -> int:
    """Return the date by which an order is disclosed: extended by nobody but whom it names.

    The bundle is only read: a false one opens nothing on any date.
    """
    if not ledger.extensions(record):
        return record.leaf.disclose_by
    try:
        order = decode_order(decode_issued_order(bundle.issued).document)
    except WireError:
        return record.leaf.disclose_by
    return ledger.date(record, register_of(seated, book).parties(order))


def about(bundle: Bundle, book: PolicyBook, seated: Seated) -> tuple[bytes, str]:
    """Return digest and issuing authority of the order in a bundle, as far as they can be read.

    Nothing is believed of it: it only groups orders. An order that nobody known has signed has no
    authority.
    """
    try:
        order = decode_order(decode_issued_order(bundle.issued).document)
    except WireError:
        return b"", ""
    return order.digest, name_of(order.authority, book, seated)


def key_of(authority: bytes, book: PolicyBook, seated: Seated) -> bytes | None:
    """Return the key of an authority by its record's digest, or None."""
    found = register_of(seated, book).all()
    return next((each.key for each in found if each.digest == authority), None)


def name_of(authority: bytes, book: PolicyBook, seated: Seated) -> str:
    """Return the name of an authority by its record's digest, or nothing."""
    found = register_of(seated, book).all()
    return next((each.name for each in found if each.digest == authority), "")
