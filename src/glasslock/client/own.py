"""Own entries of one line until they come back on it, and where the provider said they stand.

A provider that says yes to an entry and shows another in its place has forked the line. Knows
digests and positions only.
"""

from __future__ import annotations

from glasslock.client.receive import ForkedStream


class Own:
    """What this device has put on a line and has not read there yet."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._digests: set[bytes] = set()
        self._promises: dict[int, bytes] = {}

    def add(self, digest: bytes) -> None:
        """Take in an own entry that leaves now, or left earlier."""
        self._digests.add(digest)

    def drop(self, digest: bytes) -> None:
        """Forget an own entry: it was refused, or read already."""
        self._digests.discard(digest)

    def promise(self, position: int, digest: bytes) -> None:
        """Take in that an own entry stands at ``position``, further on; raises as ``check``."""
        self.check(position, digest)
        self._promises[position] = digest

    def check(self, position: int, digest: bytes) -> None:
        """Check that the provider has promised no other entry at ``position``.

        Raises:
            ForkedStream: it has.
        """
        if self._promises.get(position, digest) != digest:
            text = "the provider said that another entry stands there"
            raise ForkedStream(text, rule="receive.promise")

    def came(self, position: int, digest: bytes) -> bool:
        """Take in that an entry was read; says whether it is an own one."""
        self._promises.pop(position, None)
        if digest not in self._digests:
            return False
        self._digests.remove(digest)
        return True
