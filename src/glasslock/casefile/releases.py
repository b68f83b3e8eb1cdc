"""Whether a release is one: of this order, signed by its seat's keyholder, announced in the log.

Knows one logged order and its seats; knows no case key and opens nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from glasslock.casefile.findings import Fault, Place
from glasslock.errors import GlasslockError, VerificationError
from glasslock.orders.ledger import OrderRecord
from glasslock.orders.manifest import GrantedSlot
from glasslock.sealing.releasing import check_release
from glasslock.wire.policy import Access
from glasslock.wire.release import Release, decode_release


def place_of(slot: GrantedSlot) -> Place:
    """Return where a slot opens."""
    return Place(slot.kept.group_id, slot.kept.position, slot.account, slot.header.tau)


def accept_release(
    data: bytes, order: bytes, access: Access, record: OrderRecord | None = None
) -> Release:
    """Return a release of ``order`` signed by the keyholder of the seat it names.

    With ``record``, the log's word on the order, it must have been announced there too.

    Raises:
        BadSignature: it is not signed by that keyholder.
        VerificationError: of another order, of a seat that is not there, or without its intent.
        WireError: it is malformed.
    """
    release = decode_release(data)
    if release.order != order:
        raise VerificationError("a release is of another order", rule="release.order")
    if release.seat >= len(access.seats):
        raise VerificationError("a release is of no seat", rule="release.seat")
    signer = access.seats[release.seat].signing_key
    check_release(release, signer)
    if record is not None and record.intent(release.seat, signer, release.digest) is None:
        raise VerificationError("a release was not announced in the log", rule="release.intent")
    return release


def fault_of(data: bytes, access: Access, error: GlasslockError, number: int) -> Fault:
    """Name whose release failed, the ``number``-th that came, as far as the bytes say."""
    seat, keyholder = -1, "somebody"
    with contextlib.suppress(GlasslockError, IndexError):
        seat = decode_release(data).seat
        keyholder = access.seats[seat].keyholder
    return Fault(seat, keyholder, error.rule or error.slug, str(error), release=number)


def enough(shape: Sequence[tuple[int, int]], released: Sequence[int]) -> bool:
    """Say whether every class has as many released seats as its threshold."""
    first = 0
    for threshold, count in shape:
        if len({seat for seat in released if first <= seat < first + count}) < threshold:
            return False
        first += count
    return True
