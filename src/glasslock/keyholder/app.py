"""The keyholder's shell: opening its folder, the verbs of its person, and the daemon."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from glasslock import signing
from glasslock.errors import ConfigError, GlasslockError, StateError
from glasslock.keyholder import drill, duress, period, watch
from glasslock.keyholder.check import LoggedOrder, check
from glasslock.keyholder.config import KeyholderConfig, log_url, pinned_quorum, policy_digest
from glasslock.keyholder.founding import PolicyDraft, found
from glasslock.keyholder.gap import Gapped
from glasslock.keyholder.keys import Keys, open_keys, open_signer
from glasslock.keyholder.release import Answer
from glasslock.keyholder.running import Keyholder, Office
from glasslock.keyholder.seat import Seated
from glasslock.keyholder.store import Outgoing, Store
from glasslock.keyholder.summary import Summary, summarise
from glasslock.orders.ledger import OrderRecord
from glasslock.runtime.clock import Clock, SystemClock
from glasslock.runtime.files import private_folder, read_limited
from glasslock.runtime.http import HttpClient
from glasslock.runtime.keys import derive_key
from glasslock.runtime.logs import Log
from glasslock.runtime.service import every, run_worker
from glasslock.runtime.sqlite import WritePoint, no_point
from glasslock.sealing.book import check_policy
from glasslock.tlog.quorum import MAX_FILE
from glasslock.tlog.submission import submit
from glasslock.wire import api
from glasslock.wire.contact import ContactKey
from glasslock.wire.drill import Drilled, encode_drill
from glasslock.wire.labels import Label
from glasslock.wire.policy import Policy, SignedPolicy
from glasslock.wire.record import PolicyRecord, encode_record


@dataclass(frozen=True, slots=True)
class Period:
    """An own period key as its person sees it; ``state`` is a word."""

    key_id: str
    first_day: int
    last_day: int
    state: str


def open_store(config: KeyholderConfig, keys: Keys, point: WritePoint = no_point) -> Store:
    """Open the keyholder's database."""
    return Store(private_folder(config.data), keys.database, point, keys.vault)


def open_office(
    config: KeyholderConfig, clock: Clock | None = None, point: WritePoint = no_point
) -> Office:
    """Return what the keyholder knows, without doing anything; beside the daemon if it runs."""
    keys = open_keys(config)
    return Office(config, keys.signer, open_store(config, keys, point), clock or SystemClock())


def open_keyholder(
    config: KeyholderConfig, clock: Clock | None = None, point: WritePoint = no_point
) -> Keyholder:
    """Return the keyholder, ready for its first round."""
    keys = open_keys(config)
    store = open_store(config, keys, point)
    return Keyholder(config, keys.signer, store, clock or SystemClock(), Log("keyholder"))


def open_gapped(
    config: KeyholderConfig, clock: Clock | None = None, point: WritePoint = no_point
) -> Gapped:
    """Return the keyholder for a machine without a network."""
    keys = open_keys(config)
    store = open_store(config, keys, point)
    return Gapped(config, keys.signer, store, clock or SystemClock(), Log("keyholder"))


def run(config: KeyholderConfig, clock: Clock | None = None, point: WritePoint = no_point) -> None:
    """Run a keyholder until SIGTERM or SIGINT; it listens to nobody. Raises ``ConfigError``."""
    policy_digest(config)

    async def work() -> None:
        keyholder = open_keyholder(config, clock, point)
        try:
            await every(config.poll_seconds, keyholder.round, Log("keyholder"))
        finally:
            await keyholder.stop()

    run_worker([work])


# -- the person's verbs -----------------------------------------------------------------------


def pending(office: Office) -> list[Summary]:
    """Return the orders that wait for the person's answer, each having passed every check."""
    found = []
    for record, logged in _unanswered(office):
        found.append(summarise(logged, record.leaf.commitment))
    return found


def answer(office: Office, commitment: bytes, said: Answer, code: str = "") -> None:
    """Keep the person's answer to the order of ``commitment``; the daemon acts on it.

    A refusal takes one of both ``codes`` where they were agreed on; whichever it is, the same is
    written at the same places.

    Raises:
        StateError: no such order waits for an answer, or the code is wrong.
    """
    for record, _ in _unanswered(office):
        if record.leaf.commitment != commitment:
            continue
        codes = [] if said.yes else office.store.codes()
        if codes:
            entered = duress.find(codes, derive_key(code, codes[0].salt))
            said = replace(said, mark=duress.mark(entered.key, commitment))
        office.store.put_answer(record.index, said, office.clock.now(), duress.stepped(codes))
        return
    raise StateError("no such order waits for an answer", rule="keyholder.answer")


def agree(office: Office, agreed: str, under_duress: str) -> ContactKey:
    """Keep two codes for refusals; returns what is handed to the contact and kept nowhere else.

    Raises:
        ConfigError: they are too short, or the same.
    """
    duress.check_codes(agreed, under_duress)
    salt, fresh = os.urandom(duress.SALT), os.urandom(duress.FRESH)
    first, second = derive_key(agreed, salt), derive_key(under_duress, salt)
    office.store.put_codes(duress.arrange(salt, first, second, fresh))
    return duress.contact_key(office.key.public, fresh)


def _unanswered(office: Office) -> list[tuple[OrderRecord, LoggedOrder]]:
    seated = _seated(office)
    answers, found = office.store.answers(), []
    for record, step in watch.steps(office.ledger, seated, office.cases, office.date):
        if step is not watch.Step.JUDGE or record.index in answers:
            continue
        facts = office.facts(seated, record, office.cases[record.index])
        logged = check(seated, facts.logs, record, facts.case.bundle, office.clock.now())
        if isinstance(logged, LoggedOrder):
            found.append((record, logged))
    return found


def periods(office: Office) -> list[Period]:
    """Return all own period keys, the newest first."""
    seated = _seated(office)
    vetted = {key.record.key_id for key in office.book.vetted(seated.policy)}
    logged = {key.record.key_id for key in office.book.keys}
    found = []
    for key in office.keys.values():
        steps = ((key.key_id in vetted, "proven"), (key.key_id in logged, "logged"))
        state = next((word for holds, word in steps if holds), "new")
        if key.seed is None:
            state = "destroyed"
        found.append(Period(key.key_id.hex(), key.record.first_day, key.record.last_day, state))
    return sorted(found, key=lambda each: each.first_day, reverse=True)


def destroy(office: Office, key_id: bytes) -> None:
    """Destroy an own period key before its time; the daemon logs it.

    Raises:
        StateError: there is no such key, or it is destroyed already.
    """
    seated = _seated(office)
    key = office.keys.get(key_id)
    if key is None or key.seed is None:
        raise StateError("there is no such period key", rule="keyholder.key-id")
    end = period.make_end(seated, key_id, office.clock.now())
    office.store.end_keys({key_id: Outgoing(office.policy_log.origin, encode_record(end))})
    office.keys[key_id] = replace(key, seed=None)


def revoke(office: Office, key_id: bytes) -> None:
    """Have nobody seal to an own period key any more, be it that it is lost; it is not destroyed.

    Raises:
        StateError: this keyholder has logged no such key, or it is ended already.
    """
    seated = _seated(office)
    logged = any(
        key.record.key_id == key_id and key.record.keyholder == seated.name
        for key in office.book.keys
    )
    if not logged or any(end.record.key_id == key_id for end in office.book.ends):
        raise StateError("there is no such period key", rule="keyholder.key-id")
    end = period.make_end(seated, key_id, office.clock.now(), period.REVOKED)
    office.store.queue([Outgoing(office.policy_log.origin, encode_record(end))])


# -- drills -----------------------------------------------------------------------------------


def start_drill(office: Office, day: int | None, seconds: int | None) -> bytes:
    """Make a drill of the keys of ``day`` (today); the daemon logs it. Returns its context.

    ``seconds`` are given to answer: a policy day unless it is said.

    Raises:
        StateError: too little or too much time, or a day to come.
        SeatsVacant: a class has fewer keys than its threshold.
    """
    seated, now = _seated(office), office.clock.now()
    at = max(now, office.book.time)
    made = drill.start(
        office.drill_facts(seated),
        at // seated.day if day is None else day,
        seated.day if seconds is None else seconds,
        os.urandom(drill.FRESH),
        now,
    )
    log = office.policy_log.origin
    # What it was made from is on disk before anybody can answer: else it is never shown.
    records: tuple[Drilled, ...] = (made.record, *made.parts)
    outgoing = [Outgoing(log, encode_drill(each)) for each in records]
    office.store.put_drill(made.record.context, made.secret, outgoing)
    return made.record.context


def drill_rows(office: Office) -> list[drill.DrillRow]:
    """Return how the drills of the policy stand, as this keyholder has read the log."""
    return drill.rows(office.drill_facts(_seated(office)), office.clock.now())


def _seated(office: Office) -> Seated:
    seated = office.seated
    if seated is None:
        raise StateError("the policy is not in the log yet", rule="keyholder.policy")
    return seated


# -- founding a policy ------------------------------------------------------------------------


def read_draft(draft: PolicyDraft, folder: Path) -> Policy:
    """Return the policy of a draft in ``folder``; raises ``ConfigError``, ``WireError``."""
    try:
        quorum = read_limited(folder / draft.quorum, MAX_FILE).decode()
    except UnicodeDecodeError as error:
        raise ConfigError("the quorum file is not text", rule="keyholder.quorum") from error
    return found(draft, quorum)


def sign_policy(config: KeyholderConfig, policy: Policy) -> bytes:
    """Return this keyholder's signature over a policy in which it has a seat.

    Raises:
        StateError: it has none, or another key, or the quorum is not the pinned one.
    """
    seated = Seated.of(policy, config.name, open_signer(config))
    access = seated.access
    pinned = (pinned_quorum(config).text, config.policy_origin, config.orders_origin)
    if (access.quorum, access.policy_origin, access.orders_origin) != pinned:
        raise StateError("the policy names other logs or witnesses", rule="release.pinned")
    return seated.key.sign(Label.SIGN_POLICY, policy.document)


def in_seat_order(policy: Policy, signatures: Sequence[bytes]) -> SignedPolicy:
    """Return a policy with one signature of every seat, given in any order.

    Raises:
        StateError: a seat has not signed.
    """
    seats = () if policy.access is None else policy.access.seats
    ordered = []
    for seat in seats:
        mine = (s for s in signatures if _signs(seat.signing_key, policy.document, s))
        signature = next(mine, None)
        if signature is None:
            raise StateError(f"{seat.keyholder} has not signed", rule="policy.signatures")
        ordered.append(signature)
    signed = SignedPolicy(policy, tuple(ordered))
    check_policy(signed)
    return signed


def _signs(key: bytes, document: bytes, signature: bytes) -> bool:
    try:
        signing.verify(key, Label.SIGN_POLICY, document, signature)
    except GlasslockError:
        return False
    return True


async def publish(config: KeyholderConfig, signed: SignedPolicy) -> int:
    """Put a signed policy into the policy log; returns its index.

    Raises:
        TransportError: the log does not answer.
        QuorumNotMet: too few witnesses have cosigned in time; try again.
    """
    key, entry = open_signer(config), encode_record(PolicyRecord(signed))
    client = HttpClient(log_url(pinned_quorum(config), config.policy_origin))
    try:
        body = submit(key, config.policy_origin, entry).encode()
        added = await client.post(api.LOG_ADD, body)
    finally:
        await client.close()
    return msgspec.msgpack.decode(added, type=api.Added).index
