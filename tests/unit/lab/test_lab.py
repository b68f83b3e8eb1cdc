"""The lab can fail: a verdict follows from evidence, a report from its seed, a page from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from glasslock.lab import attacks
from glasslock.lab.catalogue import ALL, chosen
from glasslock.lab.evidence import Evidence
from glasslock.lab.interpolate import at_zero, over, times
from glasslock.lab.judge import judge
from glasslock.lab.report import as_facts, as_json, as_page
from glasslock.lab.running import Result, run_one
from glasslock.lab.scenario import Actor, Expected, Outcome
from tests.house.source import ROOT

NOTHING = Expected(Outcome.NOTHING, "nothing opens")
FAST = ["quorum-colluding", "log-rewrites"]


def evidence(*loot: bytes, controlled: bool = True) -> Evidence:
    found = Evidence()
    word = found.plant(Random(1), "content")
    found.control("it was written", "content", [word.encode() if controlled else b"nothing"])
    found.take("a disk", *(each.replace(b"WORD", word.encode()) for each in loot))
    return found


def test_a_word_in_the_attackers_hands_is_a_success_whoever_says_otherwise() -> None:
    verdict = judge(evidence(b"..", b"a WORD b"), NOTHING)
    assert (verdict.outcome, verdict.gains) == (Outcome.SUCCEEDS, ("content",))
    assert not verdict.as_expected
    assert judge(evidence(b".."), NOTHING).as_expected


def test_a_stated_loss_that_stops_being_one_fails() -> None:
    loses = Expected(Outcome.SUCCEEDS, "opens", gains=("content",))
    assert judge(evidence(b"WORD"), loses).as_expected
    assert not judge(evidence(b".."), loses).as_expected


@pytest.mark.parametrize("controls", ["none", "failed"])
def test_a_search_that_found_nothing_anywhere_proves_nothing(controls: str) -> None:
    found = evidence(b"..", controlled=False)
    if controls == "none":
        found.controls = []
    verdict = judge(found, NOTHING)
    assert verdict.outcome == Outcome.VOID
    assert not verdict.as_expected


def test_marks_must_be_exactly_those_expected() -> None:
    named = Expected(Outcome.NAMED, "named", marks=("a", "b"))
    found = evidence(b"..")
    found.named = {"a"}
    assert not judge(found, named).as_expected
    found.named = {"a", "b"}
    assert judge(found, named).as_expected
    found.refused = {"c"}
    assert not judge(found, named).as_expected


def test_every_actor_is_in_the_list_once_by_id() -> None:
    ids = [each.id for each in ALL]
    assert len(set(ids)) == len(ids)
    assert {each.actor for each in ALL} == set(Actor)
    assert len(ids) >= 20
    folder = Path(attacks.__file__).parent
    told = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    assert told.count("    Scenario(\n") == len(ids)


def test_every_scenario_is_told_in_the_documents() -> None:
    text = (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8")
    assert [each.id for each in ALL if f"`{each.id}`" not in text] == []


def test_glasslock_loses_where_it_says_so() -> None:
    lost = {each.id for each in ALL if each.expected.outcome == Outcome.SUCCEEDS}
    assert {"quorum-colluding", "sender-encrypts-inside"} <= lost
    assert all(each.expected.gains for each in ALL if each.id in lost)
    (scenario,) = chosen(["quorum-colluding"])
    facts = as_facts([scenario], [run_one(scenario, 7)], 7)
    assert (facts["held"], facts["lost"]) == (1, 1)
    assert "as expected: LOST" in as_page(facts).decode()


@pytest.mark.parametrize("name", FAST)
def test_a_report_follows_from_its_seed(name: str) -> None:
    scenarios = chosen([name])
    reports = [
        as_json(as_facts(scenarios, [run_one(each, seed) for each in scenarios], seed))
        for seed in (7, 7)
    ]
    assert reports[0] == reports[1]
    assert json.loads(reports[0])["held"] == 1


def test_a_wrong_expectation_fails() -> None:
    (scenario,) = chosen(["quorum-colluding"])
    hoped = replace(scenario, expected=Expected(Outcome.NOTHING, "nothing opens"))
    result = run_one(hoped, 7)
    assert result.verdict is not None
    assert not result.held
    assert as_facts([hoped], [result], 7)["held"] == 0


async def _broken(*_facts: object) -> Evidence:
    raise ValueError("the attack itself is broken")


def test_an_attack_that_ends_early_fails() -> None:
    (scenario,) = chosen(["log-rewrites"])
    result = run_one(replace(scenario, attack=_broken), 7)
    assert not result.held
    assert result.failure == "ValueError: the attack itself is broken"


def test_the_page_fetches_nothing_and_escapes() -> None:
    scenario = replace(ALL[0], tries="<script>alert(1)</script>")
    facts = as_facts([scenario], [Result(scenario.id, None, failure="x")], 1)
    page = as_page(facts).decode()
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "DIFFERS" in page
    assert 'src="' not in page
    assert "http:" not in page
    assert "https:" not in page


@pytest.mark.parametrize("facts", [{}, {"seed": 1, "scenarios": [{}]}])
def test_what_is_no_report_makes_no_page(facts: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no report"):
        as_page(facts)


def test_an_attackers_own_interpolation() -> None:
    assert (times(0x57, 0x83), times(0x57, 0x13)) == (0xC1, 0xFE)
    assert all(times(over(1, x), x) == 1 for x in range(1, 256))
    secret, slope = bytes(range(32)), bytes(range(100, 132))
    points = {
        x: bytes(s ^ times(a, x) for s, a in zip(secret, slope, strict=True)) for x in (1, 2, 3)
    }
    assert at_zero({1: points[1], 3: points[3]}) == at_zero(points) == secret
    assert at_zero({1: points[1]}) != secret
