"""The search finds a planted word in every form it claims, and nothing where there is none."""

from __future__ import annotations

import base64
import gzip
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from glasslock.demo.search import CHUNK, Searcher, forms
from glasslock.demo.stage import planted_word

WORD = planted_word()
NOISE = bytes(range(256)) * 8


@pytest.mark.parametrize("shift", range(7))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_found_whatever_stands_before_it(shift: int, encode: object) -> None:
    hidden = encode(b"x" * shift + WORD.encode() + b"tail")  # type: ignore[operator]
    assert Searcher([WORD]).in_bytes(NOISE + hidden + NOISE, "here")


@pytest.mark.parametrize("form", sorted(forms(WORD)))
def test_each_form_is_found(form: str) -> None:
    found = Searcher([WORD]).in_bytes(NOISE + forms(WORD)[form] + NOISE, "here")
    assert found


@pytest.mark.parametrize("level", [1, 6, 9])
def test_deflated_words_are_found(level: int) -> None:
    text = (NOISE + WORD.encode()) * 3
    searcher = Searcher([WORD])
    assert searcher.in_bytes(NOISE + zlib.compress(text, level), "zlib")
    assert searcher.in_bytes(NOISE + gzip.compress(text, level), "gzip")


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(NOISE + zlib.compress(NOISE))
    found, total = Searcher([WORD]).in_folder(tmp_path)
    assert found == []
    assert total > len(NOISE)


def test_files_below_a_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "wal").write_bytes(NOISE + WORD.encode())
    found, _ = Searcher([WORD]).in_folder(tmp_path)
    assert [f.place for f in found] == ["deep/wal"]


def test_the_memory_of_another_process_is_searched() -> None:
    program = (
        "import sys; word = sys.stdin.readline().strip(); "
        f"hoard = bytearray({CHUNK + 100}); hoard += word.encode(); print('ready', flush=True); "
        "sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(WORD + "\n")
        process.stdin.flush()
        process.stdout.readline()
        found, total = Searcher([WORD]).in_memory(process.pid)
        nothing, _ = Searcher([planted_word()]).in_memory(process.pid)
        process.communicate("\n")
    assert found
    assert total > CHUNK
    assert nothing == []
