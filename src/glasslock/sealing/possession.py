"""Proof that a period key is possessed: secret coins, an answer, the coins shown (section 6).

Knows one key and one exchange; who must challenge whom, and when, is judged by
``glasslock.sealing.roster``.
"""

from __future__ import annotations

from typing import Final

from glasslock import _core
from glasslock.sealing.roster import possession_answer

COINS: Final = 64


def period_public_key(seed: bytes) -> bytes:
    """Return the public period key of a 32-byte seed; raises ``KeyRejected``."""
    return _core.xwing_public_key(seed)


def challenge(public: bytes, coins: bytes, key_id: bytes) -> tuple[bytes, bytes]:
    """Return ``(enc, the answer that proves possession)`` for 64 secret bytes of coins.

    ``key_id`` is that of the key.

    Raises:
        KeyRejected: the key fails FIPS 203 or has a low-order X25519 half.
    """
    _core.xwing_check_public_key(public)
    secret, enc = _core.xwing_encapsulate(public, coins)
    return enc, possession_answer(secret, key_id)


def answer(seed: bytes, enc: bytes, key_id: bytes) -> bytes:
    """Return the owner's answer to the challenge ``enc``; raises ``KeyRejected``.

    The answer tells nothing about what else is encapsulated to the key: it is derived under a label
    of its own, and only an enc that was sent before gives it.
    """
    return possession_answer(_core.xwing_decapsulate(seed, enc), key_id)
