"""Steps joined into one: everything in its order, and what must stand alone does."""

from __future__ import annotations

from dataclasses import fields

import pytest

from glasslock.client.changes import (
    Compared,
    Effects,
    Heard,
    LetterState,
    MessageState,
    NewMessage,
    Record,
)
from glasslock.client.events import Warned
from glasslock.client.state import GroupState
from glasslock.errors import StateError
from glasslock.mls import SUITE_CLASSIC
from glasslock.sealing.slots import SlotTree
from glasslock.wire import api
from glasslock.wire.entry import Head
from tests.bench.client_scene import Member

GROUP = b"a group"
STATE = GroupState(GROUP, bytes(32), 0, 0, Head.start(GROUP), SlotTree.from_root(bytes(32)))


def one_of_each(n: int) -> dict[str, object]:
    """Something in every field but those of the engine."""
    name = b"%d" % n
    heard = Heard(name, "log", "alice", name, GROUP, n, n, bytes(32), name)
    return {
        "states": {GROUP: STATE, name: STATE},
        "heads": [(GROUP, n, bytes(32))],
        "messages": [NewMessage(n, GROUP, "queued", "alice", name, name, n)],
        "message_states": [MessageState(7, f"state {n}")],
        "outgoing": [],
        "settled": [n],
        "records": [Record(GROUP, n, "rule")],
        "accepted": {(GROUP, b"policy"): n == 1, (GROUP, name): True},
        "invitations": {GROUP: name},
        "meta": {"line": name, f"only {n}": name},
        "letters": [name],
        "letter_states": [LetterState(n, "verified", "")],
        "orders_read": [],
        "heard": [heard],
        "compared": [Compared(heard, "agreed", n)],
        "frames": [api.Ack(GROUP, n)],
        "events": [Warned(GROUP, "rule", n, "text")],
        "done": [(n, StateError("no"))],
        "commands": [n],
    }


def test_a_later_step_follows_in_every_field() -> None:
    first, later = Effects(**one_of_each(1)), Effects(**one_of_each(2))  # type: ignore[arg-type]
    first.follow(later)
    one, two = one_of_each(1), one_of_each(2)
    for each in fields(Effects):
        if each.name in {"rows", "written"}:
            continue
        mine, theirs = one[each.name], two[each.name]
        together = getattr(first, each.name)
        if isinstance(mine, list) and each.name != "done":
            assert together == mine + theirs  # type: ignore[operator]
        elif isinstance(mine, dict):
            # The later word counts.
            assert together == {**mine, **theirs}  # type: ignore[dict-item]
    assert [number for number, _ in first.done] == [1, 2]
    assert first.meta["line"] == b"2"
    assert first.accepted[GROUP, b"policy"] is False


@pytest.mark.parametrize("name", sorted(one_of_each(1).keys() - {"outgoing", "orders_read"}))
def test_whatever_is_in_a_step_counts(name: str) -> None:
    effects = Effects(**{name: one_of_each(1)[name]})  # type: ignore[arg-type]
    assert not effects.empty
    assert effects.stores == (name not in {"frames", "events", "done", "commands"})
    assert not effects.alone


def test_rows_of_the_engine_and_a_group_left_behind_stand_alone() -> None:
    member = Member.make("alice", SUITE_CLASSIC)
    _, written = member.engine.key_package(0, last_resort=False)
    effects = Effects()
    effects.take(written)
    assert effects.alone
    assert effects.stores
    assert Effects(states={GROUP: None}).alone
    assert Effects().empty
    assert not Effects().alone
