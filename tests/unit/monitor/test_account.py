"""What is counted of orders, what is found wrong, and what a page and its charts say of it."""

from __future__ import annotations

import re
from dataclasses import asdict
from xml.etree import ElementTree as ET

import pytest

from glasslock.errors import (
    GlasslockError,
    LogInconsistent,
    QuorumNotMet,
    TransportError,
    VerificationError,
    WireError,
)
from glasslock.monitor import chart
from glasslock.monitor.audit import AHEAD, DIFFERS, SILENT, Account, Seen, View, audit
from glasslock.monitor.findings import AMISS, BROKEN, UNSEEN, Finding, of_failure
from glasslock.monitor.page import Look, as_page
from glasslock.monitor.replay import Entry
from glasslock.monitor.statistics import Answers, count, month_of
from glasslock.orders.ledger import Ledger, sign_leaf
from glasslock.signing import SigningKey
from glasslock.tlog.checkpoint import VerifiedCheckpoint, sign_head, verify_checkpoint
from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.tlog.note import Signer
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.leaf import (
    DoneLeaf,
    IntentLeaf,
    OrderLeaf,
    RefusalLeaf,
    ReportLeaf,
    SignedKind,
    encode_leaf,
)

PROVIDER, SEAT, OTHER = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
NOW = 1_795_000_000
DAY = 86_400
ORIGIN = "log.test/orders"
RELEASE = b"\x07" * 32
LOG = Signer.log(ORIGIN, b"\x01" * 32)
WITNESSES = [Signer.witness(f"w{n}", bytes([n]) * 32) for n in (2, 3, 4)]
QUORUM = QuorumFile.of(
    [LogKey(LOG.verifier)], [WitnessKey(each.verifier.name, each.verifier) for each in WITNESSES], 3
)


def order(disclose_by: int = NOW + DAY, slots: int = 1) -> OrderLeaf:
    return OrderLeaf(bytes(32), "family", "court", "content", 0, slots, disclose_by)


def entries(*said: tuple[int, SignedKind, SigningKey]) -> list[Entry]:
    return [(n, t, encode_leaf(sign_leaf(leaf, key))) for n, (t, leaf, key) in enumerate(said)]


def checkpoint(logged: list[Entry], time: int = NOW) -> VerifiedCheckpoint:
    root = root_of(leaf_hash(entry) for _, _, entry in logged)
    signed = sign_head(TreeHead(ORIGIN, len(logged), root), [LOG])
    body = signed.partition(b"\n\n")[0] + b"\n"
    lines = [each.sign(body, time=time).encode() for each in WITNESSES]
    return verify_checkpoint(signed + b"".join(lines), QUORUM)


def seen(*said: tuple[int, SignedKind, SigningKey], **changes: object) -> Seen:
    logged = entries(*said)
    return Seen(**{"origin": ORIGIN, "checkpoint": checkpoint(logged), "entries": logged} | changes)  # type: ignore[arg-type]


def found(one: Seen, now: int = NOW) -> list[tuple[str, str, int | None]]:
    return [(each.kind, each.rule, each.order) for each in audit([one], now, DAY).findings]


STORY = (
    (NOW - 200, order(), PROVIDER),
    (NOW - 190, IntentLeaf(0, 0, RELEASE), SEAT),
    (NOW - 180, DoneLeaf(0, 0, RELEASE, 1), SEAT),
    (NOW - 170, RefusalLeaf(0, 1, "release.ground", "no", bytes(16)), OTHER),
    (NOW - 160, ReportLeaf(0, 1, 0, bytes(32)), OTHER),
    (NOW - 100, order(), PROVIDER),
    (NOW - 40, RefusalLeaf(5, 0, "release.budget", "no", bytes(16)), SEAT),
    (NOW - 30, order(), PROVIDER),
)


def test_orders_are_counted_by_month_class_and_outcome() -> None:
    ledger = Ledger()
    for index, when, entry in entries(*STORY):
        ledger.add(entry, index, when)
    names = {SEAT.public: "Court North", PROVIDER.public: "Abroad"}
    statistics = count(list(ledger.orders.values()), NOW, names)
    outcomes = {"opened": 1, "released": 0, "refused": 1, "waiting": 1}
    assert statistics.by_month == {month_of(NOW): outcomes}
    assert statistics.by_class == {"court": outcomes}
    assert statistics.rules == {"release.budget": 1, "release.ground": 1}
    assert statistics.answers == (
        Answers("Abroad", 0, 0, None),
        Answers("Court North", 1, 1, 35),
        Answers(OTHER.public.hex()[:16], 0, 1, 30),
    )
    assert (statistics.disclosed, statistics.overdue, statistics.days_secret) == (0, 0, None)
    late = count(list(ledger.orders.values()), NOW + DAY + 1, names)
    assert late.overdue == 3


def test_nothing_wrong_is_found_where_nothing_is() -> None:
    account = audit([seen(*STORY)], NOW, DAY)
    assert account.findings == []
    assert [row["outcome"] for row in account.orders] == ["opened", "refused", "waiting"]
    assert account.logs[0]["size"] == len(STORY)
    assert account.as_facts()["statistics"] == asdict(account.statistics)


@pytest.mark.parametrize(
    ("said", "rule", "of"),
    [
        ([(NOW - 9, order(disclose_by=NOW - 1), PROVIDER)], "order.overdue", 0),
        (
            [(NOW - 9, order(), PROVIDER), (NOW - 8, ReportLeaf(0, 4, 0, bytes(32)), OTHER)],
            "order.exceeding",
            0,
        ),
        (
            [(NOW - 9, order(), PROVIDER), (NOW - 8, DoneLeaf(0, 0, RELEASE, 1), SEAT)],
            "release.unannounced",
            0,
        ),
        (
            [(NOW - 9, order(), PROVIDER), (NOW - 8, IntentLeaf(7, 0, RELEASE), SEAT)],
            "leaf.invalid",
            None,
        ),
    ],
)
def test_each_thing_amiss_is_found_alone(
    said: list[tuple[int, SignedKind, SigningKey]], rule: str, of: int | None
) -> None:
    assert found(seen(*said)) == [(AMISS, rule, of)]


def test_what_could_not_be_seen_or_believed_is_found() -> None:
    views = (View("w2", DIFFERS, 3, NOW), View("w3", AHEAD, 90, NOW - 301), View("w4", SILENT))
    told = found(seen(*STORY, views=views, contradictions=(NOW - 5,)))
    assert {(kind, rule) for kind, rule, _ in told} == {
        (BROKEN, "log.split"),
        (BROKEN, "log.withheld"),
        (BROKEN, "log.contradiction"),
    }
    assert found(seen(*STORY), NOW + DAY) == []
    assert found(seen(*STORY), NOW + DAY + 1) == [(UNSEEN, "log.stale", None)]
    away = seen(*STORY, views=views[1:], failure=TransportError("away", rule="log.unreachable"))
    assert found(away) == [(UNSEEN, "log.unreachable", None)]
    never = Seen(ORIGIN, None, [], QuorumNotMet("no", rule="quorum.short"))
    assert found(never) == [(BROKEN, "quorum.short", None)]
    assert audit([never], NOW, DAY).logs == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LogInconsistent("x", rule="log.fork"), BROKEN),
        (WireError("x", rule="note.lines"), BROKEN),
        (VerificationError("x"), BROKEN),
        (QuorumNotMet("x", rule="checkpoint.stale"), UNSEEN),
        (TransportError("x"), UNSEEN),
    ],
)
def test_a_failed_check_is_worse_than_silence(error: GlasslockError, kind: str) -> None:
    assert of_failure(ORIGIN, error).kind == kind


def test_a_chart_says_in_words_and_lengths_what_it_was_given() -> None:
    rows = {"a <b>": {"opened": 3, "refused": 1}, "c" * 40: {"opened": 0, "refused": 2}}
    svg = ET.fromstring(chart.stacked("x", "Title & more", rows, ("opened", "refused")))  # noqa: S314
    space = "{http://www.w3.org/2000/svg}"
    assert svg.attrib["aria-labelledby"] == "x-title x-desc"
    assert svg.findtext(f"{space}title") == "Title & more"
    assert (
        svg.findtext(f"{space}desc")
        == f"a <b>: 3 opened, 1 refused; {'c' * 40}: 0 opened, 2 refused"
    )
    bars = [each for each in svg.iter(f"{space}rect") if "stroke" in each.attrib]
    widths = [float(each.attrib["width"]) for each in bars]
    assert widths[0] == pytest.approx(3 * widths[1], rel=0.01)
    assert widths[2] == pytest.approx(2 * widths[1], rel=0.01)
    assert bars[1].attrib["fill"] == bars[2].attrib["fill"] == chart.COLOURS["refused"]
    nothing = ET.fromstring(chart.bars("y", "Nothing", {}))  # noqa: S314
    assert nothing.findtext(f"{space}desc") == "nothing yet"


def page(account: Account) -> str:
    look = Look(NOW, "glasslock monitor --quorum 'my file'", "log <x>\nwitness\n")
    return as_page(account, look).decode()


def test_a_page_fetches_nothing_runs_nothing_and_says_how_to_check_it() -> None:
    account = audit([seen(*STORY)], NOW, DAY)
    text = page(account)
    assert "default-src 'none'" in text
    assert not re.search(r"<script|\bsrc=|\bhref=|url\(|@import|\bon\w+=", text)
    assert "glasslock monitor --quorum &#39;my file&#39;" in text
    assert "log &lt;x&gt;" in text
    assert "Nothing wrong was found" in text
    assert text.count("<svg") == text.count('role="img"') == 4
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-labelledby="(\S+?)[" ]', text)) <= set(ids)


def test_a_page_shows_what_is_wrong_first_and_escapes_it() -> None:
    account = audit([seen(*STORY)], NOW, DAY)
    account.findings.append(Finding(AMISS, "a.b", "log", "<b>bold</b>", 3))
    account.findings.append(Finding(BROKEN, "c.d", "log", "forked"))
    text = page(account)
    assert "Nothing wrong was found" not in text
    assert "<b>bold" not in text
    assert text.index("A log cannot be believed") < text.index("show something that should not be")
    assert "No order stands" in page(Account())
