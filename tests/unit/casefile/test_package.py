"""An archive with one spelling: any program unpacks it, and no trick of the format gets in."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest

from glasslock.casefile import package
from glasslock.casefile.package import MAX_FILES, decode_package, encode_package
from glasslock.errors import WireError

FILES = {"b.json": b"{}\n", "a.html": b"<p>", "folder/c.cbor": bytes(300), "empty.json": b""}


def refused(data: bytes) -> str | None:
    with pytest.raises(WireError) as caught:
        decode_package(data)
    return caught.value.rule


def written(
    *names: str, compression: int = zipfile.ZIP_STORED, content: bytes = b"x", day: int = 1
) -> bytes:
    """What another program writes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name, (1980, 1, day, 0, 0, 0))
            info.compress_type = compression
            archive.writestr(info, content)
    return out.getvalue()


def test_what_goes_in_comes_out_and_equal_files_give_equal_bytes() -> None:
    packed = encode_package(FILES)
    assert decode_package(packed) == FILES
    assert encode_package(dict(reversed(FILES.items()))) == packed


def test_any_program_unpacks_it() -> None:
    with zipfile.ZipFile(io.BytesIO(encode_package(FILES))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES


def test_every_byte_counts() -> None:
    packed = encode_package({"a.json": b"{}\n", "b/c.html": b"<p>"})
    for at in range(len(packed)):
        for flip in (1, 0x80):
            changed = packed[:at] + bytes((packed[at] ^ flip,)) + packed[at + 1 :]
            with pytest.raises(WireError):
                decode_package(changed)
    for end in range(len(packed)):
        with pytest.raises(WireError):
            decode_package(packed[:end])


@pytest.mark.parametrize(
    "name",
    [
        "../a.json", "/a.json", "a/../b.json", "a//b.json", "a/b/c.json", "./a.json", "a\\b.json",
        "A.json", "a", ".json", "a.json/", "c:a.json", "a b.json", "-a.json", "\u00e4.json",
        "a.json\x00", "a\n.json", "a" * 60 + ".json", "",
    ],
)  # fmt: skip
def test_no_name_leads_out_or_elsewhere(name: str) -> None:
    with pytest.raises(WireError) as caught:
        encode_package({name: b""})
    assert caught.value.rule == "package.name"


@pytest.mark.parametrize("name", ["../a.json", "/a.json", "a/../b.json", "A.json", "a.json/"])
def test_no_name_that_another_program_wrote_leads_out(name: str) -> None:
    local = written(name).replace(b"\x14\x00", b"\x0a\x00", 1)
    assert refused(local) in {"package.name", "package.stored"}


def _local(name: str) -> bytes:
    packed = encode_package({name: b"x"})
    return packed[: packed.index(b"PK\x01\x02")]


def spliced(first: str, second: str) -> bytes:
    """Two files one after the other, with the directory of the second alone."""
    whole = encode_package({second: b"x"})
    return _local(first) + whole


def hidden() -> bytes:
    """An archive whose directory lists one file less than there are."""
    both, one = encode_package({"a.json": b"x", "b.json": b"x"}), encode_package({"a.json": b"x"})
    return both[: both.index(b"PK\x01\x02")] + one[one.index(b"PK\x01\x02") :]


def renamed() -> bytes:
    packed = encode_package({"a.json": b"x"})
    at = packed.rindex(b"a.json")
    return packed[:at] + b"b.json" + packed[at + 6 :]


TRICKS: list[tuple[str, Callable[[], bytes], str]] = [
    ("compressed", lambda: written("a.json", compression=zipfile.ZIP_DEFLATED), "package.stored"),
    (
        "bomb",
        lambda: written("a.json", compression=zipfile.ZIP_DEFLATED, content=bytes(1 << 22)),
        "package.cut",
    ),
    ("dated", lambda: written("a.json", day=2), "package.stored"),
    ("nothing in it", written, "package.end"),
    ("no archive", lambda: b"glasslock", "package.end"),
    ("nothing at all", lambda: b"", "package.end"),
    ("something before", lambda: b"x" + encode_package(FILES), "package.end"),
    ("something after", lambda: encode_package(FILES) + b"x", "package.end"),
    ("a comment", lambda: encode_package(FILES)[:-2] + b"\x01\x00x", "package.end"),
    ("cut within a header", lambda: encode_package(FILES)[:20], "package.cut"),
    ("cut within a file", lambda: encode_package(FILES)[:37], "package.cut"),
    ("twice", lambda: spliced("a.json", "a.json"), "package.order"),
    ("unsorted", lambda: spliced("b.json", "a.json"), "package.order"),
    ("a directory that hides a file", hidden, "package.end"),
    ("a directory of another file", renamed, "package.end"),
]


@pytest.mark.parametrize(("make", "rule"), [t[1:] for t in TRICKS], ids=[t[0] for t in TRICKS])
def test_no_trick_of_the_format_gets_in(make: Callable[[], bytes], rule: str) -> None:
    assert refused(make()) == rule


def test_there_is_an_end_to_files_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"a{number}.json": b"" for number in range(MAX_FILES + 1)}
    for files in (many, {}):
        with pytest.raises(WireError) as caught:
            encode_package(files)
        assert caught.value.rule == "package.count"
    names = sorted(many)
    assert refused(b"".join(_local(name) for name in names)) == "package.count"
    packed = encode_package(FILES)
    monkeypatch.setattr(package, "MAX_PACKAGE", len(packed) - 1)
    assert refused(packed) == "package.length"
    with pytest.raises(WireError) as large:
        encode_package(FILES)
    assert large.value.rule == "package.length"
