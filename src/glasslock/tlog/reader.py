"""Reading a log from where one stands to its newest checkpoint, without doing the fetching.

``catch_up`` is a generator: it yields paths below the log's address, is sent their bytes, and
returns a ``Part``: the replica it has reached with the entries on the way. What it returns is
verified; the caller stores the replica before it acts on an entry. Of a long log a part is not the
whole: the caller begins anew from its replica until one says that it is the ``newest``, so that no
more than a part is in memory at once. Pure.

A log may be a chain of shards (``tlog.chain``). A part never reaches over the end of one; the next
part begins the successor, which is read below the same address.

``history/SIZE`` is not part of tlog-tiles: it lists the first cosigned checkpoint of every
published size, so that all readers give an entry the same witnessed time, that of the first
checkpoint which covers it. A log that leaves one out can make an entry look younger, never older.
Logs of others have none: all that is new in them is as old as their newest checkpoint.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from glasslock.errors import (
    BadSignature,
    LogInconsistent,
    NotFound,
    QuorumNotMet,
    TransportError,
    WireError,
)
from glasslock.tlog.checkpoint import read_head
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.note import MAX_NOTE
from glasslock.tlog.proof import LoggedEntry
from glasslock.tlog.tile import TILE_WIDTH, Bundle, decode_bundle

CHECKPOINT: Final = "checkpoint"
HISTORY: Final = "history"
MAX_HISTORY: Final = 200

# Nobody whom the file names has signed falsely: too few of them have signed at all.
_OTHERS: Final = frozenset({"quorum.short", "checkpoint.unsigned"})

# A part ends at the first checkpoint of the history with this many entries behind it.
PART_ENTRIES: Final = 65_536
PART_BYTES: Final = 64 * 1024 * 1024
# What lies under one note is held before it can be checked: of a log of ours one step, more where
# others signed the notes between, or where there are none. Whoever only serves a log fills no more.
GAP_ENTRIES: Final = 1_048_576
GAP_BYTES: Final = 256 * 1024 * 1024


class Part(NamedTuple):
    """A replica, and the entries between the one that was read on from and this.

    ``newest`` says that it stands at the checkpoint the log showed; otherwise there is more.
    """

    replica: Replica
    entries: list[LoggedEntry]
    newest: bool


Steps = Generator[str, bytes, Part]


def encode_history(notes: Sequence[bytes]) -> bytes:
    """Return notes one after the other, each after its length in four bytes."""
    return b"".join(len(note).to_bytes(4) + note for note in notes)


def decode_history(data: bytes) -> list[bytes]:
    """Read what ``encode_history`` wrote; raises ``WireError``."""
    notes: list[bytes] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        note = data[at + 4 : at + 4 + size]
        if len(note) != size or not 0 < size <= MAX_NOTE or len(notes) == MAX_HISTORY:
            raise WireError("not a history of a log", rule="log.history")
        notes.append(note)
        at += 4 + size
    return notes


def bundles_between(old: int, new: int) -> list[Bundle]:
    """Return the bundles of a tree of ``new`` leaves that hold leaves from ``old`` on."""
    if old == new:
        return []
    indexes = range(old // TILE_WIDTH, -(-new // TILE_WIDTH))
    return [Bundle(index, min(TILE_WIDTH, new - index * TILE_WIDTH)) for index in indexes]


def catch_up(replica: Replica, now: int | None, most: int = PART_ENTRIES) -> Steps:
    """Read one part on from ``replica``; ``now`` is POSIX seconds, for witness times' freshness.

    The part ends at the newest checkpoint, or before it at the first that has ``most`` entries or
    ``PART_BYTES`` behind it: it holds less than that and what lies under one checkpoint more. It
    ends at the end of a shard too.

    Raises:
        TransportError: a shard has ended and its successor is not there yet (``log.successor``).
            Whoever went on without it would not know what is kept from it.
        VerificationError, LogInconsistent, QuorumNotMet: as ``Replica.extend``, but for notes of
            the history that were signed under an older quorum file: those are passed over.
        WireError: what came is malformed, or more lies under one note than a reader holds.
    """
    if replica.ended:
        replica = replica.successor()
    prefix = replica.shard.prefix
    newest = yield from _newest(replica)
    # Who only serves the log can name any size: read up to one that a quorum has signed. How old
    # it is counts at the end: the last checkpoint of a shard that has ended only gets older.
    end = replace(replica.log, max_age=None).check(newest, now).size
    found: list[LoggedEntry] = []
    held = 0
    seen = replica.log.size
    while seen < end and (notes := (yield from _history(prefix, seen))):
        for note in notes:
            seen, before = read_head(note)[1].size, seen
            if seen <= before:
                raise LogInconsistent("a history goes forward only", rule="log.history")
            if seen > end:
                break
            try:
                checked = replica.log.check(note, None)
            except (QuorumNotMet, BadSignature) as error:
                _pass_over(error)
                continue
            entries = yield from _entries(prefix, replica.log.size, checked.size)
            replica, logged = replica.append(checked, entries)
            found.extend(logged)
            held += sum(map(len, entries))
            if (len(found) >= most or held >= PART_BYTES) and replica.log.size < end:
                return Part(replica, found, newest=False)
    # The newest note may be a later cosignature of the same size: it tells how fresh the log is.
    entries = yield from _entries(prefix, replica.log.size, end)
    checked = replace(replica.log, max_age=None).check(newest, now)
    reached, logged = replica.append(checked, entries)
    if not reached.ended and replica.log.max_age is not None:
        replica.log.check(newest, now)
    found.extend(logged)
    return Part(reached, found, newest=not reached.ended)


def _newest(replica: Replica) -> Generator[str, bytes, bytes]:
    """Return the newest checkpoint of the replica's shard."""
    try:
        newest = yield replica.shard.prefix + CHECKPOINT
    except NotFound:
        if replica.shard.before is None:
            raise
        raise TransportError("a log has ended and goes on nowhere", rule="log.successor") from None
    return newest


def witnessed(log: TrustedLog, index: int) -> Generator[str, bytes, int]:
    """Return when a quorum first saw the entry at ``index``: the time that every reader gives it.

    That the entry stands there, in the shard that is read at the log's address, is for the caller
    to know.

    Raises:
        QuorumNotMet: no quorum has signed that far, or the log has no history.
        VerificationError, WireError: as ``catch_up``.
    """
    seen = index
    while notes := (yield from _history("", seen)):
        for note in notes:
            size = read_head(note)[1].size
            if size <= seen:
                raise LogInconsistent("a history goes forward only", rule="log.history")
            seen = size
            try:
                return log.check(note, None).median_time
            except (QuorumNotMet, BadSignature) as error:
                _pass_over(error)
    raise QuorumNotMet("no quorum has seen this entry", rule="log.unseen")


def _pass_over(error: QuorumNotMet | BadSignature) -> None:
    """Let a note go that others signed before this quorum file was; raises every other failure.

    The entries below it are as old as the next note that holds. A log that has no such note shows
    nothing.
    """
    if error.rule not in _OTHERS:
        raise error


def _history(prefix: str, size: int) -> Generator[str, bytes, list[bytes]]:
    try:
        data = yield f"{prefix}{HISTORY}/{size}"
    except NotFound:
        return []
    return decode_history(data)


def _entries(prefix: str, old: int, new: int) -> Generator[str, bytes, list[bytes]]:
    entries: list[bytes] = []
    held = 0
    if new - old > GAP_ENTRIES:
        raise WireError("too many entries lie under one checkpoint", rule="log.gap")
    for bundle in bundles_between(old, new):
        data = yield prefix + bundle.path
        held += len(data)
        if held > GAP_BYTES:
            raise WireError("too much lies under one checkpoint", rule="log.gap")
        inside = decode_bundle(bundle, data)
        entries.extend(inside[max(0, old - bundle.index * TILE_WIDTH) :])
    return entries
