"""The account of logs as one HTML page: fetches nothing, runs nothing, can be served by anybody.

Every chart stands beside a table of the same numbers. Pure.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from glasslock.monitor import chart
from glasslock.monitor.audit import Account
from glasslock.monitor.findings import AMISS, BROKEN, UNSEEN, moment
from glasslock.monitor.report import OUTCOMES
from glasslock.wire.leaf import BASES

KINDS: Final = {
    BROKEN: "A log cannot be believed",
    AMISS: "The logs hold, and show something that should not be",
    UNSEEN: "Something could not be seen",
}


@dataclass(frozen=True, slots=True)
class Look:
    """When and how the account came about: ``time`` in unix seconds, the command, its file."""

    time: int
    command: str
    quorum: str


def as_page(account: Account, look: Look) -> bytes:
    """Return the page of ``account``."""
    environment = Environment(
        loader=PackageLoader("glasslock.monitor", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    template = environment.get_template("page.html")
    return template.render(
        look=look,
        quorum_digest=hashlib.sha256(look.quorum.encode()).hexdigest(),
        account=account,
        statistics=account.statistics,
        outcomes=OUTCOMES,
        bases=BASES,
        wrong=_by_kind(account),
        charts=_charts(account),
    ).encode()


def _by_kind(account: Account) -> list[tuple[str, list[Any]]]:
    kinds = [
        (text, [f for f in account.findings if f.kind == kind]) for kind, text in KINDS.items()
    ]
    return [(text, found) for text, found in kinds if found]


def _charts(account: Account) -> dict[str, str]:
    statistics = account.statistics
    answers: dict[str, dict[str, int]] = {}
    for each in statistics.answers:
        row = answers.setdefault(each.keyholder, Counter())
        row["released"] += each.released
        row["refused"] += each.refused
    return {
        "months": chart.stacked(
            "months", "Orders by month and outcome", statistics.by_month, OUTCOMES
        ),
        "classes": chart.stacked(
            "classes", "Orders by class of authority and outcome", statistics.by_class, OUTCOMES
        ),
        "answers": chart.stacked(
            "answers", "Answers of keyholders", answers, ("released", "refused")
        ),
        "extended": chart.bars(
            "extended", "Orders by how often their notice was put off", statistics.extended
        ),
        "closed": chart.bars("closed", "How orders ended, by their authorities", statistics.closed),
        "rules": chart.bars("rules", "Refusals by the rule that failed", statistics.rules),
    }
