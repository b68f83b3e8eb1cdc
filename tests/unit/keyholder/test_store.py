"""The keyholder's disk: what leaves is written first, an answer stands, a seed is gone for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasslock.errors import ConfigError, StateError
from glasslock.keyholder.period import make_key
from glasslock.keyholder.release import Answer
from glasslock.keyholder.seat import Seated
from glasslock.keyholder.store import DATABASE, Outgoing, Store
from glasslock.keyholder.watch import Bundle, Case
from glasslock.wire.record import encode_record
from tests.unit.desk.world import make_policy, seat_key, secret

KEY, LOG = b"\x01" * 32, "log.test/orders"
SEED = secret("a seed to be forgotten")


def test_an_order_has_one_answer(tmp_path: Path) -> None:
    store = Store(tmp_path, KEY)
    store.put_order(Case(7, Bundle(b"issued", bytes(32), b"manifest"), b"digest", "court"))
    store.put_verdict(7, Outgoing(LOG, b"intent"), release=b"bytes", rule=None)
    for again in (b"other bytes", None):
        with pytest.raises(StateError):
            store.put_verdict(7, Outgoing(LOG, b"more"), release=again, rule=None)
    assert [each.entry for each in store.outbox()] == [b"intent"]
    assert store.cases()[7].release == b"bytes"
    store.put_progress(7, sent=Outgoing(LOG, b"done"))
    store.put_progress(7, noticed=True)
    case = store.cases()[7]
    assert (case.sent, case.noticed) == (True, True)


def test_an_entry_is_on_its_way_once_to_each_log(tmp_path: Path) -> None:
    store = Store(tmp_path, KEY)
    for _ in range(2):
        store.queue([Outgoing(LOG, b"entry"), Outgoing("other", b"entry")])
    assert [each.origin for each in store.outbox()] == [LOG, "other"]
    assert store.written(LOG, b"entry")
    assert not store.written(LOG, b"another")


def test_a_destroyed_seed_is_overwritten(tmp_path: Path) -> None:
    seated = Seated.of(make_policy(((2, 2), (2, 2))), "keyholder-1", seat_key(1))
    store = Store(tmp_path, KEY)
    key = make_key(seated, SEED, 20_000, 7)
    store.put_key(key, Outgoing(LOG, encode_record(key.record)))
    assert store.keys()[key.key_id].seed == SEED
    store.end_keys({key.key_id: Outgoing(LOG, b"end")})
    assert store.keys()[key.key_id].seed is None
    assert [each.entry for each in store.outbox()] == [encode_record(key.record), b"end"]
    # Once is enough, whoever comes second.
    store.end_keys({key.key_id: Outgoing(LOG, b"end again")})
    assert len(store.outbox()) == 2
    # Its page is overwritten in the file, and the journal that still had it is empty.
    assert store.db.one("PRAGMA secure_delete") == (1,)
    store.end_keys({})
    assert (tmp_path / f"{DATABASE}-wal").stat().st_size == 0


def test_a_key_that_is_dropped_takes_its_announcement_along(tmp_path: Path) -> None:
    seated = Seated.of(make_policy(((2, 2), (2, 2))), "keyholder-1", seat_key(1))
    store = Store(tmp_path, KEY)
    key = make_key(seated, SEED, 20_000, 7)
    store.put_key(key, Outgoing(LOG, encode_record(key.record)))
    store.end_keys({key.key_id: None})
    assert store.outbox() == []


def test_the_last_answer_counts(tmp_path: Path) -> None:
    store = Store(tmp_path, KEY)
    store.put_answer(3, Answer(yes=True), 1)
    store.put_answer(3, Answer(yes=False, ground="no"), 2)
    assert store.answers() == {3: Answer(yes=False, ground="no")}


def test_the_folder_opens_with_its_own_key_only(tmp_path: Path) -> None:
    Store(tmp_path, KEY).close()
    with pytest.raises(ConfigError):
        Store(tmp_path, b"\x02" * 32)
