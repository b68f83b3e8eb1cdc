"""How an entry is handed to a log, signed by who submits it; knows nothing of what it says.

The signature binds the origin, so what was meant for one log cannot be put into another. There is
no time in it: a log takes the same entry once, so sending it again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from glasslock import signing
from glasslock.errors import BadSignature, WireError
from glasslock.signing import PUBLIC_KEY_SIZE, SIGNATURE_SIZE, Signer
from glasslock.wire.codec import encode
from glasslock.wire.labels import Label
from glasslock.wire.shape import Fields

MAX_ENTRY: Final = 16_384
MAX_SUBMISSION: Final = MAX_ENTRY + 256

_ITEMS: Final = 4


@dataclass(frozen=True, slots=True)
class Submission:
    """One entry for a log; ``immediate`` asks not to wait for the batch (emergencies)."""

    submitter: bytes
    immediate: bool
    entry: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the body of the request."""
        return encode((self.submitter, int(self.immediate), self.entry, self.signature))

    def verify(self, origin: str, *earlier: str) -> None:
        """Check that ``submitter`` signed this for the log ``origin``, or an earlier shard of it.

        A chain of shards takes an entry once, so which of its origins was meant changes nothing.

        Raises:
            BadSignature: it did not.
            KeyRejected: the key is not usable.
        """
        for each in earlier:
            try:
                self._verify(each)
            except BadSignature:
                continue
            return
        self._verify(origin)

    def _verify(self, origin: str) -> None:
        content = _content(origin, self.entry, immediate=self.immediate)
        signing.verify(self.submitter, Label.SIGN_SUBMIT, content, self.signature)


def submit(key: Signer, origin: str, entry: bytes, *, immediate: bool = False) -> Submission:
    """Return ``entry`` signed for the log ``origin``.

    Raises:
        WireError: the entry is empty or longer than ``MAX_ENTRY`` bytes.
    """
    check_entry(entry)
    signature = key.sign(Label.SIGN_SUBMIT, _content(origin, entry, immediate=immediate))
    return Submission(key.public, immediate, entry, signature)


def decode_submission(data: bytes) -> Submission:
    """Read the body of a request; nothing in it is verified. Raises ``WireError``."""
    fields = Fields.of(data, "a log submission", _ITEMS, limit=MAX_SUBMISSION)
    submitter = fields.exactly(PUBLIC_KEY_SIZE)
    immediate = fields.flag()
    entry = fields.bytes(MAX_ENTRY, 1)
    return Submission(submitter, immediate, entry, fields.exactly(SIGNATURE_SIZE))


def check_entry(entry: bytes) -> None:
    """Raise ``WireError`` unless ``entry`` has 1 to ``MAX_ENTRY`` bytes."""
    if not 1 <= len(entry) <= MAX_ENTRY:
        raise WireError("an entry has 1 to 16,384 bytes", rule="log.entry")


def _content(origin: str, entry: bytes, *, immediate: bool) -> bytes:
    return encode((origin, int(immediate), entry))
