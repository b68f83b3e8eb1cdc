"""One thread for one store: bundles of requests in batches, single calls between them.

Knows no database: a batch is durable when its run returns.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class _Bundle(Generic[T, R]):
    items: Sequence[T]
    waiting: asyncio.Future[R]


@dataclass(frozen=True, slots=True)
class _Call:
    work: Callable[[], Any]
    waiting: asyncio.Future[Any]


class GroupCommit(Generic[T, R]):
    """What comes while a batch runs is the next batch; the thread waits for nobody between them.

    ``run`` takes the bundles of a batch, in the order in which they came, and returns one result
    for each, or raises for all of them. ``done`` sees the results in the caller's loop, before
    anybody who waits does, and batch after batch, whether or not somebody still waits.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Sequence[T]]], Sequence[R]],
        limit: int,
        done: Callable[[Sequence[R]], None],
    ) -> None:
        """Batch calls of ``run``: no more bundles once they hold ``limit`` items."""
        self._run = run
        self._limit = limit
        self._done = done
        self._queue: SimpleQueue[_Bundle[T, R] | _Call | None] = SimpleQueue()
        # What was taken out of the queue and ends the batch before it.
        self._ahead: deque[_Call | None] = deque()
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()

    async def submit(self, bundle: Sequence[T]) -> R:
        """Return the result of ``bundle`` once its batch is durable; raises what ``run`` raised."""
        waiting: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.put(_Bundle(bundle, waiting))
        return await waiting

    async def call(self, work: Callable[[], S]) -> S:
        """Run ``work`` in the same thread, between batches, and return its result."""
        waiting: asyncio.Future[S] = asyncio.get_running_loop().create_future()
        self._queue.put(_Call(work, waiting))
        return await waiting

    async def close(self) -> None:
        """Finish what waits, then stop the thread."""
        self._queue.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    # -- in the thread --------------------------------------------------------------------------

    def _work(self) -> None:
        while (item := self._ahead.popleft() if self._ahead else self._queue.get()) is not None:
            if isinstance(item, _Call):
                self._carry_out(item)
            else:
                self._carry_out_all(self._gather(item))

    def _gather(self, first: _Bundle[T, R]) -> list[_Bundle[T, R]]:
        batch, size = [first], len(first.items)
        while size < self._limit:
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
            if not isinstance(item, _Bundle):
                self._ahead.append(item)
                break
            batch.append(item)
            size += len(item.items)
        return batch

    def _carry_out(self, call: _Call) -> None:
        loop = call.waiting.get_loop()
        try:
            result = call.work()
        except Exception as error:  # noqa: BLE001 - it is handed to the caller
            loop.call_soon_threadsafe(_fail, [call.waiting], error)
        else:
            loop.call_soon_threadsafe(_settle, [call.waiting], [result])

    def _carry_out_all(self, batch: Sequence[_Bundle[T, R]]) -> None:
        loop, waiting = batch[0].waiting.get_loop(), [bundle.waiting for bundle in batch]
        try:
            results = self._run([bundle.items for bundle in batch])
        except Exception as error:  # noqa: BLE001 - it is handed to every caller
            loop.call_soon_threadsafe(_fail, waiting, error)
        else:
            loop.call_soon_threadsafe(self._tell, waiting, results)

    # -- in the loop ----------------------------------------------------------------------------

    def _tell(self, waiting: Sequence[asyncio.Future[R]], results: Sequence[R]) -> None:
        try:
            self._done(results)
        except Exception as error:  # noqa: BLE001 - it is handed to every caller
            _fail(waiting, error)
        else:
            _settle(waiting, results)


def _settle(waiting: Sequence[asyncio.Future[Any]], results: Sequence[object]) -> None:
    for future, result in zip(waiting, results, strict=True):
        if not future.done():
            future.set_result(result)


def _fail(waiting: Sequence[asyncio.Future[Any]], error: Exception) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(error)
