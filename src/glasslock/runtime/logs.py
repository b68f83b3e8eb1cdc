"""Log lines as JSON on standard error, with only the fields named here; knows no module.

An allow-list and not a block-list: a field that nobody thought about is dropped, so that no
plaintext, key or identifier gets into a line by accident.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Final, TextIO

FIELDS: Final = frozenset(
    {"count", "seconds", "error", "rule", "size", "status", "role", "port", "position", "kind"}
)


class Log:
    """Writes events of one role."""

    def __init__(self, role: str, stream: TextIO | None = None) -> None:
        """Write to ``stream`` (default: standard error)."""
        self._role = role
        self._stream = stream

    def event(self, name: str, **fields: str | float | None) -> None:
        """Write one line; fields outside the allow-list are dropped and counted."""
        kept = {key: value for key, value in fields.items() if key in FIELDS}
        line = {"time": round(time.time(), 3), "role": self._role, "event": name, **kept}
        if dropped := len(fields) - len(kept):
            line["dropped"] = dropped
        print(json.dumps(line), file=self._stream or sys.stderr, flush=True)
