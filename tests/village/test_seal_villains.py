"""Who seals wrongly is read by nobody, and everybody can show it; so is a provider that forgets."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from glasslock.client import Client, Failed, MessageReceived, MessageSent, Warned, receive
from glasslock.errors import VerificationError
from glasslock.sealing.seal import Tier1
from glasslock.sealing.shares import check_slot_signature
from glasslock.tlog.receipt import SignedBatches, make_receipts
from glasslock.wire import api
from glasslock.wire.api import EntryItem
from glasslock.wire.codec import decode
from glasslock.wire.entry import ReceiptLeaf
from glasslock.wire.envelope import decode_slot_header
from glasslock.wire.policy import Policy
from glasslock.wire.seal import Seal, SealedShare
from tests.village.access import AccessVillage, access_village
from tests.village.village import event, texts, until
from tests.village.villain import Change, Forgetful, flipped, sealed_wrongly, send_wrongly


def row(seat: int, field: str, at: int) -> Change:
    def change(seal: Seal) -> Seal:
        rows = list(seal.rows)
        old = rows[seat]
        assert isinstance(old, SealedShare)
        rows[seat] = replace(old, **{field: flipped(getattr(old, field), at)})
        return replace(seal, rows=tuple(rows))

    return Change(seal=change)


def commitment(at: int) -> Change:
    def change(seal: Seal) -> Seal:
        return replace(seal, commitment=flipped(seal.commitment, at))

    return Change(seal=change)


def encapsulation(seat: int, at: int) -> Change:
    def change(tier1: Tier1) -> Tier1:
        encs = list(tier1.encs)
        old = encs[seat]
        assert old is not None
        encs[seat] = flipped(old, at)
        return replace(tier1, encs=tuple(encs))

    return Change(tier1=change)


FIELDS: dict[str, tuple[str, list[Change]]] = {
    "commitment": ("seal.digest", [commitment(at) for at in (0, 15, 31)]),
    "sealed": ("seal.digest", [row(seat, "sealed", 5 * seat + 8) for seat in range(8)]),
    "commit": ("seal.digest", [row(seat, "commit", 4 * seat) for seat in range(8)]),
    "encapsulation": ("seal.tier1", [encapsulation(seat, 150 * seat) for seat in range(8)]),
}


async def meet(place: AccessVillage, policy: Policy) -> tuple[bytes, Client, list[Client]]:
    """Return a group, its villain, and everybody else: the villain's own laptop too."""
    mallory = await place.people.person("mallory")
    others = [
        await place.people.person("mallory", "laptop"),
        await place.people.person("alice"),
        await place.people.person("bob"),
    ]
    group = await mallory.create_conversation(["alice", "bob"], policy)
    await place.accept(group, *others)
    # Who writes before reading that somebody joined is asked first.
    here = mallory._session.conversations[group]
    talks = [client._session.conversations[group] for client in others]
    await until(lambda: all(talk.state.epoch == here.state.epoch for talk in talks))
    return group, mallory, others


def check_evidence(client: Client, group: bytes, position: int, rule: str) -> None:
    kept = decode(client.evidence(group, position))
    assert isinstance(kept, tuple)
    header, digest, signature, own_tier1, own_seal = kept
    assert isinstance(header, bytes)
    assert isinstance(digest, bytes)
    assert isinstance(signature, bytes)
    slot = decode_slot_header(header)
    check_slot_signature(slot, digest, signature)
    if rule == "seal.tier1":
        assert isinstance(own_tier1, bytes)
        assert own_tier1 != slot.tier1
        assert own_seal is None
    else:
        assert own_tier1 == slot.tier1
        assert isinstance(own_seal, bytes)
        assert own_seal != digest


@pytest.mark.parametrize("field", FIELDS)
async def test_a_seal_that_differs_in_any_field_is_read_by_nobody(
    tmp_path: Path, field: str
) -> None:
    rule, changes = FIELDS[field]
    async with access_village(tmp_path) as (place, policy):
        group, mallory, others = await meet(place, policy)
        for change in changes:
            await send_wrongly(mallory, group, b"unread", change)
            await until(lambda: not mallory._session._outbox)
            place.clock.offset += 2
        await until(lambda: all(len(c.records(group)) == len(changes) for c in others))
        for client in others:
            assert {found for _, found in client.records(group)} == {rule}
            assert texts(client, group) == []
            for position, _ in client.records(group):
                check_evidence(client, group, position, rule)
        # An honest slot of the same device is read again, and so are the others.
        await mallory.send(group, "honest")
        await others[1].send(group, "noticed?")
        await until(lambda: all(len(texts(c, group)) == 2 for c in others))


async def test_a_slot_with_a_false_seal_stays_closed(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        group, mallory, others = await meet(place, policy)
        await send_wrongly(mallory, group, b"one", commitment(3))
        await until(lambda: not mallory._session._outbox)
        talk = mallory._session.conversations[group]
        if talk.state.sending is not None:
            await mallory.send(group, "two, of the same slot or of the next")
            await event(mallory, MessageSent)
        await others[1].send(group, "goes on")
        await until(lambda: all("goes on" in texts(c, group) for c in others))
        for client in others:
            assert "one" not in texts(client, group)
            assert client.records(group)[0][1] == "seal.digest"
            secrets = client._session.conversations[group].state.secrets
            assert not any(leaf == talk.leaf for _, leaf in secrets)


async def test_the_provider_takes_no_seal_that_its_sender_is_not_bound_to(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        group, mallory, others = await meet(place, policy)
        changes = {
            "slot.signature": Change(
                opening=lambda o: replace(o, seal_digest=flipped(o.seal_digest or b""))
            ),
            "slot.unsealed": Change(opening=lambda o: replace(o, signature=None)),
            "slot.tier1-parts": Change(opening=lambda o: replace(o, tier1_header=None)),
        }
        talk = mallory._session.conversations[group]
        for rule, change in changes.items():
            envelope, upload, _ = sealed_wrongly(mallory, group, b"unread", change)
            place.clock.offset += 2
            assert place.people.provider is not None
            answer = await ask(mallory, group, envelope.encode(), upload)
            assert answer == rule
        envelope, _, _ = sealed_wrongly(mallory, group, b"unread", Change())
        assert await ask(mallory, group, envelope.encode(), None) == "slot.unsealed"
        place.clock.offset += 2
        envelope, upload, _ = sealed_wrongly(mallory, group, b"early", Change(later=500))
        assert await ask(mallory, group, envelope.encode(), upload) == "delivery.slot"
        assert all(c.records(group) == [] and texts(c, group) == [] for c in others)
        assert talk.stopped == ""


async def ask(client: Client, group: bytes, envelope: bytes, upload: bytes | None) -> str:
    """Submit bytes past the session; returns the rule or slug of the provider's no."""
    answers: list[str] = []

    def answer(_effects: object, frame: api.ProviderFrame, _now: int) -> None:
        assert isinstance(frame, api.Refused)
        answers.append(frame.rule or frame.slug)

    def command() -> None:
        session = client._session
        session.request(lambda n: api.SubmitEnvelope(n, group, envelope, upload), answer)

    await client._running.carry_out(command)
    await until(lambda: answers)
    return answers[0]


async def test_a_slot_far_in_the_future_costs_nothing(tmp_path: Path) -> None:
    """Even with a provider that helps: refused before any key, step or signature is computed."""
    async with access_village(tmp_path) as (place, policy):
        group, mallory, others = await meet(place, policy)
        bob = others[2]
        await until(lambda: bob._session.caught_up)
        talk = bob._session.conversations[group]
        envelope, _, header = sealed_wrongly(mallory, group, b"early", Change(later=1_000))
        head = talk.state.head.next(place.clock.now(), envelope.digest)
        assert place.people.provider is not None
        leaf = ReceiptLeaf(
            group, head.position, head.time, envelope.digest, head.head, None, header.tier1
        )
        (receipt,) = make_receipts([leaf], place.people.provider._key.sign)
        item = EntryItem(head.position, head.time, "envelope", envelope.encode(), receipt.encode())
        placed = receive.place(talk.state, SignedBatches(policy.provider_key), item)
        facts = receive.Facts(
            talk.state,
            policy,
            talk.context,
            talk.roster,
            talk.heads.get,
            talk.policies.book(policy),
        )
        begin = time.perf_counter()
        for _ in range(100):
            with pytest.raises(VerificationError) as raised:
                receive.receive(facts, placed)
        assert raised.value.rule == "receive.tau"
        assert time.perf_counter() - begin < 0.5
        assert receive.refused(talk.state, placed).tree == talk.state.tree


async def test_a_receipt_that_names_no_seal_shows_nothing(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        group, alice, others = await meet(place, policy)
        provider = place.people.provider
        assert provider is not None
        honest = provider._batcher
        provider._batcher = Forgetful(
            provider._db, provider._store, provider._archive, provider._key
        )
        await alice.send(group, "without a receipt for its seal")
        warned = await event(alice, Warned)
        assert warned.rule == "session.receipt"
        assert alice.messages(group)[0].state == "sent"
        await until(lambda: all(c.records(group) for c in others))
        assert {rule for c in others for _, rule in c.records(group)} == {"receive.seal"}
        assert all(texts(c, group) == [] for c in others)
        provider._batcher = honest


async def test_a_slot_sealed_to_other_keys_than_the_logs_is_refused_as_stale(
    tmp_path: Path,
) -> None:
    async with access_village(tmp_path) as (place, policy):
        group, mallory, others = await meet(place, policy)
        bob = others[2]
        await until(lambda: all(c._session.caught_up for c in others))
        place.clock.offset += 10
        left_out = Change(roster=lambda r: replace(r, seats=(None, *r.seats[1:])))
        before = bob._session.conversations[group].state
        await send_wrongly(mallory, group, b"to fewer keyholders", left_out)
        await until(lambda: all(c._session.wants_log for c in others))
        # The log is older than the entry: nothing moves, nothing is said.
        after = bob._session.conversations[group].state
        assert (after.head, after.chains, after.tiers) == (before.head, before.chains, before.tiers)
        assert all(c.records(group) == [] for c in others)
        await place.tick()
        await until(lambda: all(c.records(group) for c in others))
        assert {rule for c in others for _, rule in c.records(group)} == {"roster.stale"}
        assert all(texts(c, group) == [] and c.evidence(group, 1) == b"" for c in others)


async def test_a_revoked_key_gets_no_share_of_the_next_slot(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        group, alice, others = await meet(place, policy)
        bob = others[2]
        await alice.send(group, "to eight")
        await event(bob, MessageReceived, content=b"to eight")
        await place.revoke(0)
        place.clock.offset += 2
        await place.read_logs(alice)
        await alice.send(group, "to seven")
        await until(lambda: all(len(texts(c, group)) == 2 for c in others))
        leaf = alice._session.conversations[group].leaf
        tier = bob._session.conversations[group].state.tiers[leaf]
        assert tier.keys.keys[0] is None
        assert None not in tier.keys.keys[1:]
        # Whoever has not read of it yet is read for an hour.
        place.clock.offset += 2
        book = alice._session.policies.book(policy)
        assert book is not None
        now = place.clock.now()
        _, before = book.rosters(policy, now // policy.clocks.day_seconds, now)
        stale = Change(roster=lambda _: before)
        await send_wrongly(alice, group, b"to eight again", stale)
        await until(lambda: all(len(texts(c, group)) == 3 for c in others))
        assert all(c.records(group) == [] for c in others)


async def test_too_few_keys_stop_sending(tmp_path: Path) -> None:
    async with access_village(tmp_path) as (place, policy):
        group, alice, others = await meet(place, policy)
        await place.revoke(0)
        await place.revoke(1)
        await place.read_logs(alice)
        number = await alice.send(group, "to nobody who could open it")
        failed = await event(alice, Failed, message=number)
        assert failed.rule == "roster.threshold"
        assert alice.messages(group)[0].state == "queued"
        assert all(texts(c, group) == [] for c in others)
