"""Whether a letter about an order is true: against a reader's own replica of the orders log.

The only file of the client that knows the law (``glasslock.orders``). It is loaded when there is a
letter to judge, so a device whose conversations have no access path never loads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from glasslock.client.events import Notice, PutOff, Reached, Standing
from glasslock.errors import StateError, VerificationError
from glasslock.orders.authority import Registers
from glasslock.orders.commitment import check_disclosure, persons_in
from glasslock.orders.extension import Parties, anybody, nobody
from glasslock.orders.ledger import Ledger
from glasslock.sealing.book import PolicyBook
from glasslock.tlog.checkpoint import VerifiedCheckpoint
from glasslock.wire.codec import Value, decode
from glasslock.wire.leaf import ExtendLeaf
from glasslock.wire.notice import Field, Letter, decode_letter
from glasslock.wire.policy import Policy
from glasslock.wire.record import MAGIC

_KINDS: Final = (MAGIC + b"order\n", MAGIC + b"disclosure\n", MAGIC + b"extend\n")


class NoticePending(StateError):
    """The log does not show the order's disclosure yet."""

    slug = "notice-pending"


def concerns_letters(entry: bytes) -> bool:
    """Say whether an entry of an orders log is one that letters are judged by."""
    return entry.startswith(_KINDS)


def registered(book: PolicyBook | None) -> Parties:
    """Return who may put off notices by a policy log as it was read; nobody if it never was."""
    if book is None:
        return nobody
    policies = (logged.record.signed.policy for logged in book.policies.values())
    records = (logged.record for logged in book.authorities)
    return Registers().at(book.size, policies, records).may_extend


def replay(entries: Iterable[tuple[int, int, bytes]], parties: Parties = anybody) -> Ledger:
    """Return what entries of an orders log (index, witnessed time, bytes) say.

    ``parties`` may put off notices: anybody, for a reader who has no policy log.
    """
    ledger = Ledger(parties)
    for index, time, entry in entries:
        ledger.add(entry, index, time)
    return ledger


def standing(
    policy: Policy, checkpoint: VerifiedCheckpoint, ledger: Ledger, letters: Iterable[Notice]
) -> Standing:
    """Return how orders under ``policy`` stand by its log, read whole to ``checkpoint``."""
    ledger.seen(checkpoint.median_time)
    orders = ledger.orders.values()
    return Standing(
        policy.digest,
        checkpoint.origin,
        checkpoint.size,
        checkpoint.median_time,
        len(orders),
        tuple(each.index for each in orders if each.disclosed is not None),
        tuple(each.index for each in orders if ledger.overdue(each)),
        tuple(sorted(each.index for each in letters if each.policy == policy.digest)),
        checkpoint.note,
        tuple(each.index for each in orders if ledger.extensions(each)),
    )


def policy_of(letter: Letter, known: Mapping[bytes, Policy]) -> Policy:
    """Return the policy that a letter claims, if it is one of ``known`` and of the letter's log.

    Raises:
        VerificationError: it is not.
        WireError: a value is malformed.
    """
    claimed = _values(letter).get("policy")
    policy = known.get(claimed) if isinstance(claimed, bytes) else None
    if policy is None or policy.access is None or policy.access.orders_origin != letter.origin:
        raise VerificationError("no such policy is known here", rule="notice.policy")
    return policy


def verify_for(data: bytes, account: str, policy: Policy, ledger: Ledger, size: int) -> Notice:
    """Return the facts of a letter to ``account`` about an order under ``policy``.

    ``size`` is how many entries of the log ``ledger`` was fed from.

    Raises:
        NoticePending: the log does not show order or disclosure yet.
        VerificationError: the letter is not true, or not for this person.
        WireError: it is malformed.
    """
    letter = decode_letter(data)
    notice = verify_letter(data, letter.origin, ledger, size)
    if notice.policy != policy.digest:
        raise VerificationError("the order is under another policy", rule="notice.policy")
    if notice.provider != policy.provider_key:
        raise VerificationError("the order was logged by somebody else", rule="notice.provider")
    if notice.account != account:
        raise VerificationError("the letter is to somebody else", rule="notice.person")
    return notice


def verify_letter(data: bytes, origin: str, ledger: Ledger, size: int) -> Notice:
    """Return the facts of a letter, by the log ``origin`` alone; whose it is is in the facts.

    Raises: as ``verify_for``.
    """
    letter = decode_letter(data)
    if letter.origin != origin:
        raise VerificationError("the letter is about another log", rule="notice.origin")
    record = ledger.orders.get(letter.index)
    if record is None and letter.index < size:
        raise VerificationError("no order stands there", rule="notice.leaf")
    if record is None:
        raise NoticePending("the log was not read so far", rule="notice.unread")
    facts = check_disclosure(record.leaf, letter.fields)
    notice = read_notice(data, provider=record.provider)
    if facts["dates"] != (notice.issued, notice.expires, notice.hold, record.leaf.disclose_by):
        raise VerificationError("leaf and letter name other dates", rule="notice.dates")
    if record.disclosed is None:
        raise NoticePending("the order is not disclosed yet", rule="notice.undisclosed")
    return put_off(notice, ledger)


def put_off(notice: Notice, ledger: Ledger) -> Notice:
    """Return a notice with each time that it was put off, as the log shows it."""
    record = ledger.orders.get(notice.index)
    held = [] if record is None else [said.leaf for said in ledger.extensions(record)]
    found = [PutOff(e.disclose_by, e.ground) for e in held if isinstance(e, ExtendLeaf)]
    return replace(notice, put_off=tuple(found))


def read_notice(data: bytes, number: int = 0, provider: bytes = b"") -> Notice:
    """Return what a letter says; nothing of it is verified here.

    Raises:
        VerificationError: it withholds a fact, or is not to one person.
        WireError: it is malformed.
    """
    letter = decode_letter(data)
    facts = _values(letter)
    persons = persons_in(facts)
    if len(persons) != 1:
        raise VerificationError("a letter is to one person", rule="notice.person")
    account, named, grants = persons[0]
    authority, countersigner = _who(facts.get("authority")), _who(facts.get("countersigner"))
    match facts:
        case {
            "contest": str(contest),
            "dates": (int(issued), int(expires), int(hold), int(disclose_by)),
            "legal basis": str(legal_basis),
            "offence": str(offence),
            "policy": bytes(policy),
            "reference": str(reference),
        }:
            return Notice(
                number,
                letter.origin,
                letter.index,
                policy,
                provider,
                account,
                named,
                authority,
                countersigner,
                reference,
                legal_basis,
                offence,
                issued,
                expires,
                hold,
                disclose_by,
                contest,
                _reached(grants),
            )
    raise VerificationError("a letter withholds facts", rule="commitment.withheld")


def _values(letter: Letter) -> dict[str, Value]:
    return {each.label: decode(each.value) for each in letter.fields if isinstance(each, Field)}


def _who(value: Value) -> str:
    match value:
        case (str(name), str(owner), str(kind)):
            return f"{name} ({owner}, {kind})"
    raise VerificationError("a letter withholds facts", rule="commitment.withheld")


def _reached(value: Value) -> tuple[Reached, ...]:
    found: list[Reached] = []
    for item in value if isinstance(value, tuple) else ():
        match item:
            case (bytes(group_id), str() | None as recipient, tuple(spans)):
                found.append(Reached(group_id, recipient, _spans(spans)))
            case _:
                raise VerificationError("a letter's grants are malformed", rule="notice.grants")
    return tuple(found)


def _spans(value: tuple[Value, ...]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for item in value:
        match item:
            case (int(first), int(last)):
                found.append((first, last))
            case _:
                raise VerificationError("a letter's grants are malformed", rule="notice.grants")
    return tuple(found)
