"""An order as a document: what is asked for, by whom, until when (protocol section 5).

Knows the bytes and their digest; does not know who may ask or whether a signature holds. There is
no wildcard: conversation, sender and slots of every grant are spelled out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, TypeAlias

from glasslock.errors import WireError
from glasslock.ids import AccountId, account_id
from glasslock.wire.codec import Value, encode
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.shape import SIGNATURE, U32, Fields

VERSION: Final = 1
CONTENT: Final = "content"
MAX_ORDER: Final = 1 << 20
MAX_GRANTS: Final = 1_024
MAX_SPANS: Final = 4_096
SECRET_SIZE: Final = 32

Spans: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """What one sender wrote in one conversation in the named slots.

    ``spans`` are first and last slot of runs, rising and apart. ``recipient`` is None when the
    sender is a person named by the order; for messages that a named person received it names that
    person, and the sender counts as a third party.
    """

    group_id: bytes
    account: AccountId
    spans: Spans
    recipient: AccountId | None = None
    category: str = CONTENT

    @property
    def slots(self) -> int:
        """How many slots it names."""
        return sum(last - first + 1 for first, last in self.spans)

    def covers(self, tau: int) -> bool:
        """Say whether it names slot ``tau``."""
        return any(first <= tau <= last for first, last in self.spans)

    def value(self) -> tuple[bytes, str, str | None, str, Spans]:
        """Return the wire form."""
        return (self.group_id, self.account, self.recipient, self.category, self.spans)


@dataclass(frozen=True)
class Order:
    """What the issuing authority signs.

    ``authority``, ``countersigner``, ``agency`` and ``registry`` are digests of the authority
    records in the policy log that name them (``entry_digest``); agency and court registry hold the
    two case keys. Times are unix seconds: nothing is released before ``hold``, nothing after
    ``expires``, and the notice is due at ``disclose_by``.
    """

    reference: str
    policy: bytes
    authority: bytes
    countersigner: bytes
    agency: bytes
    registry: bytes
    legal_basis: str
    offence: str
    issued: int
    expires: int
    hold: int
    disclose_by: int
    grants: tuple[Grant, ...]

    @cached_property
    def document(self) -> bytes:
        """The wire form."""
        return encode(
            (
                VERSION,
                self.reference,
                self.policy,
                self.authority,
                self.countersigner,
                self.agency,
                self.registry,
                self.legal_basis,
                self.offence,
                self.issued,
                self.expires,
                self.hold,
                self.disclose_by,
                [grant.value() for grant in self.grants],
            )
        )

    @cached_property
    def digest(self) -> bytes:
        """``H("order", document)``."""
        return digest(Label.ORDER, self.document)

    @property
    def named(self) -> frozenset[str]:
        """The persons that the order names."""
        return frozenset(grant.recipient or grant.account for grant in self.grants)

    @property
    def third_parties(self) -> frozenset[str]:
        """Others whose messages it reaches, because a named person received them."""
        return frozenset(grant.account for grant in self.grants) - self.named

    @property
    def accounts(self) -> tuple[str, ...]:
        """Everybody concerned: whose messages it reaches, and who is named by it; sorted."""
        return tuple(sorted(self.named | self.third_parties))

    @property
    def slots(self) -> int:
        """How many slots it names in all."""
        return sum(grant.slots for grant in self.grants)


@dataclass(frozen=True, slots=True)
class IssuedOrder:
    """An order with its two signatures.

    ``signature`` = Sign("order issue", document) by the issuing authority, ``countersignature`` =
    Sign("order countersign", cbor([document, signature])) by the countersigner.
    """

    document: bytes
    signature: bytes
    countersignature: bytes

    def encode(self) -> bytes:
        """Return the wire form."""
        return encode((self.document, self.signature, self.countersignature))


def countersigned_content(document: bytes, signature: bytes) -> bytes:
    """Return what a countersigner signs: the order and that it was issued."""
    return encode((document, signature))


def preview_content(document: bytes, time: int) -> bytes:
    """Return what the issuing authority signs under ``preview`` to have counts, at ``time``."""
    return encode((document, time))


def entry_digest(entry: bytes) -> bytes:
    """Return ``H("log entry", entry)``: how a document names a record of the policy log."""
    return digest(Label.ENTRY_DIGEST, entry)


def decode_order(data: bytes) -> Order:
    """Decode an order; raises ``WireError``."""
    fields = Fields.of(data, "order", 14, limit=MAX_ORDER)
    fields.uint(VERSION, VERSION)
    order = Order(
        reference=fields.text(128, 1),
        policy=fields.digest(),
        authority=fields.digest(),
        countersigner=fields.digest(),
        agency=fields.digest(),
        registry=fields.digest(),
        legal_basis=fields.text(256, 1),
        offence=fields.text(128, 1),
        issued=fields.uint(),
        expires=fields.uint(),
        hold=fields.uint(),
        disclose_by=fields.uint(),
        grants=fields.each(_grant, MAX_GRANTS, 1),
    )
    fields.close()
    return order


def decode_issued_order(data: bytes) -> IssuedOrder:
    """Decode a signed order; raises ``WireError``. Nothing is verified here."""
    fields = Fields.of(data, "issued order", 3, limit=MAX_ORDER + 256)
    issued = IssuedOrder(
        fields.bytes(MAX_ORDER, 1), fields.exactly(SIGNATURE), fields.exactly(SIGNATURE)
    )
    fields.close()
    return issued


def read_spans(fields: Fields) -> Spans:
    """Take a list of spans; raises ``WireError`` unless they rise, apart from each other."""
    spans = fields.each(_span, MAX_SPANS, 1)
    for before, after in pairwise(spans):
        if after[0] <= before[1] + 1:
            raise WireError("spans of slots rise, apart from each other", rule="order.spans")
    return spans


def _grant(value: Value) -> Grant:
    fields = Fields(value, "grant", 5)
    group_id = fields.bytes(64, 1)
    account = account_id(fields.text(64, 1))
    recipient = fields.maybe(lambda: account_id(fields.text(64, 1)))
    category = fields.text(32, 1)
    grant = Grant(group_id, account, read_spans(fields), recipient, category)
    if category != CONTENT:
        raise WireError("no such category of data", rule="order.category")
    if recipient == account:
        raise WireError("nobody is the recipient of what they wrote", rule="order.recipient")
    return grant


def _span(value: Value) -> tuple[int, int]:
    fields = Fields(value, "span of slots", 2)
    first, last = fields.uint(U32), fields.uint(U32)
    if last < first:
        raise WireError("a span of slots runs backwards", rule="order.spans")
    return first, last
