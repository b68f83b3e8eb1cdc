"""Entries of one line that wait to be read: in order, and only so many bytes of them.

A conversation that stands still (its person has not accepted a policy, a log is not read yet) must
not fill memory with what its provider goes on sending. What is over the limit is dropped, and
asked for again once there is room. Knows positions and sizes, and judges nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from glasslock.wire.api import EntryItem

LIMIT: Final = 16 << 20


class Incoming:
    """What has come for a line and was not read."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._items: deque[EntryItem] = deque()
        self._size = 0
        # Whether something was dropped, and whether it was asked for since.
        self._cut = self._asked = False

    def __bool__(self) -> bool:
        """Say whether something waits."""
        return bool(self._items)

    @property
    def first(self) -> EntryItem:
        """The entry that is to be read next."""
        return self._items[0]

    @property
    def full(self) -> bool:
        """Whether nothing more is taken."""
        return self._size >= LIMIT

    @property
    def starved(self) -> bool:
        """Whether everything is read, and what was dropped is still to be asked for."""
        return self._cut and not self._items and not self._asked

    def asked(self) -> None:
        """Take in that the line is followed anew from where it was read."""
        self._asked = True

    def take(self, entries: Iterable[EntryItem], position: int) -> None:
        """Take in entries; ``position`` is the last that was read."""
        last = self._items[-1].position if self._items else position
        for item in entries:
            if self.full:
                self._cut, self._asked = True, False
                return
            if self._cut and item.position > last + 1:
                # It was sent before the line was followed anew, and so follows what was dropped.
                return
            self._cut = self._asked = False
            self._items.append(item)
            self._size += len(item.data) + len(item.receipt)
            last = item.position

    def drop_first(self) -> None:
        """Forget the first entry: it is read."""
        item = self._items.popleft()
        self._size -= len(item.data) + len(item.receipt)

    def clear(self) -> None:
        """Forget everything: the stream has ended."""
        self._items.clear()
        self._size = 0
        self._cut = self._asked = False
