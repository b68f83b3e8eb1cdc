"""The request by which a log asks a witness to cosign (C2SP tlog-witness add-checkpoint). Pure.

Knows the bytes; what a witness makes of them stands in ``glasslock.witness``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from glasslock.errors import WireError
from glasslock.tlog.encoding import decode_decimal, decode_hash, encode_base64
from glasslock.tlog.merkle import MAX_PROOF
from glasslock.tlog.note import Note, parse_note
from glasslock.tlog.treehead import TreeHead, parse_body

MAX_REQUEST: Final = 65_536
ADD_CHECKPOINT: Final = "/add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class WitnessRequest:
    """A body of add-checkpoint, parsed; nothing of it is verified."""

    old: int
    proof: tuple[bytes, ...]
    head: TreeHead
    note: Note = field(repr=False)


def parse_witness_request(body: bytes) -> WitnessRequest:
    """Read ``old N``, up to 63 proof lines, a blank line and a checkpoint; raises ``WireError``."""
    if len(body) > MAX_REQUEST:
        raise WireError("a request is too long", rule="witness.length")
    top, blank, checkpoint = body.partition(b"\n\n")
    first, *lines = top.split(b"\n")
    if not blank or not first.startswith(b"old ") or len(lines) > MAX_PROOF:
        raise WireError("not an add-checkpoint request", rule="witness.request")
    old = decode_decimal(first[4:], rule="witness.old")
    proof = tuple(decode_hash(line, rule="witness.proof") for line in lines)
    note = parse_note(checkpoint)
    # That the empty tree has its root is for the witness to say: it answers that otherwise.
    return WitnessRequest(old, proof, parse_body(note.body), note)


def format_witness_request(old: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """Return the body that ``parse_witness_request`` reads."""
    lines = b"".join(encode_base64(item) + b"\n" for item in proof)
    return b"old %d\n" % old + lines + b"\n" + note


def parse_size(body: bytes) -> int:
    """Read the size a witness answers with status 409; raises ``WireError``."""
    if not body.endswith(b"\n"):
        raise WireError("not a size", rule="witness.size")
    return decode_decimal(body[:-1], rule="witness.size")
