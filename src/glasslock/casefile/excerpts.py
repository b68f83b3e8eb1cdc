"""What a case file has of both logs: entries, each under the first checkpoint that covered it.

``read_logs`` is the one place where an entry is believed. Knows a quorum and proofs; knows no
order and no policy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from glasslock.casefile.canonical import (
    bytes_of,
    decode_json,
    encode_json,
    fields_of,
    items_of,
    number_of,
    text_of,
)
from glasslock.errors import VerificationError, WireError
from glasslock.orders.ledger import Ledger
from glasslock.sealing.book import PolicyBook
from glasslock.tlog.chain import ALONE, extended
from glasslock.tlog.checkpoint import VerifiedCheckpoint, read_head, verify_checkpoint
from glasslock.tlog.proof import LoggedEntry, decode_proof, in_chain, verify_entry
from glasslock.tlog.quorum import QuorumFile


@dataclass(frozen=True, slots=True)
class ProvenBytes:
    """An entry with its index and its proof (c2sp.org/tlog-proof text); nothing is checked."""

    index: int
    entry: bytes
    proof: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LogExcerpt:
    """One log as far as the desk read it: its newest checkpoint, and entries with their proofs."""

    origin: str
    checkpoint: bytes = field(repr=False)
    entries: tuple[ProvenBytes, ...]


@dataclass(frozen=True, slots=True)
class Excerpts:
    """Policy log and orders log, and the text of the quorum file under which a desk read them."""

    quorum: str = field(repr=False)
    policy: LogExcerpt
    orders: LogExcerpt

    def encode(self) -> bytes:
        """Return the document."""
        logs = [
            {
                "origin": log.origin,
                "checkpoint": log.checkpoint.decode(),
                "entries": [
                    {"index": each.index, "entry": each.entry, "proof": each.proof.decode()}
                    for each in log.entries
                ],
            }
            for log in (self.policy, self.orders)
        ]
        return encode_json({"quorum": self.quorum, "logs": logs})


def decode_excerpts(data: bytes) -> Excerpts:
    """Read what ``Excerpts.encode`` wrote; raises ``WireError``. Nothing is verified here."""
    facts = fields_of(decode_json(data), "quorum", "logs")
    logs = [_log(each) for each in items_of(facts["logs"])]
    if len(logs) != 2:
        raise WireError("a case file has two logs", rule="json.fields")
    return Excerpts(text_of(facts["quorum"]), logs[0], logs[1])


def proven_of(value: object) -> ProvenBytes:
    """Read an entry with its proof; raises ``WireError``."""
    facts = fields_of(value, "index", "entry", "proof")
    return ProvenBytes(
        number_of(facts["index"]), bytes_of(facts["entry"]), text_of(facts["proof"]).encode()
    )


def _log(value: object) -> LogExcerpt:
    facts = fields_of(value, "origin", "checkpoint", "entries")
    return LogExcerpt(
        text_of(facts["origin"]),
        text_of(facts["checkpoint"]).encode(),
        tuple(proven_of(each) for each in items_of(facts["entries"])),
    )


@dataclass(frozen=True, slots=True)
class ReadLogs:
    """Both logs as far as the excerpts prove them, replayed.

    ``origins`` are where the chain of each begins for its reader; ``reading`` is of the orders log.
    """

    book: PolicyBook
    ledger: Ledger
    policy: VerifiedCheckpoint
    orders: VerifiedCheckpoint
    origins: tuple[str, str]
    reading: Reading


def read_logs(excerpts: Excerpts, quorum: QuorumFile) -> ReadLogs:
    """Return both logs, of which nothing counts that ``quorum`` does not vouch for.

    An entry is taken to be as old as the checkpoint of its proof: it may be older.

    Raises:
        VerificationError: the desk read under other keys, a checkpoint or a proof does not hold, or
            entries do not rise.
        WireError: a checkpoint or a proof is malformed.
    """
    if _keys(QuorumFile.parse(excerpts.quorum)) != _keys(quorum):
        raise VerificationError("the logs were read under another quorum", rule="case.quorum")
    book, ledger = PolicyBook(), Ledger()
    policy, found, _ = read_log(excerpts.policy, quorum)
    for each in found:
        book.add(each.entry, each.index, each.checkpoint.median_time)
    orders, found, reading = read_log(excerpts.orders, quorum)
    for each in found:
        ledger.add(each.entry, each.index, each.checkpoint.median_time)
    book.seen(policy.median_time)
    ledger.seen(orders.median_time)
    origins = excerpts.policy.origin, excerpts.orders.origin
    return ReadLogs(book, ledger, policy, orders, origins, reading)


class Reading:
    """A log as its excerpt proves it, shard after shard; mutable: it goes on with each entry.

    A successor is believed by the keys of the shard-end before it, proven as the last leaf of its
    shard, and by its genesis, which embeds the checkpoint of that proof.
    """

    def __init__(self, origin: str, quorum: QuorumFile) -> None:
        """Begin with nothing of the log ``origin`` read, under a reader's own ``quorum``."""
        self._pinned = quorum
        self._origin, self._quorum, self._shard = origin, quorum, ALONE
        self._bases: dict[str, tuple[int, QuorumFile]] = {}

    def take(self, proven: ProvenBytes) -> LoggedEntry:
        """Return the next entry as logged at the index that it claims; raises as ``read_logs``."""
        logged = verify_entry(proven.proof, proven.entry, self._quorum, origin=self._origin)
        if self._shard.before is not None and logged.index:
            raise VerificationError("the beginning of a shard is left out", rule="case.shard")
        shard = self._shard.read(logged.index, [proven.entry])
        if shard.end and logged.index + 1 != logged.checkpoint.size:
            raise VerificationError("a shard goes on after its end", rule="case.shard")
        self._bases[self._origin] = shard.base, self._quorum
        if shard.end:
            shard = shard.successor(logged.checkpoint)
            self._origin = shard.origin
            self._quorum = extended(self._pinned, shard.origin, shard.vkeys)
            base = self._bases[logged.checkpoint.origin][0]
        else:
            base = shard.base
        self._shard = shard
        return _at(proven, logged, base)

    def later(self, proven: ProvenBytes) -> LoggedEntry:
        """Return an entry that was added to the package afterwards; raises as ``read_logs``."""
        origin = read_head(decode_proof(proven.proof).checkpoint)[1].origin
        if origin not in self._bases:
            raise VerificationError("the entry stands in another shard", rule="case.shard")
        base, quorum = self._bases[origin]
        return _at(proven, verify_entry(proven.proof, proven.entry, quorum, origin=origin), base)

    def newest(self, note: bytes) -> VerifiedCheckpoint:
        """Return the newest checkpoint of the log; raises as ``read_logs``."""
        return verify_checkpoint(note, self._quorum, origin=self._origin)


def _at(proven: ProvenBytes, logged: LoggedEntry, base: int) -> LoggedEntry:
    [found] = in_chain((logged,), base)
    if found.index != proven.index:
        raise VerificationError("an entry stands elsewhere in its log", rule="case.index")
    return found


def read_log(
    log: LogExcerpt, quorum: QuorumFile
) -> tuple[VerifiedCheckpoint, tuple[LoggedEntry, ...], Reading]:
    """Return newest checkpoint, entries, and the log as read so far; raises as ``read_logs``."""
    reading = Reading(log.origin, quorum)
    found: list[LoggedEntry] = []
    for each in log.entries:
        logged = reading.take(each)
        if found and logged.index <= found[-1].index:
            raise VerificationError("entries of a log do not rise", rule="case.entries")
        found.append(logged)
    newest = reading.newest(log.checkpoint)
    covered = (e.checkpoint.size for e in found if e.checkpoint.origin == newest.origin)
    if any(size > newest.size for size in covered):
        raise VerificationError("an entry is newer than its log", rule="case.checkpoint")
    return newest, tuple(found), reading


def _keys(quorum: QuorumFile) -> object:
    """What a quorum file says but for addresses: who signs, and how many must."""
    logs = [log.verifier for log in quorum.logs]
    witnesses = [(witness.name, witness.verifier) for witness in quorum.witnesses]
    return logs, witnesses, quorum.groups, quorum.quorum
