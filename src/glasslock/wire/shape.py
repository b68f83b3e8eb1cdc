"""How decoded CBOR becomes typed fields: one strict reader; knows no structure by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from glasslock.errors import WireError
from glasslock.wire.codec import Value, decode

T = TypeVar("T")
# ``Fields.bytes`` hides the built-in name inside its class.
Bytes: TypeAlias = bytes

DIGEST: Final = 32
SIGNATURE: Final = 64
U32: Final = (1 << 32) - 1
U64: Final = (1 << 64) - 1


class Fields:
    """The items of one array, taken in order; every taker raises ``WireError`` on a misfit.

    ``what`` names the structure in errors. ``close()`` refuses items that nobody took.
    """

    def __init__(self, value: Value, what: str, count: int | None = None) -> None:
        """Open ``value`` as an array of exactly ``count`` items (any number when None)."""
        if not isinstance(value, tuple):
            raise WireError(f"{what} is not an array", rule="shape.array")
        if count is not None and len(value) != count:
            raise WireError(f"{what} has {len(value)} items, not {count}", rule="shape.count")
        self._items = value
        self._at = 0
        self._what = what

    @classmethod
    def of(cls, data: bytes, what: str, count: int | None = None, *, limit: int = 65_536) -> Fields:
        """Decode ``data`` (at most ``limit`` bytes) and open it as an array."""
        return cls(decode(data, limit=limit), what, count)

    def any(self) -> Value:
        """Take the next item as it is."""
        try:
            value = self._items[self._at]
        except IndexError:
            raise WireError(f"{self._what} is too short", rule="shape.count") from None
        self._at += 1
        return value

    def uint(self, most: int = U64, least: int = 0) -> int:
        """Take an unsigned integer from ``least`` to ``most``."""
        value = self.any()
        if not isinstance(value, int) or not least <= value <= most:
            raise self._misfit("an integer in range")
        return value

    def flag(self) -> bool:
        """Take 0 or 1 as a truth value (CBOR booleans have no place in the subset)."""
        return self.uint(1) == 1

    def bytes(self, most: int = 65_536, least: int = 0) -> Bytes:
        """Take a byte string of ``least`` to ``most`` bytes."""
        value = self.any()
        if not isinstance(value, bytes) or not least <= len(value) <= most:
            raise self._misfit("a byte string in range")
        return value

    def exactly(self, size: int) -> Bytes:
        """Take a byte string of exactly ``size`` bytes."""
        value = self.any()
        if not isinstance(value, bytes) or len(value) != size:
            raise self._misfit("a byte string in range")
        return value

    def digest(self) -> Bytes:
        """Take a 32-byte digest."""
        value = self.any()
        if not isinstance(value, bytes) or len(value) != DIGEST:
            raise self._misfit("a byte string in range")
        return value

    def text(self, most: int = 1_024, least: int = 0) -> str:
        """Take text of ``least`` to ``most`` characters."""
        value = self.any()
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise self._misfit("text in range")
        return value

    def maybe(self, take: Callable[[], T]) -> T | None:
        """Take null as None, anything else with ``take`` (a bound taker of this reader)."""
        if self._at < len(self._items) and self._items[self._at] is None:
            self._at += 1
            return None
        return take()

    def each(self, make: Callable[[Value], T], most: int, least: int = 0) -> tuple[T, ...]:
        """Take an array of ``least`` to ``most`` items, each through ``make``."""
        value = self.any()
        if not isinstance(value, tuple) or not least <= len(value) <= most:
            raise self._misfit("an array in range")
        return tuple(make(item) for item in value)

    def nested(self, what: str, count: int | None = None) -> Fields:
        """Take an array and open it as ``what``."""
        return Fields(self.any(), what, count)

    @property
    def done(self) -> bool:
        """Whether everything has been taken."""
        return self._at == len(self._items)

    def close(self) -> None:
        """Refuse whatever was not taken."""
        if not self.done:
            raise WireError(f"{self._what} is too long", rule="shape.count")

    def _misfit(self, wanted: str) -> WireError:
        return WireError(f"item {self._at} of {self._what} is not {wanted}", rule="shape.type")


def expect_digest(value: Value) -> bytes:
    """Return ``value`` if it is a 32-byte string; raises ``WireError`` otherwise."""
    if not isinstance(value, bytes) or len(value) != DIGEST:
        raise WireError("a digest has 32 bytes", rule="shape.type")
    return value


def expect_signature(value: Value) -> bytes:
    """Return ``value`` if it is a 64-byte string; raises ``WireError`` otherwise."""
    if not isinstance(value, bytes) or len(value) != SIGNATURE:
        raise WireError("a signature has 64 bytes", rule="shape.type")
    return value


def expect_text(value: Value) -> str:
    """Return ``value`` if it is short text; raises ``WireError`` otherwise."""
    if not isinstance(value, str) or len(value) > 1_024:
        raise WireError("text is missing or too long", rule="shape.type")
    return value
