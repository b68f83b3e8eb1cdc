"""Shards of a log as one chain: what a reader knows of the shard it stands in, and each next step.

A shard ends with a leaf that names its successor; the successor begins with a leaf that embeds the
final checkpoint of the one before. Places of leaves are counted over the whole chain. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from glasslock.errors import LogInconsistent, StateError, WireError
from glasslock.tlog.checkpoint import VerifiedCheckpoint, read_head
from glasslock.tlog.note import Verifier
from glasslock.tlog.quorum import QuorumFile
from glasslock.wire.codec import Value, encode
from glasslock.wire.shape import Fields, expect_text
from glasslock.wire.shard import (
    MAX_KEYS,
    MAX_ORIGIN,
    MAX_PLACE,
    Genesis,
    ShardEnd,
    check_place,
    decode_shard_leaf,
    is_reserved,
)

SHARDS: Final = "shards"
_MAX_SHARD: Final = 65_536


@dataclass(frozen=True, slots=True)
class Shard:
    """Which shard of a chain a reader stands in.

    ``base`` leaves stand in the shards before it. ``origin``, ``vkeys`` and ``place`` are empty in
    the shard that the quorum file names, else as its predecessor's shard-end says. ``end`` is the
    entry that ends this shard, once it has been read. ``before`` is the predecessor's final
    checkpoint, until the genesis has been read against it; it is never stored.
    """

    base: int = 0
    place: str = ""
    origin: str = ""
    vkeys: tuple[str, ...] = ()
    end: bytes = b""
    before: VerifiedCheckpoint | None = field(default=None, compare=False)

    @property
    def prefix(self) -> str:
        """Return the path of this shard below the address of the chain, empty or with a slash."""
        return f"{SHARDS}/{self.place}/" if self.place else ""

    def encode(self) -> bytes:
        """Return what a follower stores: empty in a shard that is still the only one."""
        if self == ALONE:
            return b""
        return encode((self.base, self.place, self.origin, self.vkeys, self.end))

    def read(self, first: int, entries: Sequence[bytes]) -> Shard:
        """Return this shard after ``entries``, verified, of which ``first`` is the local place.

        Raises:
            LogInconsistent: something stands after the end (``log.shard``); a genesis stands
                where none may, is missing, or is of another past (``log.genesis``).
            WireError: a leaf of the chain is malformed.
        """
        if entries and self.end:
            raise LogInconsistent("a shard goes on after its end", rule="log.shard")
        shard = self
        if first == 0 and (entries or self.before):
            shard = self._begun(entries[0] if entries else b"")
        for at, entry in enumerate(entries, first):
            if not is_reserved(entry):
                continue
            leaf = decode_shard_leaf(entry)
            if isinstance(leaf, Genesis):
                if at:
                    raise LogInconsistent("a genesis stands within a shard", rule="log.genesis")
            elif at != first + len(entries) - 1:
                raise LogInconsistent("a shard goes on after its end", rule="log.shard")
            else:
                shard = replace(shard, end=entry)
        return shard

    def _begun(self, entry: bytes) -> Shard:
        leaf = decode_shard_leaf(entry) if is_reserved(entry) else None
        if not isinstance(leaf, Genesis):
            if self.before is not None:
                raise LogInconsistent("a shard does not begin with its genesis", rule="log.genesis")
            return self
        head = read_head(leaf.checkpoint)[1]
        # Of a chain that begins here for its reader, the genesis can only be asked to fit itself.
        if head.origin != leaf.origin or head.size > leaf.base:
            raise LogInconsistent("a genesis contradicts itself", rule="log.genesis")
        if self.before is None:
            return replace(self, base=leaf.base)
        if head != self.before.head or leaf.base != self.base:
            raise LogInconsistent("a genesis is of another past", rule="log.genesis")
        return replace(self, before=None)

    def successor(self, final: VerifiedCheckpoint | None) -> Shard:
        """Return the shard after this one, which has ended under ``final``; nothing of it is read.

        Raises:
            StateError: this shard has not ended.
            WireError: the shard-end is malformed.
        """
        end = decode_shard_leaf(self.end) if self.end else None
        if final is None or not isinstance(end, ShardEnd):
            raise StateError("the shard has not ended", rule="shard.open")
        return Shard(self.base + final.size, end.place, end.origin, end.vkeys, before=final)


ALONE: Final = Shard()


def decode_shard(data: bytes) -> Shard:
    """Read what ``Shard.encode`` wrote; raises ``WireError``."""
    if not data:
        return ALONE
    fields = Fields.of(data, "a shard", 5, limit=_MAX_SHARD)
    base, place, origin = fields.uint(), fields.text(MAX_PLACE), fields.text(MAX_ORIGIN)
    shard = Shard(base, place, origin, fields.each(_text, MAX_KEYS), fields.bytes(_MAX_SHARD))
    fields.close()
    if place:
        check_place(place)
    if (place == "") != (origin == "") or bool(place) != bool(shard.vkeys):
        raise WireError("a shard is named whole or not at all", rule="shard.named")
    if shard == ALONE:
        raise WireError("a shard that is alone has no words", rule="shard.named")
    return shard


def _text(value: Value) -> str:
    # vkeys of ML-DSA are longer than other text.
    return value if isinstance(value, str) and len(value) <= 4_096 else expect_text(value)


def extended(quorum: QuorumFile, origin: str, vkeys: Sequence[str]) -> QuorumFile:
    """Return ``quorum`` with the keys of a successor, as the shard before it has named them.

    Keys that the file itself lists for the successor go first: so they can be replaced within its
    year.

    Raises:
        KeyRejected, WireError: a key is not one, is of another log, or stands in the file already.
    """
    if quorum.log_keys(origin):
        return quorum
    if any(Verifier.parse(vkey).name != origin for vkey in vkeys):
        raise WireError("a key of a successor is not named after it", rule="shard.key")
    lines = "".join(f"log {vkey}\n" for vkey in vkeys)
    return QuorumFile.parse(quorum.text + lines)
