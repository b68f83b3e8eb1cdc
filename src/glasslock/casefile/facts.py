"""The case file: everything a court needs to read and to check, as one JSON document.

Complete, sorted and without a choice of form, so that its digest names it. Knows an opening and
the log's word on its order; knows no file and no log address.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from glasslock.casefile.findings import Fault, Gap, Message, Opening
from glasslock.casefile.proving import ProvenCase
from glasslock.orders.commitment import count_bucket
from glasslock.orders.ledger import Said
from glasslock.orders.review import AdmittedOrder
from glasslock.signing import SigningKey
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.leaf import ReportLeaf
from glasslock.wire.record import encode_record

FORMAT = "glasslock case file 1"


@dataclass(frozen=True, slots=True)
class LogExcerpt:
    """One log as far as the desk read it: its newest checkpoint, and entries with their proofs.

    ``entries`` are (index, entry bytes, proof as tlog-proof text).
    """

    origin: str
    quorum: str
    checkpoint: bytes
    entries: tuple[tuple[int, bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The document and its digest."""

    data: bytes

    @property
    def digest(self) -> bytes:
        """``H("case file", JSON bytes)``: what the report in the log names."""
        return digest(Label.CASE_FILE, self.data)

    @property
    def facts(self) -> dict[str, Any]:
        """The document as values."""
        value: dict[str, Any] = json.loads(self.data)
        return value


def make_case_file(
    case: ProvenCase, opening: Opening, logs: Sequence[LogExcerpt], made: int
) -> CaseFile:
    """Return the case file of an opening, made at ``made`` (unix seconds)."""
    order, issued = case.admitted.order, case.admitted.issued
    facts = {
        "format": FORMAT,
        "made": made,
        "order": {
            "digest": order.digest,
            "document": issued.document,
            "signature": issued.signature,
            "countersignature": issued.countersignature,
            "index": case.record.index,
            "witnessed": case.record.time,
            "commitment": case.record.leaf.commitment,
            "reference": order.reference,
            "legal_basis": order.legal_basis,
            "offence": order.offence,
            "dates": [order.issued, order.expires, order.hold, order.disclose_by],
            "grants": [_grant(case, opening, number) for number in range(len(order.grants))],
        },
        "authorities": _authorities(case.admitted),
        "policy": {"digest": case.policy.digest, "document": case.policy.document},
        "manifest": {
            "digest": case.checked.manifest.digest,
            "document": case.checked.manifest.encoded,
        },
        "releases": {
            "seats": [
                {"seat": seat, "keyholder": case.access.seats[seat].keyholder}
                for seat in opening.released
            ],
            "intents": [_said(said) for said in case.record.said],
        },
        "slots": {"granted": opening.slots, "opened": opening.opened_slots},
        "messages": [_message(message) for message in opening.messages],
        "gaps": [_gap(gap) for gap in opening.gaps],
        "unproven": [_gap(gap) for gap in opening.unproven],
        "keyholder_faults": [_fault(fault) for fault in opening.faults],
        "logs": [_log(log) for log in logs],
    }
    return CaseFile(encode_json(facts))


def encode_json(facts: object) -> bytes:
    """Return sorted, indented JSON; bytes become hex."""
    text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=True, default=bytes.hex)
    return text.encode() + b"\n"


def statement(file: CaseFile, key: SigningKey | None) -> bytes:
    """Return the statement beside a case file: its digest, signed when a key is given."""
    facts: dict[str, object] = {"case_file": file.digest, "key": None, "signature": None}
    if key is not None:
        facts["key"] = key.public
        facts["signature"] = key.sign(Label.SIGN_CASE_FILE, file.digest)
    return encode_json(facts)


def report_leaf(index: int, slots: int, messages: int, case_file: bytes) -> ReportLeaf:
    """Return what is said in the log of an opening: buckets, and the case file's digest."""
    return ReportLeaf(index, count_bucket(slots), count_bucket(messages), case_file)


def text_of(content: bytes) -> str | None:
    """Return content as text, or None when it is none."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _grant(case: ProvenCase, opening: Opening, number: int) -> dict[str, object]:
    """A grant with what was found of it: one without slots is seen here."""
    grant = case.admitted.order.grants[number]
    clocks = case.policy.clocks
    return {
        "conversation": grant.group_id,
        "account": grant.account,
        "recipient": grant.recipient,
        "category": grant.category,
        "slots": grant.spans,
        "times": [
            [first * clocks.slot_seconds, (last + 1) * clocks.slot_seconds]
            for first, last in grant.spans
        ],
        "slots_found": sum(slot.grant == grant for slot in case.checked.slots),
        "messages": sum(
            (m.place.group_id, m.place.account) == (grant.group_id, grant.account)
            and grant.covers(m.place.tau or 0)
            for m in opening.messages
        ),
    }


def _authorities(admitted: AdmittedOrder) -> dict[str, object]:
    acting = (admitted.issuing, admitted.countersigner, admitted.agency, admitted.registry)
    return {
        each.record.role: {
            "name": each.record.name,
            "owner": each.record.owner,
            "class": each.record.authority_class,
            "record": encode_record(each.record),
        }
        for each in acting
    }


def _said(said: Said) -> dict[str, object]:
    return {
        "index": said.index,
        "time": said.time,
        "key": said.key,
        "kind": said.leaf.kind,
        "seat": getattr(said.leaf, "seat", None),
    }


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
    }


def _log(log: LogExcerpt) -> dict[str, object]:
    return {
        "origin": log.origin,
        "quorum": log.quorum,
        "checkpoint": log.checkpoint.decode("utf-8", errors="replace"),
        "entries": [
            {"index": index, "entry": entry, "proof": proof.decode("utf-8", errors="replace")}
            for index, entry, proof in log.entries
        ],
    }
