"""The case file: complete, the same bytes for the same facts, and safe to read in a browser."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from glasslock import signing
from glasslock.casefile.facts import (
    CaseFile,
    LogExcerpt,
    make_case_file,
    report_leaf,
    statement,
)
from glasslock.casefile.page import make_page
from glasslock.ids import account_id
from glasslock.wire.api import KeptEntry
from glasslock.wire.digest import digest
from glasslock.wire.envelope import decode_envelope
from glasslock.wire.labels import Label
from glasslock.wire.leaf import ReportLeaf
from glasslock.wire.order import Grant, decode_order
from tests.unit.desk.cases import ISSUER, Script, make_script
from tests.unit.desk.world import CLOCKS, START, Sender, World, make_policy, secret

HOSTILE = '<script>alert(1)</script> & "quoted" \'\x00 </p>'
ALICE = Sender("alice", secret("alice's device")[:16], 0)
LOG = LogExcerpt("log.test/orders", "quorum 1", b"a note\n<b>", ((3, b"entry", b"proof"),))


@pytest.fixture(scope="module")
def script() -> Script:
    world = World(make_policy(((2, 2), (2, 2))), 5)
    world.handshake(b"group")
    for text in (HOSTILE.encode(), b"\xff\xfe", b"third"):
        world.time += 30
        world.write(b"group", ALICE, text)
    world.ingest()
    world.time += 3_600
    tau = START // CLOCKS.slot_seconds
    return make_script(
        world,
        [
            Grant(b"group", account_id("alice"), ((tau, tau),)),
            Grant(b"group", account_id("bob"), ((tau, tau),), account_id("alice")),
        ],
    )


@pytest.fixture(scope="module")
def file(script: Script) -> CaseFile:
    bundle = script.bundle()
    last = bundle[2]
    gone = decode_envelope(last.data).tombstone().encode()
    bundle[2] = KeptEntry(last.group_id, last.position, "tombstone", gone, last.receipt)
    opening = script.open(bundle, [*script.released(range(4)), b"\x80"])
    return make_case_file(script.prove(), opening, [LOG], 1_000)


def test_it_holds_everything_that_proves_it(file: CaseFile, script: Script) -> None:
    facts = file.facts
    assert decode_order(bytes.fromhex(facts["order"]["document"])) == script.order
    assert facts["order"]["index"] == script.index
    assert bytes.fromhex(facts["policy"]["document"]) == script.policy.document
    assert bytes.fromhex(facts["manifest"]["document"]) == script.manifest.encoded
    assert set(facts["authorities"]) == {"issuing", "countersigner", "agency", "court-registry"}
    assert [each["kind"] for each in facts["releases"]["intents"]] == ["intent"] * 4
    assert [each["keyholder"] for each in facts["releases"]["seats"]] == [
        f"keyholder-{number}" for number in range(4)
    ]
    first, second = facts["messages"]
    assert (first["text"], second["text"]) == (HOSTILE, None)
    assert second["content"] == "fffe"
    assert set(first) == {
        "conversation", "position", "time", "account", "device", "slot", "tau", "m", "content",
        "text", "entry", "header", "signature", "signer", "receipt",
    }  # fmt: skip
    assert [gap["rule"] for gap in facts["gaps"]] == ["message.removed"]
    assert [fault["rule"] for fault in facts["keyholder_faults"]] == ["shape.count"]
    assert {each["rule"] for each in facts["unproven"]} == {"line.end", "grant.empty"}
    grants = {grant["account"]: grant for grant in facts["order"]["grants"]}
    assert (grants["alice"]["slots_found"], grants["alice"]["messages"]) == (1, 2)
    assert (grants["bob"]["slots_found"], grants["bob"]["messages"]) == (0, 0)
    assert facts["logs"][0]["entries"] == [{"index": 3, "entry": b"entry".hex(), "proof": "proof"}]


def test_its_bytes_are_sorted_and_named_by_their_digest(file: CaseFile) -> None:
    again = json.dumps(file.facts, indent=1, sort_keys=True, ensure_ascii=True).encode() + b"\n"
    assert again == file.data
    assert file.digest == digest(Label.CASE_FILE, file.data)
    assert CaseFile(file.data + b" ").digest != file.digest


def test_the_statement_is_the_authoritys(file: CaseFile) -> None:
    said = json.loads(statement(file, ISSUER))
    assert bytes.fromhex(said["case_file"]) == file.digest
    signature = bytes.fromhex(said["signature"])
    signing.verify(ISSUER.public, Label.SIGN_CASE_FILE, file.digest, signature)
    assert json.loads(statement(file, None))["signature"] is None


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


def test_the_page_shows_what_a_message_says_and_runs_nothing(file: CaseFile) -> None:
    page = _Tags()
    page.feed(make_page(file, ISSUER.public.hex()).decode())
    assert not page.tags & {"script", "img", "link", "iframe", "object", "form", "a", "b>"}
    assert page.attributes <= {"lang", "charset", "class", "http-equiv", "content"}
    for shown in ("<script>alert(1)</script>", file.digest.hex(), "message.removed", "keyholder-3"):
        assert shown in page.text
    assert ISSUER.public.hex() in page.text
    assert "not signed" in make_page(file, None).decode()
