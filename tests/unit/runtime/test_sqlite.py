"""A folder is opened by a daemon and by commands at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from glasslock.runtime.sqlite import Database

MIGRATIONS = ("CREATE TABLE one (a INTEGER) STRICT", "CREATE TABLE two (b INTEGER) STRICT")
TOGETHER = 4


def test_several_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(TOGETHER) as pool:
        for number in range(20):
            start, path = Barrier(TOGETHER), tmp_path / f"{number}.db"

            def open_one(start: Barrier = start, path: Path = path) -> list[tuple[object, ...]]:
                start.wait()
                database = Database.open(path, MIGRATIONS)
                try:
                    return database.all("SELECT name FROM sqlite_master ORDER BY name")
                finally:
                    database.close()

            opened = [pool.submit(open_one) for _ in range(TOGETHER)]
            assert all(each.result() == [("one",), ("two",)] for each in opened)


def test_a_file_keeps_the_page_size_that_it_was_made_with(tmp_path: Path) -> None:
    sizes = []
    for made, asked in ((4_096, 8_192), (8_192, 4_096)):
        path = tmp_path / f"{made}.db"
        Database.open(path, MIGRATIONS, page_size=made).close()
        again = Database.open(path, MIGRATIONS, page_size=asked)
        sizes += again.all("PRAGMA page_size")
        again.close()
    assert sizes == [(4_096,), (8_192,)]
