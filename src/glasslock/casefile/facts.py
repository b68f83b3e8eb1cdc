"""The case file as documents: everything a court needs to read, each value computed from evidence.

Complete, sorted and without a choice of form, so that equal evidence gives equal bytes. Knows what
was reckoned of a case; knows no file and no log address.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields
from itertools import zip_longest
from typing import Any

from glasslock.casefile.evidence import Evidence, release_name
from glasslock.casefile.findings import Fault, Gap, Message
from glasslock.casefile.reckoning import Reckoned
from glasslock.errors import WireError
from glasslock.orders.commitment import count_bucket
from glasslock.orders.ledger import Said
from glasslock.orders.manifest import GrantedSlot
from glasslock.orders.proportion import Proportion
from glasslock.orders.review import AdmittedOrder
from glasslock.wire.leaf import ReportLeaf
from glasslock.wire.record import encode_record
from glasslock.wire.seal import decode_tier1_header

_PLAIN = (int, str, bytes, type(None))


def case_facts(evidence: Evidence, found: Reckoned) -> dict[str, Any]:
    """Return what ``case.json`` says."""
    case, opening = found.case, found.opening
    return {
        "made": evidence.made,
        "order": _order(evidence, found),
        "authorities": _authorities(case.admitted),
        "policy": _policy(found),
        "manifest": case.checked.manifest.digest,
        "releases": list(_releases(evidence, found)),
        "classes": list(_classes(found)),
        "slots": [_slot(slot, found) for slot in case.checked.slots],
        "opened_slots": opening.opened_slots,
        "messages": len(opening.messages),
        "gaps": [_gap(gap) for gap in opening.gaps],
        "unproven": [_gap(gap) for gap in opening.unproven],
        "preview": _preview(found.proportion),
        "keyholder_faults": [_fault(fault) for fault in opening.faults],
        "log": [_said(said, found) for said in sorted(case.record.said, key=lambda s: s.index)],
        "logs": [
            {"origin": log.origin, "checkpoint": log.checkpoint.decode()}
            for log in (evidence.logs.policy, evidence.logs.orders)
        ],
    }


def message_facts(found: Reckoned) -> list[dict[str, Any]]:
    """Return what ``messages.json`` says."""
    return [_message(message) for message in found.opening.messages]


def report_leaf(index: int, slots: int, messages: int, case_file: bytes) -> ReportLeaf:
    """Return what is said in the log of an opening: buckets, and the case file's digest."""
    return ReportLeaf(index, count_bucket(slots), count_bucket(messages), case_file)


def text_of(content: bytes) -> str | None:
    """Return content as text, or None when it is none."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _order(evidence: Evidence, found: Reckoned) -> dict[str, object]:
    case = found.case
    order, record = case.admitted.order, case.record
    return {
        "digest": order.digest,
        "index": record.index,
        "witnessed": record.time,
        "commitment": record.leaf.commitment,
        "secret": evidence.secret,
        "reference": order.reference,
        "legal_basis": order.legal_basis,
        "offence": order.offence,
        "dates": [order.issued, order.expires, order.hold, order.disclose_by],
        "grants": [_grant(found, number) for number in range(len(order.grants))],
    }


def _grant(found: Reckoned, number: int) -> dict[str, object]:
    """A grant with what was found of it: one without slots is seen here."""
    case = found.case
    grant = case.admitted.order.grants[number]
    return {
        "conversation": grant.group_id,
        "account": grant.account,
        "recipient": grant.recipient,
        "category": grant.category,
        "slots": grant.spans,
        "times": [_times(found, first, last) for first, last in grant.spans],
        "slots_found": sum(slot.grant == grant for slot in case.checked.slots),
        "messages": sum(
            (m.place.group_id, m.place.account) == (grant.group_id, grant.account)
            and grant.covers(m.place.tau or 0)
            for m in found.opening.messages
        ),
    }


def _times(found: Reckoned, first: int, last: int) -> list[int]:
    seconds = found.case.policy.clocks.slot_seconds
    return [first * seconds, (last + 1) * seconds]


def _authorities(admitted: AdmittedOrder) -> dict[str, object]:
    acting = (admitted.issuing, admitted.countersigner, admitted.agency, admitted.registry)
    return {
        each.record.role: {
            "name": each.record.name,
            "owner": each.record.owner,
            "class": each.record.authority_class,
            "key": each.key,
            "record": encode_record(each.record),
        }
        for each in acting
    }


def _policy(found: Reckoned) -> dict[str, object]:
    policy = found.case.policy
    return {
        "digest": policy.digest,
        "name": policy.name,
        "family": policy.family,
        "document": policy.document,
        "seats": [
            {"keyholder": seat.keyholder, "legal_person": seat.legal_person}
            for seat in found.case.access.seats
        ],
    }


def _releases(evidence: Evidence, found: Reckoned) -> Iterator[dict[str, object]]:
    """Every release that came, with the intent that announced it where it counts."""
    counted = {each.number: each for each in found.counted}
    for number in range(len(evidence.releases)):
        each = counted.get(number)
        seat = None if each is None else each.release.seat
        yield {
            "file": release_name(number),
            "counts": each is not None,
            "seat": seat,
            "keyholder": None if seat is None else found.case.access.seats[seat].keyholder,
            "digest": None if each is None else each.release.digest,
            "intent": None if each is None else each.intent.index,
            "witnessed": None if each is None else each.intent.time,
        }


def _classes(found: Reckoned) -> Iterator[dict[str, object]]:
    first = 0
    for group in found.case.access.classes:
        last = first + len(group.seats)
        yield {
            "name": group.name,
            "threshold": group.threshold,
            "seats": len(group.seats),
            "released": sum(first <= each.release.seat < last for each in found.counted),
        }
        first = last


def _slot(slot: GrantedSlot, found: Reckoned) -> dict[str, object]:
    """A granted slot; its key W opens it, all of which was granted, and nothing else."""
    place, header = slot.header.digest, slot.header
    return {
        "slot": place,
        "conversation": slot.kept.group_id,
        "position": slot.kept.position,
        "account": slot.account,
        "device": slot.device,
        "tau": header.tau,
        "times": _times(found, header.tau, header.tau),
        "unlogged_seats": _unlogged(slot, found),
        "key": found.opening.keys.get(place),
        "rule": found.closed.get(place),
    }


def _unlogged(slot: GrantedSlot, found: Reckoned) -> list[int]:
    """Seats that a slot is sealed to, under a key that the log does not show to be theirs."""
    try:
        key_ids = decode_tier1_header(slot.tier1.header).key_ids
    except WireError:
        return []
    pairs = zip_longest(key_ids, (seat.keyholder for seat in found.case.access.seats))
    return [
        number
        for number, (key_id, name) in enumerate(pairs)
        if key_id is not None and found.vouched.get(key_id) != name
    ]


def _preview(proportion: Proportion | None) -> dict[str, object] | None:
    """What the provider had signed beforehand, what was found, and each number that differs."""
    if proportion is None:
        return None
    return {
        "time": proportion.preview.time,
        "foreseen": asdict(proportion.preview.numbers),
        "found": asdict(proportion.found),
        "differences": [
            {
                "number": each.number,
                "foreseen": each.foreseen,
                "found": each.found,
                "rule": each.rule,
                "says": each.says,
            }
            for each in proportion.differences
        ],
    }


def _said(said: Said, found: Reckoned) -> dict[str, object]:
    """A leaf about the order, of whatever kind: who said what, and when at the latest."""
    told = {
        each.name: value
        for each in fields(said.leaf)
        if each.name not in ("order", "kind")
        and isinstance(value := getattr(said.leaf, each.name), _PLAIN)
    }
    return {
        "index": said.index,
        "witnessed": said.time,
        "kind": said.leaf.kind,
        "by": _speaker(said.key, found),
        "says": told,
    }


def _speaker(key: bytes, found: Reckoned) -> str | None:
    case = found.case
    names = {case.policy.provider_key: "the provider"}
    names |= {seat.signing_key: seat.keyholder for seat in case.access.seats}
    issuing, judge = case.admitted.issuing, case.admitted.countersigner
    names |= {judge.key: judge.name, issuing.key: issuing.name}
    return names.get(key)


def _message(message: Message) -> dict[str, object]:
    return {
        "conversation": message.place.group_id,
        "position": message.place.position,
        "time": message.time,
        "account": message.place.account,
        "device": message.device,
        "slot": message.slot,
        "tau": message.place.tau,
        "m": message.m,
        "content": message.content,
        "text": text_of(message.content),
        "entry": message.entry,
        "header": message.header,
        "carried": message.carried,
        "signature": message.signature,
        "signer": message.signer,
        "receipt": message.receipt,
    }


def _gap(gap: Gap) -> dict[str, object]:
    return {
        "conversation": gap.place.group_id,
        "position": gap.place.position,
        "account": gap.place.account,
        "tau": gap.place.tau,
        "rule": gap.rule,
        "says": gap.says,
    }


def _fault(fault: Fault) -> dict[str, object]:
    return {
        "seat": fault.seat,
        "keyholder": fault.keyholder,
        "rule": fault.rule,
        "says": fault.says,
        "slot": fault.slot,
        "release": fault.release,
    }
