"""What a desk has of an opened case, gathered as the evidence of its case file.

Knows both logs as they were read and what came from provider and keyholders; knows no store.
"""

from __future__ import annotations

from dataclasses import dataclass

from glasslock.casefile.evidence import UNFIT, Claims
from glasslock.casefile.findings import Opening
from glasslock.casefile.proving import ProvenCase
from glasslock.errors import GlasslockError
from glasslock.orders.ledger import Ledger
from glasslock.sealing.book import PolicyBook
from glasslock.wire.seal import decode_tier1_header


@dataclass(frozen=True, slots=True)
class Wanted:
    """Indexes of the entries that a case file proves, in the policy log and in the orders log."""

    policy: tuple[int, ...]
    orders: tuple[int, ...]


def wanted_entries(case: ProvenCase, book: PolicyBook, ledger: Ledger) -> Wanted:
    """Return where everything stands that speaks of a case.

    The policy, its authorities and the period keys of the seals; the order, all that was said of
    it, and the ingest roots of its manifest.
    """
    record, admitted, manifest = case.record, case.admitted, case.checked.manifest
    provider = case.policy.provider_key
    orders = [record.index, *(said.index for said in record.said)]
    orders += [ledger.ingest[provider, proof.interval].index for proof in manifest.proofs]
    acting = (admitted.issuing, admitted.countersigner, admitted.agency, admitted.registry)
    records, keys = {each.record for each in acting}, _period_keys(case)
    policy = [book.position(case.policy.digest)]
    policy += [each.index for each in book.authorities if each.record in records]
    policy += [each.index for each in book.keys if each.record.key_id in keys]
    return Wanted(tuple(sorted(set(policy))), tuple(sorted(set(orders))))


def claims_of(case: ProvenCase, opening: Opening) -> Claims:
    """Return what the desk found with the case keys and can show by nothing but its word."""
    places = {(s.kept.group_id, s.kept.position): s.header.digest for s in case.checked.slots}
    unfit = [
        places[gap.place.group_id, gap.place.position]
        for gap in opening.gaps
        if gap.rule == UNFIT[0] and gap.place.position is not None
    ]
    return Claims.of(opening, unfit)


def _period_keys(case: ProvenCase) -> set[bytes | None]:
    found: set[bytes | None] = set()
    for tier1 in case.checked.manifest.tier1s:
        try:
            found |= set(decode_tier1_header(tier1.header).key_ids)
        except GlasslockError:
            continue
    return found
