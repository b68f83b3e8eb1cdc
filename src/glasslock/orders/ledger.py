"""The orders log replayed: what became of every order, and the ingest roots (protocol section 5).

Fed with verified entries in log order, each with its witnessed time. Checks signatures and that
leaves fit each other; whose key may act in a seat is for the reader, who knows the policy. What
does not hold is passed over, as by everybody else, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from glasslock import signing
from glasslock.errors import GlasslockError
from glasslock.orders.commitment import check_disclosure
from glasslock.signing import Signer
from glasslock.wire.codec import Value
from glasslock.wire.labels import Label
from glasslock.wire.leaf import (
    DisclosureLeaf,
    DoneLeaf,
    IngestLeaf,
    IntentLeaf,
    OrderLeaf,
    RefusalLeaf,
    ReportLeaf,
    SignedKind,
    SignedLeaf,
    UnauthenticatedLeaf,
    decode_leaf,
    signed_content,
)


@dataclass(frozen=True, slots=True)
class Said:
    """A leaf that ``key`` vouched for, at ``index``, witnessed at ``time``."""

    leaf: SignedKind
    key: bytes
    index: int
    time: int


@dataclass
class OrderRecord:
    """Everything in the log about the order whose leaf stands at ``index``."""

    leaf: OrderLeaf
    provider: bytes
    index: int
    time: int
    said: list[Said] = field(default_factory=list)
    disclosed: dict[str, Value] | None = None
    disclosed_at: int | None = None

    def intent(self, seat: int, key: bytes, release: bytes) -> Said | None:
        """Return the intent of ``seat``, signed by ``key``, to send exactly this release."""
        wanted = IntentLeaf(self.index, seat, release)
        return next((s for s in self.said if s.leaf == wanted and s.key == key), None)

    def by(self, key: bytes) -> list[Said]:
        """Return all that ``key`` said about this order."""
        return [said for said in self.said if said.key == key]


class Roots(Mapping[int, IngestLeaf]):
    """The ingest leaves of one provider before an index, by interval: looked up, not copied."""

    def __init__(
        self, ingest: Mapping[tuple[bytes, int], Said], provider: bytes, before: int
    ) -> None:
        """Look into ``ingest``, which may grow meanwhile: what comes later stands later."""
        self._ingest = ingest
        self._provider = provider
        self._before = before

    def __getitem__(self, interval: int) -> IngestLeaf:
        """Return the leaf of an interval; raises ``KeyError``."""
        said = self._ingest[self._provider, interval]
        if said.index >= self._before or not isinstance(said.leaf, IngestLeaf):
            raise KeyError(interval)
        return said.leaf

    def __iter__(self) -> Iterator[int]:
        """Yield the intervals that have one."""
        return (
            interval for key, interval in self._ingest if key == self._provider and interval in self
        )

    def __len__(self) -> int:
        """Count them."""
        return sum(1 for _ in self)


class Ledger:
    """The orders log as far as it was read."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.time = 0
        self.size = 0
        self.orders: dict[int, OrderRecord] = {}
        self.ingest: dict[tuple[bytes, int], Said] = {}
        self.unauthenticated: list[Said] = []
        self.invalid = 0

    def add(self, entry: bytes, index: int, time: int) -> None:
        """Read the entry at ``index``, witnessed at ``time`` (unix seconds)."""
        self.size = index + 1
        self.time = max(self.time, time)
        try:
            leaf = decode_leaf(entry)
            taken = (
                self._disclosed(leaf, time)
                if isinstance(leaf, DisclosureLeaf)
                else (self._said(leaf, index, time))
            )
        except GlasslockError:
            taken = False
        self.invalid += not taken

    def seen(self, time: int) -> None:
        """Take note that the log was seen whole at ``time``, by its witnesses' clocks."""
        self.time = max(self.time, time)

    def find(self, commitment: bytes) -> OrderRecord | None:
        """Return the first order with this commitment."""
        return next((o for o in self.orders.values() if o.leaf.commitment == commitment), None)

    def overdue(self, record: OrderRecord) -> bool:
        """Say whether an order should have been disclosed by now, by the witnesses' clocks."""
        return record.disclosed is None and record.leaf.disclose_by < self.time

    def roots(self, provider: bytes, before: int) -> Roots:
        """Return the ingest leaves of ``provider`` that stand before index ``before``."""
        return Roots(self.ingest, provider, before)

    def _said(self, signed: SignedLeaf, index: int, time: int) -> bool:
        verify_leaf(signed)
        said = Said(signed.leaf, signed.key, index, time)
        match signed.leaf:
            case OrderLeaf() as leaf:
                self.orders[index] = OrderRecord(leaf, signed.key, index, time)
            case IngestLeaf() as leaf:
                # The first root of an interval counts: a later one would rewrite the past.
                return self.ingest.setdefault((signed.key, leaf.interval), said) is said
            case UnauthenticatedLeaf():
                self.unauthenticated.append(said)
            case IntentLeaf() | DoneLeaf() | RefusalLeaf() | ReportLeaf() as leaf:
                record = self.orders.get(leaf.order)
                if record is None:
                    return False
                record.said.append(said)
        return True

    def _disclosed(self, leaf: DisclosureLeaf, time: int) -> bool:
        record = self.orders.get(leaf.order)
        if record is None:
            return False
        facts = check_disclosure(record.leaf, leaf.fields)
        if record.disclosed is None:
            record.disclosed, record.disclosed_at = facts, time
        return True


def sign_leaf(leaf: SignedKind, key: Signer) -> SignedLeaf:
    """Return ``leaf`` signed by ``key``."""
    return SignedLeaf(leaf, key.public, key.sign(Label.SIGN_RECORD, signed_content(leaf)))


def verify_leaf(signed: SignedLeaf) -> None:
    """Check a leaf's signature by the key it names; raises ``BadSignature``, ``KeyRejected``."""
    signing.verify(signed.key, Label.SIGN_RECORD, signed.content, signed.signature)
