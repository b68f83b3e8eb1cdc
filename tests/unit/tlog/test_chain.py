"""A log that is a chain of shards, as its readers take it, and every way in which one may lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from glasslock.errors import (
    GlasslockError,
    LogInconsistent,
    NotFound,
    QuorumNotMet,
    TransportError,
    VerificationError,
    WireError,
)
from glasslock.tlog.chain import ALONE, Shard, decode_shard, extended
from glasslock.tlog.checkpoint import add_signatures, sign_head
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.tlog.note import Signer
from glasslock.tlog.proof import LoggedEntry
from glasslock.tlog.quorum import LogKey, QuorumFile
from glasslock.tlog.reader import Part, catch_up
from glasslock.tlog.tile import encode_bundle, parse_path
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.shard import Genesis, ShardEnd

from .conftest import NOW, ORIGIN, World, make_world

SECOND, THIRD = ORIGIN + "/2027", ORIGIN + "/2028"
KEYS = {
    origin: (Signer.log(origin, bytes((n,)) * 32), Signer.ml_dsa(origin, bytes((n,)) * 32))
    for n, origin in enumerate((SECOND, THIRD), 2)
}
OWN = [b"entry %d" % n for n in range(5)]


@dataclass
class Log:
    """What stands below one address: the entries of each shard, by the path of the shard."""

    world: World
    shards: dict[str, tuple[str, list[bytes]]] = field(default_factory=dict)
    by: Sequence[int] = (0, 1, 2)
    time: int = NOW

    def put(self, origin: str, *entries: bytes, prefix: str = "") -> None:
        self.shards[prefix] = (origin, list(entries))

    def head(self, prefix: str) -> TreeHead:
        origin, entries = self.shards[prefix]
        return TreeHead(origin, len(entries), root_of(map(leaf_hash, entries)))

    def note(self, prefix: str) -> bytes:
        head = self.head(prefix)
        signers = [self.world.log] if head.origin == ORIGIN else list(KEYS[head.origin])
        lines = [self.world.witnesses[n].sign(head.body, time=self.time) for n in self.by]
        return add_signatures(sign_head(head, signers, time=self.time), lines)

    def get(self, path: str) -> bytes:
        prefix = path[: path.index("/", 7) + 1] if path.startswith("shards/") else ""
        if prefix not in self.shards or "history" in path:
            raise NotFound("no such thing")
        if path == prefix + "checkpoint":
            return self.note(prefix)
        width = parse_path(path.removeprefix(prefix)).width
        return encode_bundle(self.shards[prefix][1][:width])

    def start(self, max_age: int | None = None) -> Replica:
        return Replica(TrustedLog(self.world.quorum, ORIGIN, max_age))

    def part(self, replica: Replica) -> Part:
        steps = catch_up(replica, NOW)
        path = next(steps)
        while True:
            try:
                answer = self.get(path)
            except NotFound as error:
                step: Callable[[], str] = lambda error=error: steps.throw(error)  # noqa: E731
            else:
                step = lambda answer=answer: steps.send(answer)  # noqa: E731
            try:
                path = step()
            except StopIteration as done:
                part: Part = done.value
                return part

    def read(self, replica: Replica) -> tuple[Replica, list[LoggedEntry]]:
        found: list[LoggedEntry] = []
        while True:
            part = self.part(replica)
            # Stored after each part, and taken up again from what was stored.
            checkpoint = part.replica.log.checkpoint
            assert checkpoint is not None
            start = Replica(replica.pinned or replace(replica.log, checkpoint=None))
            replica = start.recall(checkpoint.note, part.replica.state)
            assert replica == part.replica
            found += part.entries
            if part.newest:
                return replica, found


def end_of(origin: str, place: str) -> bytes:
    return ShardEnd(origin, tuple(key.vkey for key in KEYS[origin]), place).encode()


@pytest.fixture
def log() -> Log:
    """Two shards of 4 and 3 entries, the second not ended."""
    log = Log(make_world())
    log.put(ORIGIN, *OWN[:3], end_of(SECOND, "2027"))
    genesis = Genesis(4, ORIGIN, log.note("")).encode()
    log.put(SECOND, genesis, *OWN[3:], prefix="shards/2027/")
    return log


def refused(log: Log, rule: str, kind: type[GlasslockError] = LogInconsistent) -> None:
    with pytest.raises(kind) as caught:
        log.read(log.start())
    assert caught.value.rule == rule


def test_a_chain_is_read_as_one_log(log: Log) -> None:
    replica, found = log.read(log.start())
    assert [each.index for each in found] == list(range(7))
    assert [found[n].entry for n in (0, 1, 2, 5, 6)] == OWN
    assert (replica.size, replica.origin, replica.log.origin) == (7, ORIGIN, SECOND)
    assert {each.checkpoint.origin for each in found[4:]} == {SECOND}


def test_a_chain_goes_on_for_years(log: Log) -> None:
    halfway, _ = log.read(log.start())
    log.shards["shards/2027/"][1].append(end_of(THIRD, "2028"))
    genesis = Genesis(8, SECOND, log.note("shards/2027/")).encode()
    log.put(THIRD, genesis, b"later", prefix="shards/2028/")
    on, found = log.read(halfway)
    assert [each.index for each in found] == [7, 8, 9]
    fresh, whole = log.read(log.start())
    assert (fresh.size, len(whole)) == (10, 10)
    assert (fresh.shard, fresh.nodes, fresh.log.quorum) == (on.shard, on.nodes, on.log.quorum)
    # What is pinned stays what it was: keys of years gone by are not carried along.
    assert fresh.log.quorum.origins == (ORIGIN, THIRD)


def test_a_reader_may_begin_at_a_later_shard(log: Log) -> None:
    origin, entries = log.shards["shards/2027/"]
    moved = Log(log.world, {"": (origin, entries)})
    quorum = QuorumFile.of(
        [LogKey(key.verifier) for key in KEYS[SECOND]], log.world.quorum.witnesses, 3
    )
    start = Replica(TrustedLog(quorum, SECOND))
    replica, found = moved.read(start)
    assert [each.index for each in found] == [4, 5, 6]
    assert (replica.origin, replica.size) == (SECOND, 7)


def test_a_later_beginning_fits_itself(log: Log) -> None:
    for wrong in (Genesis(3, ORIGIN, log.note("")), Genesis(4, SECOND, log.note(""))):
        moved = Log(log.world, {"": (SECOND, [wrong.encode()])})
        quorum = QuorumFile.of(
            [LogKey(key.verifier) for key in KEYS[SECOND]], log.world.quorum.witnesses, 3
        )
        with pytest.raises(LogInconsistent) as caught:
            moved.read(Replica(TrustedLog(quorum, SECOND)))
        assert caught.value.rule == "log.genesis"


def test_a_shard_that_has_ended_may_be_old_and_its_successor_may_not(log: Log) -> None:
    ended, _ = log.part(log.start(max_age=600)).replica, None
    log.time = NOW - 100_000
    fresh = log.part(log.start(max_age=600))
    assert fresh.replica.ended
    assert not fresh.newest
    for replica in (ended, fresh.replica):
        with pytest.raises((QuorumNotMet, VerificationError)) as caught:
            log.part(replica)
        assert caught.value.rule in ("checkpoint.stale", "log.time")


def test_time_does_not_run_back_over_the_end_of_a_shard(log: Log) -> None:
    ended = log.part(log.start()).replica
    log.time = NOW - 121
    with pytest.raises(VerificationError) as caught:
        log.part(ended)
    assert caught.value.rule == "log.time"


@pytest.mark.parametrize("more", [[b"more"], [end_of(SECOND, "2027")]], ids=["entry", "end"])
def test_nothing_follows_the_end_of_a_shard(log: Log, more: list[bytes]) -> None:
    ended = log.part(log.start()).replica
    log.shards[""][1].extend(more)
    refused(log, "log.shard")
    found = ended.log.check(log.note(""), NOW)
    with pytest.raises(LogInconsistent) as caught:
        ended.append(found, more)
    assert caught.value.rule == "log.shard"


def other_size(log: Log) -> bytes:
    log.shards[""][1].pop()
    return Genesis(4, ORIGIN, log.note("")).encode()


def other_root(log: Log) -> bytes:
    log.shards[""][1][0] = b"another"
    return Genesis(4, ORIGIN, log.note("")).encode()


LIES: dict[str, Callable[[Log], bytes]] = {
    "size": other_size,
    "root": other_root,
    "base-more": lambda log: Genesis(5, ORIGIN, log.note("")).encode(),
    "base-less": lambda log: Genesis(3, ORIGIN, log.note("")).encode(),
    "origin": lambda log: Genesis(4, SECOND, log.note("")).encode(),
    "missing": lambda _: b"an entry",
    "end": lambda _: end_of(THIRD, "2028"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_successor_begins_where_the_reader_stands(log: Log, lie: str) -> None:
    first = log.shards[""][0], list(log.shards[""][1])
    genesis = LIES[lie](log)
    log.shards[""] = first
    log.put(SECOND, genesis, *OWN[3:], prefix="shards/2027/")
    refused(log, "log.genesis")


def test_a_successor_is_not_empty(log: Log) -> None:
    log.put(SECOND, prefix="shards/2027/")
    refused(log, "log.genesis")


def test_a_genesis_stands_at_the_beginning(log: Log) -> None:
    genesis = log.shards["shards/2027/"][1][0]
    log.shards["shards/2027/"][1].append(genesis)
    refused(log, "log.genesis")
    alone = Log(log.world)
    alone.put(ORIGIN, OWN[0], genesis)
    refused(alone, "log.genesis")


def test_a_successor_needs_a_quorum_and_its_own_keys(log: Log) -> None:
    ended = log.part(log.start()).replica
    log.by = (0, 1)
    with pytest.raises(QuorumNotMet):
        log.part(ended)
    log.by = (0, 1, 2)
    log.shards["shards/2027/"] = (THIRD, log.shards["shards/2027/"][1])
    with pytest.raises(VerificationError) as caught:
        log.part(ended)
    assert caught.value.rule == "checkpoint.origin"


def test_an_end_without_a_successor_is_not_the_newest(log: Log) -> None:
    del log.shards["shards/2027/"]
    part = log.part(log.start())
    assert (part.newest, part.replica.size) == (False, 4)
    with pytest.raises(TransportError) as caught:
        log.part(part.replica)
    assert caught.value.rule == "log.successor"


WRONG_ENDS = {
    "itself": ShardEnd(ORIGIN, (Signer.log(ORIGIN, b"\x09" * 32).vkey,), "2027").encode(),
    "not-a-key": ShardEnd(SECOND, ("nobody",), "2027").encode(),
    "key-of-another": ShardEnd(SECOND, (KEYS[THIRD][0].vkey,), "2027").encode(),
    "malformed": b"glasslock/1 shard-end\nnothing",
}


@pytest.mark.parametrize("end", WRONG_ENDS)
def test_an_end_that_cannot_be_followed_is_refused(log: Log, end: str) -> None:
    log.put(ORIGIN, *OWN[:3], WRONG_ENDS[end])
    with pytest.raises((LogInconsistent, WireError)):
        log.part(log.start())


def test_keys_of_the_quorum_file_go_before_those_of_a_shard_end() -> None:
    world = make_world()
    key = Signer.log(SECOND, b"\x0a" * 32)
    both = QuorumFile.parse(world.quorum.text + f"log {key.vkey}\n")
    assert extended(both, SECOND, (KEYS[SECOND][0].vkey,)) is both
    added = extended(world.quorum, SECOND, (KEYS[SECOND][0].vkey,))
    assert added.log_keys(SECOND) == (KEYS[SECOND][0].verifier,)
    assert added.log_keys(ORIGIN) == world.quorum.log_keys(ORIGIN)


def test_what_is_stored_is_named_whole() -> None:
    vkeys = (KEYS[SECOND][0].vkey,)
    good = Shard(4, "2027", SECOND, vkeys, end_of(THIRD, "2028"))
    assert decode_shard(good.encode()) == good
    assert ALONE.encode() == b""
    for wrong in (replace(good, origin=""), replace(good, place=""), replace(good, vkeys=())):
        with pytest.raises(WireError):
            decode_shard(wrong.encode())
