"""What a case file rests on: bytes that others signed, slot keys, and what the desk only says.

Everything else in a package is computed from this. Knows files and fields; judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from glasslock.casefile.canonical import (
    Facts,
    bytes_of,
    decode_json,
    items_of,
    number_of,
    text_of,
)
from glasslock.casefile.custody import Custody, decode_custody
from glasslock.casefile.excerpts import Excerpts, decode_excerpts
from glasslock.casefile.findings import Opening
from glasslock.errors import WireError
from glasslock.wire.api import KeptEntry
from glasslock.wire.codec import Value, decode, encode
from glasslock.wire.manifest import MAX_ITEMS
from glasslock.wire.shape import DIGEST, Fields

CASE: Final = "case.json"
MESSAGES: Final = "messages.json"
PAGE: Final = "messages.html"
CUSTODY: Final = "custody.json"
LOGS: Final = "logs.json"
ORDER: Final = "evidence/order.cbor"
LISTED: Final = "evidence/manifest.cbor"
ENTRIES: Final = "evidence/entries.cbor"
FORESEEN: Final = "evidence/preview.cbor"
# In place of a preview, where none was asked for before the order was signed.
UNASKED: Final = encode(None)

# Why a slot stays closed, and what nobody can check again without the case keys: as a desk says it.
LOCKED: Final = ("hpke.open", "a sealed value does not open")
SHORT: Final = ("shares.missing", "a class has released too few shares")
UNFIT: Final = ("seal.commitment", "the shares do not give the slot key")
FALSE: Final[Mapping[str, str]] = {
    "release.share": "a released share does not decrypt",
    "share.commitment": "a share is not what was sealed",
}


def release_name(number: int) -> str:
    """Return the name of the file of the ``number``-th release that came."""
    return f"evidence/release-{number:03}.cbor"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a desk found with the case keys and shows by nothing but its word.

    ``locked`` are numbers of releases that do not open, ``false`` what is wrong with the share of
    a slot by (release number's seat, Hh), ``unfit`` slots whose true shares do not fit their key.
    """

    locked: frozenset[int] = frozenset()
    false: Mapping[tuple[int, bytes], str] = field(default_factory=dict)
    unfit: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, opening: Opening, unfit: Iterable[bytes]) -> Claims:
        """Return what an opening says that is only the desk's word."""
        false = {
            (fault.seat, fault.slot): fault.rule
            for fault in opening.faults
            if fault.slot is not None and fault.rule in FALSE
        }
        locked = frozenset(
            fault.release
            for fault in opening.faults
            if fault.release is not None and fault.rule == LOCKED[0]
        )
        return cls(locked, false, frozenset(unfit))


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it. ``order`` are the issued order's bytes, ``secret`` is r of its commitment.

    ``keys`` are slot keys W by Hh. ``index`` is where the order's leaf stands, ``made`` when the
    desk made the case file (unix seconds, its clock). ``preview`` is what the provider signed
    before the order was, None where nobody asked.
    """

    order: bytes
    secret: bytes = field(repr=False)
    index: int
    manifest: bytes
    entries: tuple[KeptEntry, ...] = field(repr=False)
    releases: tuple[bytes, ...] = field(repr=False)
    keys: Mapping[bytes, bytes] = field(repr=False)
    claims: Claims
    made: int
    custody: Custody
    logs: Excerpts
    preview: bytes | None = None

    def files(self) -> dict[str, bytes]:
        """Return the files that hold it, but for what stands in ``case.json``."""
        entries = tuple((e.group_id, e.position, e.kind, e.data, e.receipt) for e in self.entries)
        releases = {release_name(n): data for n, data in enumerate(self.releases)}
        return {
            ORDER: self.order,
            LISTED: self.manifest,
            ENTRIES: encode(entries),
            FORESEEN: UNASKED if self.preview is None else self.preview,
            CUSTODY: self.custody.encode(),
            LOGS: self.logs.encode(),
            **releases,
        }


def read_evidence(files: Mapping[str, bytes]) -> Evidence:
    """Return what the files of a package rest on, unverified; raises ``WireError``."""
    case = _object(decode_json(files[CASE]))
    order = _object(case.get("order"))
    slots = [_object(each) for each in items_of(case.get("slots"))]
    keys = {
        bytes_of(slot.get("slot"), DIGEST): bytes_of(slot["key"], DIGEST)
        for slot in slots
        if slot.get("key") is not None
    }
    unfit = [bytes_of(s.get("slot"), DIGEST) for s in slots if s.get("rule") == UNFIT[0]]
    releases: list[bytes] = []
    while (name := release_name(len(releases))) in files:
        releases.append(files[name])
    return Evidence(
        order=files[ORDER],
        secret=bytes_of(order.get("secret"), DIGEST),
        index=number_of(order.get("index")),
        manifest=files[LISTED],
        entries=decode_entries(files[ENTRIES]),
        releases=tuple(releases),
        keys=keys,
        claims=_claims(items_of(case.get("keyholder_faults")), unfit),
        made=number_of(case.get("made")),
        custody=decode_custody(files[CUSTODY]),
        logs=decode_excerpts(files[LOGS]),
        preview=None if files[FORESEEN] == UNASKED else files[FORESEEN],
    )


def decode_entries(data: bytes) -> tuple[KeptEntry, ...]:
    """Read granted ciphertext as a provider handed it over; raises ``WireError``."""
    fields = Fields((decode(data),), "granted entries", 1)
    return fields.each(_entry, MAX_ITEMS)


def _entry(value: Value) -> KeptEntry:
    fields = Fields(value, "granted entry", 5)
    return KeptEntry(
        fields.bytes(64, 1),
        fields.uint(least=1),
        fields.text(16),
        fields.bytes(1 << 20),
        fields.bytes(4_096),
    )


def _claims(faults: list[object], unfit: list[bytes]) -> Claims:
    locked, false = set(), {}
    for each in faults:
        fault = _object(each)
        rule = text_of(fault.get("rule"))
        if rule == LOCKED[0]:
            locked.add(number_of(fault.get("release")))
        if rule in FALSE:
            seat, slot = number_of(fault.get("seat")), bytes_of(fault.get("slot"), DIGEST)
            false[seat, slot] = rule
    return Claims(frozenset(locked), false, frozenset(unfit))


def _object(value: object) -> Facts:
    if not isinstance(value, dict):
        raise WireError("a field is no object", rule="json.fields")
    return value
