"""What a log has bound, sequenced or published stays what it was, whatever its disk says later."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasslock.errors import LogInconsistent, StorageError
from glasslock.logserver.sequencer import Tree, files
from glasslock.logserver.store import Store
from glasslock.runtime.sqlite import no_point

ENTRIES = [b"entry %d" % number for number in range(5)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, tmp_path / "public", no_point)


def test_one_size_has_one_root_for_ever(store: Store) -> None:
    store.put_head(3, bytes(32))
    store.put_head(3, bytes(32))
    with pytest.raises(LogInconsistent) as caught:
        store.put_head(3, b"\x01" * 32)
    assert caught.value.rule == "log.head"


def test_a_place_has_one_entry_and_an_entry_one_place(store: Store) -> None:
    store.sequence(0, ENTRIES[:2])
    for first, entry in ((1, b"another"), (2, ENTRIES[0])):
        with pytest.raises(StorageError):
            store.sequence(first, [entry])
    assert list(store.entries(0, 9)) == ENTRIES[:2]


def test_a_published_file_does_not_change(store: Store) -> None:
    store.put_files([("tile/0/000", b"one")])
    store.put_files([("tile/0/000", b"one")])
    with pytest.raises(LogInconsistent) as caught:
        store.put_files([("tile/0/000", b"two")])
    assert caught.value.rule == "log.file"
    assert (store.public / "tile/0/000").read_bytes() == b"one"


def test_an_entry_that_changed_on_disk_is_not_published() -> None:
    tree = Tree(ENTRIES)
    assert list(files(tree, 0, 5, ENTRIES))
    with pytest.raises(LogInconsistent) as caught:
        list(files(tree, 0, 5, [*ENTRIES[:3], b"another", ENTRIES[4]]))
    assert caught.value.rule == "log.entry"
