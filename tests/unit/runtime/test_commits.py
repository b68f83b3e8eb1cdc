"""Batches of one store: everything once, in order, answered when durable, also after a failure."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from glasslock.errors import StorageError
from glasslock.runtime.commits import GroupCommit

LIMIT = 10


class Store:
    """Remembers what was run in which batch; a batch waits for ``go``."""

    def __init__(self) -> None:
        self.batches: list[list[list[int]]] = []
        self.told: list[int] = []
        self.go = threading.Event()
        self.started = threading.Event()
        self.commits = GroupCommit(self.run, LIMIT, self.done)

    def run(self, bundles: Sequence[Sequence[int]]) -> list[int]:
        self.started.set()
        assert self.go.wait(10)
        self.batches.append([list(bundle) for bundle in bundles])
        if any(item < 0 for bundle in bundles for item in bundle):
            raise StorageError("the disk is full", rule="storage.full")
        return [sum(bundle) for bundle in bundles]

    def done(self, results: Sequence[int]) -> None:
        self.told += results

    async def begun(self, *bundles: Sequence[int]) -> list[asyncio.Task[int]]:
        """Have the first bundle running alone, and the others waiting behind it."""
        tasks = [asyncio.create_task(self.commits.submit(bundles[0]))]
        await asyncio.to_thread(self.started.wait, 10)
        tasks += [asyncio.create_task(self.commits.submit(each)) for each in bundles[1:]]
        await asyncio.sleep(0)
        return tasks


async def test_what_waits_is_the_next_batch_up_to_its_limit() -> None:
    store = Store()
    tasks = await store.begun([1], [2] * 4, [3] * 5, [4] * 6, [5])
    store.go.set()
    assert await asyncio.gather(*tasks) == [1, 8, 15, 24, 5]
    # A bundle stays whole: the one that reaches the limit is the last one in.
    assert store.batches == [[[1]], [[2] * 4, [3] * 5, [4] * 6], [[5]]]
    assert store.told == [1, 8, 15, 24, 5]
    await store.commits.close()


async def test_a_call_stands_between_the_batches_before_and_after_it() -> None:
    store = Store()
    tasks = await store.begun([1], [2])
    seen = asyncio.create_task(store.commits.call(lambda: len(store.batches)))
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(store.commits.submit([3])))
    store.go.set()
    assert await seen == 2
    assert await asyncio.gather(*tasks) == [1, 2, 3]
    assert store.batches == [[[1]], [[2]], [[3]]]
    await store.commits.close()


async def test_a_failure_is_told_to_all_of_its_batch_and_to_nobody_else() -> None:
    store = Store()
    tasks = await store.begun([1], [2], [-1], [3])
    store.go.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[0] == 1
    assert all(isinstance(each, StorageError) for each in answers[1:])
    assert await store.commits.submit([4]) == 4
    with pytest.raises(ZeroDivisionError):
        await store.commits.call(lambda: 1 // 0)
    assert store.told == [1, 4]
    await store.commits.close()


async def test_what_was_done_is_told_when_nobody_waits_any_more() -> None:
    store = Store()
    tasks = await store.begun([1], [2], [3])
    for task in tasks[:2]:
        task.cancel()
    store.go.set()
    assert await tasks[2] == 3
    assert store.told == [1, 2, 3]
    await store.commits.close()


async def test_who_waits_hears_after_it_was_told() -> None:
    store = Store()
    store.go.set()

    async def ask(number: int) -> None:
        await store.commits.submit([number])
        assert number in store.told

    await asyncio.gather(*map(ask, range(50)))
    await store.commits.close()


async def test_closing_finishes_what_waits() -> None:
    store = Store()
    tasks = await store.begun([1], [2])
    closing = asyncio.create_task(store.commits.close())
    await asyncio.sleep(0)
    store.go.set()
    await closing
    assert await asyncio.gather(*tasks) == [1, 2]


async def test_a_telling_that_fails_leaves_nobody_waiting() -> None:
    def done(_results: Sequence[int]) -> None:
        raise RuntimeError

    commits = GroupCommit(lambda bundles: [0 for _ in bundles], LIMIT, done)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await commits.submit([1])
    await commits.close()
