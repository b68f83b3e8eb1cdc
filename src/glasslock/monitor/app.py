"""The monitor's shell: reads logs and their witnesses, remembers, and lets the core judge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from glasslock.errors import (
    ConfigError,
    GlasslockError,
    NotFound,
    StorageError,
    TransportError,
    VerificationError,
    WireError,
)
from glasslock.monitor.audit import AGREES, AHEAD, DIFFERS, SILENT, Seen, SeenShard, View
from glasslock.monitor.replay import Entries
from glasslock.monitor.store import Store
from glasslock.runtime.clock import Clock
from glasslock.runtime.http import HttpClient, fetch_parts
from glasslock.tlog.checkpoint import read_head
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.merkle import Frontier, leaf_hash
from glasslock.tlog.note import open_note
from glasslock.tlog.quorum import QuorumFile, WitnessKey
from glasslock.tlog.reader import CHECKPOINT, HISTORY, Part, Steps, catch_up, decode_history
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.shard import is_reserved


@dataclass
class _Trail:
    """What a log showed last, and the check of ours that failed on it, if one did."""

    newest: bytes = field(default=b"", repr=False)
    history: bytes = field(default=b"", repr=False)
    refused: GlasslockError | None = None

    def notes(self) -> list[bytes]:
        """Return the signed notes in what was shown; of a history only if something failed."""
        if self.refused is None:
            return [self.newest]
        try:
            return [self.newest, *decode_history(self.history)]
        except WireError:
            return [self.newest]


async def look(quorum: QuorumFile, url: str | None, store: Store, clock: Clock) -> list[Seen]:
    """Read every log of ``quorum`` on from what ``store`` remembers.

    ``url`` is the address of a log that the quorum file gives none for. A log that cannot be read
    on is told as far as it was read before.

    Raises:
        ConfigError: there is no address for a log.
        StorageError: what was read could not be stored; nothing is told then.
    """
    found = []
    for origin in quorum.origins:
        address = quorum.log_url(origin) or url
        if address is None:
            raise ConfigError(f"say where the log {origin} is: its address", rule="log.url")
        found.append(await _read(TrustedLog(quorum, origin), address, store, clock))
    # A quorum file may list a later shard too: what is in a chain is told once.
    later = {shard.origin for each in found for shard in each.shards[1:]}
    return [each for each in found if each.origin not in later]


async def _read(log: TrustedLog, address: str, store: Store, clock: Clock) -> Seen:
    now = clock.now()
    failure: GlasslockError | None = None
    trail = _Trail()
    replica = Replica(log)
    try:
        replica = store.restore(replica)
    except (VerificationError, WireError) as error:
        failure = error
    else:
        replica, failure = await _read_on(replica, address, store, clock, trail)
    entries = store.entries(log.origin)
    logs = replica.logs((index, entry) for index, _, entry in entries if is_reserved(entry))
    shards, views = [], list[View]()
    for at, (shard, base) in enumerate(logs):
        end = logs[at + 1][1] if at + 1 < len(logs) else None
        own = store.entries(log.origin, base, end)
        shown = [await _shown(shard.origin, witness) for witness in log.quorum.witnesses]
        notes = [*trail.notes(), *(note for note, _ in shown)]
        past = _Past.of(shard, own, notes)
        for note in notes:
            _keep_contradiction(past, log.origin, note, store, now)
        for witness, (note, time) in zip(log.quorum.witnesses, shown, strict=True):
            verdict, size = past.compare(note)
            views.append(View(witness.name, verdict, size, time if note else 0, shard.origin))
        shards.append(SeenShard(shard.origin, base, len(own)))
    times = tuple(time for time, _, _ in store.contradictions(log.origin))
    held = replica.log.checkpoint
    return Seen(log.origin, held, entries, failure, tuple(views), times, tuple(shards))


async def _read_on(
    replica: Replica, address: str, store: Store, clock: Clock, trail: _Trail
) -> tuple[Replica, GlasslockError | None]:
    def steps(replica: Replica, now: int) -> Steps:
        return _followed(catch_up(replica, now), trail)

    http = HttpClient(address)
    try:
        async for part in fetch_parts(http, replica, steps, clock):
            replica = part.replica
            store.put(replica, ((e.index, e.checkpoint.median_time, e.entry) for e in part.entries))
    except StorageError:
        raise
    except GlasslockError as error:
        if trail.refused is not None:
            return replica, trail.refused
        # Whatever else it answers proves nothing: it was not there.
        return replica, TransportError(str(error), rule="log.unreachable")
    finally:
        await http.close()
    return replica, None


def _followed(steps: Steps, trail: _Trail) -> Steps:
    """Pass ``steps`` on, and keep what was signed last: it is the proof when it does not hold."""
    try:
        path = next(steps)
        while True:
            try:
                data = yield path
            except NotFound as error:
                path = steps.throw(error)
                continue
            # Of a successor they stand below its place.
            if path.endswith(CHECKPOINT):
                trail.newest = data
            elif f"/{HISTORY}/" in f"/{path}":
                trail.history = data
            path = steps.send(data)
    except StopIteration as done:
        part: Part = done.value
        return part
    except (VerificationError, WireError) as error:
        trail.refused = error
        raise


@dataclass(frozen=True, slots=True)
class _Past:
    """What is held of a log: how many entries, and their roots at the sizes that are asked for."""

    log: TrustedLog
    size: int
    roots: dict[int, bytes]

    @classmethod
    def of(cls, log: TrustedLog, entries: Entries, notes: Iterable[bytes]) -> _Past:
        """Hash the entries once, whatever number of notes is to be compared with them."""
        held, size = log.checkpoint, len(entries)
        heads = [head for note in notes if (head := _head(log, note)) is not None]
        wanted = {head.size for head in heads if head.size <= size}
        roots = {}
        if held is not None and held.size == size:
            roots[size] = held.root
            wanted.discard(size)
        return cls(log, size, roots | _roots(entries, wanted))

    def compare(self, note: bytes) -> tuple[str, int]:
        """Return how a note that the log signed fits its entries, and its size; else ``SILENT``."""
        head = _head(self.log, note)
        if head is None:
            return SILENT, 0
        if head.size > self.size:
            return AHEAD, head.size
        return AGREES if self.roots[head.size] == head.root else DIFFERS, head.size


def _roots(entries: Entries, sizes: set[int]) -> dict[int, bytes]:
    frontier = Frontier()
    roots = {0: frontier.root()}
    last = max(sizes, default=0)
    for _, _, entry in entries if last else ():
        frontier.append(leaf_hash(entry))
        if frontier.size in sizes:
            roots[frontier.size] = frontier.root()
        if frontier.size == last:
            break
    return roots


def _head(log: TrustedLog, note: bytes) -> TreeHead | None:
    """Return the head in a note of this log that the log has signed; None of any other note."""
    try:
        parsed, head = read_head(note)
        keys = log.quorum.log_keys(log.origin)
        if head.origin != log.origin or not open_note(parsed, keys):
            return None
    except GlasslockError:
        return None
    return head


def _keep_contradiction(past: _Past, chain: str, note: bytes, store: Store, now: int) -> None:
    """Keep ``note`` if the log signed it and it says another past than the one it has shown.

    Anybody can show that: both notes are signed by the log, and the entries below the one held
    give another root at the size of the other.
    """
    held = past.log.checkpoint
    if held is not None and past.compare(note)[0] == DIFFERS:
        store.put_contradiction(chain, now, held.note, note)


async def _shown(origin: str, witness: WitnessKey) -> tuple[bytes, int]:
    """Return what a witness shows of a log by itself (C2SP tlog-witness, monitoring), and when.

    Of one that shows nothing it has signed itself, nothing.
    """
    if witness.url is None:
        return b"", 0
    http = HttpClient(witness.url)
    name = hashlib.sha256(origin.encode()).hexdigest()
    try:
        note = await http.get(f"/{name}/{CHECKPOINT}")
        signed = open_note(read_head(note)[0], (witness.verifier,))
    except GlasslockError:
        return b"", 0
    finally:
        await http.close()
    if witness.verifier not in signed:
        return b"", 0
    return note, signed[witness.verifier]
