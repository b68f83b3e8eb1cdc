"""A manifest as the product checks it; knows the inputs of the ``evidence`` vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glasslock.orders.authority import Register
from glasslock.orders.manifest import check_manifest
from glasslock.orders.review import AdmittedOrder, review
from glasslock.sealing.shares import SlotFacts, verify_slot
from glasslock.tlog.ingest import verify_heads
from glasslock.wire.codec import encode
from glasslock.wire.leaf import IngestLeaf
from glasslock.wire.manifest import decode_manifest
from glasslock.wire.order import decode_issued_order
from glasslock.wire.policy import Policy, decode_policy
from glasslock.wire.record import AuthorityRecord, decode_record
from glasslock.wire.seal import encapsulation_digests

Fields = Mapping[str, Any]


def entry(part: list[Any], signature: bytes) -> bytes:
    """The log entry of an authority."""
    return b"glasslock/1 authority\n" + encode((encode(part), signature))


def _admitted(given: Fields, policy: Policy) -> AdmittedOrder:
    records = [decode_record(entry(*each)) for each in given["authorities"]]
    register = Register(policy, [each for each in records if isinstance(each, AuthorityRecord)])
    document, *signatures = given["issued"]
    issued = decode_issued_order(encode((encode(document), *signatures)))
    admitted = review(issued, policy, register, given["now"])
    assert isinstance(admitted, AdmittedOrder), admitted
    return admitted


def evidence(given: Fields) -> Fields:
    """Admit the order, prove the heads, check the manifest and every granted slot's seal."""
    policy = decode_policy(given["policy"])
    admitted = _admitted(given, policy)
    manifest = decode_manifest(encode(given["manifest"]))
    roots = {each[0]: IngestLeaf(*each) for each in given["roots"]}
    proven = verify_heads(manifest.proofs, roots)
    checked = check_manifest(manifest, admitted, proven, policy.clocks)
    for slot in checked.slots:
        opening = slot.kept.tombstone.opening
        assert opening is not None
        facts = SlotFacts(
            opening.slot_header,
            opening.seal_digest or b"",
            opening.signature or b"",
            slot.kept.seal,
            slot.tier1.header,
            encapsulation_digests(slot.tier1.encs),
        )
        verify_slot(facts, policy)
    return {
        "order": admitted.digest,
        "manifest": manifest.digest,
        "slots": [[s.account, s.device, s.header.tau, s.kept.position] for s in checked.slots],
    }
