"""What a cosigner's key signs, byte for byte (C2SP tlog-cosignature). Knows no key and no note.

An Ed25519 cosignature covers the note text and a time, but not the cosigner's name: one key under
two names verifies twice, which is why quorums count keys. The ML-DSA-44 form binds the name.
"""

from __future__ import annotations

from typing import Final

from glasslock.errors import WireError
from glasslock.tlog.encoding import MAX_UINT
from glasslock.tlog.treehead import parse_body

TIME_SIZE: Final = 8
_SUBTREE_LABEL: Final = b"subtree/v1\n\x00"


def ed25519_statement(body: bytes, time: int) -> bytes:
    """Return what a type 0x04 key signs over note text ``body`` at ``time`` (POSIX seconds)."""
    return b"cosignature/v1\ntime %d\n" % time + body


def ml_dsa_statement(name: str, body: bytes, time: int) -> bytes:
    """Return what a type 0x06 key called ``name`` signs over a checkpoint ``body`` at ``time``.

    Raises:
        WireError: ``body`` is no checkpoint without extension lines.
    """
    head = parse_body(body)
    signer, origin = name.encode(), head.origin.encode()
    return b"".join(
        (
            _SUBTREE_LABEL,
            bytes((len(signer),)),
            signer,
            time.to_bytes(8, "big"),
            bytes((len(origin),)),
            origin,
            (0).to_bytes(8, "big"),
            head.size.to_bytes(8, "big"),
            head.root,
        )
    )


def join_time(time: int, signature: bytes) -> bytes:
    """Return a ``timestamped_signature``: eight bytes of time, then the signature.

    Raises:
        WireError: ``time`` is negative or above 2^63 - 1.
    """
    if not 0 <= time <= MAX_UINT:
        raise WireError("a cosignature's time is out of range", rule="cosignature.time")
    return time.to_bytes(TIME_SIZE, "big") + signature


def split_time(blob: bytes) -> tuple[int, bytes]:
    """Return time and signature of a ``timestamped_signature``.

    Raises:
        WireError: it is too short or its time is above 2^63 - 1.
    """
    time = int.from_bytes(blob[:TIME_SIZE], "big")
    if len(blob) <= TIME_SIZE or time > MAX_UINT:
        raise WireError("a cosignature's time is out of range", rule="cosignature.time")
    return time, blob[TIME_SIZE:]
