"""From evidence to a sealed package: every document is computed, none is written by hand.

Knows evidence, a quorum and the issuing authority's key; knows no store and no network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from glasslock.casefile.canonical import encode_json
from glasslock.casefile.custody import Step
from glasslock.casefile.evidence import CASE, CUSTODY, MESSAGES, PAGE, Evidence
from glasslock.casefile.excerpts import read_logs
from glasslock.casefile.facts import case_facts, message_facts
from glasslock.casefile.page import make_page
from glasslock.casefile.proving import ProvenCase
from glasslock.casefile.reckoning import Reckoned, prove, reckon
from glasslock.casefile.sealed import seal_files
from glasslock.signing import SigningKey
from glasslock.tlog.quorum import QuorumFile
from glasslock.wire.preview import Preview


def documents(evidence: Evidence, found: Reckoned) -> dict[str, bytes]:
    """Return every file of a case file, but for its seal."""
    files = evidence.files()
    case, messages = encode_json(case_facts(evidence, found)), encode_json(message_facts(found))
    page = make_page(json.loads(case), json.loads(messages), json.loads(files[CUSTODY]))
    return {**files, CASE: case, MESSAGES: messages, PAGE: page}


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A sealed package, the digest that names it, and what was found of the case."""

    data: bytes
    digest: bytes
    found: Reckoned


def make_case_file(evidence: Evidence, key: SigningKey) -> CaseFile:
    """Return the case file of ``evidence``, signed by the issuing authority's ``key``.

    Raises as ``prove`` and ``reckon``: what a stranger would refuse is not made.
    """
    logs = read_logs(evidence.logs, QuorumFile.parse(evidence.logs.quorum))
    found = reckon(evidence, prove(evidence, logs), logs)
    return CaseFile(*seal_files(documents(evidence, found), key), found)


def custody_of(
    case: ProvenCase, releases: frozenset[bytes], preview: Preview | None
) -> dict[Step, frozenset[bytes]]:
    """Return what a chain of custody must tell of; ``releases`` are the digests of those that came.

    Every step of the order's life until it was opened, and each release that came, once or more.
    """
    order = frozenset({case.admitted.digest})
    return {
        Step.DRAFTED: order,
        Step.PREVIEWED: frozenset() if preview is None else frozenset({preview.digest}),
        Step.SIGNED: order,
        Step.COUNTERSIGNED: order,
        Step.ADMITTED: frozenset({case.record.leaf.commitment}),
        Step.RELEASE: releases,
        Step.OPENED: frozenset({case.checked.manifest.digest}),
    }
