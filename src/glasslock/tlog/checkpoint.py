"""Checkpoints: signing a tree head, and believing one. Knows no storage and no transport.

``VerifiedCheckpoint`` is made here only, after the log's signature, the witness quorum and, when
asked, the age have held. Whoever wants a checkpoint to mean something takes that type.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from glasslock.errors import BadSignature, QuorumNotMet, StateError, VerificationError
from glasslock.tlog.note import Note, SignatureLine, Signer, format_note, open_note, parse_note
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.treehead import TreeHead, parse_body

# Witness clocks may run ahead of ours by this much before their word is left uncounted.
MAX_AHEAD_SECONDS: Final = 300


@dataclass(frozen=True, slots=True, init=False)
class VerifiedCheckpoint:
    """A tree head that the log signed and a quorum of witnesses saw as the newest.

    ``times`` holds (witness name, POSIX seconds) of every witness counted, ``median_time`` their
    lower median; ``note`` is the signed note as received. Made by ``verify_checkpoint`` only.
    """

    origin: str
    size: int
    root: bytes
    times: tuple[tuple[str, int], ...]
    median_time: int
    note: bytes = field(repr=False)

    def __init__(self, *_: object, **__: object) -> None:
        """Refuse: a checkpoint is verified, not declared; raises ``StateError``."""
        _refuse()

    @property
    def head(self) -> TreeHead:
        """Origin, size and root alone."""
        return TreeHead(self.origin, self.size, self.root)


def _refuse() -> NoReturn:
    raise StateError("a checkpoint is verified, not declared", rule="checkpoint.unverified")


def sign_head(head: TreeHead, signers: Sequence[Signer], *, time: int = 0) -> bytes:
    """Return the note of ``head`` signed by the log's keys.

    Raises:
        StateError: a key is not named after the origin.
        WireError: the head cannot be a checkpoint.
    """
    head.check_empty()
    if not signers or any(signer.name != head.origin for signer in signers):
        raise StateError("a log signs under its origin", rule="checkpoint.origin")
    return format_note(head.body, [signer.sign(head.body, time=time) for signer in signers])


def read_head(note: bytes) -> tuple[Note, TreeHead]:
    """Parse a checkpoint without believing it; raises ``WireError``."""
    parsed = parse_note(note)
    head = parse_body(parsed.body)
    head.check_empty()
    return parsed, head


def add_signatures(note: bytes, lines: Iterable[SignatureLine]) -> bytes:
    """Return ``note`` with ``lines`` after its own, each (name, key id) at most once."""
    parsed = parse_note(note)
    kept = {(line.name, line.key_id): line for line in parsed.signatures}
    for line in lines:
        kept[line.name, line.key_id] = line
    return format_note(parsed.body, kept.values())


def verify_checkpoint(
    note: bytes,
    quorum: QuorumFile,
    *,
    origin: str | None = None,
    now: int | None = None,
    max_age: int | None = None,
) -> VerifiedCheckpoint:
    """Return the checkpoint that ``note`` is, once everything that can be checked has held.

    ``origin`` names the log that is meant; it may be left out only when the quorum file lists a
    single one. With ``now`` (POSIX seconds) a witness whose time lies more than
    ``MAX_AHEAD_SECONDS`` ahead is not counted; with ``max_age`` (seconds) too, the median witness
    time must not be older than that.

    Raises:
        BadSignature: no key of the log signed, of one of the types that the quorum file lists for
            it, or a signature by a known key fails.
        QuorumNotMet: the witnesses that count are no quorum, or the median time is too old.
        VerificationError: it is a checkpoint of another log.
        WireError: it is no checkpoint.
    """
    parsed, head = read_head(note)
    wanted = _origin(quorum, origin)
    if head.origin != wanted:
        raise VerificationError("this is a checkpoint of another log", rule="checkpoint.origin")
    log_keys = quorum.log_keys(wanted)
    found = open_note(parsed, (*log_keys, *(w.verifier for w in quorum.witnesses)))
    signed = {key.kind for key in log_keys if key in found}
    # Of each type that is known of the log: a forged Ed25519 signature alone is none.
    if not signed or signed != {key.kind for key in log_keys}:
        raise BadSignature("the log has not signed this checkpoint", rule="checkpoint.unsigned")
    times = tuple(
        (witness.name, time)
        for witness in quorum.witnesses
        if _counts(time := found.get(witness.verifier, 0), now)
    )
    quorum.require(name for name, _ in times)
    median = median_time(time for _, time in times)
    if now is not None and max_age is not None and median < now - max_age:
        raise QuorumNotMet("no quorum has seen this checkpoint lately", rule="checkpoint.stale")
    return _make(head, times, median, note)


def _counts(time: int, now: int | None) -> bool:
    # A zero time says "consistent" but not "the newest I have seen": it is no witness of now.
    return time > 0 and (now is None or time <= now + MAX_AHEAD_SECONDS)


def _origin(quorum: QuorumFile, origin: str | None) -> str:
    if origin is not None:
        return origin
    if len(quorum.origins) != 1:
        raise VerificationError("say which log is meant", rule="checkpoint.which")
    return quorum.origins[0]


def median_time(times: Iterable[int]) -> int:
    """Return the lower median of witness times: no minority can push it past the honest ones."""
    ordered = sorted(times)
    return ordered[(len(ordered) - 1) // 2]


def _make(
    head: TreeHead, times: tuple[tuple[str, int], ...], median: int, note: bytes
) -> VerifiedCheckpoint:
    made = object.__new__(VerifiedCheckpoint)
    values = {
        "origin": head.origin,
        "size": head.size,
        "root": head.root,
        "times": times,
        "median_time": median,
        "note": note,
    }
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made
