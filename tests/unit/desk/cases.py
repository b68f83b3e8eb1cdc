"""Orders on a world's history: authorities, grants, manifests, log leaves, releases, bundles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from glasslock import hpke
from glasslock.casefile.findings import Opening
from glasslock.casefile.proving import Logs, ProvenCase, prove_case
from glasslock.desk.evidence import open_case
from glasslock.desk.releases import CaseKeyPair
from glasslock.orders.authority import Register
from glasslock.orders.commitment import make_leaf
from glasslock.orders.ledger import Ledger, sign_leaf
from glasslock.orders.manifest import GrantedSlot
from glasslock.orders.review import AdmittedOrder, review
from glasslock.sealing.releasing import CaseKeys, make_release
from glasslock.sealing.shares import Tier1s, VerifiedSlot, open_seat, open_share, verify_listed
from glasslock.signing import SigningKey
from glasslock.wire.api import KeptEntry
from glasslock.wire.labels import Label
from glasslock.wire.leaf import IntentLeaf, OrderLeaf, encode_leaf
from glasslock.wire.manifest import (
    DeviceLine,
    GroupLine,
    HeadProof,
    KeptSlot,
    KeptTier1,
    ListedEntry,
    Manifest,
    NextSlot,
    decode_manifest,
)
from glasslock.wire.order import (
    Grant,
    IssuedOrder,
    Order,
    countersigned_content,
    entry_digest,
)
from glasslock.wire.policy import Policy
from glasslock.wire.record import (
    AGENCY,
    COUNTERSIGNER,
    ISSUING,
    REGISTRY,
    AuthorityRecord,
    encode_record,
)
from glasslock.wire.release import Release, decode_release
from tests.unit.desk.world import CLOCKS, PROVIDER, REGISTRY_KEY, Slot, World, seat_key, secret

ISSUER = SigningKey.from_seed(secret("issuer"))
JUDGE = SigningKey.from_seed(secret("judge"))
KEYS = CaseKeyPair(
    hpke.DecryptionKey.from_seed(secret("agency")),
    hpke.DecryptionKey.from_seed(secret("court registry")),
)
R = secret("r")
OWNERS = {ISSUING: "Prosecution", COUNTERSIGNER: "Court", AGENCY: "Police", REGISTRY: "Registry"}
PUBLIC = {
    ISSUING: ISSUER.public,
    COUNTERSIGNER: JUDGE.public,
    AGENCY: KEYS.agency.public,
    REGISTRY: KEYS.registry.public,
}


def make_record(under: Policy, role: str, /, **changes: object) -> AuthorityRecord:
    record = AuthorityRecord(
        f"the {role}", role, OWNERS[role], "criminal", PUBLIC[role], 0, 1 << 40, under.digest
    )
    record = replace(record, **changes)  # type: ignore[arg-type]
    signature = REGISTRY_KEY.sign(Label.SIGN_RECORD, record.signed_part())
    return replace(record, signature=signature)


def records_of(policy: Policy) -> dict[str, AuthorityRecord]:
    return {role: make_record(policy, role) for role in OWNERS}


def make_order(policy: Policy, grants: Iterable[Grant], now: int) -> Order:
    found = {role: entry_digest(encode_record(r)) for role, r in records_of(policy).items()}
    assert policy.access is not None
    step = policy.access.limits.granularity_seconds
    return Order(
        "case 1",
        policy.digest,
        found[ISSUING],
        found[COUNTERSIGNER],
        found[AGENCY],
        found[REGISTRY],
        "section 1",
        "fraud",
        now,
        now + 86_400,
        now,
        (now + 10 * 86_400) // step * step,
        tuple(grants),
    )


def sign_order(order: Order, issuer: SigningKey = ISSUER, judge: SigningKey = JUDGE) -> IssuedOrder:
    signature = issuer.sign(Label.SIGN_ORDER, order.document)
    content = countersigned_content(order.document, signature)
    return IssuedOrder(order.document, signature, judge.sign(Label.SIGN_COUNTERSIGN, content))


def admit(policy: Policy, order: Order, now: int) -> AdmittedOrder:
    admitted = review(sign_order(order), policy, Register(policy, records_of(policy).values()), now)
    assert isinstance(admitted, AdmittedOrder), admitted
    return admitted


@dataclass
class Script:
    """One order from its grants to its releases; a villain changes a part and asks again."""

    world: World
    order: Order
    manifest: Manifest
    ledger: Ledger = field(default_factory=Ledger)
    index: int = 0

    @property
    def policy(self) -> Policy:
        return self.world.policy

    @property
    def logs(self) -> Logs:
        register = Register(self.policy, records_of(self.policy).values())
        return Logs(self.policy, register, self.ledger)

    def log(self) -> None:
        """Put ingest roots and the order's leaf into the log."""
        for each in self.world.intervals:
            self.add(encode_leaf(sign_leaf(each.leaf, PROVIDER)))
        admitted = admit(self.policy, self.order, self.world.time)
        leaf: OrderLeaf = make_leaf(admitted, self.policy, self.manifest.digest, R)
        self.index = self.ledger.size
        self.add(encode_leaf(sign_leaf(leaf, PROVIDER)))

    def add(self, entry: bytes) -> int:
        self.ledger.add(entry, self.ledger.size, self.world.time)
        return self.ledger.size - 1

    def prove(self) -> ProvenCase:
        return prove_case(sign_order(self.order), R, self.index, self.manifest.encoded, self.logs)

    def release(self, seat: int, slots: Iterable[GrantedSlot] | None = None) -> Release:
        """What an honest keyholder makes, from its period key."""
        chosen = self.prove().checked.slots if slots is None else slots
        shares = []
        for slot in chosen:
            sealed = verified(slot, self.policy)
            enc, key_id = slot.tier1.encs[seat], sealed.tier1.key_ids[seat]
            assert enc is not None
            assert key_id is not None
            opened = open_seat(sealed, seat, secret("period", seat), key_id, enc)
            shares.append((sealed, open_share(sealed, opened)))
        keys = CaseKeys(KEYS.agency.public, KEYS.registry.public)
        fresh = secret("fresh", seat) + secret("fresh 2", seat) + secret("fresh 3", seat)
        return make_release(self.order.digest, keys, shares, fresh, seat_key(seat))

    def announce(self, release: Release) -> None:
        intent = IntentLeaf(self.index, release.seat, release.digest)
        self.add(encode_leaf(sign_leaf(intent, seat_key(release.seat))))

    def released(self, seats: Iterable[int]) -> list[bytes]:
        """Announce and return releases of ``seats``."""
        found = []
        for seat in seats:
            release = self.release(seat)
            self.announce(release)
            found.append(release.encode())
        return found

    def bundle(self) -> list[KeptEntry]:
        """What an honest provider hands over."""
        slots = {id(slot) for slot in granted_slots(self.world, self.order)}
        return [
            KeptEntry(group_id, s.position, s.kind, s.envelope.encode(), s.receipt)
            for group_id, line in self.world.lines.items()
            for s in line
            if s.envelope is not None and id(s.slot) in slots
        ]

    def open(
        self, entries: list[KeptEntry], releases: list[bytes], keys: CaseKeyPair = KEYS
    ) -> Opening:
        return open_case(self.prove(), entries, releases, keys)


def verified(slot: GrantedSlot, policy: Policy) -> VerifiedSlot:
    tier1 = (slot.tier1.header, slot.tier1.encs)
    return verify_listed(slot.opening, slot.kept.seal, tier1, policy, Tier1s())


def granted_slots(world: World, order: Order) -> list[Slot]:
    return [
        slot
        for slot in world.slots
        if any(
            (grant.group_id, grant.account) == (slot.header.group_id, slot.sender.account)
            and grant.covers(slot.header.tau)
            for grant in order.grants
        )
    ]


def make_manifest(world: World, order: Order) -> Manifest:
    """What an honest provider lists of the granted lines."""
    slots = granted_slots(world, order)
    granted, after = {id(slot) for slot in slots}, _following(world)
    tier1s: list[KeptTier1] = []
    numbers: dict[bytes, int] = {}
    kept, nexts = [], []
    for slot in slots:
        if slot.tier1.digest not in numbers:
            numbers[slot.tier1.digest] = len(tier1s)
            tier1 = KeptTier1(slot.tier1.header.encoded, slot.tier1.encs, slot.sender.credential)
            tier1s.append(tier1)
        assert slot.first is not None
        first = slot.first.tombstone().encode()
        number = numbers[slot.tier1.digest]
        group_id = slot.header.group_id
        kept.append(KeptSlot(group_id, slot.position, first, slot.seal.encoded, number))
        following = after.get(id(slot))
        if following is not None and id(following) not in granted:
            assert following.first is not None
            nexts.append(
                NextSlot(group_id, following.position, following.first.tombstone().encode())
            )
    lines = [_line(world, order, group) for group in sorted({g.group_id for g in order.grants})]
    accounts = {grant.account for grant in order.grants}
    devices = [
        DeviceLine(account, device, None, tuple(entries), world.proofs(device)[-1])  # type: ignore[arg-type]
        for (account, device), entries in sorted(world.own.items())
        if account in accounts
    ]
    made = Manifest(
        order.digest, tuple(lines), tuple(devices), tuple(tier1s), tuple(kept), tuple(nexts)
    )
    return decode_manifest(made.encoded)


def _following(world: World) -> dict[int, Slot]:
    """Return the next slot of the same sender in the same group, by the id of the one before."""
    last: dict[tuple[bytes, bytes], Slot] = {}
    after: dict[int, Slot] = {}
    for slot in world.slots:
        place = (slot.header.group_id, slot.sender.device)
        if place in last:
            after[id(last[place])] = slot
        last[place] = slot
    return after


def _line(world: World, order: Order, group_id: bytes) -> GroupLine:
    line = world.lines[group_id]
    spans = [s for g in order.grants if g.group_id == group_id for s in g.spans]
    begin = min(span[0] for span in spans) * CLOCKS.slot_seconds - CLOCKS.skew_seconds
    proofs = world.proofs(group_id)
    before: HeadProof | None = None
    for proof in proofs[:-1]:
        if line[proof.position].time < begin:
            before = proof
    first = 0 if before is None else before.position
    entries = [ListedEntry(s.time, s.kind, s.entry) for s in line[first:]]
    return GroupLine(group_id, before, tuple(entries), proofs[-1])


def make_script(world: World, grants: Iterable[Grant]) -> Script:
    order = make_order(world.policy, grants, world.time)
    script = Script(world, order, make_manifest(world, order))
    script.log()
    return script


def resign(release: Release, **changes: object) -> Release:
    """Return a release with changes, signed by its own keyholder."""
    changed = replace(release, **changes)  # type: ignore[arg-type]
    signature = seat_key(changed.seat).sign(Label.SIGN_RELEASE, changed.statement)
    return decode_release(replace(changed, signature=signature).encode())
