"""What a witness does with a checkpoint it is shown (C2SP tlog-witness); knows no store, no socket.

The order of the checks is the specification's, because callers tell failures apart by status.
"""

from __future__ import annotations

from collections.abc import Sequence

from glasslock.errors import (
    BadSignature,
    Conflict,
    Denied,
    LogInconsistent,
    VerificationError,
    WireError,
)
from glasslock.tlog.merkle import EMPTY_ROOT, verify_consistency
from glasslock.tlog.note import Verifier, open_note
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import WitnessRequest


class UnknownLog(Denied):
    """This witness does not follow that log."""

    slug = "unknown-log"


class StaleSize(Conflict):
    """The witness has seen another size of this log."""

    slug = "stale-size"

    def __init__(self, size: int) -> None:
        """Make the error; ``size`` is what the witness has seen."""
        super().__init__("the witness has seen another size", rule="witness.size")
        self.size = size


def authenticate(request: WitnessRequest, keys: Sequence[Verifier] | None) -> None:
    """Check that the log signed; ``keys`` are those this witness trusts for the origin.

    Raises:
        UnknownLog: it follows no such log.
        BadSignature: no trusted key signed, or a trusted one fails.
    """
    if not keys:
        raise UnknownLog("this witness does not follow that log", rule="witness.origin")
    try:
        signed = open_note(request.note, keys)
    except VerificationError as error:
        raise BadSignature("a signature of the log fails", rule="witness.signature") from error
    if not signed:
        raise BadSignature("the log has not signed this", rule="witness.unsigned")


def decide(request: WitnessRequest, held: TreeHead | None) -> TreeHead:
    """Return what to remember and cosign; ``held`` is what was cosigned last.

    Raises:
        WireError: the request contradicts itself.
        StaleSize: ``old`` is not what this witness has seen.
        LogInconsistent: the checkpoint does not extend what was seen: a fork.
    """
    head = request.head
    if request.old > head.size:
        raise WireError("the old size is beyond the new", rule="witness.old")
    seen = held.size if held else 0
    if request.old != seen:
        raise StaleSize(seen)
    root = held.root if held else EMPTY_ROOT
    if seen in (0, head.size):
        if request.proof:
            raise LogInconsistent("there is nothing to prove", rule="witness.proof")
        if seen == head.size and head.root != root:
            raise LogInconsistent("one size has two roots", rule="witness.fork")
    else:
        verify_consistency(seen, root, head.size, head.root, request.proof)
    return head
