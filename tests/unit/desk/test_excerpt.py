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


def signed(entries: list[bytes], time: int) -> bytes:
    head = TreeHead(ORIGIN, len(entries), root_of(leaf_hash(entry) for entry in entries))
    note = sign_head(head, [LOG])
    return add_signatures(note, [w.sign(head.body, time=time) for w in WITNESSES])


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13, 300])
def test_every_entry_is_proven(size: int) -> None:
    entries = [b"entry %d" % number for number in range(size)]
    checkpoint = verify_checkpoint(signed(entries, 1_000), QUORUM)
    wanted = {0, size // 2, size - 1, size + 3}
    # The copy may have read on since: what the checkpoint does not cover is left out.
    found = make_excerpt([*entries, b"later"], checkpoint, [], wanted)
    assert [each.index for each in found.entries] == sorted(wanted - {size + 3})
    for each in found.entries:
        assert verify_entry(each.proof, each.entry, QUORUM, origin=ORIGIN).index == each.index
        with pytest.raises(LogInconsistent):
            verify_entry(each.proof, each.entry + b" ", QUORUM, origin=ORIGIN)


def test_an_entry_is_proven_under_the_first_checkpoint_at_hand() -> None:
    entries = [b"entry %d" % number for number in range(9)]
    notes = [(size, signed(entries[:size], size * 100)) for size in (2, 5, 9)]
    newest = verify_checkpoint(notes[-1][1], QUORUM)
    found = make_excerpt(entries, newest, notes[:2], range(9))
    times = [
        verify_entry(each.proof, each.entry, QUORUM, origin=ORIGIN).checkpoint.median_time
        for each in found.entries
    ]
    assert times == [200, 200, 500, 500, 500, 900, 900, 900, 900]
