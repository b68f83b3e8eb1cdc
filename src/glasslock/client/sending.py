"""Making a slot header and the next message of a slot (protocol sections 2 and 4).

Pure: state in, state and envelope out. Keys are stepped in the state that is stored before the
envelope leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from glasslock.client.sealed import Book, Sealed, make
from glasslock.client.state import GroupState, Sending
from glasslock.errors import StateError
from glasslock.mls import Roster
from glasslock.sealing.body import make_message
from glasslock.sealing.shares import slot_signed_content
from glasslock.sealing.slots import chain_start, chain_step, slot_key
from glasslock.wire import api
from glasslock.wire.codec import encode
from glasslock.wire.envelope import (
    Envelope,
    Opening,
    Seen,
    SlotHeader,
    decode_envelope,
    decode_slot_header,
)
from glasslock.wire.labels import Label
from glasslock.wire.policy import Policy
from glasslock.wire.shape import U32, Fields, expect_text

Place = tuple[int, int, int]
MAX_ACCOUNTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that a person sent and the provider has not acknowledged.

    ``audience`` is what the person saw of policy and members; ``place`` is (epoch, tau, m) once an
    envelope was made of it.
    """

    message: int
    content: bytes = field(repr=False)
    audience: bytes
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Self:
    """Who sends: the policy and members in force, the own leaf and its signer."""

    policy: Policy
    context: bytes
    roster: Roster
    leaf: int
    sign: Callable[[str, bytes], bytes]
    book: Book | None = None


@dataclass(frozen=True, slots=True)
class OpenedSlot:
    """A slot just opened: its header, and its seal under a policy with keyholders.

    ``carried`` goes with its message 0: what this device has seen of the policy's logs.
    """

    header: SlotHeader
    sealed: Sealed | None = None
    carried: bytes | None = None

    def opening(self, me: Self) -> Opening:
        """Return the opening of its first envelope, signed where there is a seal."""
        if self.sealed is None:
            return Opening(self.header.encoded)
        statement = slot_signed_content(self.header.digest, self.sealed.seal.digest)
        return self.sealed.opening(self.header, me.sign(Label.SIGN_SLOT, statement))

    def upload(self) -> bytes | None:
        """Return what travels beside that envelope."""
        return None if self.sealed is None else self.sealed.upload()


def open_slot(me: Self, state: GroupState, tau: int, now: int) -> tuple[GroupState, OpenedSlot]:
    """Open slot ``tau`` for the own leaf; the secret it comes from is gone afterwards.

    Raises:
        SlotErased: this device has used the slot in this epoch.
        BookBehind: the policy log was not read lately enough.
        KeyRejected: two keyholders have the same key.
        SeatsVacant: too few keyholders have a key for the day.
    """
    leaf = me.roster.leaf(me.leaf)
    secret, state = state.secret(
        tau, me.leaf, [(each.index, each.credential_digest) for each in me.roster.leaves]
    )
    header = SlotHeader(
        policy=me.policy.digest,
        group_id=state.group_id,
        epoch=state.epoch,
        context=me.context,
        leaf=me.leaf,
        credential=leaf.credential_digest,
        signer=leaf.signer,
        tau=tau,
        tier1=None,
        close=state.closes.get(me.leaf),
        seen=Seen(state.head.position, state.head.head),
    )
    opened = OpenedSlot(header)
    if me.policy.access is not None:
        header, sealed, tier = make(
            me.policy, me.book, state.tiers.get(me.leaf), header, secret, now
        )
        opened = OpenedSlot(header, sealed)
        state = replace(state, tiers={**state.tiers, me.leaf: tier})
    chain = chain_start(slot_key(secret, header.digest))
    return replace(state, sending=Sending(tau, header.digest, chain, 0, None)), opened


def write(
    me: Self, state: GroupState, content: bytes, fresh: bytes, opened: OpenedSlot | None
) -> tuple[Envelope, GroupState, Place]:
    """Return the next envelope of the open slot; ``opened`` stands with message 0.

    Raises:
        StateError: no slot is open.
        WireError: the content is too long.
    """
    sending = state.sending
    if sending is None or (sending.m == 0) != (opened is not None):
        raise StateError("no slot is open for this message", rule="sending.slot")
    key, following = chain_step(sending.key, sending.m)
    place = (sending.slot, sending.m, sending.last)
    carried = None if opened is None else opened.carried
    message_header, body = make_message(key, place, content, fresh, me.sign, carried)
    opening = None if opened is None else opened.opening(me)
    envelope = Envelope(message_header.encoded, body, opening)
    after = replace(sending, key=following, m=sending.m + 1, last=envelope.digest)
    return envelope, replace(state, sending=after), (state.epoch, sending.tau, sending.m)


def read_place(data: bytes) -> Place:
    """Read a stored place; raises ``WireError``."""
    fields = Fields.of(data, "place", 3)
    return fields.uint(), fields.uint(U32), fields.uint(U32)


def sealed_in(data: bytes, place: bytes | None) -> tuple[bytes | None, bytes | None]:
    """Return the seal digest and tier 1 that a receipt for an own frame must name.

    ``place`` is the stored one of its message, if it has one.
    """
    if place is not None and read_place(place)[2] > 0:
        return None, None
    frame = api.decode_device_frame(data)
    if not isinstance(frame, api.SubmitEnvelope):
        return None, None
    opening = decode_envelope(frame.envelope).opening
    if opening is None:
        return None, None
    return opening.seal_digest, decode_slot_header(opening.slot_header).tier1


def audience_of(policy: Policy, accounts: Iterable[str]) -> bytes:
    """Return what a person sees when writing: the policy and the accounts."""
    return encode((policy.digest, tuple(sorted(accounts))))


def still_for(draft: Draft, policy: Policy, accounts: Iterable[str]) -> bool:
    """Say whether a refused message may be made anew without asking its author.

    It may when the policy is unchanged and no account has joined since the person sent it.
    """
    fields = Fields.of(draft.audience, "audience", 2)
    seen_policy = fields.digest()
    seen = fields.each(expect_text, MAX_ACCOUNTS)
    return seen_policy == policy.digest and set(accounts) <= set(seen)
