"""What a follower remembers of a log, and the steps it may take. Pure; the caller keeps the state.

``TrustedLog`` holds the newest verified checkpoint, ``Replica`` the frontier too, for followers
that read every entry. Both are values: a step returns the next one or raises and changes nothing.
The caller writes the new state down before it acts on it; otherwise a crash would let a log show
it an older past.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from glasslock.errors import LogInconsistent, VerificationError, WireError
from glasslock.tlog.chain import ALONE, Shard, decode_shard, extended
from glasslock.tlog.checkpoint import VerifiedCheckpoint, read_head, verify_checkpoint
from glasslock.tlog.encoding import HASH_SIZE, decode_hash, encode_base64
from glasslock.tlog.merkle import MAX_PROOF, Frontier, verify_consistency
from glasslock.tlog.proof import LoggedEntry, in_chain, verify_appended
from glasslock.tlog.quorum import QuorumFile
from glasslock.wire.shard import ShardEnd, decode_shard_leaf

# Different witnesses cosign different checkpoints, and their clocks differ: the median may step
# back by this much between two honest checkpoints.
TIME_SLACK_SECONDS: Final = 120


def encode_hashes(hashes: Sequence[bytes]) -> bytes:
    """Return hashes as lines of base64: how a consistency proof is served."""
    return b"".join(encode_base64(item) + b"\n" for item in hashes)


def decode_hashes(data: bytes) -> tuple[bytes, ...]:
    """Read what ``encode_hashes`` wrote; raises ``WireError``."""
    *lines, rest = data.split(b"\n")
    if rest or len(lines) > MAX_PROOF:
        raise WireError("a proof has at most 63 whole lines", rule="proof.hashes")
    return tuple(decode_hash(line, rule="proof.hashes") for line in lines)


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """A log under one quorum file, and the newest checkpoint of it that this follower verified.

    ``max_age`` (seconds) bounds the age of the median witness time, when a step is given ``now``.
    """

    quorum: QuorumFile
    origin: str
    max_age: int | None = None
    checkpoint: VerifiedCheckpoint | None = None

    @property
    def size(self) -> int:
        """The size last verified, 0 before the first checkpoint."""
        return self.checkpoint.size if self.checkpoint else 0

    def restore(self, note: bytes) -> TrustedLog:
        """Return this log at the checkpoint it had stored; it is verified again, but for age."""
        found = verify_checkpoint(note, self.quorum, origin=self.origin)
        return replace(self, checkpoint=found)

    def check(self, note: bytes, now: int | None) -> VerifiedCheckpoint:
        """Return ``note`` verified and not older than what is held; see ``advance``."""
        found = verify_checkpoint(
            note, self.quorum, origin=self.origin, now=now, max_age=self.max_age
        )
        held = self.checkpoint
        if held is None:
            return found
        if found.size < held.size:
            raise LogInconsistent("the log shows less than it did", rule="log.behind")
        if found.size == held.size and found.root != held.root:
            raise LogInconsistent("one size has two roots", rule="log.fork")
        if found.median_time < held.median_time - TIME_SLACK_SECONDS:
            raise VerificationError("the log's time runs back", rule="log.time")
        return found

    def advance(self, note: bytes, consistency: Sequence[bytes], now: int | None) -> TrustedLog:
        """Return this log at the checkpoint in ``note``, the past proven unchanged.

        ``consistency`` is the proof from ``size`` to the new size; ``now`` is POSIX seconds.

        Raises:
            BadSignature: the log did not sign, or a known signature fails.
            LogInconsistent: the log is behind, forked, or has rewritten its past.
            QuorumNotMet: too few witnesses, or too old.
            VerificationError: another log's checkpoint, or its time runs back.
            WireError: it is no checkpoint.
        """
        found = self.check(note, now)
        held = self.checkpoint
        if held is not None:
            verify_consistency(held.size, held.root, found.size, found.root, consistency)
        return replace(self, checkpoint=found)


@dataclass(frozen=True, slots=True)
class Replica:
    """A log that is read whole: its trusted checkpoint and the frontier of all entries so far.

    A log may be a chain of shards: ``log`` is the one that is being read, ``shard`` where it stands
    in the chain, ``pinned`` the log at which the reader began, None in that one itself. ``nodes``
    are ``Frontier.nodes`` at ``log.size``. What a caller stores is ``log.checkpoint.note`` and
    ``state``, under ``origin``.
    """

    log: TrustedLog
    nodes: tuple[bytes, ...] = ()
    shard: Shard = ALONE
    pinned: TrustedLog | None = None

    @property
    def origin(self) -> str:
        """The origin of the shard at which this reader's chain begins: it names the chain."""
        return (self.pinned or self.log).origin

    @property
    def size(self) -> int:
        """How many entries the chain has up to here; the index of the next."""
        return self.shard.base + self.log.size

    @property
    def ended(self) -> bool:
        """Whether the shard has ended: what follows stands in its successor."""
        return self.shard.end != b""

    @property
    def state(self) -> bytes:
        """What ``recall`` needs beside the note: the frontier, and the shard if it is not alone."""
        return b"".join(self.nodes) + self.shard.encode()

    def recall(self, note: bytes, state: bytes) -> Replica:
        """Return this replica, of which nothing has been read, as it was stored.

        Raises:
            LogInconsistent: the stored frontier is not that of the stored checkpoint.
            VerificationError: the checkpoint does not hold under today's quorum file.
            WireError: it was not stored like that.
        """
        # Written down first, a frontier has one node for each bit of the size.
        count = HASH_SIZE * read_head(note)[1].size.bit_count()
        nodes = [state[at : at + HASH_SIZE] for at in range(0, count, HASH_SIZE)]
        return self.restore(note, nodes, decode_shard(state[count:]))

    def restore(self, note: bytes, nodes: Sequence[bytes], shard: Shard = ALONE) -> Replica:
        """Return this replica at a note, frontier and shard; raises as ``recall``."""
        start = self._at(shard)
        log = start.log.restore(note)
        held = log.checkpoint
        if held is None or Frontier(log.size, nodes).root() != held.root:
            raise LogInconsistent("the stored frontier is another tree's", rule="log.frontier")
        return replace(start, log=log, nodes=tuple(nodes))

    def extend(
        self, note: bytes, entries: Sequence[bytes], now: int | None
    ) -> tuple[Replica, tuple[LoggedEntry, ...]]:
        """Return the next replica and the new entries as logged.

        ``entries`` are all from ``log.size`` up to the size that ``note`` signs. The root
        recomputed over them proves consistency, so no proof is asked for.

        Raises:
            LogInconsistent: entries are missing or changed, a chain breaks, or as
                ``TrustedLog.advance``.
            VerificationError: as ``TrustedLog.advance``.
            WireError: it is no checkpoint.
        """
        return self.append(self.log.check(note, now), entries)

    def append(
        self, found: VerifiedCheckpoint, entries: Sequence[bytes]
    ) -> tuple[Replica, tuple[LoggedEntry, ...]]:
        """Return the same as ``extend`` of a note that ``log.check`` has found good.

        Raises:
            LogInconsistent: entries are missing or changed, or a chain breaks (``Shard.read``).
            VerificationError: the successor is older than what it follows.
            WireError: a leaf of the chain is malformed, or its keys are none.
        """
        before = self.shard.before
        if before is not None and found.median_time < before.median_time - TIME_SLACK_SECONDS:
            raise VerificationError("the log's time runs back", rule="log.time")
        after, logged = verify_appended(Frontier(self.log.size, self.nodes), entries, found)
        shard = self.shard.read(self.log.size, entries)
        reached = Replica(replace(self.log, checkpoint=found), after.nodes, shard, self.pinned)
        if reached.ended:
            # What cannot be followed ends nothing: refused while the reader stands before it.
            reached.successor()
        return reached, in_chain(logged, shard.base)

    def successor(self) -> Replica:
        """Return a replica of the shard after this one, which has ended; nothing of it is read.

        Raises:
            KeyRejected, WireError: the keys of the successor are none.
            LogInconsistent: it names one that the reader has left.
            StateError: this shard has not ended.
        """
        shard = self.shard.successor(self.log.checkpoint)
        if shard.origin in (self.origin, self.log.origin):
            raise LogInconsistent("a shard is followed by itself", rule="log.shard")
        return self._at(shard)

    def logs(self, own: Iterable[tuple[int, bytes]]) -> list[tuple[TrustedLog, int]]:
        """Return the shards of the chain up to here, each with how many entries are before it.

        ``own`` are the chain's own leaves, by index. A shard that has ended stands at its final
        checkpoint, if that holds under today's quorum file.
        """
        found = [(self._at(ALONE).log, 0)]
        end: ShardEnd | None = None
        for index, entry in own:
            leaf = decode_shard_leaf(entry)
            if isinstance(leaf, ShardEnd):
                end = leaf
            elif end is None:
                found[0] = found[0][0], index
            else:
                log, base = found[-1]
                with contextlib.suppress(VerificationError):
                    found[-1] = log.restore(leaf.checkpoint), base
                later = Shard(index, end.place, end.origin, end.vkeys)
                found.append((self._at(later).log, index))
        if found[-1][0].origin == self.log.origin:
            found[-1] = self.log, found[-1][1]
        return found

    def _at(self, shard: Shard) -> Replica:
        """Return a replica that has read nothing of ``shard``."""
        pinned = self.pinned or replace(self.log, checkpoint=None)
        if not shard.origin:
            return Replica(pinned, shard=shard)
        quorum = extended(pinned.quorum, shard.origin, shard.vkeys)
        log = TrustedLog(quorum, shard.origin, pinned.max_age)
        return Replica(log, shard=shard, pinned=pinned)
