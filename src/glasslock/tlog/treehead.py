"""The text that a checkpoint signs: origin, size and root (C2SP tlog-checkpoint). Knows no key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from glasslock.errors import WireError
from glasslock.tlog.encoding import (
    HASH_SIZE,
    MAX_UINT,
    check_text,
    decode_decimal,
    decode_hash,
    encode_base64,
)
from glasslock.tlog.merkle import EMPTY_ROOT

_LINES: Final = 3
_MAX_ORIGIN: Final = 255


def check_name(name: str, *, rule: str) -> str:
    """Return ``name`` if it may name a key or a log: no space, no plus, no control, 1-255 bytes.

    Raises:
        WireError: it may not. (255 bytes is what an ML-DSA cosignature can bind.)
    """
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise WireError("a name has no spaces and no plus sign", rule=rule)
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise WireError("a name is not valid Unicode", rule=rule) from error
    if size > _MAX_ORIGIN:
        raise WireError("a name has at most 255 bytes", rule=rule)
    return name


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a log says of itself: ``origin`` names it, ``size`` counts leaves, ``root`` is 32 bytes.

    Nothing is proven by holding one: see ``checkpoint.VerifiedCheckpoint``.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        """Refuse values that no checkpoint can say; raises ``WireError``."""
        check_name(self.origin, rule="checkpoint.origin")
        if not 0 <= self.size <= MAX_UINT or len(self.root) != HASH_SIZE:
            raise WireError("a tree head is out of range", rule="checkpoint.range")

    @property
    def body(self) -> bytes:
        """The note text, three lines with their newlines."""
        root = encode_base64(self.root)
        return b"%s\n%d\n%s\n" % (self.origin.encode(), self.size, root)

    def check_empty(self) -> None:
        """Raise ``WireError`` if the size is 0 and the root is not that of the empty tree."""
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise WireError("the empty tree has another root", rule="checkpoint.empty")


def parse_body(body: bytes) -> TreeHead:
    """Return the tree head that a note text says.

    Extension lines are refused: ML-DSA cosignatures do not cover them, and no monitor sees them.

    Raises:
        WireError: not exactly origin, size and root, each on its line.
    """
    lines = body.split(b"\n")
    if len(lines) != _LINES + 1 or lines[-1]:
        raise WireError("a checkpoint has exactly three lines", rule="checkpoint.lines")
    return TreeHead(
        origin=check_text(lines[0], rule="checkpoint.origin"),
        size=decode_decimal(lines[1], rule="checkpoint.size"),
        root=decode_hash(lines[2], rule="checkpoint.root"),
    )
