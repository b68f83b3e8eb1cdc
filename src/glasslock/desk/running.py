"""A desk at work over its folder: reads both logs, asks the provider, keeps every step.

The daemon and each command make one of these; all of them may run at once over the same folder.
Every step is stored before the next one begins, and each can be done again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from glasslock.casefile.custody import Step, sign_custody
from glasslock.casefile.evidence import Evidence
from glasslock.casefile.excerpts import Excerpts, LogExcerpt, ProvenBytes
from glasslock.casefile.facts import report_leaf
from glasslock.casefile.findings import Opening
from glasslock.casefile.making import CaseFile, make_case_file
from glasslock.casefile.proving import Logs, ProvenCase, admit_logged, prove_case
from glasslock.casefile.sealed import open_package
from glasslock.desk.casework import Case, Request, Verdict, draft, keeps_preview
from glasslock.desk.config import DeskConfig
from glasslock.desk.dossier import claims_of, wanted_entries
from glasslock.desk.evidence import open_case
from glasslock.desk.excerpt import make_excerpt
from glasslock.desk.releases import CaseKeyPair
from glasslock.desk.store import Store
from glasslock.errors import (
    ConfigError,
    Denied,
    GlasslockError,
    StateError,
    TransportError,
    VerificationError,
)
from glasslock.orders.authority import Register, Registers
from glasslock.orders.commitment import Facts, disclose, letter_to
from glasslock.orders.ledger import Ledger, OrderRecord, sign_leaf
from glasslock.orders.lifecycle import NEXT, State, advance
from glasslock.orders.proportion import verify_preview
from glasslock.orders.requests import signed_headers
from glasslock.orders.review import AdmittedOrder
from glasslock.runtime.clock import Clock
from glasslock.runtime.files import private_folder, read_limited, write_atomic
from glasslock.runtime.http import HttpClient, fetch_parts
from glasslock.runtime.keys import load_or_create_seed, new_seed
from glasslock.runtime.sqlite import WritePoint, no_point
from glasslock.sealing.book import PolicyBook
from glasslock.signing import Signer, SigningKey
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.quorum import MAX_FILE, QuorumFile
from glasslock.tlog.reader import Part, catch_up
from glasslock.tlog.submission import submit
from glasslock.wire import api
from glasslock.wire.labels import Label
from glasslock.wire.leaf import Leaf, encode_leaf
from glasslock.wire.order import countersigned_content, preview_content
from glasslock.wire.policy import Policy
from glasslock.wire.preview import Preview, decode_preview
from glasslock.wire.record import COUNTERSIGNER, ISSUING, MAGIC
from glasslock.wire.shape import DIGEST

T = TypeVar("T")
EVIDENCE: Final = "/evidence"
_INGEST: Final = MAGIC + b"ingest\n"


class Office:
    """One folder, two logs, one provider."""

    def __init__(self, config: DeskConfig, clock: Clock, point: WritePoint = no_point) -> None:
        """Open the folder; makes the desk's own key, which hands entries to logs.

        Raises:
            ConfigError: the quorum file or the policy's digest is not one.
        """
        folder = private_folder(config.data)
        self.config = config
        self.clock = clock
        self.store = Store(folder / "desk.db", point)
        self.key = SigningKey.from_seed(load_or_create_seed(folder / "desk.key"))
        write_atomic(folder / "desk.pub", self.key.public.hex().encode() + b"\n", 0o644)
        self.book = PolicyBook()
        self.ledger = Ledger(self._may_extend)
        self._registers = Registers()
        self._quorum = _quorum(config.quorum)
        self._policy = _digest(config.policy)
        self._replicas: dict[str, Replica] = {}

    def close(self) -> None:
        """Close the store."""
        self.store.db.close()

    # -- logs ---------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Read both logs on; raises as ``read``."""
        await self.read(self.config.policy_origin)
        await self.read(self.config.orders_origin)

    async def read(self, origin: str) -> None:
        """Read a log on from where this folder stands; stored before it is used.

        Raises:
            ConfigError: the quorum file does not say where the log is reached.
            TransportError: it cannot be reached.
            VerificationError: it does not hold; nothing of it is used.
        """
        url = self._quorum.log_url(origin)
        if url is None:
            raise ConfigError(f"the quorum file has no address of {origin}", rule="desk.log")
        http = HttpClient(url)
        try:
            while not await self._read_on(http, origin):
                # Another process over this folder was faster: go on from where it stands.
                self._replicas.pop(origin, None)
        finally:
            await http.close()
        self._learn(origin)

    async def _read_on(self, http: HttpClient, origin: str) -> bool:
        before = self._replicas.get(origin) or self._stored(origin)
        async for part in fetch_parts(http, before, catch_up, self.clock):
            entries = [(e.index, e.checkpoint.median_time, e.entry) for e in part.entries]
            if not self.store.put_log(before, part.replica, entries, _notes(part)):
                return False
            before = self._replicas[origin] = part.replica
        return True

    def _stored(self, origin: str) -> Replica:
        return self.store.replica(Replica(TrustedLog(self._quorum, origin)))

    def _learn(self, origin: str) -> None:
        """Take what the folder holds of a log into memory."""
        known = self.book if origin == self.config.policy_origin else self.ledger
        for index, time, entry in self.store.entries(origin, known.size):
            known.add(entry, index, time)
        known.seen(self.store.log_time(origin))

    def recall(self) -> None:
        """Take both logs as the folder has them, without asking anybody."""
        self._learn(self.config.policy_origin)
        self._learn(self.config.orders_origin)

    @property
    def policy(self) -> Policy:
        """The policy under which this desk works.

        Raises:
            VerificationError: its log does not have it, signed by all its seats.
        """
        self.book.position(self._policy)
        return self.book.policies[self._policy].record.signed.policy

    @property
    def logs(self) -> Logs:
        """What was read of both logs; raises as ``policy``."""
        policy = self.policy
        records = (logged.record for logged in self.book.authorities)
        return Logs(policy, Register(policy, records), self.ledger)

    def record(self, case: Case) -> OrderRecord | None:
        """Return the log's word on a case, as far as it was read."""
        index = None if case.verdict is None else case.verdict.index
        return None if index is None else self.ledger.orders.get(index)

    def _may_extend(self, issuing: bytes, countersigner: bytes, time: int) -> bool:
        policies = (logged.record.signed.policy for logged in self.book.policies.values())
        records = (logged.record for logged in self.book.authorities)
        known = self._registers.at(self.book.size, policies, records)
        return known.may_extend(issuing, countersigner, time)

    def date(self, case: Case) -> int:
        """Return the date of a case's notice, extensions by its own two bodies counted."""
        record = self.record(case)
        if record is None or not self.ledger.extensions(record):
            return case.order.disclose_by
        return self.ledger.date(record, self.logs.register.parties(case.order))

    def is_over(self, case: Case) -> bool:
        """Say whether the log has the word of the order's authority that it is over."""
        record = self.record(case)
        if record is None or record.closed() is None:
            return False
        return any(
            each.digest == case.order.authority and record.closed(each.key) is not None
            for each in self.logs.register.all()
        )

    # -- an order on its way ------------------------------------------------------------------

    async def draft(self, request: Request) -> Case:
        """Make and keep a draft, with the secret of its commitment."""
        await self.read(self.config.policy_origin)
        now = self.clock.now()
        order = draft(request, self.policy, self.logs.register, now)
        case = Case(order.document, new_seed(), now)
        self.store.add_case(case)
        return self.store.case(case.id)

    async def preview(self, case: Case, key: SigningKey) -> Preview:
        """Ask the provider what an order would reach, in numbers that it signs.

        They are kept until the order is signed: what its authority saw then stays with the case.

        Raises:
            BadSignature, VerificationError: the answer is not the provider's word on this order.
        """
        self.recall()
        now = self.clock.now()
        signature = key.sign(Label.SIGN_PREVIEW, preview_content(case.document, now))
        body = msgspec.msgpack.encode(api.RequestPreview(case.document, now, signature))
        answer = _decoded(await self.post(api.PREVIEWS, body), api.Previewed)
        found = decode_preview(answer.preview)
        verify_preview(found, case.order, self.policy.provider_key)
        if keeps_preview(case.state):
            self.store.put_preview(case, found, now)
        return found

    def sign(self, case: Case, key: SigningKey) -> None:
        """Sign as the issuing authority; whether it is one, everybody else judges."""
        state = advance(case.state, State.SIGNED)
        signature = key.sign(Label.SIGN_ORDER, case.document)
        self.store.put_signature(case, signature, state, self.clock.now())

    def countersign(self, case: Case, key: SigningKey) -> None:
        """Sign as the countersigner."""
        state = advance(case.state, State.ISSUED)
        content = countersigned_content(case.document, case.signature or b"")
        signature = key.sign(Label.SIGN_COUNTERSIGN, content)
        self.store.put_countersignature(case, signature, state, self.clock.now())

    def is_named(self, case: Case, role: str, key: Signer) -> bool:
        """Say whether ``key`` is that of the authority which the order names for ``role``."""
        named = {ISSUING: case.order.authority, COUNTERSIGNER: case.order.countersigner}[role]
        try:
            found = self.logs.register.find(named, role, case.order.issued)
        except VerificationError:
            return False
        return found.key == key.public

    async def submit(self, case: Case) -> Verdict:
        """Hand an order to the provider; again gives the same answer.

        Raises:
            StateError: it is not signed by both, or was withdrawn.
            VerificationError: the answer does not commit to this order.
        """
        if case.verdict is not None:
            return case.verdict
        issued = case.issued
        body = msgspec.msgpack.encode(api.SubmitOrder(issued.encode(), case.secret))
        answer = _decoded(await self.post(api.ORDERS, body), api.OrderVerdict)
        verdict = Verdict(
            answer.admitted,
            answer.index,
            answer.commitment,
            answer.manifest,
            answer.rule,
            answer.ground,
        )
        if verdict.admitted:
            if verdict.index is None:
                raise TransportError("the order waits for its log: submit it again")
            await self._check_verdict(case, verdict)
        state = advance(case.state, State.LOGGED if verdict.admitted else State.REFUSED)
        self.store.put_verdict(case, verdict, state, self.clock.now())
        return verdict

    def withdraw(self, case: Case) -> None:
        """Give up an order; raises ``StateError`` once it was admitted."""
        self.store.put_state(case, advance(case.state, State.WITHDRAWN))

    async def _check_verdict(self, case: Case, verdict: Verdict) -> None:
        """Believe the log, not the provider: the leaf stands there and is this order's."""
        await self.follow()
        admitted, record = self._admitted(case, verdict)
        expected = Facts.of(admitted, verdict.manifest).commitment(case.secret)
        if not expected == verdict.commitment == record.leaf.commitment:
            raise VerificationError("the leaf in the log is of another order", rule="case.leaf")

    def _admitted(self, case: Case, verdict: Verdict) -> tuple[AdmittedOrder, OrderRecord]:
        if verdict.index is None:
            raise StateError("this order was not admitted", rule="case.unlogged")
        admitted, record, _ = admit_logged(case.issued, verdict.index, self.logs)
        return admitted, record

    # -- opening ------------------------------------------------------------------------------

    async def evidence(self, case: Case, key: SigningKey) -> api.Evidence:
        """Fetch what was granted, as the issuing authority of ``key``."""
        path = f"{api.ORDERS}/{case.logged().commitment.hex()}{EVIDENCE}"
        headers = signed_headers(key, "GET", path, self.clock.now())
        http = HttpClient(self.config.provider)
        try:
            return _decoded(await http.get(path, headers), api.Evidence)
        finally:
            await http.close()

    def prove(self, case: Case, manifest: bytes) -> ProvenCase:
        """Check order, leaf and manifest against the logs as they were read."""
        index = case.logged().index or 0
        return prove_case(case.issued, case.secret, index, manifest, self.logs)

    def open(
        self,
        case: Case,
        proven: ProvenCase,
        evidence: api.Evidence,
        keys: CaseKeyPair,
        issuer: SigningKey,
    ) -> tuple[Opening, CaseFile]:
        """Open what was released so far, and seal it as a case file in the ``issuer``'s name.

        Raises:
            Conflict: a release came meanwhile: try again.
            Denied: the order is over.
            VerificationError: the case file would not hold before a stranger.
        """
        if self.is_over(case):
            raise Denied("the order is over: nothing more is opened", rule="case.over")
        named = case.order.digest
        links = self.store.custody(named)
        came = {link.subject for link in links if link.what == Step.RELEASE}
        releases = tuple(data for _, each, data in self.store.releases(named) if each in came)
        opening = open_case(proven, evidence.entries, releases, keys)
        now, manifest = self.clock.now(), proven.checked.manifest
        links = self.store.put_opened(case, manifest.digest, links, now)
        file = make_case_file(
            Evidence(
                order=case.issued.encode(),
                secret=case.secret,
                index=proven.record.index,
                manifest=manifest.encoded,
                entries=tuple(evidence.entries),
                releases=releases,
                keys=opening.keys,
                claims=claims_of(proven, opening),
                made=now,
                custody=sign_custody(named, links, self.key),
                logs=self._excerpts(proven),
                preview=None if case.preview is None else case.preview.encode(),
            ),
            issuer,
        )
        opened = opening.opened_slots > 0 and State.OPENED in NEXT[case.state]
        counts = (opening.opened_slots, len(opening.messages), len(opening.gaps))
        state = State.OPENED if opened else case.state
        self.store.put_opening(case, counts, file.digest, state, now)
        return opening, file

    def _excerpts(self, proven: ProvenCase) -> Excerpts:
        wanted = wanted_entries(proven, self.book, self.ledger)
        return Excerpts(
            self._quorum.text,
            self._excerpt(self.config.policy_origin, wanted.policy),
            self._excerpt(self.config.orders_origin, wanted.orders),
        )

    def _excerpt(self, origin: str, wanted: Iterable[int]) -> LogExcerpt:
        checkpoint = self._stored(origin).log.checkpoint
        if checkpoint is None:
            raise StateError("a log was never read", rule="desk.log")
        entries = [entry for _, _, entry in self.store.entries(origin)]
        return make_excerpt(entries, checkpoint, self.store.notes(origin), wanted)

    async def report(self, case: Case, key: SigningKey) -> int:
        """Say in the log, in buckets, what was opened; returns the index of the leaf.

        Raises:
            StateError: nothing was opened yet.
        """
        opening = self.store.opening(case)
        if opening is None:
            raise StateError("nothing was opened yet", rule="case.unopened")
        if not self.is_named(case, ISSUING, key):
            raise Denied("this is not the key that the order names", rule="case.key")
        slots, messages, _, case_file = opening
        leaf = report_leaf(case.logged().index or 0, slots, messages, case_file)
        entry = encode_leaf(sign_leaf(leaf, key))
        index = await self.add(self.config.orders_origin, entry)
        if case.state == State.OPENED:
            self.store.put_state(case, advance(case.state, State.REPORTED))
        return index

    def is_newest(self, case: Case, package: bytes) -> None:
        """Check that a package is the case file of the last opening, which a report would name.

        Raises:
            StateError: rule ``case.another``.
            VerificationError, WireError: it is no case file.
        """
        opening = self.store.opening(case)
        if opening is None or open_package(package).digest != opening[3]:
            raise StateError("this is not the case file that was made last", rule="case.another")

    async def proven_report(self, index: int) -> ProvenBytes:
        """Read on until the log has the report at ``index``, and return it with its proof.

        Raises:
            TransportError: the log does not show the report yet.
        """
        await self.read(self.config.orders_origin)
        found = self._excerpt(self.config.orders_origin, [index]).entries
        report = next((each for each in found if each.index == index), None)
        if report is None:
            raise TransportError("the log does not show the report yet: ask again")
        return report

    # -- notice -------------------------------------------------------------------------------

    async def notify(self, case: Case) -> None:
        """Publish the disclosure, send the letters, then note that it is done.

        Keyholders and provider do the same: equal bytes stand once and change nothing.

        Raises:
            TransportError: log or provider cannot be reached; what was done stays done.
            VerificationError: the order is not in the log as it was submitted.
        """
        verdict = case.logged()
        admitted, record = self._admitted(case, verdict)
        facts = Facts.of(admitted, verdict.manifest)
        origin = self.config.orders_origin
        if record.disclosed is None:
            leaf: Leaf = disclose(record.index, facts, case.secret)
            await self.add(origin, encode_leaf(leaf))
        for account in case.order.accounts:
            letter = letter_to(account, origin, record.index, facts, case.secret)
            await self.post(api.NOTICES, letter.encode())
        state = State.NOTICED if State.NOTICED in NEXT[case.state] else case.state
        self.store.put_state(case, state, noticed=True)

    async def add(self, origin: str, entry: bytes, key: SigningKey | None = None) -> int:
        """Hand an entry to a log, by default in the desk's name; returns its index.

        Raises:
            ConfigError: the quorum file does not say where the log is reached.
            Denied: the log takes nothing from this key.
            TransportError: it cannot be reached.
        """
        url = self._quorum.log_url(origin)
        if url is None:
            raise ConfigError(f"the quorum file has no address of {origin}", rule="desk.log")
        http = HttpClient(url)
        try:
            body = submit(key or self.key, origin, entry).encode()
            return _decoded(await http.post(api.LOG_ADD, body), api.Added).index
        finally:
            await http.close()

    async def post(self, path: str, body: bytes) -> bytes:
        """Post to the provider; raises what it answers, or ``TransportError``."""
        http = HttpClient(self.config.provider)
        try:
            return await http.post(path, body)
        finally:
            with contextlib.suppress(TransportError):
                await http.close()


def _decoded(data: bytes, kind: type[T]) -> T:
    return api.read_body(msgspec.msgpack.Decoder(kind), data)


def _notes(part: Part) -> Iterator[tuple[int, bytes]]:
    """Checkpoints worth keeping: those that first covered anything but an ingest root.

    Sizes are counted over the chain, as places of entries are.

    Of a root only its place before an order counts, and the order's checkpoint proves that too.
    """
    base = part.replica.shard.base
    for each in part.entries:
        if not each.entry.startswith(_INGEST):
            yield base + each.checkpoint.size, each.checkpoint.note


def _quorum(path: Path) -> QuorumFile:
    try:
        return QuorumFile.parse(read_limited(path, MAX_FILE).decode())
    except (GlasslockError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is no quorum file: {error}", rule="desk.quorum") from error


def _digest(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != DIGEST:
        raise ConfigError("a policy is named by its digest, in hex", rule="desk.policy")
    return found
