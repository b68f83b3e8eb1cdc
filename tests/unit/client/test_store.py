"""What a device keeps: rows in their order, and a start that reads what waits and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from glasslock.client.changes import Effects, MessageState, NewMessage, Outgoing
from glasslock.client.schema import MIGRATIONS
from glasslock.client.store import Store
from glasslock.errors import StorageError
from glasslock.mls import SUITE_CLASSIC
from glasslock.runtime.sqlite import Cursor, Database
from glasslock.wire.codec import encode
from tests.bench.client_scene import GROUP, KEY, NOW, Member, found, found_store, opened

Row = tuple[bytes, bytes, bytes | None]


@pytest.fixture
def member() -> Member:
    return found(2, SUITE_CLASSIC)[1]


@pytest.fixture
def path(tmp_path: Path, member: Member) -> Path:
    path = tmp_path / "device.db"
    found_store(path, member)
    return path


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = opened(path)
    yield store
    store.close()


def message(number: int, state: str, *, position: int | None = None, digest: int = 0) -> NewMessage:
    place = digest.to_bytes(32) if digest else None
    audience = encode((bytes(32), ("alice", "bob")))
    return NewMessage(
        number, GROUP, state, "alice", bytes(16), b"%d" % number, NOW, position, place, audience
    )


def rows_of(store: Store, scope: bytes) -> dict[bytes, bytes]:
    found = store._db.all("SELECT key, value FROM mls_rows WHERE scope = ?", (scope,))
    return dict(found)


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([(b"g", b"a", b"1")], {b"a": b"1"}),
        ([(b"g", b"a", b"1"), (b"g", b"a", None)], {}),
        ([(b"g", b"a", None), (b"g", b"a", b"2")], {b"a": b"2"}),
        ([(b"g", b"a", b"1"), (b"g", b"b", b"2"), (b"g", b"a", b"3")], {b"a": b"3", b"b": b"2"}),
        ([(b"g", b"never", None)], {}),
    ],
)
def test_the_last_word_on_a_row_counts(
    store: Store, rows: list[Row], left: dict[bytes, bytes]
) -> None:
    store.apply(Effects(rows=[(b"g", b"a", b"before"), (b"h", b"a", b"other")]))
    store.apply(Effects(rows=[(b"g", b"a", None)]))
    store.apply(Effects(rows=rows))
    assert rows_of(store, b"g") == left
    assert rows_of(store, b"h") == {b"a": b"other"}


def test_a_row_of_many_pages_takes_the_pages_of_the_one_before(store: Store) -> None:
    def pages() -> int:
        ((count,),) = store._db.all("PRAGMA page_count")
        return int(count)

    store.apply(Effects(rows=[(b"g", b"tree", bytes(1_000_000))]))
    before = pages()
    for more in range(5):
        store.apply(Effects(rows=[(b"g", b"tree", bytes(1_000_000 + more))]))
    assert pages() <= before + 1


def test_what_waits_is_loaded_as_it_was(store: Store, member: Member) -> None:
    messages = [
        message(1, "received", position=2),
        message(2, "accepted", position=1, digest=12),
        message(3, "accepted", position=5, digest=13),
        message(4, "sent", digest=14),
        message(5, "sent", digest=15),
        message(6, "queued"),
        message(7, "ask"),
        message(8, "refused", digest=18),
    ]
    outgoing = [
        Outgoing(9, GROUP, (14).to_bytes(32), b"frame", 4, encode((1, 2, 3))),
        Outgoing(10, GROUP, (15).to_bytes(32), b"frame", 5),
    ]
    store.apply(Effects(messages=messages, outgoing=outgoing))
    engine = store.load_engine(KEY)
    loaded = store.load(member.device, engine, bytes(32))
    talk = loaded.conversations[GROUP]
    assert [draft.message for draft in talk.drafts] == [6]
    assert {draft.message: draft.place for draft in talk.in_flight.values()} == {
        4: (1, 2, 3),
        5: None,
    }
    assert list(loaded.outbox) == [9, 10]
    assert (loaded.next_message, loaded.next_outgoing) == (9, 11)
    # Message 3 is promised at position 5; 4 and 5 have no place yet; 2 was read back already.
    own = {number for number in range(10, 20) if talk.own.came(0, number.to_bytes(32))}
    assert own == {13, 14, 15}
    with pytest.raises(StorageError):
        store.apply(Effects(messages=[message(8, "queued")]))


def test_a_start_scans_no_messages(store: Store, member: Member) -> None:
    store.apply(Effects(messages=[message(1, "received", position=2)]))
    asked: list[tuple[str, Sequence[Any]]] = []
    whole = store._db.execute

    def noted(sql: str, values: Sequence[Any] = ()) -> Cursor:
        asked.append((sql, values))
        return whole(sql, values)

    store._db.execute = noted  # type: ignore[method-assign]
    store.load(member.device, store.load_engine(KEY), bytes(32))
    store.messages(GROUP, after=0, limit=100)
    plans = [row[3] for sql, values in asked for row in whole(f"EXPLAIN QUERY PLAN {sql}", values)]
    about = [plan for plan in plans if "messages" in plan]
    assert len(about) >= 4
    assert [plan for plan in about if "SCAN" in plan] == []


def test_a_change_of_a_message_leaves_what_it_does_not_name(store: Store) -> None:
    store.apply(Effects(messages=[message(1, "queued", digest=7)]))
    store.apply(Effects(message_states=[MessageState(1, "accepted", time=5, position=9)]))
    (kept,) = store._db.all("SELECT state, time, position, digest, content FROM messages")
    assert kept == ("accepted", 5, 9, (7).to_bytes(32), b"1")


def test_a_file_of_an_older_version_is_brought_up(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    db = Database.open(old, MIGRATIONS[:2], key=KEY)
    db.execute(
        "INSERT INTO messages VALUES (1, ?, 'received', 'alice', ?, ?, 5, 1, NULL, NULL)",
        (GROUP, bytes(16), b"hello"),
    )
    db.close()
    store = opened(old)
    assert [kept.content for kept in store.messages(GROUP)] == [b"hello"]
    assert store._db.one("SELECT 1 FROM sqlite_schema WHERE name = 'messages_group'") == (1,)
    store.close()


def test_the_journal_forgets_what_was_erased(store: Store, path: Path) -> None:
    journal = path.with_name(path.name + "-wal")
    store.apply(Effects(rows=[(b"g", b"a", b"a secret that is erased")]))
    store.apply(Effects(rows=[(b"g", b"a", None)]))
    assert journal.stat().st_size
    store.forget()
    assert journal.stat().st_size == 0
    assert rows_of(store, b"g") == {}
    store.apply(Effects(rows=[(b"g", b"b", b"2")]))
    store.forget()
    assert rows_of(store, b"g") == {b"b": b"2"}
