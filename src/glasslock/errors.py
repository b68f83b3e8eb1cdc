"""The whole taxonomy of failures; knows no module above it. Rust raises these same classes.

    GlasslockError
    |-- WireError            bytes are not what the format says
    |-- VerificationError    bytes are well-formed, and what they claim does not hold
    |   |-- BadSignature     a signature does not verify under the named key
    |   |-- KeyRejected      a public key fails the checks of its standard
    |   |-- LogInconsistent  a log contradicts its own proof or what was seen of it before
    |   |-- QuorumNotMet     fewer distinct witnesses than the quorum file asks for
    |   `-- SealMismatch     a sealed slot is not what its members compute
    |-- Denied               well-formed and authentic, and not allowed
    |-- Conflict             another change came first
    |   |-- StaleEpoch       the group has moved to another epoch
    |   `-- StaleSlot        the slot is outside the skew of the entry's time
    |-- StateError           the call does not fit the state the object is in
    |-- TransportError       the other side cannot be reached or broke the stream's protocol
    |-- StorageError         the store cannot be read or written
    `-- ConfigError          a setting, file or passphrase is missing or wrong

Every class carries a stable ``slug`` for machines; its docstring's first line is fit to show a
person. The message says what failed and never carries a secret, a plaintext or a person's name.
"""

from __future__ import annotations


class GlasslockError(Exception):
    """Something went wrong in Glasslock."""

    slug = "error"

    def __init__(self, message: str = "", *, rule: str | None = None) -> None:
        """Make the error.

        ``message`` says what failed; ``rule`` names the check that found it (for example
        ``"seal.digest"``), so that tests, reports and metrics tell failures apart without
        parsing text.
        """
        super().__init__(message or type(self).summary())
        self.rule = rule

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the class docstring: what a person is shown."""
        return (cls.__doc__ or "").strip().splitlines()[0]


class WireError(GlasslockError):
    """These bytes are not in the expected format."""

    slug = "wire"


class VerificationError(GlasslockError):
    """A check of what was received did not hold."""

    slug = "verification"


class BadSignature(VerificationError):
    """A signature does not belong to the key it names."""

    slug = "bad-signature"


class KeyRejected(VerificationError):
    """A public key is malformed or unsafe."""

    slug = "key-rejected"


class LogInconsistent(VerificationError):
    """A log contradicts its proof, or what it showed before."""

    slug = "log-inconsistent"


class QuorumNotMet(VerificationError):
    """Too few independent witnesses have signed."""

    slug = "quorum-not-met"


class SealMismatch(VerificationError):
    """A seal is not the one its members compute."""

    slug = "seal-mismatch"


class Denied(GlasslockError):
    """This is not allowed."""

    slug = "denied"


class Conflict(GlasslockError):
    """Another change came first."""

    slug = "conflict"


class StaleEpoch(Conflict):
    """The conversation has moved on to another epoch."""

    slug = "stale-epoch"

    def __init__(self, message: str = "", *, epoch: int | None = None) -> None:
        """Make the error; ``epoch`` is the current one, when the other side told it."""
        super().__init__(message)
        self.epoch = epoch


class StaleSlot(Conflict):
    """The message's time slot is no longer, or not yet, open."""

    slug = "stale-slot"


class StateError(GlasslockError):
    """This cannot be done in the present state."""

    slug = "state"


class TransportError(GlasslockError):
    """The other side could not be reached."""

    slug = "transport"


class NotFound(TransportError):
    """The other side does not have what was asked for."""

    slug = "not-found"


class StorageError(GlasslockError):
    """The data on disk could not be read or written."""

    slug = "storage"


class ConfigError(GlasslockError):
    """A setting, file or passphrase is missing or wrong."""

    slug = "config"
