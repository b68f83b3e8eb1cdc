"""An accepted case file in words: what holds, what only the desk says, what remains open.

Knows an accepted case file; checks nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from glasslock.casefile.findings import Gap
from glasslock.casefile.page import time_text
from glasslock.casefile.verify import Accepted
from glasslock.wire.leaf import DoneLeaf
from glasslock.wire.record import AuthorityRecord


@dataclass(frozen=True, slots=True)
class Verdict:
    """Three lists of sentences for a person."""

    holds: tuple[str, ...]
    word: tuple[str, ...]
    remains: tuple[str, ...]


def verdict(accepted: Accepted) -> Verdict:
    """Return what there is to say of a case file that holds."""
    return Verdict(tuple(_holds(accepted)), tuple(_word(accepted)), tuple(_remains(accepted)))


def _holds(accepted: Accepted) -> Iterator[str]:
    found = accepted.found
    case, opening = found.case, found.opening
    order, admitted, record = case.admitted.order, case.admitted, case.record
    yield (
        f"order {order.reference}: issued by {_who(admitted.issuing.record)}, countersigned by"
        f" {_who(admitted.countersigner.record)}, under a policy that all"
        f" {len(case.access.seats)} keyholders signed"
    )
    yield (
        f"it is entry {record.index} of {case.access.orders_origin}, where witnesses saw it on"
        f" {time_text(record.time)} at the latest"
    )
    yield "what was stored of the granted lines stood under roots in the log before the order did"
    for group in accepted.facts["classes"]:
        yield (
            f"{group['name']}: {group['released']} of {group['seats']} keyholders released,"
            f" {group['threshold']} were needed; each had announced exactly that release in the log"
        )
    yield (
        f"{opening.opened_slots} of {opening.slots} granted slots are open, each under the key that"
        " its sender sealed"
    )
    if found.proportion is not None and not found.proportion.differences:
        yield "what was frozen is what the provider had signed beforehand, number by number"
    receipts = sum(message.receipt is not None for message in opening.messages)
    yield (
        f"{len(opening.messages)} messages, each opened again from what was stored at its place,"
        f" each signed by its sender's device; {receipts} with the provider's receipt"
    )
    yield (
        f"entry {accepted.report.index} of that log, signed by the issuing authority, names exactly"
        " this case file"
    )


def _word(accepted: Accepted) -> Iterator[str]:
    claims, seats = accepted.evidence.claims, accepted.found.case.access.seats
    yield "when the desk drafted, received and opened what it did: its own clock, its own signature"
    yield "that nothing more came from provider and keyholders than what is here"
    for number in sorted(claims.locked):
        yield f"release {number} does not open with the case keys"
    for (seat, slot), rule in sorted(claims.false.items()):
        yield f"{seats[seat].keyholder} gave a false share of slot {slot.hex()} [{rule}]"
    for slot in sorted(claims.unfit):
        yield f"the shares of slot {slot.hex()} do not give its key"


def _remains(accepted: Accepted) -> Iterator[str]:
    found = accepted.found
    if found.proportion is None:
        yield "no preview by the provider is here: what the order was thought to reach is not shown"
    for each in () if found.proportion is None else found.proportion.differences:
        numbers = f"{each.foreseen} {each.number} foreseen, {each.found} found"
        yield f"{numbers}: {each.says} [{each.rule}]"
    for gap in found.opening.gaps:
        yield f"gap: {_place(gap)}: {gap.says} [{gap.rule}]"
    for gap in found.opening.unproven:
        yield f"{_place(gap)}: {gap.says} [{gap.rule}]"
    here = {each.release.digest for each in found.counted}
    for said in found.case.record.said:
        if isinstance(said.leaf, DoneLeaf) and said.leaf.release not in here:
            yield f"entry {said.index} tells of a release that does not count here"
    for slot in accepted.facts["slots"]:
        if slot["unlogged_seats"]:
            yield f"slot {slot['slot'].hex()} is sealed to keys that are not shown to be logged"
    if found.case.access.quorum != accepted.evidence.logs.quorum:
        yield "the policy names another quorum file than the one the logs were read under"
    yield "whether the log has other reports on this order: read it, and see whom else they name"


def _place(gap: Gap) -> str:
    place = gap.place
    who = "" if place.account is None else f"{place.account} in "
    where = "" if place.position is None else f", position {place.position}"
    return f"{who}{place.group_id.hex()}{where}"


def _who(record: AuthorityRecord) -> str:
    return f"{record.name} ({record.owner})"
