"""A preview in a case file: the provider's word, and what the evidence says came of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasslock.casefile.custody import Step, sign_custody
from glasslock.casefile.verdict import verdict
from glasslock.orders.proportion import sign_preview
from glasslock.signing import SigningKey
from tests.unit.casefile.box import DESK
from tests.unit.casefile.stories import honest
from tests.unit.casefile.test_verify import Honest, refused, rule
from tests.unit.desk.cases import ISSUER
from tests.unit.desk.world import PROVIDER


@pytest.fixture(scope="module")
def here() -> Honest:
    case, releases, entries = honest()
    evidence = case.evidence(releases, entries)
    file = case.make(evidence)
    return Honest(case, evidence, file, case.report(file))


def previewed(here: Honest, *, by: SigningKey = PROVIDER, **numbers: int) -> dict[str, object]:
    """Evidence with another preview, and the custody that goes with it."""
    order, true = here.case.script.order, here.case.preview()
    made = sign_preview(order, replace(true.numbers, **numbers), true.time, by)
    links = [
        replace(link, subject=made.digest) if link.what == Step.PREVIEWED else link
        for link in here.case.links(here.evidence.releases)
    ]
    return {"preview": made.encode(), "custody": sign_custody(order.digest, links, DESK)}


def test_a_preview_is_the_providers(here: Honest) -> None:
    assert refused(here, here.told(**previewed(here, by=ISSUER))) == "signature"
    assert rule(lambda: here.made(**previewed(here, by=ISSUER))) == "signature"


def test_a_preview_is_of_this_order(here: Honest) -> None:
    order, true = here.case.script.order, here.case.preview()
    other = sign_preview(replace(order, reference="case 2"), true.numbers, true.time, PROVIDER)
    assert rule(lambda: here.made(preview=other.encode())) == "preview.order"


def test_the_preview_that_custody_tells_of_is_there(here: Honest) -> None:
    assert refused(here, here.made(preview=None)) == "custody.subject"
    other = previewed(here, messages=5)
    assert refused(here, here.made(preview=other["preview"])) == "custody.subject"


def test_what_was_foreseen_is_told_as_it_came_true(here: Honest) -> None:
    accepted = here.case.verify(here.package)
    assert accepted.facts["preview"]["differences"] == []
    assert any("signed beforehand" in each for each in verdict(accepted).holds)
    lie = here.case.verify(here.made(**previewed(here, messages=5, slots=3)))
    told = {(each["number"], each["rule"]) for each in lie.facts["preview"]["differences"]}
    assert told == {("slots", "preview.more"), ("messages", "preview.fewer")}
    said = " ".join(verdict(lie).remains)
    assert "5 messages foreseen, 6 found" in said
    assert "3 slots foreseen, 2 found" in said
    # No hand can say that it came true: the documents follow from the evidence.
    assert refused(here, here.told(**previewed(here, messages=5))) == "case.preview"


def test_a_case_without_a_preview_says_so(here: Honest) -> None:
    links = here.case.links(here.evidence.releases)
    none = [link for link in links if link.what != Step.PREVIEWED]
    custody = sign_custody(here.case.script.order.digest, none, DESK)
    accepted = here.case.verify(here.made(preview=None, custody=custody))
    assert accepted.facts["preview"] is None
    assert any("no preview" in each for each in verdict(accepted).remains)
