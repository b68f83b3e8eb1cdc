"""The life of an order as ONE table (protocol section 5); knows no document and no store."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from glasslock.errors import StateError
from glasslock.wire.leaf import DONE, UNUSED, WITHDRAWN


class State(StrEnum):
    """Where an order stands."""

    DRAFT = "draft"
    PREVIEWED = "previewed"
    SIGNED = "signed"
    ISSUED = "issued"
    REFUSED = "refused"
    LOGGED = "logged"
    RELEASING = "releasing"
    OPENED = "opened"
    REPORTED = "reported"
    NOTICED = "noticed"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


# ISSUED means signed and countersigned. What is refused, withdrawn or lapsed stays so; once it was
# logged, its notice comes all the same.
NEXT: Final[dict[State, frozenset[State]]] = {
    State.DRAFT: frozenset({State.PREVIEWED, State.SIGNED, State.WITHDRAWN}),
    State.PREVIEWED: frozenset({State.PREVIEWED, State.SIGNED, State.WITHDRAWN}),
    State.SIGNED: frozenset({State.ISSUED, State.WITHDRAWN}),
    State.ISSUED: frozenset({State.LOGGED, State.REFUSED, State.WITHDRAWN, State.LAPSED}),
    State.LOGGED: frozenset({State.RELEASING, State.NOTICED, State.LAPSED, State.WITHDRAWN}),
    State.RELEASING: frozenset(
        {State.RELEASING, State.OPENED, State.NOTICED, State.LAPSED, State.WITHDRAWN}
    ),
    State.OPENED: frozenset({State.OPENED, State.REPORTED}),
    State.REPORTED: frozenset({State.NOTICED}),
    State.NOTICED: frozenset({State.CLOSED}),
    State.LAPSED: frozenset({State.NOTICED}),
    State.REFUSED: frozenset(),
    State.CLOSED: frozenset(),
    State.WITHDRAWN: frozenset({State.NOTICED}),
}
# From which states an authority may say that its order is over, and where that leads.
ENDS: Final[dict[str, dict[State, State]]] = {
    UNUSED: dict.fromkeys((State.LOGGED, State.RELEASING, State.LAPSED), State.LAPSED),
    WITHDRAWN: dict.fromkeys((State.LOGGED, State.RELEASING, State.WITHDRAWN), State.WITHDRAWN),
    DONE: {state: state for state in (State.REPORTED, State.NOTICED, State.CLOSED)},
}


def ended(state: State, outcome: str) -> State:
    """Return where an order goes from ``state`` when its authority says that it is over.

    Raises:
        StateError: it cannot have ended like that.
    """
    to = ENDS[outcome].get(state)
    if to is None:
        raise StateError(f"an order that is {state} is not {outcome}", rule="lifecycle.end")
    return to


def advance(state: State, to: State) -> State:
    """Return ``to`` if an order may go there from ``state``.

    Raises:
        StateError: it may not.
    """
    if to not in NEXT[state]:
        raise StateError(f"an order that is {state} cannot become {to}", rule="lifecycle.step")
    return to
