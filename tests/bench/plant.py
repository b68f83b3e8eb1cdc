"""Makes a path slower on purpose, to show that the comparison notices.

Knows nothing of the path: the work is done by the harness beside it, never by shipped code.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.bench.harness import Path, Run

SHARE = 0.20


def planted(path: Path, share: float = SHARE) -> Path:
    """Return ``path`` with every sample followed by ``share`` as much work again."""

    @contextmanager
    def make() -> Iterator[Run]:
        with path.make() as run:
            yield replace(run, measure=lambda: _slowed(path, run, share))

    return replace(path, make=make)


def _slowed(path: Path, run: Run, share: float) -> float:
    """Take a sample, burn ``share`` of its time, and spread the whole time over its units."""
    start = time.perf_counter()
    value = run.measure()
    honest = time.perf_counter() - start
    end = start + honest * (1 + share)
    while time.perf_counter() < end:
        pass
    stretch = (time.perf_counter() - start) / honest
    return value / stretch if path.better == "higher" else value * stretch
