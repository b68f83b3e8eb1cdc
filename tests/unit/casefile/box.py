"""Two logs in a box, and a case file made from a script: whoever has the keys logs what it likes.

The agency of these tests holds the issuing key and may write into the orders log, as a real one;
it has no key of a keyholder, a sender, a provider, a log or a witness.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from glasslock import _core
from glasslock.casefile.custody import Link, Step, sign_custody
from glasslock.casefile.evidence import Evidence
from glasslock.casefile.excerpts import Excerpts, LogExcerpt, ProvenBytes
from glasslock.casefile.facts import report_leaf
from glasslock.casefile.making import CaseFile, make_case_file
from glasslock.casefile.sealed import add_report, seal_files
from glasslock.casefile.verify import Accepted, verify_package
from glasslock.desk.dossier import claims_of, wanted_entries
from glasslock.desk.evidence import open_case
from glasslock.desk.excerpt import make_excerpt
from glasslock.errors import WireError
from glasslock.ids import keyholder_id
from glasslock.orders.ledger import sign_leaf
from glasslock.orders.proportion import sign_preview
from glasslock.sealing.book import PolicyBook
from glasslock.signing import SigningKey
from glasslock.tlog.checkpoint import add_signatures, sign_head, verify_checkpoint
from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.tlog.note import Signer, Verifier
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.api import KeptEntry
from glasslock.wire.labels import Label
from glasslock.wire.leaf import ReportLeaf, encode_leaf
from glasslock.wire.order import Grant, entry_digest
from glasslock.wire.policy import Policy, SignedPolicy
from glasslock.wire.preview import Numbers, Preview
from glasslock.wire.record import AuthorityRecord, PeriodKeyRecord, PolicyRecord, encode_record
from glasslock.wire.release import decode_release
from tests.unit.casefile.altering import inner
from tests.unit.desk.cases import (
    ISSUER,
    KEYS,
    R,
    Script,
    granted_slots,
    make_manifest,
    make_order,
    records_of,
    sign_order,
)
from tests.unit.desk.world import CLOCKS, PROVIDER, World, make_policy, seat_key, secret

POLICY_LOG, ORDERS_LOG = "log.test/policy", "log.test/orders"
WITNESSES = [Signer.witness(f"w{n}.test", secret("witness", n)) for n in range(4)]
DESK = SigningKey.from_seed(secret("desk"))
STRANGER = SigningKey.from_seed(secret("stranger"))


def quorum_of(*logs: Signer) -> QuorumFile:
    """Three of the four witnesses over some logs."""
    keys = [LogKey(Verifier.parse(log.vkey)) for log in logs]
    witnesses = [WitnessKey(f"w{n}", Verifier.parse(w.vkey)) for n, w in enumerate(WITNESSES)]
    return QuorumFile.of(keys, witnesses, 3)


@dataclass
class Log:
    """One log with its key: entries, and the first note over each."""

    signer: Signer
    entries: list[bytes] = field(default_factory=list)
    notes: list[tuple[int, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, origin: str, name: str = "log") -> Log:
        return cls(Signer.log(origin, secret(name, origin)))

    def add(self, entry: bytes, time: int) -> int:
        self.entries.append(entry)
        self.notes.append((len(self.entries), self.note(time)))
        return len(self.entries) - 1

    def note(self, time: int, by: Sequence[int] = (0, 1, 2, 3)) -> bytes:
        root = root_of(leaf_hash(entry) for entry in self.entries)
        head = TreeHead(self.signer.name, len(self.entries), root)
        signed = sign_head(head, [self.signer])
        return add_signatures(signed, [WITNESSES[n].sign(head.body, time=time) for n in by])


class BoxedScript(Script):
    """A script whose leaves stand in a log as well."""

    box: Log

    def add(self, entry: bytes) -> int:
        self.box.add(entry, self.world.time)
        return super().add(entry)


@dataclass
class Case:
    """A script with both logs; makes its case file, and makes it again with anything changed."""

    script: BoxedScript
    policy_log: Log
    orders: Log
    quorum: QuorumFile

    @property
    def policy(self) -> Policy:
        return self.script.policy

    def book(self) -> PolicyBook:
        book = PolicyBook()
        for index, entry in enumerate(self.policy_log.entries):
            book.add(entry, index, self.script.world.time)
        return book

    def excerpts(self) -> Excerpts:
        wanted = wanted_entries(self.script.prove(), self.book(), self.script.ledger)
        found = []
        for log, indexes in ((self.policy_log, wanted.policy), (self.orders, wanted.orders)):
            proven = self._proven(log, indexes)
            found.append(LogExcerpt(log.signer.name, log.notes[-1][1], proven))
        return Excerpts(self.quorum.text, *found)

    def links(self, releases: Sequence[bytes]) -> list[Link]:
        order, time = self.script.order.digest, self.script.world.time
        commitment = self.script.ledger.orders[self.script.index].leaf.commitment
        told = []
        for data in releases:
            with contextlib.suppress(WireError):
                told.append(Link(time, Step.RELEASE, decode_release(data).digest))
        return [
            Link(time, Step.DRAFTED, order),
            Link(time, Step.PREVIEWED, self.preview().digest),
            Link(time, Step.SIGNED, order),
            Link(time, Step.COUNTERSIGNED, order),
            Link(time, Step.ADMITTED, commitment),
            *told,
            Link(time, Step.OPENED, self.script.manifest.digest),
        ]

    def evidence(self, releases: Sequence[bytes], entries: Sequence[KeptEntry]) -> Evidence:
        proven = self.script.prove()
        opening = open_case(proven, entries, releases, KEYS)
        return Evidence(
            order=sign_order(self.script.order).encode(),
            secret=R,
            index=self.script.index,
            manifest=self.script.manifest.encoded,
            entries=tuple(entries),
            releases=tuple(releases),
            keys=opening.keys,
            claims=claims_of(proven, opening),
            made=self.script.world.time,
            custody=sign_custody(self.script.order.digest, self.links(releases), DESK),
            logs=self.excerpts(),
            preview=self.preview().encode(),
        )

    def preview(self) -> Preview:
        """What the provider signed at the draft: the truth, by its store."""
        world, order = self.script.world, self.script.order
        slots = granted_slots(world, order)
        numbers = Numbers(
            named=len(order.named),
            third_parties=len(order.third_parties),
            conversations=len({slot.header.group_id for slot in slots}),
            slots=len(slots),
            days=len({slot.header.tau // CLOCKS.slots_per_day for slot in slots}),
            messages=sum(len(slot.digests) for slot in slots),
            removed=0,
        )
        return sign_preview(order, numbers, order.issued, PROVIDER)

    def make(self, evidence: Evidence, issuer: SigningKey = ISSUER) -> CaseFile:
        return make_case_file(evidence, issuer)

    def report(self, file: CaseFile, key: SigningKey = ISSUER, **changes: object) -> bytes:
        """The agency reports a case file; returns the package with it."""
        leaf = replace(self.leaf_of(file), **changes)  # type: ignore[arg-type]
        return self.logged(file.data, encode_leaf(sign_leaf(leaf, key)))

    def leaf_of(self, file: CaseFile) -> ReportLeaf:
        opening, index = file.found.opening, self.script.index
        return report_leaf(index, opening.opened_slots, len(opening.messages), file.digest)

    def proven_policy(self, indexes: Iterable[int]) -> tuple[ProvenBytes, ...]:
        return self._proven(self.policy_log, indexes)

    def proven_orders(self, indexes: Iterable[int]) -> tuple[ProvenBytes, ...]:
        return self._proven(self.orders, indexes)

    def _proven(self, log: Log, indexes: Iterable[int]) -> tuple[ProvenBytes, ...]:
        newest = verify_checkpoint(log.notes[-1][1], self.quorum, origin=log.signer.name)
        return make_excerpt(log.entries, newest, log.notes, indexes).entries

    def digest_of(self, record: AuthorityRecord) -> bytes:
        return entry_digest(encode_record(record))

    def logged(self, package: bytes, entry: bytes) -> bytes:
        """Return a package with an entry of the orders log as its report."""
        index = self.script.add(entry)
        (proven,) = self.proven_orders([index])
        return add_report(package, proven)

    def resealed(self, file: CaseFile, files: Mapping[str, bytes]) -> bytes:
        """What the agency can do with files of its own making: seal, sign and report them."""
        again = CaseFile(*seal_files({**inner(file.data), **files}, ISSUER), file.found)
        return self.report(again)

    def verify(self, package: bytes) -> Accepted:
        return verify_package(package, self.quorum)


def boxed(
    world: World,
    grants: Sequence[Grant],
    *,
    logs: tuple[Log, Log] | None = None,
    signers: Mapping[int, SigningKey] | None = None,
    period_signer: SigningKey | None = None,
    **order_facts: object,
) -> Case:
    """Log policy, authorities and period keys of a world, and an order on it."""
    policy_log, orders = logs or (Log.of(POLICY_LOG), Log.of(ORDERS_LOG))
    quorum = quorum_of(policy_log.signer, orders.signer)
    policy = world.policy
    assert policy.access is not None
    keys = [(signers or {}).get(n, seat_key(n)) for n in range(len(policy.access.seats))]
    signatures = tuple(key.sign(Label.SIGN_POLICY, policy.document) for key in keys)
    policy_log.add(encode_record(PolicyRecord(SignedPolicy(policy, signatures))), world.time)
    for record in records_of(policy).values():
        policy_log.add(encode_record(record), world.time)
    for number in range(len(policy.access.seats)):
        policy_log.add(
            encode_record(_period_key(number, period_signer or seat_key(number))), world.time
        )
    order = replace(make_order(policy, grants, world.time), **order_facts)  # type: ignore[arg-type]
    script = BoxedScript(world, order, make_manifest(world, order))
    script.box = orders
    script.log()
    return Case(script, policy_log, orders, quorum)


def quorum_text() -> str:
    """The quorum file of the logs in the box, for a policy to name."""
    return quorum_of(Log.of(POLICY_LOG).signer, Log.of(ORDERS_LOG).signer).text


def boxed_policy(shape: tuple[tuple[int, int], ...]) -> Policy:
    return make_policy(shape, quorum=quorum_text())


def _period_key(number: int, signer: SigningKey) -> PeriodKeyRecord:
    public = _core.xwing_public_key(secret("period", number))
    bare = PeriodKeyRecord(keyholder_id(f"keyholder-{number}"), 20_553, 20_559, public)
    signature = signer.sign(Label.SIGN_RECORD, bare.signed_part())
    return replace(bare, signature=signature)
