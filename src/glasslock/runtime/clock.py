"""Where shells get the time from; cores are handed it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Something that tells the time."""

    def now(self) -> int:
        """Return unix seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return unix seconds."""
        return int(time.time())
