"""A logged order with the manifest that its leaf commits to: what an opening stands on.

Nothing is believed that the logs and the order do not prove. Knows no store, no key and no
release; desk and verifier of a case file run this same code.
"""

from __future__ import annotations

from dataclasses import dataclass

from glasslock.errors import StateError, VerificationError
from glasslock.orders.authority import Register
from glasslock.orders.commitment import check_leaf
from glasslock.orders.ledger import Ledger, OrderRecord
from glasslock.orders.manifest import CheckedManifest, check_manifest
from glasslock.orders.review import AdmittedOrder, Refusal, review
from glasslock.tlog.ingest import verify_heads
from glasslock.wire.manifest import decode_manifest
from glasslock.wire.order import IssuedOrder
from glasslock.wire.policy import Access, Policy


@dataclass(frozen=True, slots=True, init=False)
class ProvenCase:
    """A logged order with the manifest its leaf commits to; comes only from ``prove_case``."""

    policy: Policy
    access: Access
    admitted: AdmittedOrder
    record: OrderRecord
    checked: CheckedManifest

    def __init__(self, *_: object, **__: object) -> None:
        """Refuse: a case is proven, not declared; raises ``StateError``."""
        raise StateError("a case is proven, not declared", rule="case.unproven")


@dataclass(frozen=True, slots=True)
class Logs:
    """What somebody has read of both logs by itself."""

    policy: Policy
    register: Register
    ledger: Ledger


def admit_logged(
    issued: IssuedOrder, index: int, logs: Logs
) -> tuple[AdmittedOrder, OrderRecord, Access]:
    """Return the order as reviewed when its leaf was witnessed, and that leaf.

    Raises:
        VerificationError: no such leaf by this policy's provider, or the order fails a rule.
    """
    record, access = logs.ledger.orders.get(index), logs.policy.access
    if record is None or access is None or record.provider != logs.policy.provider_key:
        raise VerificationError("no leaf of this order in the log", rule="case.unlogged")
    admitted = review(issued, logs.policy, logs.register, record.time)
    if isinstance(admitted, Refusal):
        raise VerificationError(admitted.ground, rule=admitted.rule)
    return admitted, record, access


def prove_case(
    issued: IssuedOrder, secret: bytes, index: int, manifest: bytes, logs: Logs
) -> ProvenCase:
    """Check order, leaf and manifest against the logs; ``manifest`` is as the provider gave it.

    Raises:
        LogInconsistent: a head of the manifest was not fixed in the log before the order.
        VerificationError: the order, its leaf or the manifest does not hold.
        WireError: the manifest is malformed.
    """
    admitted, record, access = admit_logged(issued, index, logs)
    found = decode_manifest(manifest)
    check_leaf(record.leaf, admitted, logs.policy, found.digest, secret)
    roots = logs.ledger.roots(logs.policy.provider_key, record.index)
    proven = verify_heads(found.proofs, roots)
    checked = check_manifest(found, admitted, proven, logs.policy.clocks)
    made = object.__new__(ProvenCase)
    for name, value in (
        ("policy", logs.policy),
        ("access", access),
        ("admitted", admitted),
        ("record", record),
        ("checked", checked),
    ):
        object.__setattr__(made, name, value)
    return made
