"""A shard's shell: submissions in, batches sequenced, cosigned and published, in that order.

A log is a chain of shards (``shards.py``), most often of one.

The steps of one round stand in ``publish`` in the order that a crash may interrupt; whatever is
done already is done again with the same bytes after a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from glasslock.errors import (
    ConfigError,
    Denied,
    GlasslockError,
    LogInconsistent,
    QuorumNotMet,
)
from glasslock.logserver.config import LogConfig
from glasslock.logserver.keys import load_signers
from glasslock.logserver.plan import ShardPlace, write_vkeys
from glasslock.logserver.quorums import load_quorums
from glasslock.logserver.sequencer import Tree, files
from glasslock.logserver.store import Store
from glasslock.logserver.witnesses import Witnesses
from glasslock.runtime.clock import Clock
from glasslock.runtime.files import FolderLock, private_folder
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply
from glasslock.runtime.sqlite import WritePoint, no_point
from glasslock.tlog.checkpoint import (
    add_signatures,
    read_head,
    sign_head,
    verify_checkpoint,
)
from glasslock.tlog.encoding import decode_decimal
from glasslock.tlog.merkle import EMPTY_ROOT
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.reader import CHECKPOINT, HISTORY, MAX_HISTORY, encode_history
from glasslock.tlog.submission import MAX_SUBMISSION, Submission, decode_submission
from glasslock.tlog.tile import TILE_WIDTH, parse_path
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.api import LOG_ADD, LOG_CHECKPOINT, LOG_HISTORY, LOG_TILES, Added
from glasslock.wire.shard import ShardEnd, decode_shard_leaf, is_reserved

TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"
HISTORY_BYTES: Final = 4 * 1024 * 1024
ROUND_SECONDS: Final = 0.05
RETRY_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 15.0
# What lies between two published sizes, which a reader holds at once.
LARGEST_STEP: Final = 65_536


class LogServer:
    """One shard of a log over one folder."""

    def __init__(
        self,
        config: LogConfig,
        clock: Clock,
        point: WritePoint = no_point,
        place: ShardPlace | None = None,
    ) -> None:
        """Open the log, rebuild its tree and repair what a crash left unfinished.

        ``place`` says where a successor is; without it the log is the first shard of its chain.

        Raises:
            ConfigError: a witness or submitter key is not one.
            Conflict: another process writes this log.
            LogInconsistent: files on disk contradict the database: it was restored from a backup.
        """
        place = place or ShardPlace.first(config)
        folder = private_folder(place.folder)
        self._lock = FolderLock(folder)
        self._config = config
        self._clock = clock
        self.origin = place.origin
        self._signers = load_signers(folder, place.origin)
        self._store = Store(folder, place.public, point)
        self._ending = self._read_ending()
        # Nothing is signed any more in a shard that is over: files that came later are not for it.
        over = self._ending is not None and self._store.newest_size() == self._store.size()
        self._quorums = load_quorums(config, self._signers, place.earlier, over=over)
        self._submitters = _submitters(config)
        self._tree = self._rebuilt()
        self._waiting: dict[bytes, asyncio.Future[int]] = {}
        self._hurry = asyncio.Event()
        self._since = 0.0
        self._not_before = 0.0
        self._broken: LogInconsistent | None = None
        self._changed = asyncio.Condition()
        self._published, self._last = self._repair()
        self._witnesses = Witnesses(self._quorums, self._signers, self._store.cosigned())
        write_vkeys(folder, self._signers)

    def _rebuilt(self) -> Tree:
        """Return the tree of all entries, hashed anew; what was published is let go on the way."""
        newest = self._store.newest()
        published = 0 if newest is None else newest[0]
        tree = Tree(read=self._store.tile)
        for page in self._store.pages(self._store.size()):
            tree.extend(page)
            tree.settle(min(published, tree.size))
        return tree

    def _repair(self) -> tuple[int, float]:
        newest = self._store.newest()
        file = self._store.public / "checkpoint"
        if newest is None:
            if file.exists():
                raise LogInconsistent("the published checkpoint is ahead", rule="log.restored")
            return 0, 0.0
        size, note = newest
        if not self._covers(read_head(note)[1], self._tree.size):
            raise LogInconsistent("the entries are not what was published", rule="log.entries")
        if file.exists() and not self._covers(read_head(file.read_bytes())[1], size):
            raise LogInconsistent("the checkpoint is of other entries", rule="log.restored")
        self._store.put_checkpoint(note)
        return size, 0.0

    def _covers(self, head: TreeHead, size: int) -> bool:
        """Say whether ``head`` is of a beginning of the first ``size`` entries."""
        return head.size <= size and self._tree.root(head.size) == head.root

    def _read_ending(self) -> ShardEnd | None:
        size = self._store.size()
        last = self._store.entries(size - 1, size)
        leaf = decode_shard_leaf(last[0]) if last and is_reserved(last[0]) else None
        return leaf if isinstance(leaf, ShardEnd) else None

    @property
    def ending(self) -> ShardEnd | None:
        """The leaf that has ended this shard; it may not be published yet."""
        return self._ending

    @property
    def size(self) -> int:
        """How many entries are sequenced."""
        return self._tree.size

    @property
    def behind(self) -> bool:
        """Whether something is sequenced that is not published."""
        return self._tree.size > self._published

    @property
    def note(self) -> bytes:
        """The checkpoint published last; empty before the first."""
        newest = self._store.newest()
        return b"" if newest is None else newest[1]

    @property
    def vkeys(self) -> tuple[str, ...]:
        """The keys that readers need to believe this shard."""
        return tuple(log.verifier.vkey for log in self.quorum.logs)

    @property
    def set_back(self) -> int:
        """How many witnesses have forgotten what they signed; they are not asked any more."""
        return self._witnesses.set_back

    @property
    def quorum(self) -> QuorumFile:
        """The quorum file that this log's readers need."""
        return self._quorums[0]

    def routes(self) -> list[HttpRoute]:
        """Return what the log serves: submissions, and the files any web server could."""
        return [
            HttpRoute("POST", LOG_ADD, self._add, MAX_SUBMISSION),
            *self.file_routes(),
        ]

    def file_routes(self) -> list[HttpRoute]:
        """Return the files alone."""
        return [
            HttpRoute("GET", LOG_CHECKPOINT, self._get_checkpoint),
            HttpRoute("GET", LOG_HISTORY + "/{size}", self._get_history),
            HttpRoute("GET", LOG_TILES + "/{path:path}", self._get_tile),
        ]

    async def close(self) -> None:
        """Close the store and let another process have the folder."""
        await self._witnesses.close()
        self._store.db.close()
        self._lock.release()

    # -- HTTP ---------------------------------------------------------------------------------

    async def _add(self, request: HttpRequest) -> Reply:
        submission = decode_submission(request.body)
        self.admit(submission, ())
        return Reply(msgspec.msgpack.encode(Added(await self.add(submission))))

    def admit(self, submission: Submission, earlier: Sequence[str]) -> None:
        """Check that an entry may stand here; it may be signed for an ``earlier`` shard as well.

        Raises:
            BadSignature, KeyRejected: nobody has signed it, for this log.
            Denied: the submitter may not submit, or only the log itself may say that.
        """
        if self._submitters and submission.submitter not in self._submitters:
            raise Denied("this log does not take entries from you", rule="log.submitter")
        if is_reserved(submission.entry):
            raise Denied("only a log itself ends and begins its shards", rule="log.reserved")
        submission.verify(self.origin, *earlier)

    async def add(self, submission: Submission) -> int:
        """Return the place of an admitted entry in this shard, once it is published.

        Raises:
            LogInconsistent: the log has found itself in contradiction to what was signed.
            QuorumNotMet: its witnesses take too long; the entry may still come to stand.
        """
        # Success is told only when the quorum has cosigned a checkpoint that covers the entry.
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                index = await self._sequenced(submission)
                async with self._changed:
                    await self._changed.wait_for(lambda: self._broken or index < self._published)
        except TimeoutError:
            raise QuorumNotMet(
                "the entry waits for its witnesses: ask again", rule="log.pending"
            ) from None
        if self._broken is not None and index >= self._published:
            raise self._broken
        return index

    def knows(self, entry: bytes) -> bool:
        """Say whether ``entry`` is sequenced here."""
        return self._store.index_of(entry) is not None

    async def _sequenced(self, submission: Submission) -> int:
        """Return the place of an entry, the one it has or the one that the next round gives it."""
        index = self._store.index_of(submission.entry)
        if index is not None:
            return index
        if self._broken is not None:
            raise self._broken
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._since = loop.time()
        place = self._waiting.setdefault(submission.entry, loop.create_future())
        if submission.immediate:
            self._hurry.set()
        # Others may wait for the same entry: whoever gives up does not take it from them.
        return await asyncio.shield(place)

    async def serve(self, path: str) -> Reply:
        """Return what stands at ``path`` below this shard's address; raises ``WireError``."""
        if path == CHECKPOINT:
            return Reply(self.note, 200, TEXT) if self.note else _absent()
        if path.startswith(HISTORY + "/"):
            return self._history(path.removeprefix(HISTORY + "/"))
        file = self._store.public / parse_path(path).path
        return Reply(file.read_bytes(), 200, BYTES) if file.is_file() else _absent()

    def _history(self, after: str) -> Reply:
        size = decode_decimal(after.encode(), rule="log.history")
        notes = self._store.history(size, MAX_HISTORY)
        # As many as a reader takes in one answer: with many post-quantum lines that is not a page.
        while len(notes) > 1 and sum(map(len, notes)) > HISTORY_BYTES:
            del notes[len(notes) // 2 :]
        return Reply(encode_history(notes), 200, BYTES)

    async def _get_checkpoint(self, _request: HttpRequest) -> Reply:
        return await self.serve(CHECKPOINT)

    async def _get_history(self, request: HttpRequest) -> Reply:
        return await self.serve(f"{HISTORY}/{request.parts['size']}")

    async def _get_tile(self, request: HttpRequest) -> Reply:
        return await self.serve("tile/" + request.parts["path"])

    # -- rounds -------------------------------------------------------------------------------

    async def work(self) -> None:
        """Do a round as soon as one is due, and come back after ``ROUND_SECONDS`` if none is.

        An immediate entry makes it due at once. To be called again and again. A log that has found
        itself in contradiction to what was signed does nothing more until a person has looked.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROUND_SECONDS):
                await self._hurry.wait()
        if self._broken is not None:
            self._hurry.clear()
            return
        now = asyncio.get_running_loop().time()
        batch: dict[bytes, asyncio.Future[int]] = {}
        waited = now - self._since >= self._config.batch_seconds
        if self._waiting and (waited or self._hurry.is_set()):
            batch, self._waiting = self._waiting, batch
        self._hurry.clear()
        behind = self.behind
        # Nobody asks how fresh a shard is that has ended: its last checkpoint stays as it is.
        beat = (
            self._published
            and self._ending is None
            and now - self._last >= self._config.heartbeat_seconds
        )
        if not (batch or beat or (behind and now >= self._not_before)):
            return
        try:
            self._sequence(batch)
            await self.publish()
        except QuorumNotMet:
            self._not_before = now + RETRY_SECONDS
            raise
        except LogInconsistent as error:
            await self._break(error)
            raise
        self._last = now

    async def _break(self, error: LogInconsistent) -> None:
        self._broken = error
        for place in self._waiting.values():
            _settle(place, error)
        self._waiting.clear()
        async with self._changed:
            self._changed.notify_all()

    def _sequence(self, batch: Mapping[bytes, asyncio.Future[int]], *own: bytes) -> None:
        try:
            first = self.append([*batch, *own])
        except GlasslockError as error:
            for place in batch.values():
                _settle(place, error)
            raise
        for index, waiting in enumerate(batch.values(), first):
            _settle(waiting, index)

    def append(self, entries: Sequence[bytes]) -> int:
        """Give ``entries``, none of them known yet, the next places; returns the first place.

        They are on disk afterwards and stay where they are, but are not published yet.

        Raises:
            StorageError: they could not be written; the log is as it was.
        """
        first = self._tree.size
        if entries:
            self._store.sequence(first, entries)
            self._tree.extend(entries)
        return first

    def end(self, leaf: ShardEnd) -> None:
        """Sequence whatever waits, and ``leaf`` as the last entry of this shard.

        Raises:
            StorageError: it could not be written; the shard goes on.
        """
        batch, self._waiting = self._waiting, {}
        self._sequence(batch, leaf.encode())
        self._ending = leaf

    async def publish(self) -> None:
        """Have all that is sequenced cosigned, and show it, ``LARGEST_STEP`` at a time.

        Raises:
            LogInconsistent: it would contradict what was signed or published before.
            QuorumNotMet: too few witnesses answered; what was done is done again next time.
            StorageError: something could not be written.
        """
        while (size := self._published + LARGEST_STEP) < self._tree.size:
            await self._publish(size)
        await self._publish(self._tree.size)

    async def _publish(self, size: int) -> None:
        root = self._tree.root(size)
        self._store.put_head(size, root)
        self._write_files(size)
        head = TreeHead(self.origin, size, root)
        note, witnesses = await self._cosigned(head)
        self._store.publish(size, note, witnesses)
        self._tree.settle(size)
        async with self._changed:
            self._published = size
            self._changed.notify_all()

    def _write_files(self, size: int) -> None:
        old = self._published
        first = old // TILE_WIDTH * TILE_WIDTH
        self._store.put_files(files(self._tree, old, size, self._store.entries(first, size)))

    async def ask(self) -> None:
        """Have the empty log cosigned, before anything stands in it.

        Raises:
            QuorumNotMet: too few witnesses follow it yet.
        """
        await self._cosigned(TreeHead(self.origin, 0, EMPTY_ROOT))

    async def _cosigned(self, head: TreeHead) -> tuple[bytes, list[bytes]]:
        """Return the note that every quorum file is content with, and the keys of who cosigned.

        Raises:
            LogInconsistent: a witness has seen what this log does not have.
            QuorumNotMet: too few have cosigned.
        """
        await self._witnesses.compare(self._tree)
        signed = sign_head(head, self._signers)
        lines = await self._witnesses.cosignatures(signed, head, self._tree)
        note = add_signatures(signed, lines.values())
        for quorum in self._quorums:
            verify_checkpoint(note, quorum, origin=head.origin, now=self._clock.now())
        return note, list(lines)


def _settle(place: asyncio.Future[int], outcome: int | Exception) -> None:
    # Whoever waited may have gone, and an error that nobody is left to read is no news.
    if place.done():
        return
    if isinstance(outcome, Exception):
        place.set_exception(outcome)
        place.exception()
    else:
        place.set_result(outcome)


def _submitters(config: LogConfig) -> frozenset[bytes]:
    try:
        return frozenset(bytes.fromhex(key) for key in config.submitters)
    except ValueError as error:
        raise ConfigError("a submitter is a key in hex", rule="log.submitters") from error


def _absent() -> Reply:
    return Reply(b"nothing is published there\n", 404, TEXT)
