"""Tiles: names, widths, bundles, and reading that believes nothing unchecked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from glasslock.errors import GlasslockError, LogInconsistent, StateError, WireError
from glasslock.tlog import merkle
from glasslock.tlog.tile import (
    Bundle,
    Tile,
    TreeTiles,
    bundles,
    decode_bundle,
    edge,
    encode_bundle,
    open_bundle,
    parse_path,
    tiles,
    width_at,
)

from .conftest import ListReader, mth


def tile_bytes(leaves: Sequence[bytes], tile: Tile) -> bytes:
    first = tile.index * 256
    reader = ListReader(leaves)
    return b"".join(reader.hash(8 * tile.level, first + at) for at in range(tile.width))


def tree_tiles(leaves: Sequence[bytes], size: int) -> TreeTiles:
    part = leaves[:size]
    return TreeTiles(size, mth(part), {tile: tile_bytes(part, tile) for tile in edge(size)})


@pytest.mark.parametrize(
    ("item", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(63, 999, 255), "tile/63/999.p/255"),
        (Tile(1, 1000), "tile/1/x001/000"),
        (Tile(0, 1234067, 1), "tile/0/x001/x234/067.p/1"),
        (Bundle(1234067), "tile/entries/x001/x234/067"),
        (Bundle(5, 17), "tile/entries/005.p/17"),
    ],
)
def test_paths_go_both_ways(item: Tile | Bundle, path: str) -> None:
    assert item.path == path
    assert parse_path(path) == item


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000",
        "tile/64/000",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/007",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/../../secret",
        "tile/0/" + "x999/" * 9 + "999",
    ],
)
def test_other_spellings_are_refused(path: str) -> None:
    with pytest.raises(WireError):
        parse_path(path)


def test_widths_of_the_specification() -> None:
    # tlog-tiles, "Partial Tiles": a tree of 70,000, and one of 256.
    assert list(tiles(0, 70_000))[-4:] == [
        Tile(0, 273, 112),
        Tile(1, 0),
        Tile(1, 1, 17),
        Tile(2, 0, 1),
    ]
    assert sum(1 for tile in tiles(0, 70_000) if tile.level == 0) == 274
    assert list(tiles(0, 256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert edge(256) == (Tile(1, 0, 1),)
    assert edge(0) == ()


def test_growth_yields_what_is_new() -> None:
    assert list(tiles(255, 257)) == [Tile(0, 0), Tile(0, 1, 1), Tile(1, 0, 1)]
    assert list(tiles(10, 10)) == []
    assert list(bundles(255, 257)) == [Bundle(0), Bundle(1, 1)]
    seen: set[Tile] = set()
    for size in range(1, 600):
        seen.update(tiles(size - 1, size))
        assert set(edge(size)) <= seen
        assert {tile for tile in seen if tile.width == 256} == {
            tile for tile in tiles(0, size) if tile.width == 256
        }


def test_width_outside_the_tree_is_zero() -> None:
    assert width_at(0, 0, 0) == 0
    assert width_at(0, 1, 256) == 0
    assert width_at(0, 1, 257) == 1
    assert width_at(3, 0, 257) == 0


@pytest.mark.parametrize(
    ("level", "index", "width"), [(64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)]
)
def test_coordinates_no_tile_has_are_refused(level: int, index: int, width: int) -> None:
    with pytest.raises(WireError):
        Tile(level, index, width)


def test_bundles_go_both_ways(entries: list[bytes]) -> None:
    data = encode_bundle([b"", *entries[:255]])
    assert decode_bundle(Bundle(0), data) == (b"", *entries[:255])
    assert encode_bundle([bytes(65_535)])[:2] == b"\xff\xff"


def test_bundles_that_do_not_fit_are_refused(entries: list[bytes]) -> None:
    data = encode_bundle(entries[:3])
    for bad in (data[:-1], data + b"\x00", data + b"\x00\x00", b"", data[:1]):
        with pytest.raises(WireError):
            decode_bundle(Bundle(0, 3), bad)
    for width in (2, 4):
        with pytest.raises(WireError):
            decode_bundle(Bundle(0, width), data)
    for wrong in ([], [b"x"] * 257, [bytes(65_536)]):
        with pytest.raises(WireError):
            encode_bundle(wrong)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 700])
def test_edge_gives_the_root(leaves: list[bytes], size: int) -> None:
    tree = tree_tiles(leaves, size)
    for tile in sorted(tiles(0, size), key=lambda tile: -tile.level):
        tree.take(tile, tile_bytes(leaves[:size], tile))
    for index in range(0, size, 37):
        proof = merkle.prove_inclusion(tree, index, size)
        merkle.verify_inclusion(leaves[index], index, size, proof, mth(leaves[:size]))


def test_every_byte_of_the_edge_matters(leaves: list[bytes]) -> None:
    size = 600
    good = {tile: tile_bytes(leaves[:size], tile) for tile in edge(size)}
    for tile, data in good.items():
        for at in range(0, len(data), 7):
            bad = {**good, tile: data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]}
            with pytest.raises(LogInconsistent):
                TreeTiles(size, mth(leaves[:size]), bad)


def test_a_full_tile_is_checked_against_its_parent(leaves: list[bytes]) -> None:
    # CVE-2026-56865: the root is right whatever full tiles say, so it proves nothing about them.
    tree = tree_tiles(leaves, 700)
    for index in (0, 1):
        data = tile_bytes(leaves, Tile(0, index))
        assert tree.check(Tile(0, index), data) == tuple(leaves[index * 256 : index * 256 + 256])
        for at in range(0, len(data), 61):
            bad = data[:at] + bytes((data[at] ^ 0x80,)) + data[at + 1 :]
            with pytest.raises(LogInconsistent) as caught:
                tree.take(Tile(0, index), bad)
            assert caught.value.rule == "tile.parent"
    with pytest.raises(LogInconsistent):
        tree.take(Tile(0, 1), tile_bytes(leaves, Tile(0, 0)))


def test_nothing_is_believed_before_its_parent(leaves: list[bytes]) -> None:
    big = [leaves[n % 700] for n in range(256)]
    top = merkle.complete_root(big)
    # A tree of 65,536 leaves made of 256 equal full tiles: level 1 is full, its parent partial.
    level1 = b"".join([top] * 256)
    root = merkle.complete_root([top] * 256)
    tree = TreeTiles(65_536, root, {Tile(2, 0, 1): root})
    with pytest.raises(StateError) as caught:
        tree.check(Tile(0, 7), b"".join(big))
    assert caught.value.rule == "tile.order"
    tree.take(Tile(1, 0), level1)
    tree.take(Tile(0, 7), b"".join(big))
    assert tree.hash(0, 7 * 256 + 3) == big[3]
    with pytest.raises(StateError):
        tree.hash(0, 8 * 256)


def test_tiles_of_another_tree_are_refused(leaves: list[bytes]) -> None:
    tree = tree_tiles(leaves, 300)
    data = tile_bytes(leaves, Tile(0, 1))
    for tile, part in ((Tile(0, 1), data), (Tile(0, 1, 45), data[: 45 * 32])):
        with pytest.raises(StateError):
            tree.check(tile, part)
    with pytest.raises(WireError):
        tree.check(Tile(0, 0), data[:-1])
    with pytest.raises(LogInconsistent):
        tree.check(Tile(0, 1, 44), data[32 : 45 * 32])


def test_a_missing_edge_tile_is_named(leaves: list[bytes]) -> None:
    with pytest.raises(StateError):
        TreeTiles(300, mth(leaves[:300]), {})


def test_bundle_entries_must_hash_to_their_leaves(
    entries: list[bytes], leaves: list[bytes]
) -> None:
    data = encode_bundle(entries[256:300])
    bundle = Bundle(1, 44)
    assert open_bundle(bundle, data, leaves[256:300]) == tuple(entries[256:300])
    refused: list[type[GlasslockError]] = []
    for at in range(len(data)):
        bad = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        with pytest.raises((LogInconsistent, WireError)) as caught:
            open_bundle(bundle, bad, leaves[256:300])
        refused.append(type(caught.value))
    assert set(refused) == {LogInconsistent, WireError}
    swapped = encode_bundle([entries[257], entries[256], *entries[258:300]])
    with pytest.raises(LogInconsistent) as caught:
        open_bundle(bundle, swapped, leaves[256:300])
    assert "entry 256 " in str(caught.value)
    with pytest.raises(StateError):
        open_bundle(bundle, data, leaves[256:299])
