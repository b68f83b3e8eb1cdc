"""What a case file has of both logs: entries, each under the first checkpoint that covered it.

``read_logs`` is the one place where an entry is believed. Knows a quorum and proofs; knows no
order and no policy.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from glasslock.tlog.checkpoint import VerifiedCheckpoint, verify_checkpoint
from glasslock.tlog.proof import LoggedEntry, verify_entry
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
    """Both logs as far as the excerpts prove them, replayed."""

    book: PolicyBook
    ledger: Ledger
    policy: VerifiedCheckpoint
    orders: VerifiedCheckpoint


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
    policy, found = read_log(excerpts.policy, quorum)
    for each in found:
        book.add(each.entry, each.index, each.checkpoint.median_time)
    orders, found = read_log(excerpts.orders, quorum)
    for each in found:
        ledger.add(each.entry, each.index, each.checkpoint.median_time)
    book.seen(policy.median_time)
    ledger.seen(orders.median_time)
    return ReadLogs(book, ledger, policy, orders)


def read_log(
    log: LogExcerpt, quorum: QuorumFile
) -> tuple[VerifiedCheckpoint, tuple[LoggedEntry, ...]]:
    """Return the checkpoint and the entries of one log; raises as ``read_logs``."""
    checkpoint = verify_checkpoint(log.checkpoint, quorum, origin=log.origin)
    return checkpoint, tuple(_in_order(log.entries, log.origin, quorum, checkpoint))


def read_entry(proven: ProvenBytes, origin: str, quorum: QuorumFile) -> LoggedEntry:
    """Return one entry as logged at the index that it claims; raises as ``read_logs``."""
    logged = verify_entry(proven.proof, proven.entry, quorum, origin=origin)
    if logged.index != proven.index:
        raise VerificationError("an entry stands elsewhere in its log", rule="case.index")
    return logged


def _in_order(
    entries: Sequence[ProvenBytes], origin: str, quorum: QuorumFile, newest: VerifiedCheckpoint
) -> list[LoggedEntry]:
    found: list[LoggedEntry] = []
    for each in entries:
        logged = read_entry(each, origin, quorum)
        if found and logged.index <= found[-1].index:
            raise VerificationError("entries of a log do not rise", rule="case.entries")
        if logged.checkpoint.size > newest.size:
            raise VerificationError("an entry is newer than its log", rule="case.checkpoint")
        found.append(logged)
    return found


def _keys(quorum: QuorumFile) -> object:
    """What a quorum file says but for addresses: who signs, and how many must."""
    logs = [log.verifier for log in quorum.logs]
    witnesses = [(witness.name, witness.verifier) for witness in quorum.witnesses]
    return logs, witnesses, quorum.groups, quorum.quorum
