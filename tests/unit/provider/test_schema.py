"""What an earlier version has stored is found and continued by this one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from glasslock.provider.schema import MIGRATIONS
from glasslock.wire.envelope import decode_envelope
from tests.unit.provider.test_batch_entries import Desk, Story, accepted, rules

BEFORE = 2


def turned_back(folder: Path) -> None:
    """Make the database what version 2 would have written: receipts apart, no places in slots."""
    db = sqlite3.connect(folder / "provider.db")
    kept = {
        name: db.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 - a name from the schema
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    }
    db.close()
    for path in folder.glob("provider.db*"):
        path.unlink()
    db = sqlite3.connect(folder / "provider.db")
    for script in MIGRATIONS[:BEFORE]:
        db.executescript(script)
    db.execute(f"PRAGMA user_version = {BEFORE}")
    del kept["slot_starts"]
    widths = {"devices": 8, "entries": 11, "slots": 7}
    kept["receipts"] = [(row[0], row[1], row[11]) for row in kept["entries"]]
    for name, rows in kept.items():
        for row in (each[: widths.get(name)] for each in rows):
            marks = ", ".join("?" * len(row))
            db.execute(f"INSERT INTO {name} VALUES ({marks})", row)  # noqa: S608 - as above
    db.commit()
    db.close()


def test_entries_of_version_2_are_read_answered_and_continued(tmp_path: Path) -> None:
    story = Story.begin()
    desk = Desk(tmp_path / "desk")
    desk.know(*story.people)
    desk.ask(*story.frames)
    alice, bob, _ = story.writers()
    frames = [(each.person, each.write()) for each in (alice, bob, alice)]
    first = accepted(desk.ask(*frames))
    commit = accepted(desk.ask(story.frames[1]))
    items = desk.store.entries(b"group", 0, 10)
    desk.db.close()
    turned_back(tmp_path / "desk")
    later = Desk(tmp_path / "desk")
    assert later.store.entries(b"group", 0, 10) == items
    assert accepted(later.ask(*frames, story.frames[1])) == [*first, *commit]
    more = [(each.person, each.write()) for each in (alice, bob, alice)]
    assert [each.position for each in accepted(later.ask(*more))] == [5, 6, 7]
    assert accepted(later.ask(more[0], frames[0]))[1] == first[0]
    assert rules(later.ask((bob.person, frames[0][1]))) == ["delivery.duplicate"]
    refresh = alice.person.commit(alice.group)
    assert [each.position for each in accepted(later.ask((alice.person, refresh)))] == [8]
    alice.merge(refresh.commit)
    opened = alice.write()
    assert decode_envelope(opened.envelope).opening is not None
    again = [(alice.person, opened), (alice.person, alice.write())]
    assert accepted(later.ask(*again)) == accepted(later.ask(*again))
    later.db.close()
