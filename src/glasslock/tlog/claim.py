"""What a log said of itself, without its witnesses: a tree head under the log's own signature.

A claim is small enough to travel inside a message. It is no checkpoint, and nobody reads a log by
it. Two of them that cannot both be true show that the log's key signed two pasts: that proof is
here too, and whoever has the quorum file can check it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from glasslock.errors import BadSignature, LogInconsistent, StateError, VerificationError, WireError
from glasslock.tlog.checkpoint import read_head, verify_checkpoint
from glasslock.tlog.keys import KeyType
from glasslock.tlog.merkle import MAX_PROOF, verify_consistency
from glasslock.tlog.note import MAX_NOTE, format_note, open_note, parse_note
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.codec import encode
from glasslock.wire.shape import Fields, expect_digest

# Three lines with an origin of 255 bytes, a blank one, and an Ed25519 line under that name.
MAX_CLAIM: Final = 1_024


@dataclass(frozen=True, slots=True, init=False)
class Claim:
    """A tree head that a log's Ed25519 key has signed; made by ``verify_claim`` only."""

    head: TreeHead
    note: bytes = field(repr=False)

    def __init__(self, *_: object, **__: object) -> None:
        """Refuse: a claim is verified, not declared; raises ``StateError``."""
        raise StateError("a claim is verified, not declared", rule="claim.unverified")


def shorten(checkpoint: bytes, quorum: QuorumFile, origin: str) -> bytes | None:
    """Return the claim in a checkpoint: its text, and the first Ed25519 line of the log itself.

    None when the log's file lists no such key: an ML-DSA line is too long to carry.
    """
    note = parse_note(checkpoint)
    for key in quorum.log_keys(origin):
        if key.kind == KeyType.ED25519:
            for line in note.signatures:
                if key.knows(line):
                    return format_note(note.body, [line])
    return None


def verify_claim(note: bytes, quorum: QuorumFile, origins: Sequence[str]) -> Claim:
    """Return the claim that ``note`` is, of one of the logs ``origins``.

    Raises:
        BadSignature: the log's Ed25519 key has not signed it.
        VerificationError: it is of another log.
        WireError: it is no claim: a tree head with one signature line.
    """
    if len(note) > MAX_CLAIM:
        raise WireError("a claim is too long", rule="claim.length")
    parsed, head = read_head(note)
    if len(parsed.signatures) != 1:
        raise WireError("a claim has one signature", rule="claim.lines")
    if head.origin not in origins:
        raise VerificationError("this is a claim of another log", rule="claim.origin")
    keys = [key for key in quorum.log_keys(head.origin) if key.kind == KeyType.ED25519]
    if not open_note(parsed, keys):
        raise BadSignature("the log has not signed this claim", rule="claim.unsigned")
    made = object.__new__(Claim)
    object.__setattr__(made, "head", head)
    object.__setattr__(made, "note", note)
    return made


@dataclass(frozen=True, slots=True)
class SplitView:
    """Proof that a log signed two pasts.

    ``held`` is a checkpoint with its witnesses, ``shown`` the claim that somebody else was shown.
    ``root`` is what the tree of ``held`` had at the size of ``shown``, by the consistency proof
    ``path``: another root than ``shown`` has.
    """

    held: bytes = field(repr=False)
    shown: bytes = field(repr=False)
    root: bytes
    path: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return the stored form."""
        return encode((self.held, self.shown, self.root, self.path))


def decode_split_view(data: bytes) -> SplitView:
    """Read what ``SplitView.encode`` wrote, believing nothing of it; raises ``WireError``."""
    fields = Fields.of(data, "split view", 4, limit=MAX_NOTE + 8_192)
    split = SplitView(
        fields.bytes(MAX_NOTE),
        fields.bytes(MAX_CLAIM),
        fields.digest(),
        fields.each(expect_digest, MAX_PROOF),
    )
    fields.close()
    return split


def verify_split_view(
    split: SplitView, quorum: QuorumFile, origin: str
) -> tuple[TreeHead, TreeHead]:
    """Return both tree heads once it is certain that the log ``origin`` signed two pasts.

    Raises:
        LogInconsistent: the proof does not show what the held tree was.
        VerificationError: a note does not hold, or the two do not contradict each other.
        WireError: a note is malformed.
    """
    held = verify_checkpoint(split.held, quorum, origin=origin)
    shown = verify_claim(split.shown, quorum, (origin,)).head
    if shown.size > held.size:
        raise LogInconsistent("the held tree does not reach so far", rule="split.size")
    verify_consistency(shown.size, split.root, held.size, held.root, split.path)
    if shown.root == split.root:
        raise VerificationError("the two pasts are one", rule="split.equal")
    return held.head, shown
