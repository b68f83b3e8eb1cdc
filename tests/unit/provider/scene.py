"""Facts for decisions on orders: a policy, its authorities, an order; no store, no log."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from glasslock import _core
from glasslock.ids import account_id, keyholder_id
from glasslock.orders.authority import Register
from glasslock.provider.intake import Handed, Known, Served
from glasslock.signing import SigningKey
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.order import Grant, IssuedOrder, Order, countersigned_content, entry_digest
from glasslock.wire.policy import Access, Clocks, KeyholderClass, Limits, Policy, Seat
from glasslock.wire.record import (
    AGENCY,
    COUNTERSIGNER,
    ISSUING,
    REGISTRY,
    AuthorityRecord,
    encode_record,
)

NOW = 1_800_000_000
SECRET = b"\x51" * 32
GROUP = b"group one"


def key(name: str) -> SigningKey:
    return SigningKey.from_seed(digest(Label.PROOF, b"scene", name.encode()))


REGISTRY_KEY, ISSUER, JUDGE = key("office"), key("prosecutor"), key("judge")


def policy(limits: Limits | None = None) -> Policy:
    """A policy with two classes of two."""
    seats = [Seat(keyholder_id(f"k{n}"), f"Person {n}", key(f"k{n}").public) for n in range(4)]
    classes = tuple(
        KeyholderClass(name, 2, tuple(two)) for name, two in (("a", seats[:2]), ("b", seats[2:]))
    )
    limits = limits or Limits(granularity_seconds=1)
    access = Access(classes, REGISTRY_KEY.public, "no file", "log/policy", "log/orders", limits)
    return Policy("sealed", "family", key("provider").public, Clocks(), access)


def records(under: Policy) -> dict[str, AuthorityRecord]:
    """The four bodies, signed by the registry."""
    keys = {
        ISSUING: ISSUER.public,
        COUNTERSIGNER: JUDGE.public,
        AGENCY: _core.xwing_public_key(key("agency").seed),
        REGISTRY: _core.xwing_public_key(key("court").seed),
    }
    made = {}
    for role, public in keys.items():
        bare = AuthorityRecord(
            role, role, f"owner {role}", "court", public, 0, 1 << 40, under.digest
        )
        signature = REGISTRY_KEY.sign(Label.SIGN_RECORD, bare.signed_part())
        made[role] = replace(bare, signature=signature)
    return made


def order(under: Policy, **facts: object) -> Order:
    """An order that passes every rule at ``NOW``."""
    named = {role: entry_digest(encode_record(r)) for role, r in records(under).items()}
    last = NOW // under.clocks.slot_seconds - 1
    good = Order(
        reference="CASE 7",
        policy=under.digest,
        authority=named[ISSUING],
        countersigner=named[COUNTERSIGNER],
        agency=named[AGENCY],
        registry=named[REGISTRY],
        legal_basis="Act 1",
        offence="fraud",
        issued=NOW,
        expires=NOW + 3_600,
        hold=NOW,
        disclose_by=NOW + 600,
        grants=(Grant(GROUP, account_id("alice"), ((last - 3, last),)),),
    )
    return replace(good, **facts)  # type: ignore[arg-type]


def issue(what: Order, by: SigningKey = ISSUER, judge: SigningKey = JUDGE) -> IssuedOrder:
    signature = by.sign(Label.SIGN_ORDER, what.document)
    content = countersigned_content(what.document, signature)
    return IssuedOrder(what.document, signature, judge.sign(Label.SIGN_COUNTERSIGN, content))


@dataclass
class Memory:
    """What a provider knows, in memory."""

    policy: Policy = field(default_factory=policy)
    handed: list[Handed] = field(default_factory=list)

    @property
    def known(self) -> Known:
        served = Served(self.policy, Register(self.policy, records(self.policy).values()))
        return Known(
            lambda name: served if name == self.policy.digest else None, lambda _: self.handed
        )
