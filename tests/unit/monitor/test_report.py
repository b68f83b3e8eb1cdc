"""A log in numbers: what was announced, what was not, what is overdue, what does not hold."""

from __future__ import annotations

from glasslock.monitor.replay import Bodies, Entry
from glasslock.monitor.report import report
from glasslock.orders.ledger import sign_leaf
from glasslock.signing import SigningKey
from glasslock.wire.leaf import (
    DoneLeaf,
    IngestLeaf,
    IntentLeaf,
    OrderLeaf,
    RefusalLeaf,
    ReportLeaf,
    SignedKind,
    UnauthenticatedLeaf,
    encode_leaf,
)

PROVIDER, SEAT, OTHER = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
ORDER = OrderLeaf(bytes(32), "family", "court", "content", 0, 1, 1_000)
RELEASE = b"\x07" * 32


def log(*leaves: tuple[SignedKind, SigningKey]) -> list[Entry]:
    return [(n, 900 + n, encode_leaf(sign_leaf(*leaf))) for n, leaf in enumerate(leaves)]


def test_an_orders_log_is_counted() -> None:
    entries = log(
        (IngestLeaf(1, 900, 2, bytes(32)), PROVIDER),
        (ORDER, PROVIDER),
        (IntentLeaf(1, 0, RELEASE), SEAT),
        (DoneLeaf(1, 0, RELEASE, 4), SEAT),
        (RefusalLeaf(1, 1, "release.ground", "no", bytes(16)), OTHER),
        (ReportLeaf(1, 1, 0, bytes(32)), OTHER),
        (UnauthenticatedLeaf(3, 5), PROVIDER),
    )
    found = report(entries, 999)
    assert found.kind == "orders"
    expected = {
        "orders": 1,
        "intents": 1,
        "done": 1,
        "unannounced": 0,
        "refusals": 1,
        "reports": 1,
        "disclosures": 0,
        "overdue": 0,
        "exceeding": 0,
        "extensions": 0,
        "void": 0,
        "afterwards": 0,
        "closed": 0,
        "rules": {"release.ground": 1},
        "ingest": 1,
        "counts": 0,
        "miscounted": [],
        "removed": 0,
        "unauthenticated": 5,
        "invalid": 0,
    }
    assert found.facts == expected
    assert report(entries, 1_001).facts == {**expected, "overdue": 1}


def test_what_does_not_fit_is_told() -> None:
    entries = log(
        (ORDER, PROVIDER),
        (DoneLeaf(0, 0, RELEASE, 4), SEAT),
        (IntentLeaf(0, 0, RELEASE), SEAT),
        (DoneLeaf(0, 0, RELEASE, 4), OTHER),
        (ReportLeaf(0, 2, 0, bytes(32)), OTHER),
        (IntentLeaf(9, 0, RELEASE), SEAT),
    )
    forged = entries[0][2].replace(b"family", b"famine")
    facts = report([*entries, (6, 999, forged), (7, 999, b"nothing")], 999).facts
    assert (facts["unannounced"], facts["exceeding"], facts["invalid"]) == (2, 1, 3)


def test_a_leaf_has_one_encoding_and_every_other_counts_for_nothing() -> None:
    """Other bytes of the same meaning, under a signature that covers the meaning: no second order.

    A reader that checks what it would write itself, and not what came, takes each of these.
    """
    ((_, _, good),) = log((ORDER, PROVIDER))
    head = b"glasslock/1 order\n\x83\x58\x3d"
    assert good.startswith(head)
    # With a part of one byte more, for those whose difference lies in it.
    longer = head[:-1] + b"\x3e" + good[len(head) :]
    others = [
        good.replace(b"\n\x83", b"\n\x98\x03"),
        good.replace(b"\n\x83\x58\x3d", b"\n\x83\x59\x00\x3d"),
        good.replace(b"\n\x83", b"\n\x9f") + b"\xff",
        good.replace(b"\n\x83", b"\n\xd9\xd9\xf7\x83"),
        good + b"\x00",
        good.replace(b"glasslock/1 ", b"glasslock/1  "),
        good.replace(b"order\n", b"order\r\n"),
        longer.replace(b"\x66family", b"\x78\x06family"),
        longer.replace(b"\x00\x01\x19\x03\xe8", b"\x18\x00\x01\x19\x03\xe8"),
        longer.replace(b"\x00\x01\x19\x03\xe8", b"\x00\x18\x01\x19\x03\xe8"),
    ]
    assert len({good, *others}) == 1 + len(others)
    entries = [(number, 900, each) for number, each in enumerate([good, *others])]
    facts = report(entries, 999).facts
    assert (facts["orders"], facts["invalid"]) == (1, len(others))


def test_who_has_no_place_in_a_policy_counts_for_nothing() -> None:
    known = Bodies(*(frozenset({key.public}) for key in (PROVIDER, SEAT, OTHER)))
    said = [
        (ORDER, PROVIDER),
        (IntentLeaf(0, 0, RELEASE), SEAT),
        (RefusalLeaf(0, None, "order.dates", "no"), PROVIDER),
        (RefusalLeaf(0, 1, "release.ground", "no", bytes(16)), SEAT),
        (ReportLeaf(0, 1, 0, bytes(32)), OTHER),
    ]
    keys = (PROVIDER, SEAT, OTHER)
    strange = [(leaf, key) for leaf, mine in said for key in keys if key is not mine]
    facts = report(log(*said, *strange), 999, known).facts
    assert (facts["strangers"], facts["orders"], facts["refusals"]) == (10, 1, 2)
    assert (facts["intents"], facts["reports"], facts["invalid"]) == (1, 1, 0)


def test_a_log_of_something_else_is_only_read() -> None:
    assert report([(0, 1, b"nothing")], 2).kind == "other"
    assert report([], 2).kind == "other"
