"""Earlier roots from tiles: each tile is believed only by the checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from glasslock.errors import LogInconsistent, NotFound, TransportError, WireError
from glasslock.tlog.merkle import verify_consistency
from glasslock.tlog.roots import Earlier, earlier_roots
from glasslock.tlog.tile import Tile, parse_path
from glasslock.tlog.treehead import TreeHead

from .conftest import ListReader, mth

HeadOf = Callable[[int], TreeHead]
Answer = Callable[[str], bytes]


def served(leaves: Sequence[bytes]) -> Answer:
    """The tiles of a log that is as long as ``leaves``; it keeps no partial tile but the last."""
    reader = ListReader(leaves)

    def answer(path: str) -> bytes:
        tile = parse_path(path)
        assert isinstance(tile, Tile)
        first = tile.index * 256
        if tile.width < 256 and (first + 256) << 8 * tile.level <= len(leaves):
            raise NotFound("it is full since")
        return b"".join(reader.hash(8 * tile.level, first + at) for at in range(tile.width))

    return answer


def run(head: TreeHead, sizes: Sequence[int], answer: Answer) -> tuple[dict[int, Earlier], int]:
    """What comes out, and how many paths were asked for."""
    steps = earlier_roots(head, sizes)
    count = 0
    try:
        path = next(steps)
        while True:
            count += 1
            try:
                data = answer(path)
            except NotFound as error:
                path = steps.throw(error)
                continue
            path = steps.send(data)
    except StopIteration as done:
        return done.value, count


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 512, 600, 700])
def test_roots_of_all_sizes(leaves: list[bytes], head: HeadOf, size: int) -> None:
    sizes = [n for n in (0, 1, 2, 100, 255, 256, 257, 511, 512, 599, 700) if n <= size]
    found, asked = run(head(size), sizes, served(leaves[:size]))
    assert asked <= 4
    for n in sizes:
        assert found[n].root == mth(leaves[:n])
        verify_consistency(n, found[n].root, size, head(size).root, found[n].path)


def test_a_partial_tile_may_have_become_full(leaves: list[bytes], head: HeadOf) -> None:
    found, _ = run(head(200), [77], served(leaves))
    assert found[77].root == mth(leaves[:77])


def test_another_past_is_not_what_the_checkpoint_covers(leaves: list[bytes], head: HeadOf) -> None:
    for at in (0, 300, 599):
        other = [*leaves]
        other[at] = b"o" * 32
        with pytest.raises(LogInconsistent):
            run(head(600), [77, 310], served(other[:600]))


def test_what_is_no_tile_is_refused(head: HeadOf) -> None:
    for data in (b"", bytes(31), bytes(256 * 33)):
        with pytest.raises(WireError):
            run(head(600), [77], lambda _, data=data: data)  # type: ignore[misc]


def test_a_log_that_gives_no_tile_gives_nothing(head: HeadOf) -> None:
    def gone(path: str) -> bytes:
        raise NotFound(path)

    with pytest.raises(TransportError):
        run(head(600), [77], gone)
