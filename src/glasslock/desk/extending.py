"""A notice is put off, or an order called over: from a desk's folder into the log.

Both are words of the issuing authority, whose key a person brings along. An extension needs its
countersigner first. It is handed to the provider, which moves its own date and has it logged; when
the provider is out of reach, the desk puts it into the log itself, and tells the provider later.
"""

from __future__ import annotations

from dataclasses import replace

from glasslock.desk.casework import Case, Extension
from glasslock.desk.running import Office
from glasslock.errors import Denied, GlasslockError, QuorumNotMet, StateError, TransportError
from glasslock.orders.extension import Due
from glasslock.orders.ledger import OrderRecord, countersign, sign_leaf
from glasslock.orders.lifecycle import ended
from glasslock.signing import Signer
from glasslock.wire import api
from glasslock.wire.leaf import CloseLeaf, ExtendLeaf, encode_leaf
from glasslock.wire.record import COUNTERSIGNER, ISSUING


async def draft_extension(office: Office, case: Case, until: int, ground: str) -> Extension:
    """Draft the next extension of a case until ``until`` (unix seconds), or the grid before it.

    Raises:
        StateError: the order is not in the log.
        VerificationError: it would break a rule (``orders.extension``).
    """
    await office.follow()
    access = office.policy.access
    grid = 1 if access is None else max(1, access.limits.granularity_seconds)
    record, due = _record(office, case), _due(office, case)
    leaf = ExtendLeaf(
        record.index, due.count + 1, until - until % grid, ground, bytes(32), bytes(64)
    )
    due.moved(leaf, max(office.clock.now(), office.ledger.time))
    extension = Extension(leaf.number, leaf.disclose_by, ground)
    office.store.put_extension(case, extension)
    return extension


def countersign_extension(office: Office, case: Case, key: Signer) -> Extension:
    """Agree to the drafted extension, as the countersigner that the order names.

    Raises:
        Denied: it names another.
        StateError: none is drafted.
    """
    _named(office, case, COUNTERSIGNER, key)
    found, record = _drafted(office, case), _record(office, case)
    issuing = office.logs.register.find(case.order.authority, ISSUING, office.clock.now()).key
    signed = countersign(record.leaf.commitment, issuing, _leaf(record, found), key)
    found = replace(
        found,
        countersigner=signed.countersigner,
        countersignature=signed.countersignature,
    )
    office.store.put_extension(case, found)
    return found


def sign_extension(office: Office, case: Case, key: Signer) -> Extension:
    """Sign the extension that was countersigned, as the authority that the order names.

    Raises:
        Denied: it names another.
        StateError: none is drafted, or not countersigned.
    """
    _named(office, case, ISSUING, key)
    found, record = _drafted(office, case), _record(office, case)
    if found.countersignature is None:
        raise StateError("the extension is not countersigned", rule="case.unsigned")
    entry = encode_leaf(sign_leaf(_leaf(record, found), key))
    found = replace(found, entry=entry)
    office.store.put_extension(case, found)
    return found


async def submit_extension(office: Office, case: Case) -> None:
    """Hand the signed extension in, again with the same bytes; then it stands in the log.

    Raises:
        GlasslockError: the provider refuses it, by the rule that it breaks.
        StateError: none is signed.
        TransportError: neither provider nor log can be reached.
    """
    found = _drafted(office, case)
    if found.entry is None:
        raise StateError("the extension is not signed by both", rule="case.unsigned")
    try:
        await office.post(_path(case), found.entry)
    except (TransportError, QuorumNotMet):
        await office.follow()
        _due(office, case).moved(_leaf(_record(office, case), found), office.ledger.time)
        await office.add(office.config.orders_origin, found.entry)
    else:
        office.store.put_extension(case, replace(found, taken=True))
    await office.follow()


async def hand_on(office: Office, case: Case) -> None:
    """Tell the provider of an extension that it has not answered; it may be away still."""
    found = office.store.extension(case)
    if found is None or found.entry is None or found.taken:
        return
    try:
        await office.post(_path(case), found.entry)
    except (TransportError, QuorumNotMet):
        return
    except GlasslockError:
        # It will not say another thing tomorrow. What holds is what stands in the log.
        pass
    office.store.put_extension(case, replace(found, taken=True))


async def close_order(office: Office, case: Case, outcome: str, key: Signer) -> int:
    """Say in the log that an order is over; returns the index of the leaf.

    Raises:
        Denied: this is not the key that the order names.
        StateError: the order is not in the log, or cannot have ended like that.
    """
    await office.follow()
    _named(office, case, ISSUING, key)
    record, state = _record(office, case), ended(case.state, outcome)
    entry = encode_leaf(sign_leaf(CloseLeaf(record.index, outcome), key))
    index = await office.add(office.config.orders_origin, entry)
    office.store.put_state(case, state)
    await office.follow()
    return index


def _path(case: Case) -> str:
    return f"{api.ORDERS}/{case.logged().commitment.hex()}{api.EXTENSION}"


def _record(office: Office, case: Case) -> OrderRecord:
    case.logged()
    record = office.record(case)
    if record is None:
        raise StateError("the log was not read so far", rule="case.unlogged")
    return record


def _due(office: Office, case: Case) -> Due:
    """Return what the next extension goes on from, as everybody counts."""
    record = _record(office, case)
    held = office.ledger.extensions(record)
    first = Due.of(record.leaf, record.time)
    return Due(office.ledger.date(record), first.longest, len(held))


def _drafted(office: Office, case: Case) -> Extension:
    found = office.store.extension(case)
    if found is None:
        raise StateError("no extension is drafted", rule="case.unsigned")
    return found


def _leaf(record: OrderRecord, found: Extension) -> ExtendLeaf:
    return ExtendLeaf(
        record.index,
        found.number,
        found.disclose_by,
        found.ground,
        found.countersigner or bytes(32),
        found.countersignature or bytes(64),
    )


def _named(office: Office, case: Case, role: str, key: Signer) -> None:
    if not office.is_named(case, role, key):
        raise Denied("this is not the key that the order names", rule="case.key")
