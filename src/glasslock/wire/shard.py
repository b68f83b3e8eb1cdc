r"""The two leaves by which shards of a log make a chain; knows no checkpoint and no verdict.

A log writes them itself and takes neither from anybody. A leaf is ``glasslock/1 <type>\n`` and
CBOR; it carries no signature, since it stands under the log's own cosigned checkpoint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from glasslock.errors import WireError
from glasslock.wire.codec import Value, encode
from glasslock.wire.record import MAGIC, split_entry
from glasslock.wire.shape import Fields

MAX_PLACE: Final = 32
MAX_ORIGIN: Final = 255
MAX_KEYS: Final = 4
MAX_VKEY: Final = 4_096
# A bundle takes 65,535 bytes an entry; what is left is for type, base and origin.
MAX_FINAL_NOTE: Final = 64_000

_PLACE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\Z", re.ASCII)
_END: Final = "shard-end"
_GENESIS: Final = "genesis"
_RESERVED: Final = tuple(MAGIC + kind.encode() + b"\n" for kind in (_END, _GENESIS))


@dataclass(frozen=True, slots=True)
class ShardEnd:
    """The last leaf of a shard: the successor's ``origin``, its C2SP ``vkeys``, its ``place``.

    The successor is served below ``shards/<place>/`` of the address of the chain.
    """

    origin: str
    vkeys: tuple[str, ...]
    place: str

    def encode(self) -> bytes:
        """Return the entry."""
        return MAGIC + _END.encode() + b"\n" + encode((self.origin, self.vkeys, self.place))


@dataclass(frozen=True, slots=True)
class Genesis:
    """The first leaf of a successor: ``base`` leaves stand in all shards before it.

    ``origin`` is its predecessor's, ``checkpoint`` the note of the predecessor's final checkpoint.
    """

    base: int
    origin: str
    checkpoint: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the entry."""
        return MAGIC + _GENESIS.encode() + b"\n" + encode((self.base, self.origin, self.checkpoint))


ShardLeaf: TypeAlias = ShardEnd | Genesis


def is_reserved(entry: bytes) -> bool:
    """Say whether ``entry`` begins as only a log's own leaves may, well-formed or not."""
    return entry.startswith(_RESERVED)


def check_place(place: str) -> str:
    """Return ``place`` if it may name a shard: 1 to 32 of ``a-z 0-9 -``, no dash at an end.

    Raises:
        WireError: it may not.
    """
    if not _PLACE.match(place):
        raise WireError("a shard's place is 1 to 32 of a-z, 0-9 and -", rule="shard.place")
    return place


def decode_shard_leaf(entry: bytes) -> ShardLeaf:
    """Decode a leaf of a chain; raises ``WireError``. No key in it is checked here."""
    kind, body = split_entry(entry)
    if kind == _END:
        fields = Fields.of(body, "shard-end", 3)
        end = ShardEnd(
            fields.text(MAX_ORIGIN, 1),
            fields.each(_vkey, MAX_KEYS, 1),
            check_place(fields.text(MAX_PLACE, 1)),
        )
        fields.close()
        return end
    if kind == _GENESIS:
        fields = Fields.of(body, "genesis", 3)
        genesis = Genesis(
            # No shard is without a leaf: the shard-end before this one is counted too.
            fields.uint(least=1),
            fields.text(MAX_ORIGIN, 1),
            fields.bytes(MAX_FINAL_NOTE, 1),
        )
        fields.close()
        return genesis
    raise WireError("no such leaf in a chain of shards", rule="shard.type")


def _vkey(value: Value) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_VKEY:
        raise WireError("a key is missing or too long", rule="shape.type")
    return value
