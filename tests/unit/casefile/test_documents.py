"""The documents of a case file: complete, the same bytes for the same facts, safe to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from glasslock.casefile.canonical import decode_json
from glasslock.casefile.evidence import read_evidence
from glasslock.casefile.facts import report_leaf
from glasslock.casefile.making import CaseFile
from glasslock.casefile.package import decode_package
from glasslock.casefile.verdict import verdict
from glasslock.desk.evidence import open_case
from glasslock.wire.api import KeptEntry
from glasslock.wire.leaf import ReportLeaf
from glasslock.wire.policy import decode_policy
from tests.unit.casefile.box import Case
from tests.unit.casefile.stories import HOSTILE, honest, lying, troubled
from tests.unit.desk.cases import KEYS

Story = Callable[[], tuple[Case, list[bytes], list[KeptEntry]]]


@pytest.fixture(scope="module")
def case_and_file() -> tuple[Case, CaseFile]:
    case, releases, entries = troubled()
    return case, case.make(case.evidence(releases, entries))


@pytest.fixture(scope="module")
def files(case_and_file: tuple[Case, CaseFile]) -> dict[str, Any]:
    packed = decode_package(case_and_file[1].data)
    return {
        name: decode_json(data) if name.endswith(".json") else data for name, data in packed.items()
    }


def test_it_holds_everything_that_proves_it(
    files: dict[str, Any], case_and_file: tuple[Case, CaseFile]
) -> None:
    script, case = case_and_file[0].script, files["case.json"]
    assert case["order"]["index"] == script.index
    assert decode_policy(bytes.fromhex(case["policy"]["document"])) == script.policy
    assert files["evidence/manifest.cbor"] == script.manifest.encoded
    assert set(case["authorities"]) == {"issuing", "countersigner", "agency", "court-registry"}
    assert [each["kind"] for each in case["log"]] == ["intent"] * 4
    assert [(each["counts"], each["keyholder"]) for each in case["releases"]] == [
        *((True, f"keyholder-{number}") for number in range(4)),
        (False, None),
    ]
    assert [(each["released"], each["threshold"]) for each in case["classes"]] == [(2, 2), (2, 2)]
    first, second = files["messages.json"]
    assert (first["text"], second["text"]) == (HOSTILE, None)
    assert second["content"] == "fffe"
    assert set(first) == {
        "conversation", "position", "time", "account", "device", "slot", "tau", "m", "content",
        "text", "entry", "header", "carried", "signature", "signer", "receipt",
    }  # fmt: skip
    assert [gap["rule"] for gap in case["gaps"]] == ["message.removed"]
    assert [fault["rule"] for fault in case["keyholder_faults"]] == ["shape.count"]
    assert {each["rule"] for each in case["unproven"]} == {"line.end", "grant.empty"}
    grants = {grant["account"]: grant for grant in case["order"]["grants"]}
    assert (grants["alice"]["slots_found"], grants["alice"]["messages"]) == (1, 2)
    assert (grants["bob"]["slots_found"], grants["bob"]["messages"]) == (0, 0)
    (slot,) = case["slots"]
    assert (slot["rule"], slot["unlogged_seats"]) == (None, [])
    assert {entry["index"] for entry in files["logs.json"]["logs"][0]["entries"]} == set(range(9))


def test_equal_evidence_gives_equal_bytes(case_and_file: tuple[Case, CaseFile]) -> None:
    case, file = case_and_file
    evidence = read_evidence(decode_package(file.data))
    again = case.make(replace(evidence, keys=dict(reversed(evidence.keys.items()))))
    assert (again.data, again.digest) == (file.data, file.digest)


@pytest.mark.parametrize("story", [honest, troubled, lying])
def test_a_stranger_comes_to_the_same_findings_as_the_desk(story: Story) -> None:
    case, releases, entries = story()
    opened = open_case(case.script.prove(), entries, releases, KEYS)
    file = case.make(case.evidence(releases, entries))
    assert file.found.opening == opened
    accepted = case.verify(case.report(file))
    assert accepted.found.opening == opened
    assert accepted.digest == file.digest


def test_what_only_the_desk_says_is_said_to_be_that() -> None:
    case, releases, entries = lying()
    accepted = case.verify(case.report(case.make(case.evidence(releases, entries))))
    rules = {fault.rule for fault in accepted.found.opening.faults}
    assert rules == {"release.short", "release.share", "hpke.open"}
    word = " ".join(verdict(accepted).word)
    assert "release 8 does not open" in word
    assert "keyholder-4 gave a false share" in word
    assert "keyholder-1" not in word, "that it left a slot out shows in its release"


def test_a_verdict_tells_what_remains() -> None:
    case, releases, entries = troubled()
    accepted = case.verify(case.report(case.make(case.evidence(releases, entries))))
    said = verdict(accepted)
    assert any("message.removed" in each for each in said.remains)
    assert any("grant.empty" in each for each in said.remains)
    assert any("2 messages" in each for each in said.holds)
    assert all(str(HOSTILE) not in each for each in (*said.holds, *said.word, *said.remains))


def test_the_report_says_buckets_only() -> None:
    assert report_leaf(4, 11, 5, bytes(32)) == ReportLeaf(4, 1, 0, bytes(32))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_what_a_message_says_and_runs_nothing(files: dict[str, Any]) -> None:
    page = _Tags()
    page.feed(files["messages.html"].decode())
    assert not page.tags & {"script", "img", "link", "iframe", "object", "form", "a", "b>"}
    assert page.attributes <= {"lang", "charset", "class", "http-equiv", "content"}
    for shown in ("<script>alert(1)</script>", "message.removed", "keyholder-3", "does not count"):
        assert shown in page.text
    assert files["messages.html"].count(b"Content-Security-Policy") == 1
    assert json.dumps(files["custody.json"]["links"][0]["subject"]).strip('"') in page.text
