"""What a monitor finds wrong: one value per finding, each with what it means. Pure.

A finding of kind ``BROKEN`` says that a log cannot be believed; one of kind ``AMISS`` that it can,
and shows something that should not be; one of kind ``UNSEEN`` that something could not be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from glasslock.errors import GlasslockError, VerificationError, WireError

BROKEN: Final = "broken"
AMISS: Final = "amiss"
UNSEEN: Final = "unseen"

_ORDER: Final = {
    "overdue": (
        "order.overdue",
        "its last day for telling the public is over, and nobody told",
    ),
    "exceeding": (
        "order.exceeding",
        "more slots were released or opened than the order names",
    ),
    "unannounced": (
        "release.unannounced",
        "a keyholder sent a release that it had not announced before",
    ),
    "void": (
        "extension.void",
        "its notice was to be put off against a rule: the date stands as it was",
    ),
    "afterwards": (
        "release.afterwards",
        "a keyholder announced or sent a release when its authority had called it over",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in the log ``log``; ``order`` is the index of an order's leaf."""

    kind: str
    rule: str
    log: str
    text: str
    order: int | None = None


def of_failure(log: str, error: GlasslockError) -> Finding:
    """Return what it means that a log could not be read on."""
    rule = error.rule or error.slug
    broken = isinstance(error, (VerificationError, WireError)) and rule != "checkpoint.stale"
    return Finding(BROKEN if broken else UNSEEN, rule, log, str(error))


def of_age(log: str, seen: int, now: int, max_age: int) -> Iterable[Finding]:
    """Yield a finding when no quorum has seen ``log`` for ``max_age`` seconds; times are unix."""
    if now - seen > max_age:
        text = f"no quorum of witnesses has seen it since {moment(seen)}"
        yield Finding(UNSEEN, "log.stale", log, text)


def of_orders(
    log: str, facts: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> list[Finding]:
    """Return the findings in an orders log, by its report."""
    found = [
        Finding(AMISS, rule, log, text, row["order"])
        for row in rows
        for name, (rule, text) in _ORDER.items()
        if row[name]
    ]
    found += [Finding(BROKEN, "counts.differ", log, text) for text in facts["miscounted"]]
    if facts["invalid"]:
        text = f"{facts['invalid']} leaves are malformed, unsigned or fit no order"
        found.append(Finding(AMISS, "leaf.invalid", log, text))
    if facts.get("strangers"):
        text = f"{facts['strangers']} leaves are by keys that no policy gives that place"
        found.append(Finding(AMISS, "leaf.stranger", log, text))
    return found


def of_policies(log: str, facts: Mapping[str, Any]) -> list[Finding]:
    """Return the findings in a policy log, by its report."""
    if not facts["invalid"]:
        return []
    text = f"{facts['invalid']} records are malformed, unsigned or registered by nobody"
    return [Finding(AMISS, "record.invalid", log, text)]


def moment(time: int) -> str:
    """Return a time (unix seconds) in words: ``2026-11-26 08:00 UTC``; one beyond all years as is.

    Whoever hands in a leaf chooses the times in it.
    """
    try:
        return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return str(time)
