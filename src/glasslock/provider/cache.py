"""Keeps what was used most recently, as much of it as there is room for; knows no store."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Values by their key. Nothing leaves it before ``trim`` is called."""

    def __init__(self, room: int, weigh: Callable[[V], int]) -> None:
        """Keep values that ``weigh`` no more than ``room`` together."""
        self._room = room
        self._weigh = weigh
        self._kept: dict[K, tuple[V, int]] = {}
        self._weight = 0

    def get(self, key: K) -> V | None:
        """Return the value of ``key``, which is now the one that leaves last."""
        found = self._kept.pop(key, None)
        if found is None:
            return None
        self._kept[key] = found
        return found[0]

    def put(self, key: K, value: V) -> None:
        """Keep a value in place of the one before."""
        self.drop(key)
        weight = self._weigh(value)
        self._kept[key] = value, weight
        self._weight += weight

    def drop(self, key: K) -> None:
        """Forget one value."""
        found = self._kept.pop(key, None)
        if found is not None:
            self._weight -= found[1]

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._weight = 0

    def trim(self) -> None:
        """Let those go that were not used for longest, until the others have room."""
        while self._weight > self._room:
            self.drop(next(iter(self._kept)))
