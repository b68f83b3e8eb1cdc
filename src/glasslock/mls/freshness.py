"""How old a KeyPackage may be, judged by us and not by its own lifetime (protocol section 1).

Lifetimes are long on paper, so that a device whose clock is off can still be invited; what counts
is when the package was made. Knows no clock.
"""

from __future__ import annotations

from typing import Final

from glasslock._core import KeyPackageInfo
from glasslock.errors import VerificationError

DAY: Final = 86_400
BACKDATED: Final = 30 * DAY
MAX_AGE: Final = 30 * DAY
MAX_AGE_LAST_RESORT: Final = 7 * DAY
SKEW: Final = DAY


def check_age(info: KeyPackageInfo, now: int) -> None:
    """Check that a KeyPackage is fresh at ``now`` (unix seconds).

    Devices set not_before 30 days into the past when they make one.

    Raises:
        VerificationError: it is older than 30 days (7 when last-resort), or from the future.
    """
    made = info.not_before + BACKDATED
    most = MAX_AGE_LAST_RESORT if info.last_resort else MAX_AGE
    if not now - most <= made <= now + SKEW:
        raise VerificationError("a KeyPackage is too old", rule="key-package.age")
