"""An excerpt of a log that is a chain of shards: its links are in it, and a reader needs them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.casefile.excerpts import LogExcerpt, ProvenBytes, read_log
from glasslock.desk.excerpt import make_excerpt
from glasslock.errors import GlasslockError, VerificationError
from glasslock.tlog.chain import extended
from glasslock.tlog.checkpoint import add_signatures, sign_head, verify_checkpoint
from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.tlog.note import Signer
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.shard import Genesis, ShardEnd
from tests.unit.desk.test_excerpt import LOG, ORIGIN, QUORUM, WITNESSES
from tests.unit.desk.world import secret

SECOND = ORIGIN + "/2027"
KEY = Signer.log(SECOND, secret("log of 2027"))


def note(key: Signer, origin: str, entries: list[bytes]) -> bytes:
    head = TreeHead(origin, len(entries), root_of(map(leaf_hash, entries)))
    lines = [w.sign(head.body, time=1_000) for w in WITNESSES]
    return add_signatures(sign_head(head, [key]), lines)


FIRST = [*(b"entry %d" % n for n in range(5)), ShardEnd(SECOND, (KEY.vkey,), "2027").encode()]
FINAL = note(LOG, ORIGIN, FIRST)
LATER = [Genesis(6, ORIGIN, FINAL).encode(), b"entry 7", b"entry 8", b"report"]
NEXT_QUORUM = extended(QUORUM, SECOND, (KEY.vkey,))
NEWEST = verify_checkpoint(note(KEY, SECOND, LATER[:3]), NEXT_QUORUM, origin=SECOND)
NOTES = [(3, note(LOG, ORIGIN, FIRST[:3])), (8, note(KEY, SECOND, LATER[:2]))]


def excerpt(*wanted: int, own: list[bytes] = LATER) -> LogExcerpt:
    return make_excerpt([*FIRST, *own], NEWEST, NOTES, wanted)


def test_an_excerpt_reaches_over_the_end_of_a_shard() -> None:
    found = excerpt(1, 7, 8)
    assert (found.origin, [each.index for each in found.entries]) == (ORIGIN, [1, 5, 6, 7, 8])
    newest, entries, reading = read_log(found, QUORUM)
    assert newest == NEWEST
    assert [each.index for each in entries] == [1, 5, 6, 7, 8]
    assert [each.entry for each in entries] == [(FIRST + LATER)[n] for n in (1, 5, 6, 7, 8)]
    assert [each.checkpoint.size for each in entries] == [3, 6, 2, 2, 3]
    grown = verify_checkpoint(note(KEY, SECOND, LATER), NEXT_QUORUM, origin=SECOND)
    [*_, report] = make_excerpt([*FIRST, *LATER], grown, NOTES, [9]).entries
    assert reading.later(report).index == 9
    with pytest.raises(VerificationError) as caught:
        reading.later(replace(report, index=3))
    assert caught.value.rule == "case.index"


def test_an_excerpt_may_begin_in_a_later_shard() -> None:
    quorum = QuorumFile.parse(NEXT_QUORUM.text)
    found = make_excerpt(LATER, NEWEST, NOTES, [7])
    assert (found.origin, [each.index for each in found.entries]) == (SECOND, [6, 7])
    assert [each.index for each in read_log(found, quorum)[1]] == [6, 7]


def without(*places: int) -> LogExcerpt:
    found = excerpt(1, 7, 8)
    kept = tuple(each for n, each in enumerate(found.entries) if n not in places)
    return replace(found, entries=kept)


def lying() -> LogExcerpt:
    lie = [Genesis(7, ORIGIN, FINAL).encode(), *LATER[1:]]
    newest = verify_checkpoint(note(KEY, SECOND, lie[:3]), NEXT_QUORUM, origin=SECOND)
    return make_excerpt([*FIRST, *lie], newest, [], [1, 7])


def going_on() -> LogExcerpt:
    """The end is proven under a checkpoint that has more behind it."""
    longer = [*FIRST, b"more"]
    grown = verify_checkpoint(note(LOG, ORIGIN, longer), QUORUM, origin=ORIGIN)
    [end] = make_excerpt(longer, grown, [], [5]).entries
    found = excerpt(7)
    return replace(found, entries=(end, *found.entries[1:]))


LIES: dict[str, tuple[LogExcerpt, str]] = {
    "genesis": (without(2), "case.shard"),
    "end": (without(1), "checkpoint.origin"),
    "both": (without(1, 2), "checkpoint.origin"),
    "past": (lying(), "log.genesis"),
    "on": (going_on(), "case.shard"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_chain_is_whole_or_nothing(lie: str) -> None:
    found, rule = LIES[lie]
    with pytest.raises(GlasslockError) as caught:
        read_log(found, QUORUM)
    assert caught.value.rule == rule


def test_what_is_added_later_stands_in_a_shard_that_was_read() -> None:
    alone = LogExcerpt(ORIGIN, FINAL, excerpt(1).entries[:1])
    _, _, reading = read_log(alone, QUORUM)
    [*_, report] = excerpt(8).entries
    assert isinstance(report, ProvenBytes)
    with pytest.raises(VerificationError) as caught:
        reading.later(report)
    assert caught.value.rule == "case.shard"
