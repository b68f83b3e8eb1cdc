"""How far the date of an order's notice may be moved, by what the log alone shows (section 5).

Pure rules over one order's dates; who may move them is for ``authority``, and that an extension
was signed by both is for the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from glasslock.errors import VerificationError
from glasslock.wire.leaf import ExtendLeaf, OrderLeaf

MOST: Final = 3
RULES: Final[dict[str, str]] = {
    "extend.disclosed": "the order is disclosed already",
    "extend.most": "an order's notice is put off three times at most",
    "extend.number": "extensions of an order are numbered, one after the other",
    "extend.forward": "an extension moves the date forward",
    "extend.length": "an extension is at most as long as the order was first to be hidden",
    "extend.late": "the date in force has passed",
}

# Says whether the issuing key, the countersigner's key may put off a notice at a time.
Parties: TypeAlias = Callable[[bytes, bytes, int], bool]


def anybody(_issuing: bytes, _countersigner: bytes, _time: int) -> bool:
    """Take every pair of keys: for a reader who does not know who is registered."""
    return True


def nobody(_issuing: bytes, _countersigner: bytes, _time: int) -> bool:
    """Take no pair of keys."""
    return False


@dataclass(frozen=True, slots=True)
class Due:
    """Until when an order may stay hidden: ``date`` in force, after ``count`` extensions.

    ``longest`` (seconds) is how long it was hidden at first, counted from its leaf's witnessed
    time; no extension is longer.
    """

    date: int
    longest: int
    count: int = 0

    @classmethod
    def of(cls, leaf: OrderLeaf, time: int) -> Due:
        """Return the date of an order whose leaf was witnessed at ``time``."""
        return cls(leaf.disclose_by, max(0, leaf.disclose_by - time))

    def moved(self, leaf: ExtendLeaf, time: int) -> Due:
        """Return what is in force after an extension that was witnessed at ``time``.

        Raises:
            VerificationError: it breaks one of ``RULES``.
        """
        if self.count >= MOST or leaf.number > MOST:
            raise _broken("extend.most")
        if leaf.number != self.count + 1:
            raise _broken("extend.number")
        if leaf.disclose_by <= self.date:
            raise _broken("extend.forward")
        if leaf.disclose_by - self.date > self.longest:
            raise _broken("extend.length")
        if time > self.date:
            raise _broken("extend.late")
        return Due(leaf.disclose_by, self.longest, leaf.number)


def _broken(rule: str) -> VerificationError:
    return VerificationError(RULES[rule], rule=rule)
