"""A member's device that seals wrongly, and a provider that forgets seals in its receipts.

Both use the real engine, keys and code of their roles, and differ where a test says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from glasslock.client import Client
from glasslock.client.changes import Effects, Outgoing
from glasslock.client.conversation import Conversation
from glasslock.client.sealed import Sealed
from glasslock.client.sending import OpenedSlot, Self, write
from glasslock.client.state import Sending
from glasslock.provider.batch import Batcher
from glasslock.sealing.roster import DayRoster
from glasslock.sealing.seal import Tier1, make_seal, make_tier1
from glasslock.sealing.slots import chain_start, day_of, slot_key, tau_at
from glasslock.wire.api import SubmitEnvelope, encode_frame
from glasslock.wire.envelope import Close, Envelope, Opening, Seen, SlotHeader
from glasslock.wire.seal import Seal, Tier1Header


def same_tier1(tier1: Tier1) -> Tier1:
    return tier1


def same_seal(seal: Seal) -> Seal:
    return seal


def same_roster(roster: DayRoster) -> DayRoster:
    return roster


def same_opening(opening: Opening) -> Opening:
    return opening


@dataclass(frozen=True)
class Change:
    """What a villain does otherwise; everything that depends on it is made to fit.

    ``opening`` is changed after the slot was signed, ``later`` moves the slot itself.
    """

    roster: Callable[[DayRoster], DayRoster] = same_roster
    tier1: Callable[[Tier1], Tier1] = same_tier1
    seal: Callable[[Seal], Seal] = same_seal
    opening: Callable[[Opening], Opening] = same_opening
    later: int = 0


def flipped(data: bytes, at: int = 0) -> bytes:
    """Return ``data`` with one bit changed."""
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def sealed_wrongly(
    client: Client, group: bytes, content: bytes, change: Change
) -> tuple[Envelope, bytes | None, SlotHeader]:
    """Open the present slot of ``client`` with ``change``; returns envelope, upload, header."""
    session, now = client._session, client._clock.now()
    talk: Conversation = session.conversations[group]
    policy, book = talk.policy, talk.policies.book(talk.policy)
    assert policy.access is not None
    assert book is not None
    tau = tau_at(policy.clocks, now) + change.later
    own = talk.roster.leaf(talk.leaf)
    leaves = [(each.index, each.credential_digest) for each in talk.roster.leaves]
    secret, state = talk.state.secret(tau, talk.leaf, leaves)
    place = (policy.digest, group, state.epoch, talk.context, talk.leaf, own.credential_digest)
    day = day_of(policy.clocks, tau)
    roster = change.roster(book.rosters(policy, day, now)[0])
    tier1, keys = make_tier1(secret, Tier1Header(*place, day, tau, roster.key_ids), roster)
    tier1 = change.tier1(tier1)
    seen = Seen(state.head.position, state.head.head)
    close = state.closes.get(talk.leaf)
    header = SlotHeader(*place, own.signer, tau, tier1.digest, close, seen)
    seal = change.seal(make_seal(secret, header, policy.access.shape, keys))
    chain = chain_start(slot_key(secret, header.digest))
    state = replace(state, sending=Sending(tau, header.digest, chain, 0, None))
    me = Self(policy, talk.context, talk.roster, talk.leaf, session.engine.sign, book)
    opened = OpenedSlot(header, Sealed(seal, tier1))
    envelope, talk.state, _ = write(me, state, content, os.urandom(32), opened)
    assert envelope.opening is not None
    envelope = replace(envelope, opening=change.opening(envelope.opening))
    return envelope, opened.upload(), header


async def send_wrongly(client: Client, group: bytes, content: bytes, change: Change) -> SlotHeader:
    """Send what ``sealed_wrongly`` makes, as this device's own; the next close will count it."""

    def command() -> SlotHeader:
        session = client._session
        talk = session.conversations[group]
        envelope, upload, header = sealed_wrongly(client, group, content, change)
        number = session.take_outgoing_number()
        frame = SubmitEnvelope(number, group, envelope.encode(), upload)
        effects = Effects(states={group: talk.state})
        talk.own.add(envelope.digest)
        session.post(effects, Outgoing(number, group, envelope.digest, encode_frame(frame)))
        session.enqueue(effects)
        close = Close(header.epoch, header.tau, 1, envelope.digest)
        talk.state = replace(talk.state, closes={**talk.state.closes, talk.leaf: close})
        return header

    return await client._running.carry_out(command)


class Forgetful(Batcher):
    """A provider whose receipts name no seal."""

    def _write(self) -> None:
        waiting = self._unwritten
        waiting.leaves = [replace(leaf, seal=None, tier1=None) for leaf in waiting.leaves]
        super()._write()
