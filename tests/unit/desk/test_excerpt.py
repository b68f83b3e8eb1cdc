"""Proofs from the desk's own copy of a log hold for a reader who has nothing but the quorum."""

from __future__ import annotations

import pytest

from glasslock.desk.excerpt import make_excerpt
from glasslock.errors import LogInconsistent
from glasslock.tlog.checkpoint import add_signatures, sign_head, verify_checkpoint
from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.tlog.note import Signer, Verifier
from glasslock.tlog.proof import verify_entry
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.tlog.treehead import TreeHead
from tests.unit.desk.world import secret

ORIGIN = "log.test/orders"
LOG = Signer.log(ORIGIN, secret("log"))
WITNESSES = [Signer.witness(f"w{n}.test", secret("witness", n)) for n in range(4)]
QUORUM = QuorumFile.of(
    [LogKey(Verifier.parse(LOG.vkey))],
    [WitnessKey(f"w{n}", Verifier.parse(w.vkey)) for n, w in enumerate(WITNESSES)],
    3,
)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13, 300])
def test_every_entry_is_proven(size: int) -> None:
    entries = [b"entry %d" % number for number in range(size)]
    head = TreeHead(ORIGIN, size, root_of(leaf_hash(entry) for entry in entries))
    note = sign_head(head, [LOG])
    note = add_signatures(note, [w.sign(head.body, time=1_000) for w in WITNESSES])
    checkpoint = verify_checkpoint(note, QUORUM)
    wanted = {0, size // 2, size - 1, size + 3}
    # The copy may have read on since: what the checkpoint does not cover is left out.
    found = make_excerpt([*entries, b"later"], checkpoint, QUORUM.text, wanted)
    assert [index for index, _, _ in found.entries] == sorted(wanted - {size + 3})
    quorum = QuorumFile.parse(found.quorum)
    for index, entry, proof in found.entries:
        assert verify_entry(proof, entry, quorum, origin=ORIGIN).index == index
        with pytest.raises(LogInconsistent):
            verify_entry(proof, entry + b" ", quorum, origin=ORIGIN)
