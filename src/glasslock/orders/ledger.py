"""The orders log replayed: what became of every order, and the ingest roots (protocol section 5).

Fed with verified entries in log order, each with its witnessed time. Checks signatures and that
leaves fit each other; whose key may act in a seat is for the reader, who knows the policy. What
does not hold is passed over, as by everybody else, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from glasslock import signing
from glasslock.errors import GlasslockError, VerificationError
from glasslock.orders.commitment import check_disclosure
from glasslock.orders.extension import Due, Parties, anybody
from glasslock.signing import Signer
from glasslock.wire.codec import Value
from glasslock.wire.labels import Label
from glasslock.wire.leaf import (
    CloseLeaf,
    CountsLeaf,
    DisclosureLeaf,
    ExtendLeaf,
    IngestLeaf,
    IntentLeaf,
    OrderLeaf,
    RemovalLeaf,
    SignedKind,
    SignedLeaf,
    UnauthenticatedLeaf,
    decode_leaf,
    extension_content,
    signed_content,
)
from glasslock.wire.shard import is_reserved


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
    disclosed_index: int | None = None

    def intent(self, seat: int, key: bytes, release: bytes) -> Said | None:
        """Return the intent of ``seat``, signed by ``key``, to send exactly this release."""
        wanted = IntentLeaf(self.index, seat, release)
        return next((s for s in self.said if s.leaf == wanted and s.key == key), None)

    def by(self, key: bytes) -> list[Said]:
        """Return all that ``key`` said about this order."""
        return [said for said in self.said if said.key == key]

    def extensions(self, parties: Parties = anybody) -> list[tuple[Said, str | None]]:
        """Return every extension by ``parties``, in log order, with the rule that it breaks.

        One that breaks a rule changes nothing for anybody.
        """
        due, found = Due.of(self.leaf, self.time), list[tuple[Said, str | None]]()
        for said in self.said:
            if not isinstance(said.leaf, ExtendLeaf):
                continue
            if not parties(said.key, said.leaf.countersigner, said.time):
                continue
            rule = None
            if self.disclosed_index is not None and said.index > self.disclosed_index:
                rule = "extend.disclosed"
            else:
                try:
                    due = due.moved(said.leaf, said.time)
                except VerificationError as error:
                    rule = error.rule
            found.append((said, rule))
        return found

    def date(self, parties: Parties = anybody, named: Parties = anybody) -> int:
        """Return the date by which the order must be disclosed, extensions counted.

        ``parties`` are those whose extensions the public counts. Who knows the order counts only
        those by the bodies that it names, ``named``: never a later date than the public's.
        """
        date = self.leaf.disclose_by
        for said, rule in self.extensions(parties):
            leaf = said.leaf
            if rule is not None or not isinstance(leaf, ExtendLeaf) or said.time > date:
                continue
            if named(said.key, leaf.countersigner, said.time):
                date = leaf.disclose_by
        return date

    def closed(self, key: bytes | None = None) -> Said | None:
        """Return the first word, by ``key`` if given, that the order is over."""
        return next(
            (s for s in self.said if isinstance(s.leaf, CloseLeaf) and key in (None, s.key)), None
        )


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

    def __init__(self, parties: Parties = anybody) -> None:
        """Begin with nothing read; ``parties`` says who is registered to put off notices."""
        self.time = 0
        self.size = 0
        self.orders: dict[int, OrderRecord] = {}
        self.ingest: dict[tuple[bytes, int], Said] = {}
        self.unauthenticated: list[Said] = []
        self.counts: list[Said] = []
        self.removals: list[Said] = []
        self.invalid = 0
        self.parties = parties

    def add(self, entry: bytes, index: int, time: int) -> None:
        """Read the entry at ``index``, witnessed at ``time`` (unix seconds)."""
        self.size = index + 1
        self.time = max(self.time, time)
        if is_reserved(entry):
            # The log's own leaf: whoever read it on has judged it.
            return
        try:
            leaf = decode_leaf(entry)
            taken = (
                self._disclosed(leaf, index, time)
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
        return record.disclosed is None and self.date(record) < self.time

    def date(self, record: OrderRecord, named: Parties = anybody) -> int:
        """Return the date in force of an order's disclosure, as ``OrderRecord.date``."""
        return record.date(self.parties, named)

    def extensions(self, record: OrderRecord) -> list[Said]:
        """Return the extensions of an order that hold, in log order."""
        return [said for said, rule in record.extensions(self.parties) if rule is None]

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
            case CountsLeaf():
                self.counts.append(said)
            case RemovalLeaf():
                self.removals.append(said)
            case leaf:
                record = self.orders.get(leaf.order)
                if record is None:
                    return False
                if isinstance(leaf, ExtendLeaf):
                    verify_countersignature(record.leaf.commitment, signed.key, leaf)
                record.said.append(said)
        return True

    def _disclosed(self, leaf: DisclosureLeaf, index: int, time: int) -> bool:
        record = self.orders.get(leaf.order)
        if record is None:
            return False
        facts = check_disclosure(record.leaf, leaf.fields)
        if record.disclosed is None:
            record.disclosed, record.disclosed_at = facts, time
            record.disclosed_index = index
        return True


def sign_leaf(leaf: SignedKind, key: Signer) -> SignedLeaf:
    """Return ``leaf`` signed by ``key``."""
    return SignedLeaf(leaf, key.public, key.sign(Label.SIGN_RECORD, signed_content(leaf)))


def verify_leaf(signed: SignedLeaf) -> None:
    """Check a leaf's signature by the key it names; raises ``BadSignature``, ``KeyRejected``."""
    signing.verify(signed.key, Label.SIGN_RECORD, signed.content, signed.signature)


def countersign(
    commitment: bytes, issuing: bytes, extension: ExtendLeaf, key: Signer
) -> ExtendLeaf:
    """Return an extension with the countersignature of ``key`` in it.

    ``commitment`` is the order's, ``issuing`` the key that will sign the leaf.
    """
    bare = replace(extension, countersigner=key.public)
    content = extension_content(commitment, issuing, bare)
    return replace(bare, countersignature=key.sign(Label.SIGN_EXTENSION, content))


def verify_countersignature(commitment: bytes, issuing: bytes, leaf: ExtendLeaf) -> None:
    """Check that an extension by ``issuing`` is countersigned, for this order and no other.

    Raises:
        BadSignature, KeyRejected: it is not.
    """
    signing.verify(
        leaf.countersigner,
        Label.SIGN_EXTENSION,
        extension_content(commitment, issuing, leaf),
        leaf.countersignature,
    )
