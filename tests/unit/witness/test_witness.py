"""What a witness cosigns: what its log signed and what extends what it has seen, nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.errors import BadSignature, LogInconsistent, WireError
from glasslock.logserver.sequencer import Tree
from glasslock.tlog.checkpoint import sign_head
from glasslock.tlog.note import Signer
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import (
    WitnessRequest,
    format_witness_request,
    parse_witness_request,
)
from glasslock.witness.witness import StaleSize, UnknownLog, authenticate, decide

ORIGIN = "log.test/one"
LOG, MALLORY = (Signer.log(ORIGIN, bytes((n,)) * 32) for n in (1, 2))
TREE, FORK = (Tree([b"%s %d" % (name, n) for n in range(9)]) for name in (b"one", b"other"))


def head(size: int, tree: Tree = TREE) -> TreeHead:
    return TreeHead(ORIGIN, size, tree.root(size))


def request(
    old: int, new: int, tree: Tree = TREE, signer: Signer = LOG, proof: list[bytes] | None = None
) -> WitnessRequest:
    given = tree.consistency(old, new) if proof is None else proof
    note = sign_head(head(new, tree), [signer])
    return parse_witness_request(format_witness_request(old, given, note))


def test_a_log_that_grows_is_cosigned() -> None:
    held = None
    for old, new in ((0, 3), (3, 7), (7, 7), (7, 9)):
        held = decide(request(old, new, proof=[] if old == new else None), held)
        assert held == head(new)


def test_only_its_own_logs_are_cosigned_and_by_their_keys() -> None:
    authenticate(request(0, 3), [LOG.verifier])
    with pytest.raises(UnknownLog):
        authenticate(request(0, 3), [])
    with pytest.raises(BadSignature) as caught:
        authenticate(request(0, 3, signer=MALLORY), [LOG.verifier])
    assert caught.value.rule == "witness.unsigned"
    good, other = request(0, 3), request(0, 4)
    forged = replace(good, note=replace(good.note, signatures=other.note.signatures))
    with pytest.raises(BadSignature) as caught:
        authenticate(forged, [LOG.verifier])
    assert caught.value.rule == "witness.signature"


def test_a_fork_is_not_cosigned() -> None:
    with pytest.raises(LogInconsistent) as caught:
        decide(request(5, 5, FORK, proof=[]), head(5))
    assert caught.value.rule == "witness.fork"
    with pytest.raises(LogInconsistent):
        decide(request(5, 8, FORK), head(5))
    with pytest.raises(LogInconsistent):
        decide(request(5, 8, proof=[]), head(5))


def test_what_the_witness_has_not_seen_is_no_beginning() -> None:
    for old in (3, 6):
        with pytest.raises(StaleSize) as caught:
            decide(request(old, 8), head(5))
        assert caught.value.size == 5
    with pytest.raises(WireError):
        decide(request(5, 3, proof=[]), head(5))


def test_where_there_is_nothing_to_prove_no_proof_is_taken() -> None:
    with pytest.raises(LogInconsistent) as caught:
        decide(request(5, 5, proof=[bytes(32)]), head(5))
    assert caught.value.rule == "witness.proof"
