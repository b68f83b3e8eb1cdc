"""A case file judged by a stranger who trusts neither provider nor agency: from the roots down.

The root is a quorum file that the reader has from somebody else; what the package says of its own
quorum is only compared. Every document is computed again from the evidence and must be the one
that is there, byte for byte. Nothing here is a flag: what does not hold raises with its rule. Knows
no file system, no network, no desk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from glasslock.casefile.canonical import decode_json
from glasslock.casefile.custody import check_custody
from glasslock.casefile.evidence import CASE, MESSAGES, PAGE, Evidence, read_evidence
from glasslock.casefile.excerpts import ProvenBytes, Reading, read_logs
from glasslock.casefile.facts import case_facts, report_leaf
from glasslock.casefile.making import custody_of, documents
from glasslock.casefile.reckoning import Reckoned, previewed, prove, reckon
from glasslock.casefile.sealed import check_statement, open_package
from glasslock.errors import GlasslockError, VerificationError
from glasslock.orders.ledger import verify_leaf
from glasslock.tlog.proof import LoggedEntry
from glasslock.tlog.quorum import QuorumFile
from glasslock.wire.leaf import SignedLeaf, decode_leaf
from glasslock.wire.release import decode_release

# Which rule names a difference, by the document or by the field of ``case.json`` in which it is.
_RULES: Final[Mapping[str, str]] = {
    MESSAGES: "case.messages",
    PAGE: "case.page",
    "gaps": "case.gaps",
    "unproven": "case.gaps",
    "keyholder_faults": "case.faults",
    "preview": "case.preview",
    "log": "case.log",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A case file that holds: its digest, what was found of it, and the report that names it."""

    digest: bytes
    evidence: Evidence
    found: Reckoned
    report: LoggedEntry
    facts: Mapping[str, Any]


def verify_package(data: bytes, quorum: QuorumFile, policy: bytes | None = None) -> Accepted:
    """Return what a package holds, once everything that can be checked has held.

    ``policy`` is the digest of the only policy that is taken, if the reader knows it.

    Raises:
        VerificationError: something does not hold; its rule says what.
        WireError: the package, or something in it, is malformed.
    """
    sealed = open_package(data)
    evidence = read_evidence(sealed.files)
    logs = read_logs(evidence.logs, quorum)
    case = prove(evidence, logs)
    if policy is not None and case.policy.digest != policy:
        raise VerificationError("the case file is under another policy", rule="case.policy")
    check_statement(sealed.statement, case.admitted.issuing.key)
    releases = frozenset(_releases(evidence))
    told = custody_of(case, releases, previewed(evidence, case))
    check_custody(evidence.custody, case.admitted.digest, told)
    found = reckon(evidence, case, logs)
    made = documents(evidence, found)
    for name in (CASE, MESSAGES, PAGE):
        _check_same(name, sealed.files[name], made[name])
    report = _check_report(sealed.report, sealed.digest, found, logs.reading)
    return Accepted(sealed.digest, evidence, found, report, case_facts(evidence, found))


def _releases(evidence: Evidence) -> Iterator[bytes]:
    for data in evidence.releases:
        # What is no release was never taken in by a desk as one, and counts for nothing.
        with contextlib.suppress(GlasslockError):
            yield decode_release(data).digest


def _check_same(name: str, there: bytes, made: bytes) -> None:
    """Compare a document with what follows from the evidence; raises ``VerificationError``."""
    if there == made:
        return
    field = ""
    if name == CASE:
        told, true = decode_json(there), decode_json(made)
        # A field that is left out differs from one that is null.
        field = next(
            key
            for key in sorted({*told, *true})
            if (key in told, told.get(key)) != (key in true, true.get(key))
        )
    says = f"{name} {field}".strip()
    raise VerificationError(
        f"{says}: the evidence says otherwise", rule=_RULES.get(field or name, "case.facts")
    )


def _check_report(
    report: ProvenBytes | None, named: bytes, found: Reckoned, orders: Reading
) -> LoggedEntry:
    """Return the report in the log that names exactly this case file, with its counts.

    Raises:
        VerificationError: there is none yet, or it is somebody else's or about another file.
    """
    if report is None:
        raise VerificationError("no report in the log names it yet", rule="case.unreported")
    case, opening = found.case, found.opening
    logged = orders.later(report)
    leaf = decode_leaf(logged.entry)
    wanted = report_leaf(case.record.index, opening.opened_slots, len(opening.messages), named)
    if not isinstance(leaf, SignedLeaf) or leaf.leaf != wanted:
        raise VerificationError("the report is about something else", rule="case.report")
    if leaf.key != case.admitted.issuing.key:
        raise VerificationError("somebody else has reported", rule="case.reporter")
    verify_leaf(leaf)
    return logged
