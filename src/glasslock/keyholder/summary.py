"""What a keyholder's person is shown of an order before saying yes or no; decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from glasslock.keyholder.check import LoggedOrder
from glasslock.sealing.slots import day_of

# In the words of section 5.3, in its order; an order that fails one is refused and never shown.
CHECKS: Final = (
    "logs, witnesses and origins are the pinned ones",
    "a quorum of witnesses has seen both logs lately",
    "the order stands in the log, and is the one it commits to",
    "authority and countersigner are registered, independent, and have signed",
    "dates, scope and maxima keep to the policy",
    "nothing in the manifest is missing or planted, as far as the logged roots show",
)


@dataclass(frozen=True, slots=True)
class Summary:
    """An order in words and numbers; times are unix seconds, no person is named."""

    commitment: str
    authority: str
    countersigner: str
    agency: str
    legal_basis: str
    offence: str
    persons: int
    third_parties: int
    conversations: int
    slots: int
    stored_slots: int
    days: int
    issued: int
    expires: int
    hold: int
    disclose_by: int
    checks: tuple[str, ...]


def summarise(logged: LoggedOrder, commitment: bytes) -> Summary:
    """Return what a person is shown of an order that passed every check."""
    admitted, order = logged.admitted, logged.admitted.order
    clocks = logged.seated.policy.clocks
    days = {
        day
        for grant in order.grants
        for first, last in grant.spans
        for day in range(day_of(clocks, first), day_of(clocks, last) + 1)
    }
    return Summary(
        commitment=commitment.hex(),
        authority=admitted.issuing.name,
        countersigner=admitted.countersigner.name,
        agency=admitted.agency.name,
        legal_basis=order.legal_basis,
        offence=order.offence,
        persons=len(order.named),
        third_parties=len(order.third_parties),
        conversations=len({grant.group_id for grant in order.grants}),
        slots=order.slots,
        stored_slots=len(logged.checked.slots),
        days=len(days),
        issued=order.issued,
        expires=order.expires,
        hold=order.hold,
        disclose_by=order.disclose_by,
        checks=CHECKS,
    )
