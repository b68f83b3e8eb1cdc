"""The file by which a keyholder's contact reads the marks of its refusals; decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from glasslock.errors import WireError
from glasslock.wire.codec import encode
from glasslock.wire.shape import DIGEST, Fields

MAX_CONTACT: Final = 256
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class ContactKey:
    """What a contact holds: the keyholder's public key, and where both chains of marks begin."""

    keyholder: bytes
    agreed: bytes = field(repr=False)
    duress: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the file's bytes."""
        return encode((_VERSION, self.keyholder, self.agreed, self.duress))


def decode_contact(data: bytes) -> ContactKey:
    """Read a contact's file; raises ``WireError``."""
    fields = Fields.of(data, "a contact's file", 4, limit=MAX_CONTACT)
    if fields.uint() != _VERSION:
        raise WireError("a contact's file of another version", rule="contact.version")
    return ContactKey(fields.digest(), fields.exactly(DIGEST), fields.exactly(DIGEST))
