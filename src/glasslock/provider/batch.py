"""One batch of requests in one transaction: reads, asks the decisions, writes. Knows no socket.

Runs in one thread. What it remembers between batches (lines, public groups) is a cache of the
store and is dropped whenever a transaction fails, so memory never runs ahead of the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from glasslock.errors import (
    Conflict,
    Denied,
    GlasslockError,
    StaleEpoch,
    VerificationError,
    WireError,
)
from glasslock.ids import account_id, device_id
from glasslock.mls import (
    Device,
    MemberFacts,
    PublicGroup,
    Roster,
    WriteSet,
    context_digest,
    message_info,
)
from glasslock.provider import delivery, directory
from glasslock.provider.archive import Archive
from glasslock.provider.delivery import Entry, Line
from glasslock.provider.store import Store
from glasslock.runtime.problems import error_of
from glasslock.runtime.sqlite import Database
from glasslock.signing import SigningKey
from glasslock.tlog.receipt import make_receipts
from glasslock.wire import api
from glasslock.wire.entry import Head, Receipt, ReceiptLeaf, device_next, handshake_digest
from glasslock.wire.envelope import decode_envelope
from glasslock.wire.policy import Policy, decode_policy_extension

MAX_CACHED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Request:
    """A frame of a logged-in device, with when it came (unix seconds)."""

    device: Device
    frame: api.DeviceFrame
    now: int


@dataclass(slots=True)
class Outcome:
    """What a batch did: one answer per request, and who has something new."""

    answers: list[api.ProviderFrame | None] = field(default_factory=list)
    groups: set[bytes] = field(default_factory=set)
    inboxes: set[Device] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Pending:
    """An answer that waits for the receipts of its batch."""

    index: int
    request_id: int
    group_id: bytes
    digest: bytes
    sender: Device


@dataclass(slots=True)
class _Open:
    """What a running batch has written and not yet committed."""

    outcome: Outcome = field(default_factory=Outcome)
    leaves: list[ReceiptLeaf] = field(default_factory=list)
    pending: list[_Pending] = field(default_factory=list)


class Batcher:
    """Carries out requests against the store."""

    def __init__(self, db: Database, store: Store, archive: Archive, key: SigningKey) -> None:
        """Work on ``store`` and ``archive`` over ``db``; ``key`` signs receipts."""
        self._db = db
        self._store = store
        self._archive = archive
        self._key = key
        self._lines: dict[bytes, Line] = {}
        self._publics: dict[bytes, PublicGroup] = {}
        self._batch = _Open()

    def run(self, requests: Sequence[Request]) -> Outcome:
        """Carry out all requests in one transaction; a refused one changes nothing.

        Raises:
            StorageError: nothing of the batch was stored.
        """
        self._batch = batch = _Open()
        try:
            with self._db.transaction("deliver"):
                for request in requests:
                    batch.outcome.answers.append(self._one(request))
                self._acknowledge()
        except BaseException:
            self._forget()
            raise
        if len(self._lines) > MAX_CACHED:
            self._forget()
        return batch.outcome

    def _forget(self) -> None:
        self._lines.clear()
        self._publics.clear()

    def _one(self, request: Request) -> api.ProviderFrame | None:
        frame = request.frame
        try:
            with self._db.savepoint():
                return self._carry_out(request)
        except GlasslockError as error:
            group_id = getattr(frame, "group_id", None)
            if group_id is not None:
                # A half-accepted commit lives in the engine's memory only: load it again.
                self._publics.pop(group_id, None)
                self._lines.pop(group_id, None)
            self._remember_verdict(request, error)
            return refused(getattr(frame, "id", 0), error)

    def _carry_out(self, request: Request) -> api.ProviderFrame | None:
        """Return the answer; None when there is none, or when it waits for the batch's receipt."""
        match request.frame:
            case api.SubmitEnvelope() as frame:
                self._envelope(request, frame)
            case api.SubmitHandshake() as frame:
                self._handshake(request, frame)
            case api.Ack() as frame:
                self._store.ack(frame.group_id, request.device, frame.position)
            case api.AckInbox() as frame:
                self._store.ack_inbox(request.device, frame.seq)
            case _:
                return self._answer(request)
        return None

    def _answer(self, request: Request) -> api.ProviderFrame:
        match request.frame:
            case api.CreateGroup() as frame:
                return self._create(request, frame)
            case api.PutKeyPackages() as frame:
                return self._put_key_packages(request, frame)
            case api.ClaimKeyPackages() as frame:
                return self._claim(request, frame)
            case api.GetGroupInfo() as frame:
                return self._group_info(request, frame)
            case api.GetSeal() as frame:
                return self._seal(request, frame)
            case _:
                raise WireError("this frame is not expected here", rule="stream.frame")

    # -- entries --------------------------------------------------------------------------------

    def _envelope(self, request: Request, frame: api.SubmitEnvelope) -> None:
        envelope = decode_envelope(frame.envelope)
        if self._known(frame.id, frame.group_id, envelope.digest, request.device):
            return
        line = self._line(frame.group_id)
        entry = delivery.append_envelope(
            line,
            request.device,
            envelope,
            frame.upload,
            request.now,
            delivery.Lookups(
                partial(self._store.head_at, frame.group_id),
                partial(self._archive.tier1, frame.group_id),
            ),
        )
        leaf = line.roster.of_device(request.device)
        if entry.seal is not None:
            self._archive.put_seal(frame.group_id, entry.head.position, entry.seal)
            self._archive.put_opening(entry.line, leaf, entry.seal)
        self._store.put_slot(frame.group_id, leaf.index, entry.line.slots[leaf.index])
        self._append(frame.id, entry, request.device)

    def _handshake(self, request: Request, frame: api.SubmitHandshake) -> None:
        digest = handshake_digest(frame.commit)
        if self._known(frame.id, frame.group_id, digest, request.device):
            return
        line, public = self._line(frame.group_id), self._public(frame.group_id)
        try:
            staged = public.stage(frame.commit, frame.group_info)
        except StaleEpoch as error:
            raise StaleEpoch(str(error), epoch=line.epoch) from error
        preview = staged.preview
        self._check_commit(line, request, preview.sender, preview.joined, preview.policy)
        self._check_added(preview.added)
        written = staged.accept()
        self._apply(written)
        view = public.view
        policy = self._policy(view.policy)
        after = replace(
            line,
            epoch=view.epoch,
            context=context_digest(view.context),
            roster=Roster.of(view.members),
            policy=policy,
            since=line.since if policy.digest == line.policy.digest else view.epoch,
        )
        entry = delivery.append_commit(line, frame.commit, preview, after, request.now)
        self._append(frame.id, entry, request.device)
        self._store.keep_slots(frame.group_id, entry.line.slots)
        self._store.put_group(entry.line, view.context, frame.group_info)
        joined = self._store.put_members(entry.line, line.roster)
        if preview.joined is not None and request.device not in joined:
            self._store.rejoined(frame.group_id, request.device, entry.head.position)
        self._welcome(entry, [Device.of(m.identity) for m in preview.added], frame.welcome)

    def _check_commit(
        self,
        line: Line,
        request: Request,
        sender: int | None,
        joined: MemberFacts | None,
        policy: bytes,
    ) -> None:
        self._policy(policy)
        if sender is not None:
            if line.roster.leaf(sender).device != request.device:
                raise Denied("the commit is another member's", rule="handshake.sender")
            return
        if joined is None or Device.of(joined.identity) != request.device:
            raise Denied("an external commit is its joiner's own", rule="handshake.joiner")
        registered = self._store.devices(request.device.account).get(request.device.device)
        if registered != joined.signature_key:
            raise Denied("the joiner is not registered under this key", rule="handshake.key")
        if self._store.membership(line.group_id, request.device) is None and (
            request.device.account not in line.roster.accounts
        ):
            raise Denied("nobody invited this account", rule="handshake.uninvited")

    def _check_added(self, added: Sequence[MemberFacts]) -> None:
        for member in added:
            device = Device.of(member.identity)
            known = self._store.devices(device.account).get(device.device)
            if known != member.signature_key:
                raise Denied("an added device is not registered", rule="handshake.added")

    def _welcome(self, entry: Entry, added: Sequence[Device], welcome: bytes | None) -> None:
        if bool(added) != (welcome is not None):
            raise WireError("a Welcome goes with added devices", rule="handshake.welcome")
        if welcome is None:
            return
        if message_info(welcome).kind != "welcome":
            raise WireError("this is not a Welcome", rule="handshake.welcome")
        head = entry.head
        item = api.InboxItem(
            0, "welcome", welcome, entry.line.group_id, head.position, head.time, head.head
        )
        for device in added:
            self._store.put_inbox(device, item)
            self._batch.outcome.inboxes.add(device)

    def _append(self, request_id: int, entry: Entry, sender: Device) -> None:
        q, previous = self._store.device_line(sender)
        device_head = device_next(previous, q + 1, entry.digest)
        self._store.append(entry, sender, q + 1, device_head)
        group_id, head = entry.line.group_id, entry.head
        self._lines[group_id] = entry.line
        batch = self._batch
        batch.leaves.append(
            ReceiptLeaf(
                group_id,
                head.position,
                head.time,
                entry.digest,
                head.head,
                None if entry.seal is None else entry.seal.digest,
                None if entry.seal is None else entry.seal.tier1,
            )
        )
        batch.outcome.groups.add(group_id)
        self._await(request_id, group_id, entry.digest, sender)

    def _await(self, request_id: int, group_id: bytes, digest: bytes, sender: Device) -> None:
        index = len(self._batch.outcome.answers)
        self._batch.pending.append(_Pending(index, request_id, group_id, digest, sender))

    def _known(self, request_id: int, group_id: bytes, digest: bytes, sender: Device) -> bool:
        """Give the same bytes the same verdict again."""
        verdict = self._store.refusal(group_id, digest)
        if verdict is not None:
            raise _again(*verdict)
        if not self._store.has_entry(group_id, digest):
            return False
        self._await(request_id, group_id, digest, sender)
        return True

    def _acknowledge(self) -> None:
        """Sign the batch and fill in the answers that carry a receipt."""
        receipts: Sequence[Receipt] = make_receipts(self._batch.leaves, self._key.sign)
        self._store.put_receipts(receipts)
        answers = self._batch.outcome.answers
        for item in self._batch.pending:
            row = self._store.accepted(item.group_id, item.digest, item.sender)
            if row is None:
                error = Conflict("this entry is another device's", rule="delivery.duplicate")
                answers[item.index] = refused(item.request_id, error)
            else:
                answers[item.index] = api.Accepted(item.request_id, *row)

    def _apply(self, written: WriteSet) -> None:
        # Confirmed at once: whenever this transaction fails, the cached handle goes with it.
        self._store.apply(written)
        written.confirm()

    def _remember_verdict(self, request: Request, error: GlasslockError) -> None:
        # What depends on the bytes and the line is final; that a group or device is not known here
        # may change.
        if not isinstance(error, (Conflict, VerificationError)):
            return
        match request.frame:
            case api.SubmitEnvelope() as frame:
                group_id, digest = frame.group_id, decode_envelope(frame.envelope).digest
            case api.SubmitHandshake() as frame:
                group_id, digest = frame.group_id, handshake_digest(frame.commit)
            case _:
                return
        if self._store.membership(group_id, request.device) is not None:
            epoch = error.epoch if isinstance(error, StaleEpoch) else None
            verdict = (error.slug, error.rule, str(error), epoch)
            self._store.put_refusal(group_id, digest, verdict)

    # -- groups ---------------------------------------------------------------------------------

    def _create(self, request: Request, frame: api.CreateGroup) -> api.ProviderFrame:
        if self._store.has_group(frame.group_id):
            if self._store.membership(frame.group_id, request.device) == (0, None):
                return api.Done(frame.id)
            raise Conflict("this group exists", rule="create.exists")
        public, written = PublicGroup.create(frame.group_info)
        view = public.view
        line = Line(
            frame.group_id,
            self._policy(view.policy),
            view.epoch,
            context_digest(view.context),
            Roster.of(view.members),
            Head.start(frame.group_id),
        )
        only = line.roster.leaves
        registered = self._store.devices(request.device.account).get(request.device.device)
        if view.group_id != frame.group_id or line.epoch != 0:
            raise WireError("the GroupInfo is of another group", rule="create.group")
        if len(only) != 1 or only[0].device != request.device or only[0].signer != registered:
            raise Denied("a new group has its creator only", rule="create.member")
        self._apply(written)
        self._store.put_group(line, view.context, frame.group_info)
        self._store.put_members(line, None)
        self._lines[frame.group_id] = line
        self._publics[frame.group_id] = public
        return api.Done(frame.id)

    def _group_info(self, request: Request, frame: api.GetGroupInfo) -> api.ProviderFrame:
        line = self._line(frame.group_id)
        known = self._store.membership(frame.group_id, request.device) is not None
        if not known and request.device.account not in line.roster.accounts:
            raise Denied("this device was never in the group", rule="group-info.member")
        stored = self._store.group_info(frame.group_id)
        if stored is None:
            raise Denied("there is no such group", rule="group-info.group")
        info, head = stored
        return api.GroupInfo(frame.id, info, head.position, head.time, head.head)

    def _seal(self, request: Request, frame: api.GetSeal) -> api.ProviderFrame:
        if self._store.membership(frame.group_id, request.device) is None:
            raise Denied("this device was never in the group", rule="seal.member")
        upload = self._archive.seal_upload(frame.group_id, frame.slot)
        if upload is None:
            raise Denied("there is no such seal", rule="seal.slot")
        return api.StoredSeal(frame.id, upload)

    def _policy(self, extension: bytes) -> Policy:
        policy = self._store.policy(decode_policy_extension(extension).policy)
        if policy is None or policy.provider_key != self._key.public:
            raise Denied("this provider does not serve that policy", rule="create.policy")
        return policy

    def _line(self, group_id: bytes) -> Line:
        line = self._lines.get(group_id)
        if line is None:
            if not self._store.has_group(group_id):
                raise Denied("there is no such group", rule="delivery.group")
            line = self._store.line(group_id, self._public(group_id))
            self._lines[group_id] = line
        return line

    def _public(self, group_id: bytes) -> PublicGroup:
        public = self._publics.get(group_id)
        if public is None:
            public = self._store.public_group(group_id)
            self._publics[group_id] = public
        return public

    # -- KeyPackages ----------------------------------------------------------------------------

    def _put_key_packages(self, request: Request, frame: api.PutKeyPackages) -> api.ProviderFrame:
        devices = self._store.devices(request.device.account)
        key = devices[request.device.device]
        checked = directory.check_key_packages(
            frame.packages, frame.last_resort, request.device, key, request.now
        )
        if not self._store.can_be_invited(request.device):
            # From now on the account's other devices can bring this one into their conversations.
            item = api.InboxItem(0, "device", request.device.device)
            for other in sorted(devices.keys() - {request.device.device}):
                sibling = Device(request.device.account, device_id(other))
                self._store.put_inbox(sibling, item)
                self._batch.outcome.inboxes.add(sibling)
        self._store.put_key_packages(request.device, checked)
        return api.Done(frame.id)

    def _claim(self, request: Request, frame: api.ClaimKeyPackages) -> api.ProviderFrame:
        found, missing = [], []
        devices = self._store.devices(frame.account)
        if not devices:
            raise Denied("there is no such account", rule="claim.account")
        for device in sorted(devices):
            owner = Device(account_id(frame.account), device_id(device))
            if owner == request.device:
                continue
            package = self._store.claim_key_package(owner)
            if package is None:
                missing.append(device)
            else:
                found.append(api.DeviceKeyPackage(device, package))
        return api.KeyPackages(frame.id, found, missing)


def refused(request_id: int, error: GlasslockError) -> api.Refused:
    """Return the frame that carries an error to the device."""
    epoch = error.epoch if isinstance(error, StaleEpoch) else None
    return api.Refused(request_id, error.slug, error.rule, str(error), epoch)


def _again(slug: str, rule: str | None, message: str, epoch: int | None) -> GlasslockError:
    error = error_of(slug, rule, message)
    if isinstance(error, StaleEpoch):
        error.epoch = epoch
    return error
