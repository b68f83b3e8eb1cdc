"""One batch of requests in one transaction: reads, asks the decisions, writes. Knows no socket.

Runs in one thread. An envelope is judged in memory, and what a batch has accepted is written
together; everything else runs alone in a savepoint, after what came before it was written. What is
remembered between batches (lines, public groups) is a cache of the store and is dropped whenever a
transaction fails, so memory never runs ahead of the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NamedTuple

from glasslock.errors import (
    Conflict,
    Denied,
    GlasslockError,
    StaleEpoch,
    StorageError,
    VerificationError,
    WireError,
)
from glasslock.mls import (
    Device,
    MemberFacts,
    PublicGroup,
    Roster,
    WriteSet,
    context_digest,
    message_info,
)
from glasslock.provider import delivery
from glasslock.provider.archive import Archive
from glasslock.provider.cache import Cache
from glasslock.provider.delivery import Entry, Line
from glasslock.provider.packages import Packages
from glasslock.provider.store import Store
from glasslock.provider.unwritten import Fresh, Unwritten
from glasslock.runtime.problems import error_of
from glasslock.runtime.sqlite import Database
from glasslock.signing import SigningKey
from glasslock.wire import api
from glasslock.wire.entry import Head, device_next, handshake_digest
from glasslock.wire.envelope import Envelope, decode_envelope
from glasslock.wire.policy import Policy, decode_policy_extension

# Leaves of the groups, and devices, that are remembered: about 1 KiB and 200 bytes each.
GROUP_ROOM: Final = 50_000
DEVICE_ROOM: Final = 20_000


class Request(NamedTuple):
    """A frame of a logged-in device, with when it came (unix seconds).

    ``envelope`` is what is in a ``SubmitEnvelope``, where it was read beforehand.
    """

    device: Device
    frame: api.DeviceFrame
    now: int
    envelope: Envelope | None = None

    @classmethod
    def read(cls, device: Device, frame: api.DeviceFrame, now: int) -> Request:
        """Read what can be read beside a running batch; raises ``WireError``."""
        if not isinstance(frame, api.SubmitEnvelope):
            return cls(device, frame, now)
        envelope = decode_envelope(frame.envelope)
        # It is kept with the envelope: half of what one costs needs no store.
        _ = envelope.digest
        return cls(device, frame, now, envelope)


@dataclass(slots=True)
class Outcome:
    """What a batch did: one answer per request, and who has something new.

    ``entries`` are what lines grew by, in order; of the groups in ``changed`` the members may be
    others than before.
    """

    answers: list[api.ProviderFrame | None] = field(default_factory=list)
    entries: dict[bytes, list[api.EntryItem]] = field(default_factory=dict)
    changed: set[bytes] = field(default_factory=set)
    inboxes: set[Device] = field(default_factory=set)


@dataclass(slots=True)
class _Group:
    """What is remembered of a group; ``clean`` when no refusal of it is kept."""

    line: Line
    public: PublicGroup
    past: delivery.Lookups
    clean: bool


@dataclass(slots=True)
class _Own:
    """A device's own line over all its groups."""

    q: int
    head: bytes


class Batcher:
    """Carries out requests against the store."""

    def __init__(self, db: Database, store: Store, archive: Archive, key: SigningKey) -> None:
        """Work on ``store`` and ``archive`` over ``db``; ``key`` signs receipts."""
        self._db = db
        self._store = store
        self._archive = archive
        self._key = key
        self._groups: Cache[bytes, _Group] = Cache(GROUP_ROOM, lambda g: len(g.line.roster.leaves))
        self._devices: Cache[Device, _Own] = Cache(DEVICE_ROOM, lambda _: 1)
        self._packages = Packages(store)
        self._unwritten = Unwritten(store)
        self._outcome = Outcome()

    def run(self, requests: Sequence[Request]) -> Outcome:
        """Carry out all requests in one transaction; a refused one changes nothing.

        Raises:
            StorageError: nothing of the batch was stored.
        """
        self._outcome = outcome = Outcome()
        try:
            with self._db.transaction("deliver"):
                for request in requests:
                    outcome.answers.append(self._one(request))
                self._write()
        except BaseException:
            self._unwritten.forget()
            self._groups.clear()
            self._devices.clear()
            raise
        self._groups.trim()
        self._devices.trim()
        return outcome

    def _write(self) -> None:
        """Sign and write what was accepted so far, and fill in the answers that waited for it."""
        for each in self._unwritten.write(self._key.sign):
            self._outcome.answers[each.place] = each.answer
            self._outcome.entries.setdefault(each.group_id, []).append(each.item)

    def _one(self, request: Request) -> api.ProviderFrame | None:
        """Return the answer; None when there is none, or when it waits for its receipt."""
        try:
            match request.frame:
                case api.SubmitEnvelope() as frame:
                    return self._envelope(request, frame)
                case api.Ack() as frame:
                    self._unwritten.ack(frame.group_id, request.device, frame.position)
                case _:
                    return self._alone(request)
        except StorageError:
            # No verdict on this request: nothing of the batch holds.
            raise
        except GlasslockError as error:
            self._remember_verdict(request, error)
            return refused(getattr(request.frame, "id", 0), error)
        return None

    def _alone(self, request: Request) -> api.ProviderFrame | None:
        self._write()
        try:
            with self._db.savepoint():
                return self._carry_out(request)
        except GlasslockError:
            # A half-accepted commit lives in the engine's memory only: load it again.
            self._groups.drop(getattr(request.frame, "group_id", b""))
            raise

    def _carry_out(self, request: Request) -> api.ProviderFrame | None:
        match request.frame:
            case api.SubmitHandshake() as frame:
                return self._handshake(request, frame)
            case api.AckInbox() as frame:
                self._store.ack_inbox(request.device, frame.seq)
            case _:
                return self._answer(request)
        return None

    def _answer(self, request: Request) -> api.ProviderFrame:
        answer: api.ProviderFrame
        match request.frame:
            case api.Follow() as frame:
                answer = self._follow(request, frame)
            case api.CreateGroup() as frame:
                answer = self._create(request, frame)
            case api.PutKeyPackages() as frame:
                told = self._packages.put(request.device, frame, request.now)
                self._outcome.inboxes |= told
                answer = api.Done(frame.id)
            case api.ClaimKeyPackages() as frame:
                answer = self._packages.claim(request.device, frame)
            case api.GetGroupInfo() as frame:
                answer = self._group_info(request, frame)
            case api.GetSeal() as frame:
                answer = self._seal(request, frame)
            case _:
                raise WireError("this frame is not expected here", rule="stream.frame")
        return answer

    # -- entries --------------------------------------------------------------------------------

    def _envelope(self, request: Request, frame: api.SubmitEnvelope) -> api.ProviderFrame | None:
        envelope = request.envelope or decode_envelope(frame.envelope)
        group = self._group(frame.group_id)
        line = group.line
        if not group.clean:
            self._refuse_again(frame.group_id, envelope.digest)
        try:
            entry = delivery.append_envelope(
                line,
                request.device,
                envelope,
                frame.upload,
                request.now,
                group.past,
            )
        except GlasslockError:
            # Bytes that were accepted fit nowhere a second time: only now need they be looked for.
            again = self._accepted_envelope(request, frame, envelope)
            if again is None:
                raise
            return again
        leaf = line.roster.of_device(request.device)
        if entry.seal is not None:
            self._archive.put_seal(frame.group_id, entry.head.position, entry.seal)
            self._archive.put_opening(entry.line, leaf, entry.seal)
        if entry.slot is not None:
            self._unwritten.slot(frame.group_id, leaf.index, entry.slot)
        group.line = entry.line
        self._append(frame.id, entry, request.device)
        return None

    def _head_at(self, group_id: bytes, position: int) -> bytes | None:
        newest = self._group(group_id).line.head
        if position == newest.position:
            return newest.head
        if self._unwritten.touches(group_id):
            self._write()
        return self._store.head_at(group_id, position)

    def _handshake(self, request: Request, frame: api.SubmitHandshake) -> api.ProviderFrame | None:
        digest = handshake_digest(frame.commit)
        self._refuse_again(frame.group_id, digest)
        known = self._store.place_without_slot(frame.group_id, digest)
        if known is not None:
            return self._accepted(frame.id, frame.group_id, known, request.device)
        group = self._group(frame.group_id)
        line, public = group.line, group.public
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
            roster=line.roster.after(view.members, preview.removed),
            policy=policy,
            since=line.since if policy.digest == line.policy.digest else view.epoch,
        )
        entry = delivery.append_commit(line, frame.commit, preview, after, request.now)
        added = [Device.of(member.identity) for member in preview.added]
        self._welcome(entry, added, frame.welcome)
        self._remember(entry.line, public, clean=group.clean)
        self._outcome.changed.add(frame.group_id)
        self._append(frame.id, entry, request.device)
        self._store.keep_slots(frame.group_id, entry.line.slots)
        self._store.put_group(entry.line, view.context, frame.group_info)
        joined = self._store.put_members(entry.line, line.roster)
        if preview.joined is not None and request.device not in joined:
            self._store.rejoined(frame.group_id, request.device, entry.head.position)
        return None

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
            self._outcome.inboxes.add(device)

    def _append(self, request_id: int, entry: Entry, sender: Device) -> None:
        own = self._devices.get(sender)
        if own is None:
            own = _Own(*self._store.device_line(sender))
            self._devices.put(sender, own)
        own.q += 1
        own.head = device_next(own.head, own.q, entry.digest)
        place = len(self._outcome.answers)
        self._unwritten.add(Fresh(place, request_id, entry, sender, own.q, own.head))

    def _refuse_again(self, group_id: bytes, digest: bytes) -> None:
        """Give bytes that were refused the same verdict again, by raising it."""
        verdict = self._store.refusal(group_id, digest)
        if verdict is not None:
            raise _again(*verdict)

    def _accepted_envelope(
        self, request: Request, frame: api.SubmitEnvelope, envelope: Envelope
    ) -> api.ProviderFrame | None:
        if self._unwritten.touches(frame.group_id):
            self._write()
        header = envelope.message_header
        position = self._store.place_of(frame.group_id, envelope.digest, header.slot, header.m)
        if position is None:
            return None
        return self._accepted(frame.id, frame.group_id, position, request.device)

    def _accepted(
        self, request_id: int, group_id: bytes, position: int, sender: Device
    ) -> api.ProviderFrame:
        """Give bytes that were accepted the same verdict again."""
        row = self._store.accepted(group_id, position, sender)
        if row is None:
            error = Conflict("this entry is another device's", rule="delivery.duplicate")
            return refused(request_id, error)
        return api.Accepted(request_id, *row)

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
            group = self._groups.get(group_id)
            if group is not None:
                group.clean = False

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
        self._remember(line, public, clean=True)
        return api.Done(frame.id)

    def _group_info(self, request: Request, frame: api.GetGroupInfo) -> api.ProviderFrame:
        line = self._group(frame.group_id).line
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

    def _group(self, group_id: bytes) -> _Group:
        group = self._groups.get(group_id)
        if group is None:
            if not self._store.has_group(group_id):
                raise Denied("there is no such group", rule="delivery.group")
            public = self._store.public_group(group_id)
            line = self._store.line(group_id, public)
            group = self._remember(line, public, clean=not self._store.has_refusals(group_id))
        return group

    def _remember(self, line: Line, public: PublicGroup, *, clean: bool) -> _Group:
        group_id = line.group_id
        past = delivery.Lookups(
            partial(self._head_at, group_id), partial(self._archive.tier1, group_id)
        )
        group = _Group(line, public, past, clean)
        self._groups.put(group_id, group)
        return group

    def _follow(self, request: Request, frame: api.Follow) -> api.Following:
        found = self._store.membership(frame.group_id, request.device)
        if found is None:
            raise Denied("this device is not in the group", rule="follow.member")
        newest = self._store.newest(frame.group_id)
        return api.Following(frame.id, newest if found[1] is None else min(found[1], newest))


def refused(request_id: int, error: GlasslockError) -> api.Refused:
    """Return the frame that carries an error to the device."""
    epoch = error.epoch if isinstance(error, StaleEpoch) else None
    return api.Refused(request_id, error.slug, error.rule, str(error), epoch)


def _again(slug: str, rule: str | None, message: str, epoch: int | None) -> GlasslockError:
    error = error_of(slug, rule, message)
    if isinstance(error, StaleEpoch):
        error.epoch = epoch
    return error
