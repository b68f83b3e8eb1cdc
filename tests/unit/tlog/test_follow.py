"""Followers: what they accept next, and every way in which a log may go back on its word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from glasslock.errors import LogInconsistent, QuorumNotMet, VerificationError, WireError
from glasslock.tlog.follow import (
    TIME_SLACK_SECONDS,
    Replica,
    TrustedLog,
    decode_hashes,
    encode_hashes,
)
from glasslock.tlog.merkle import prove_consistency
from glasslock.tlog.treehead import TreeHead

from .conftest import NOW, ORIGIN, ListReader, World, mth

HeadOf = Callable[[int], TreeHead]


def trusted(world: World) -> TrustedLog:
    return TrustedLog(world.quorum, ORIGIN, max_age=600)


def test_a_follower_goes_forward(world: World, head: HeadOf, leaves: list[bytes]) -> None:
    log = trusted(world)
    for old, new in ((0, 3), (3, 3), (3, 8), (8, 300)):
        proof = prove_consistency(ListReader(leaves), old, new)
        log = log.advance(world.note(head(new)), proof, NOW)
        assert log.size == new
    assert log.checkpoint is not None
    assert trusted(world).restore(log.checkpoint.note) == log


def test_a_step_that_fails_changes_nothing(world: World, head: HeadOf) -> None:
    log = trusted(world).advance(world.note(head(8)), [], NOW)
    with pytest.raises(LogInconsistent):
        log.advance(world.note(head(9)), [], NOW)
    assert log.size == 8


def test_a_fork_at_one_size_is_refused(world: World, head: HeadOf, leaves: list[bytes]) -> None:
    log = trusted(world).advance(world.note(head(8)), [], NOW)
    fork = TreeHead(ORIGIN, 8, mth([*leaves[:7], leaves[9]]))
    with pytest.raises(LogInconsistent) as caught:
        log.advance(world.note(fork), [], NOW)
    assert caught.value.rule == "log.fork"


def test_a_rewritten_past_is_refused(world: World, head: HeadOf, leaves: list[bytes]) -> None:
    log = trusted(world).advance(world.note(head(8)), [], NOW)
    other = [leaves[20], *leaves[1:12]]
    fork = TreeHead(ORIGIN, 12, mth(other))
    with pytest.raises(LogInconsistent):
        log.advance(world.note(fork), prove_consistency(ListReader(other), 8, 12), NOW)


def test_a_log_that_shows_less_is_refused(world: World, head: HeadOf) -> None:
    log = trusted(world).advance(world.note(head(8)), [], NOW)
    with pytest.raises(LogInconsistent) as caught:
        log.advance(world.note(head(7)), [], NOW)
    assert caught.value.rule == "log.behind"


def test_a_stale_checkpoint_is_refused(world: World, head: HeadOf) -> None:
    with pytest.raises(QuorumNotMet):
        trusted(world).advance(world.note(head(8)), [], NOW + 601)
    assert trusted(world).advance(world.note(head(8)), [], None).size == 8


def test_time_runs_back_by_the_slack_at_most(world: World, head: HeadOf) -> None:
    log = trusted(world).advance(world.note(head(8)), [], NOW)
    slack = [NOW - TIME_SLACK_SECONDS] * 3
    assert log.advance(world.note(head(8), times=slack), [], NOW).size == 8
    with pytest.raises(VerificationError) as caught:
        log.advance(world.note(head(8), times=[t - 1 for t in slack]), [], NOW)
    assert caught.value.rule == "log.time"


def test_a_replica_reads_everything(world: World, head: HeadOf, entries: list[bytes]) -> None:
    replica = Replica(trusted(world))
    for old, new in ((0, 3), (3, 3), (3, 260)):
        replica, logged = replica.extend(world.note(head(new)), entries[old:new], NOW)
        assert [item.index for item in logged] == list(range(old, new))
    checkpoint = replica.log.checkpoint
    assert checkpoint is not None
    again = Replica(trusted(world)).restore(checkpoint.note, replica.nodes)
    assert again == replica
    with pytest.raises(LogInconsistent):
        again.restore(checkpoint.note, (*replica.nodes[:-1], bytes(32)))


def test_a_replica_refuses_another_past(
    world: World, head: HeadOf, entries: list[bytes], leaves: list[bytes]
) -> None:
    replica, _ = Replica(trusted(world)).extend(world.note(head(8)), entries[:8], NOW)
    fork = TreeHead(ORIGIN, 9, mth([leaves[20], *leaves[1:9]]))
    with pytest.raises(LogInconsistent):
        replica.extend(world.note(fork), entries[8:9], NOW)
    for wrong in ([], entries[8:10], [b"other"]):
        with pytest.raises(LogInconsistent):
            replica.extend(world.note(head(9)), wrong, NOW)
    assert replica.size == 8


def test_hash_lines_go_both_ways(leaves: list[bytes]) -> None:
    assert decode_hashes(encode_hashes(leaves[:5])) == tuple(leaves[:5])
    assert decode_hashes(b"") == ()
    data = encode_hashes(leaves[:2])
    for bad in (data[:-1], b"\n" + data, data + b"\n", b"QQ==\n", encode_hashes(leaves[:64])):
        with pytest.raises(WireError):
            decode_hashes(bad)
