"""The identity inside an MLS basic credential, for readers that know no MLS (RFC 9420 5.3).

Knows the TLS bytes only. Whether an account really has the device under a key is not said by them.
"""

from __future__ import annotations

from typing import Final

from glasslock.errors import WireError
from glasslock.ids import AccountId, DeviceId, account_id, device_id
from glasslock.wire.shape import Fields

_BASIC: Final = b"\x00\x01"
_ONE_BYTE: Final = 64
_TWO_BYTES: Final = 16_384


def decode_credential(data: bytes) -> tuple[AccountId, DeviceId]:
    """Return account and device of a basic credential; raises ``WireError``."""
    if data[:2] != _BASIC or len(data) < 3:
        raise WireError("not a basic credential", rule="credential.type")
    size, start = data[2], 3
    if size >= _ONE_BYTE:
        # The variable-size length of RFC 9420 2.1.2, of which only the first two widths can occur.
        size, start = int.from_bytes(data[2:4]) - _TWO_BYTES, 4
        if not _ONE_BYTE <= size < _TWO_BYTES:
            raise WireError("a credential has a strange length", rule="credential.length")
    identity = data[start:]
    if len(identity) != size:
        raise WireError("a credential has another length than it says", rule="credential.length")
    fields = Fields.of(identity, "identity", 2, limit=256)
    account = account_id(fields.text(64, 1))
    device = device_id(fields.bytes(16, 16))
    fields.close()
    return account, device
