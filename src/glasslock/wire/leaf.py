r"""What stands in the orders log: one frozen value per leaf type; knows no log and no verdict.

A leaf is ``glasslock/1 <type>\n`` followed by CBOR ``[signed part as bytes, key, signature]``, the
signature being Sign("log record", cbor([type, signed part])) by ``key``. A disclosure proves itself
and carries neither. Whose key it is, is for the reader to judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from glasslock.errors import WireError
from glasslock.wire.codec import Value, encode
from glasslock.wire.notice import Field, fields_value, read_fields
from glasslock.wire.policy import MAX_SEATS
from glasslock.wire.record import MAGIC, split_entry
from glasslock.wire.shape import DIGEST, SIGNATURE, U32, Fields

MAX_LEAF: Final = 16_384
MAX_GROUND: Final = 256
MAX_CLASSES: Final = 128
# How an order ended, by its authority's word.
UNUSED, WITHDRAWN, DONE = OUTCOMES = ("unused", "withdrawn", "done")
# On what legal basis something was removed; numbered in the log.
BASES: Final = ("order of a court", "order of an authority", "report", "terms")
MARK: Final = 16


@dataclass(frozen=True, slots=True)
class OrderLeaf:
    """An authentic order, hidden: commitment, coarse buckets, latest date; by the provider."""

    commitment: bytes
    family: str
    authority_class: str
    category: str
    accounts: int
    slots: int
    disclose_by: int
    kind: str = "order"

    def part(self) -> bytes:
        """Return the signed part."""
        return encode(
            (
                self.commitment,
                self.family,
                self.authority_class,
                self.category,
                self.accounts,
                self.slots,
                self.disclose_by,
            )
        )


@dataclass(frozen=True, slots=True)
class IntentLeaf:
    """A keyholder is about to send the release of this digest; nothing leaves before it stands."""

    order: int
    seat: int
    release: bytes
    kind: str = "intent"

    def part(self) -> bytes:
        """Return the signed part."""
        return encode((self.order, self.seat, self.release))


@dataclass(frozen=True, slots=True)
class DoneLeaf:
    """A keyholder has sent that release, with shares of ``slots`` slots."""

    order: int
    seat: int
    release: bytes
    slots: int
    kind: str = "done"

    def part(self) -> bytes:
        """Return the signed part."""
        return encode((self.order, self.seat, self.release, self.slots))


@dataclass(frozen=True, slots=True)
class RefusalLeaf:
    """An answer no, by a keyholder (``seat``) or by the provider (None), with rule and ground.

    A keyholder's has a ``mark`` of 16 bytes that look random, the provider's none.
    """

    order: int
    seat: int | None
    rule: str
    ground: str
    mark: bytes | None = None
    kind: str = "refusal"

    def part(self) -> bytes:
        """Return the signed part."""
        return encode((self.order, self.seat, self.rule, self.ground, self.mark))


@dataclass(frozen=True, slots=True)
class ReportLeaf:
    """What the desk has opened, in buckets, and the case file's digest; by the authority."""

    order: int
    slots: int
    messages: int
    case_file: bytes
    kind: str = "report"

    def part(self) -> bytes:
        """Return the signed part."""
        return encode((self.order, self.slots, self.messages, self.case_file))


@dataclass(frozen=True, slots=True)
class IngestLeaf:
    """The root over all lines that grew in an interval; by the provider."""

    interval: int
    time: int
    count: int
    root: bytes
    kind: str = "ingest"

    def part(self) -> bytes:
        """Return the signed part."""
        return encode((self.interval, self.time, self.count, self.root))


@dataclass(frozen=True, slots=True)
class UnauthenticatedLeaf:
    """How many requests of a day named no authority that signed them; by the provider."""

    day: int
    count: int
    kind: str = "unauthenticated"

    def part(self) -> bytes:
        """Return the signed part."""
        return encode((self.day, self.count))


@dataclass(frozen=True, slots=True)
class ExtendLeaf:
    """The ``number``-th new date of an order's notice and its ground; by the issuing authority.

    ``countersigner`` is a raw Ed25519 key; it signs ``extension_content``.
    """

    order: int
    number: int
    disclose_by: int
    ground: str
    countersigner: bytes
    countersignature: bytes
    kind: str = "extend"

    def part(self) -> bytes:
        """Return the signed part."""
        return encode(
            (
                self.order,
                self.number,
                self.disclose_by,
                self.ground,
                self.countersigner,
                self.countersignature,
            )
        )


@dataclass(frozen=True, slots=True)
class CloseLeaf:
    """Nothing more is released or opened under an order, ``OUTCOMES``; by the authority."""

    order: int
    outcome: str
    kind: str = "close"

    def part(self) -> bytes:
        """Return the signed part."""
        return encode((self.order, self.outcome))


@dataclass(frozen=True, slots=True)
class CountsLeaf:
    """What the provider counts of its own leaves from index ``first`` until before ``end``.

    ``classes`` has a row for each class of authority: its name, its orders, those refused by the
    provider. ``period`` numbers runs of 30 policy days.
    """

    period: int
    first: int
    end: int
    classes: tuple[tuple[str, int, int], ...]
    unauthenticated: int
    kind: str = "counts"

    def part(self) -> bytes:
        """Return the signed part."""
        return encode((self.period, self.first, self.end, self.classes, self.unauthenticated))


@dataclass(frozen=True, slots=True)
class RemovalLeaf:
    """How many entries of a family's groups became tombstones on a policy day; by the provider.

    ``basis`` is an index into ``BASES``.
    """

    day: int
    family: str
    basis: int
    count: int
    kind: str = "removal"

    def part(self) -> bytes:
        """Return the signed part."""
        return encode((self.day, self.family, self.basis, self.count))


@dataclass(frozen=True, slots=True)
class DisclosureLeaf:
    """The commitment of the order at ``order``, opened but for who is concerned."""

    order: int
    fields: tuple[Field | bytes, ...]
    kind: str = "disclosure"

    def part(self) -> bytes:
        """Return the body."""
        return encode((self.order, fields_value(self.fields)))


SignedKind: TypeAlias = (
    OrderLeaf
    | IntentLeaf
    | DoneLeaf
    | RefusalLeaf
    | ReportLeaf
    | ExtendLeaf
    | CloseLeaf
    | IngestLeaf
    | UnauthenticatedLeaf
    | CountsLeaf
    | RemovalLeaf
)


@dataclass(frozen=True, slots=True)
class SignedLeaf:
    """A leaf with the raw Ed25519 key that vouches for it."""

    leaf: SignedKind
    key: bytes
    signature: bytes

    @property
    def content(self) -> bytes:
        """What ``key`` signs under ``log record``."""
        return signed_content(self.leaf)


Leaf: TypeAlias = SignedLeaf | DisclosureLeaf


def signed_content(leaf: SignedKind) -> bytes:
    """Return what is signed of a leaf: ``cbor([type, signed part])``."""
    return encode((leaf.kind, leaf.part()))


def extension_content(commitment: bytes, issuing: bytes, leaf: ExtendLeaf) -> bytes:
    """Return what a countersigner signs under ``extension countersign``.

    ``commitment`` names the order whatever log it stands in, ``issuing`` the authority's key.
    """
    return encode((commitment, issuing, leaf.order, leaf.number, leaf.disclose_by, leaf.ground))


def encode_leaf(leaf: Leaf) -> bytes:
    """Return the log entry of a leaf."""
    if isinstance(leaf, DisclosureLeaf):
        return _head(leaf.kind) + leaf.part()
    return _head(leaf.leaf.kind) + encode((leaf.leaf.part(), leaf.key, leaf.signature))


def decode_leaf(entry: bytes) -> Leaf:
    """Decode an orders-log entry; raises ``WireError``. No signature is checked here."""
    kind, body = split_entry(entry)
    if len(entry) > MAX_LEAF:
        raise WireError("a leaf is too long", rule="leaf.length")
    if kind == "disclosure":
        fields = Fields.of(body, "disclosure", 2)
        leaf = DisclosureLeaf(fields.uint(), read_fields(fields))
        fields.close()
        return leaf
    outer = Fields.of(body, "leaf", 3)
    part = outer.bytes(MAX_LEAF, 1)
    key, signature = outer.exactly(DIGEST), outer.exactly(SIGNATURE)
    return SignedLeaf(_signed_kind(kind, part), key, signature)


def _signed_kind(kind: str, part: bytes) -> SignedKind:
    found = _READERS.get(kind)
    if found is None:
        raise WireError("no such leaf in the orders log", rule="leaf.type")
    count, read = found
    return read(Fields.of(part, kind, count))


def _order(fields: Fields) -> OrderLeaf:
    return OrderLeaf(
        fields.digest(),
        fields.text(64, 1),
        fields.text(64, 1),
        fields.text(32, 1),
        fields.uint(3),
        fields.uint(3),
        fields.uint(),
    )


def _intent(fields: Fields) -> IntentLeaf:
    return IntentLeaf(fields.uint(), _seat(fields), fields.digest())


def _done(fields: Fields) -> DoneLeaf:
    return DoneLeaf(fields.uint(), _seat(fields), fields.digest(), fields.uint(U32))


def _refusal(fields: Fields) -> RefusalLeaf:
    order, seat = fields.uint(), fields.maybe(lambda: _seat(fields))
    rule, ground = fields.text(64, 1), fields.text(256, 1)
    mark = fields.maybe(lambda: fields.exactly(MARK))
    if (seat is None) != (mark is None):
        raise WireError("a keyholder's refusal has a mark, and no other", rule="leaf.mark")
    return RefusalLeaf(order, seat, rule, ground, mark)


def _report(fields: Fields) -> ReportLeaf:
    return ReportLeaf(fields.uint(), fields.uint(U32), fields.uint(U32), fields.digest())


def _ingest(fields: Fields) -> IngestLeaf:
    return IngestLeaf(fields.uint(U32), fields.uint(), fields.uint(U32, 1), fields.digest())


def _extend(fields: Fields) -> ExtendLeaf:
    return ExtendLeaf(
        fields.uint(),
        fields.uint(U32, 1),
        fields.uint(),
        fields.text(MAX_GROUND, 1),
        fields.exactly(DIGEST),
        fields.exactly(SIGNATURE),
    )


def _close(fields: Fields) -> CloseLeaf:
    leaf = CloseLeaf(fields.uint(), fields.text(16, 1))
    if leaf.outcome not in OUTCOMES:
        raise WireError("an order does not end like that", rule="leaf.outcome")
    return leaf


def _unauthenticated(fields: Fields) -> UnauthenticatedLeaf:
    return UnauthenticatedLeaf(fields.uint(U32), fields.uint(U32, 1))


def _counts(fields: Fields) -> CountsLeaf:
    period, first, end = fields.uint(U32), fields.uint(), fields.uint()
    classes = fields.each(_class_row, MAX_CLASSES)
    if first >= end:
        raise WireError("counts run forward", rule="leaf.counts")
    names = [name for name, _, _ in classes]
    if any(before >= after for before, after in pairwise(names)):
        raise WireError("classes rise, each once", rule="leaf.counts")
    return CountsLeaf(period, first, end, classes, fields.uint(U32))


def _class_row(value: Value) -> tuple[str, int, int]:
    fields = Fields(value, "counts of a class", 3)
    return fields.text(64, 1), fields.uint(U32), fields.uint(U32)


def _removal(fields: Fields) -> RemovalLeaf:
    return RemovalLeaf(
        fields.uint(U32), fields.text(64, 1), fields.uint(len(BASES) - 1), fields.uint(U32, 1)
    )


def _seat(fields: Fields) -> int:
    return fields.uint(MAX_SEATS - 1)


_READERS: Final[dict[str, tuple[int, Callable[[Fields], SignedKind]]]] = {
    "order": (7, _order),
    "intent": (3, _intent),
    "done": (4, _done),
    "refusal": (5, _refusal),
    "report": (4, _report),
    "extend": (6, _extend),
    "close": (2, _close),
    "ingest": (4, _ingest),
    "unauthenticated": (2, _unauthenticated),
    "counts": (5, _counts),
    "removal": (4, _removal),
}
KINDS: Final = frozenset({*_READERS, "disclosure"})


def _head(kind: str) -> bytes:
    return MAGIC + kind.encode() + b"\n"
