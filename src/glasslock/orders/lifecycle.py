"""The life of an order as ONE table (protocol section 5); knows no document and no store."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from glasslock.errors import StateError


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


# ISSUED means signed and countersigned. What is refused, withdrawn or lapsed stays so.
NEXT: Final[dict[State, frozenset[State]]] = {
    State.DRAFT: frozenset({State.PREVIEWED, State.SIGNED, State.WITHDRAWN}),
    State.PREVIEWED: frozenset({State.PREVIEWED, State.SIGNED, State.WITHDRAWN}),
    State.SIGNED: frozenset({State.ISSUED, State.WITHDRAWN}),
    State.ISSUED: frozenset({State.LOGGED, State.REFUSED, State.WITHDRAWN, State.LAPSED}),
    State.LOGGED: frozenset({State.RELEASING, State.NOTICED, State.LAPSED}),
    State.RELEASING: frozenset({State.RELEASING, State.OPENED, State.NOTICED, State.LAPSED}),
    State.OPENED: frozenset({State.OPENED, State.REPORTED}),
    State.REPORTED: frozenset({State.NOTICED}),
    State.NOTICED: frozenset({State.CLOSED}),
    State.LAPSED: frozenset({State.NOTICED}),
    State.REFUSED: frozenset(),
    State.CLOSED: frozenset(),
    State.WITHDRAWN: frozenset(),
}


def advance(state: State, to: State) -> State:
    """Return ``to`` if an order may go there from ``state``.

    Raises:
        StateError: it may not.
    """
    if to not in NEXT[state]:
        raise StateError(f"an order that is {state} cannot become {to}", rule="lifecycle.step")
    return to
