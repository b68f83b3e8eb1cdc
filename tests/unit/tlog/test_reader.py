"""Reading a log on: its history, what of it counts, and logs that have none."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import chain, count, repeat

import pytest

from glasslock.errors import (
    BadSignature,
    LogInconsistent,
    NotFound,
    QuorumNotMet,
    VerificationError,
    WireError,
)
from glasslock.tlog import reader
from glasslock.tlog.checkpoint import add_signatures, sign_head
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.tlog.note import Signer
from glasslock.tlog.proof import LoggedEntry
from glasslock.tlog.reader import (
    CHECKPOINT,
    Part,
    Steps,
    catch_up,
    decode_history,
    encode_history,
    witnessed,
)
from glasslock.tlog.tile import encode_bundle
from glasslock.tlog.treehead import TreeHead

from .conftest import NOW, ORIGIN, World

ENTRIES = [b"entry %d" % n for n in range(6)]
ALL = (0, 1, 2)


def note(world: World, size: int, by: tuple[int, ...] = ALL, time: int = NOW) -> bytes:
    head = TreeHead(ORIGIN, size, root_of(map(leaf_hash, ENTRIES[:size])))
    return world.note(head, by=by, times=[time] * len(by))


def read(
    world: World, history: dict[int, list[bytes] | None], newest: bytes, held: int = 0
) -> tuple[Replica, list[LoggedEntry]]:
    """What a reader makes of a log that answers so; None is a history that is not there."""
    replica = Replica(TrustedLog(world.quorum, ORIGIN))
    if held:
        replica, _ = replica.extend(note(world, held), ENTRIES[:held], None)
    part = part_of(catch_up(replica, NOW), history, newest)
    assert part.newest
    return part.replica, part.entries


def part_of(steps: Steps, history: dict[int, list[bytes] | None], newest: bytes) -> Part:
    path = next(steps)
    try:
        while True:
            kind, _, rest = path.partition("/")
            if kind == "history":
                answer = history.get(int(rest), [])
                if answer is None:
                    path = steps.throw(NotFound("no such thing"))
                    continue
                path = steps.send(encode_history(answer))
            elif path == CHECKPOINT:
                path = steps.send(newest)
            else:
                path = steps.send(encode_bundle(ENTRIES[: int(rest.rpartition("/")[2])]))
    except StopIteration as done:
        found: Part = done.value
        return found


def times(logged: list[LoggedEntry]) -> list[int]:
    return [each.checkpoint.median_time for each in logged]


def test_an_entry_is_as_old_as_the_first_checkpoint_over_it(world: World) -> None:
    history = [note(world, 2, time=NOW - 9), note(world, 5, time=NOW - 5)]
    replica, logged = read(world, {0: history}, note(world, 6))
    assert replica.size == 6
    assert times(logged) == [NOW - 9] * 2 + [NOW - 5] * 3 + [NOW]
    _, later = read(world, {2: history[1:]}, note(world, 6), held=2)
    assert times(later) == times(logged)[2:]


def test_a_log_without_a_history_is_read_by_its_checkpoint(world: World) -> None:
    replica, logged = read(world, {0: None}, note(world, 6))
    assert (replica.size, times(logged)) == (6, [NOW] * 6)


def test_notes_of_an_older_quorum_are_passed_over(world: World) -> None:
    history = [note(world, 1, (0,), NOW - 9), note(world, 3, time=NOW - 5), note(world, 4, ())]
    replica, logged = read(world, {0: history}, note(world, 6))
    assert replica.size == 6
    assert times(logged) == [NOW - 5] * 3 + [NOW] * 3


def test_what_nobody_has_signed_with_enough_is_never_the_newest(world: World) -> None:
    with pytest.raises(QuorumNotMet):
        read(world, {0: [note(world, 3)]}, note(world, 6, (0, 1)))


def test_a_false_signature_in_a_history_is_not_passed_over(world: World) -> None:
    head = TreeHead(ORIGIN, 2, root_of(map(leaf_hash, ENTRIES[:2])))
    line = world.witnesses[0].sign(head.body, time=NOW)
    forged = dataclasses.replace(line, blob=line.blob[:-1] + bytes((line.blob[-1] ^ 1,)))
    lie = add_signatures(sign_head(head, [world.log]), [forged])
    with pytest.raises(BadSignature) as raised:
        read(world, {0: [lie]}, note(world, 6))
    assert raised.value.rule == "note.signature"


@pytest.mark.parametrize("sizes", [(2, 2), (3, 1), (0,)])
def test_a_history_goes_forward_only(world: World, sizes: tuple[int, ...]) -> None:
    history = [note(world, size) for size in sizes]
    with pytest.raises(LogInconsistent) as raised:
        read(world, {0: history}, note(world, 6))
    assert raised.value.rule == "log.history"


def test_a_history_that_never_ends_does_not_go_round(world: World) -> None:
    """The same page again and again, of notes that are passed over, is refused."""
    page = [note(world, 2, ())]
    with pytest.raises(LogInconsistent):
        read(world, {0: page, 2: page}, note(world, 6))


def test_a_history_is_read_strictly(world: World) -> None:
    whole = encode_history([note(world, 1), note(world, 2)])
    assert len(decode_history(whole)) == 2
    for broken in (whole[:-1], whole[:3], bytes(4), b"\xff" * 8):
        with pytest.raises(WireError) as raised:
            decode_history(broken)
        assert raised.value.rule == "log.history"


def asked(world: World, newest: bytes, histories: Iterator[list[bytes]]) -> list[str]:
    """What a reader asks for, of somebody who serves a log and has no key, until it refuses."""
    steps = catch_up(Replica(TrustedLog(world.quorum, ORIGIN)), NOW)
    paths = [next(steps)]
    while len(paths) < 40:
        kind, _, rest = paths[-1].partition("/")
        if kind == CHECKPOINT:
            answer = newest
        elif kind == "history":
            answer = encode_history(next(histories))
        else:
            answer = encode_bundle([b"made up"] * int(rest.rpartition("/")[2]))
        try:
            paths.append(steps.send(answer))
        except VerificationError:
            break
    return paths


def test_a_size_that_no_quorum_signed_is_not_read_up_to(world: World) -> None:
    """Who serves a log cannot fill a reader's memory with the entries of a size of its own."""
    large = sign_head(TreeHead(ORIGIN, 200, bytes(32)), [world.log])
    other = Signer.log(ORIGIN, b"\x66" * 32)
    forged = sign_head(TreeHead(ORIGIN, 200, bytes(32)), [other])
    for lie in (large, forged):
        assert asked(world, lie, repeat([])) == [CHECKPOINT]


def test_no_entries_are_asked_for_by_a_note_that_is_passed_over(world: World) -> None:
    lie = sign_head(TreeHead(ORIGIN, 5, bytes(32)), [world.log])
    paths = asked(world, note(world, 6), chain([[lie]], repeat([])))
    assert paths == [CHECKPOINT, "history/0", "history/5", "tile/entries/000.p/6"]


def test_a_history_ends_where_the_checkpoint_does(world: World) -> None:
    """Notes that nobody need sign, each of one more than the last, keep no reader for ever."""
    lies = ([note(world, 1, ()), note(world, size, ())] for size in count(7))
    paths = asked(world, note(world, 6), lies)
    assert paths == [CHECKPOINT, "history/0", "tile/entries/000.p/6"]


def test_what_was_published_meanwhile_is_left_for_the_next_time(world: World) -> None:
    history = [note(world, 2, time=NOW - 9), note(world, 4), note(world, 6)]
    replica, logged = read(world, {0: history}, note(world, 3, time=NOW - 5))
    assert (replica.size, times(logged)) == (3, [NOW - 9] * 2 + [NOW - 5])


@pytest.mark.parametrize(
    ("most", "sizes"), [(1, [2, 3, 5, 6]), (2, [2, 5, 6]), (3, [3, 6]), (6, [6]), (9, [6])]
)
def test_a_part_ends_at_the_first_checkpoint_with_enough_behind_it(
    world: World, most: int, sizes: list[int]
) -> None:
    """Of a long log a reader holds a bound, and what lies under one checkpoint more."""
    notes = {size: note(world, size, time=NOW - 10 + size) for size in (2, 3, 5, 6)}
    replica, newest, found = Replica(TrustedLog(world.quorum, ORIGIN)), False, []
    for size in sizes:
        assert not newest
        answers = {at: [each for by, each in notes.items() if by > at] for at in (0, 2, 3, 5)}
        steps = catch_up(replica, NOW, most)
        replica, logged, newest = part_of(steps, answers, note(world, 6))  # type: ignore[arg-type]
        assert replica.size == size
        assert len(logged) < most + 2
        found += logged
    assert newest
    assert [each.entry for each in found] == ENTRIES
    assert times(found) == [NOW - 8] * 2 + [NOW - 7] + [NOW - 5] * 2 + [NOW - 4]


@pytest.mark.parametrize(("bound", "most"), [("GAP_ENTRIES", 5), ("GAP_BYTES", 54)])
def test_no_more_is_held_under_one_checkpoint_than_a_bound(
    world: World, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    """Of six entries in a bundle of 54 bytes; a history that is hidden makes nobody hold more."""
    assert len(encode_bundle(ENTRIES)) == 54
    for history in ({0: None}, {0: []}):
        monkeypatch.setattr(reader, bound, most)
        read(world, history, note(world, 5 if bound == "GAP_ENTRIES" else 6))
        monkeypatch.setattr(reader, bound, most - (bound == "GAP_BYTES"))
        with pytest.raises(WireError) as raised:
            read(world, history, note(world, 6))
        assert raised.value.rule == "log.gap"
    # With the notes between it is read all the same.
    notes = [note(world, 3, time=NOW - 9), note(world, 5, time=NOW - 5)]
    monkeypatch.setattr(reader, bound, {"GAP_ENTRIES": 3, "GAP_BYTES": 54}[bound])
    replica, _ = read(world, {0: notes, 5: []}, note(world, 6))
    assert replica.size == 6


def test_a_part_ends_where_its_bytes_do(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PART_BYTES", 14)
    notes = [note(world, size) for size in (2, 3, 5, 6)]
    part = part_of(catch_up(Replica(TrustedLog(world.quorum, ORIGIN)), NOW), {0: notes}, notes[-1])
    assert (part.replica.size, part.newest) == (2, False)


def time_of(world: World, index: int, history: dict[int, list[bytes]]) -> int:
    """When a quorum first saw the entry at ``index`` of a log that answers so."""
    steps = witnessed(TrustedLog(world.quorum, ORIGIN), index)
    path = next(steps)
    try:
        while True:
            path = steps.send(encode_history(history.get(int(path.rpartition("/")[2]), [])))
    except StopIteration as end:
        return int(end.value)


def test_an_entry_is_as_old_as_its_first_checkpoint_with_a_quorum(world: World) -> None:
    early, late = note(world, 3, time=NOW - 9), note(world, 5, time=NOW - 5)
    assert time_of(world, 1, {1: [early, late]}) == NOW - 9
    assert time_of(world, 3, {3: [late]}) == NOW - 5
    # What too few have signed says nothing, on one page or on the next.
    alone = note(world, 2, (0,), NOW - 20)
    assert time_of(world, 1, {1: [alone, early]}) == NOW - 9
    assert time_of(world, 1, {1: [alone], 2: [early]}) == NOW - 9
    with pytest.raises(QuorumNotMet):
        time_of(world, 1, {1: [alone]})


def test_a_history_does_not_go_round_in_circles(world: World) -> None:
    alone = note(world, 2, (0,), NOW - 20)
    for notes in ([alone, alone], [note(world, 1)]):
        with pytest.raises(LogInconsistent):
            time_of(world, 1, {1: notes})
