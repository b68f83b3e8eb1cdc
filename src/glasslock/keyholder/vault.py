"""How a period seed rests: as it is, or wrapped by a key that the disk does not have."""

from __future__ import annotations

from typing import Final, Protocol


class Vault(Protocol):
    """Wraps a secret for one purpose, and unwraps it for the same."""

    def wrap(self, plain: bytes, about: bytes) -> bytes:
        """Return what may rest on a disk."""

    def unwrap(self, kept: bytes, about: bytes) -> bytes:
        """Return the secret.

        Raises:
            VerificationError: it was not wrapped here for this.
            TransportError: who wraps cannot be reached.
        """


class Plain:
    """Wraps nothing: the encrypted database is all that protects a seed."""

    def wrap(self, plain: bytes, about: bytes) -> bytes:
        """Return ``plain``."""
        del about
        return plain

    def unwrap(self, kept: bytes, about: bytes) -> bytes:
        """Return ``kept``."""
        del about
        return kept


PLAIN: Final = Plain()
