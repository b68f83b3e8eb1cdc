"""The quorum file: its text, and that no file promises less than one honest witness in common."""

from __future__ import annotations

from itertools import combinations

import pytest

from glasslock.errors import GlasslockError, KeyRejected, QuorumNotMet, WireError
from glasslock.tlog.note import Signer
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey, smallest_safe

LOG = Signer.log("log.test/policy", b"\x01" * 32)
W = [Signer.witness(f"w{n}.test", bytes((32 + n,)) * 32) for n in range(8)]


def lines(*more: str, count: int = 4) -> str:
    base = [f"log {LOG.vkey} http://127.0.0.1:1"]
    base += [f"witness w{n} {W[n].vkey}" for n in range(count)]
    return "\n".join([*base, *more]) + "\n"


GOOD = lines("group all-of-them 3 w0 w1 w2 w3", "quorum all-of-them")


def test_a_file_is_read() -> None:
    found = QuorumFile.parse("# who watches\n\n\t " + GOOD.replace("group ", " group\t "))
    assert (found.needed, found.total, found.quorum) == (3, 4, "all-of-them")
    assert found.origins == ("log.test/policy",)
    assert found.log_keys("log.test/policy") == (LOG.verifier,)
    assert found.log_keys("log.test/orders") == ()
    assert found.log_url("log.test/policy") == "http://127.0.0.1:1"
    assert [w.name for w in found.witnesses] == ["w0", "w1", "w2", "w3"]
    assert QuorumFile.parse(found.text) == found


def test_a_file_is_made() -> None:
    keys = [WitnessKey(f"w{n}", W[n].verifier, f"http://w{n}") for n in range(4)]
    made = QuorumFile.of([LogKey(LOG.verifier)], keys, 3)
    assert QuorumFile.parse(made.text).witnesses == tuple(keys)


def test_smallest_safe_thresholds() -> None:
    # Sigsum's table: two quorums share more than the third that may lie.
    assert [smallest_safe(n) for n in (4, 5, 6, 7, 8, 9, 10)] == [3, 4, 5, 5, 6, 7, 7]


@pytest.mark.parametrize("total", range(1, 9))
def test_every_threshold_below_the_safe_one_is_refused(total: int) -> None:
    keys = [WitnessKey(f"w{n}", W[n].verifier) for n in range(total)]
    for needed in range(1, total + 1):
        if needed >= smallest_safe(total):
            assert QuorumFile.of([LogKey(LOG.verifier)], keys, needed).needed == needed
        else:
            with pytest.raises(QuorumNotMet) as caught:
                QuorumFile.of([LogKey(LOG.verifier)], keys, needed)
            assert caught.value.rule == "quorum.unsafe"


def test_every_subset_below_the_quorum_is_refused() -> None:
    found = QuorumFile.parse(GOOD)
    names = ["w0", "w1", "w2", "w3"]
    for count in range(5):
        for some in combinations(names, count):
            if count >= 3:
                found.require(some)
            else:
                with pytest.raises(QuorumNotMet):
                    found.require(some)
    with pytest.raises(QuorumNotMet):
        found.require(["w0", "w0", "w1", "stranger", "all-of-them"])


def test_groups_of_groups() -> None:
    found = QuorumFile.parse(
        lines(
            "group watchers 3 w0 w1 w2 w3",
            "group auditors any w4 w5",
            "group both all watchers auditors",
            "quorum both",
            count=6,
        )
    )
    assert (found.needed, found.total) == (3, 4)
    found.require(["w0", "w1", "w2", "w5"])
    for some in (["w0", "w1", "w2", "w3"], ["w0", "w1", "w4", "w5"]):
        with pytest.raises(QuorumNotMet):
            found.require(some)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(("group g 2 a b", "quorum g"), id="members nobody defined"),
        pytest.param(("quorum g", "group g 3 w0 w1 w2 w3"), id="quorum before its group"),
        pytest.param(("group g all g2", "group g2 all w0", "quorum g"), id="forward reference"),
        pytest.param(("group g all g", "quorum g"), id="member of itself"),
        pytest.param(("group g all w0 w0 w1 w2", "quorum g"), id="member twice"),
        pytest.param(("group g all w0 w1", "group h all w0 w2", "quorum g"), id="in two groups"),
        pytest.param(("group g 3 w0 w1 w2 w3",), id="no quorum"),
        pytest.param(("group g 3 w0 w1 w2 w3", "quorum g", "quorum g"), id="two quorums"),
        pytest.param(("quorum none",), id="quorum none"),
        pytest.param(("group none 3 w0 w1 w2 w3", "quorum none"), id="a group called none"),
        pytest.param(("group g 5 w0 w1 w2 w3", "quorum g"), id="threshold too large"),
        pytest.param(("group g 0 w0 w1 w2 w3", "quorum g"), id="threshold zero"),
        pytest.param(("group g 03 w0 w1 w2 w3", "quorum g"), id="leading zero"),
        pytest.param(("group g +3 w0 w1 w2 w3", "quorum g"), id="plus sign"),
        pytest.param(("group g 3 w0 w1 w2 w3 none", "quorum g"), id="none as a member"),
        pytest.param(("group g 3", "quorum g"), id="no members"),
        pytest.param(("group w0 3 w1 w2 w3", "quorum w0"), id="name of a witness"),
        pytest.param(("quorum w0 w1",), id="quorum of two words"),
        pytest.param(("witness w9", "quorum w0"), id="witness without a key"),
        pytest.param((f"witness w0 {W[7].vkey}", "quorum w0"), id="witness name twice"),
        pytest.param((f"witness w9 {W[0].vkey}", "quorum w0"), id="witness key twice"),
        pytest.param((f"log {LOG.vkey}", "quorum w0"), id="log key twice"),
        pytest.param(("log a b c d", "quorum w0"), id="log of too many words"),
        pytest.param((f"witness w9 {LOG.vkey}", "quorum w0"), id="witness with a log's type"),
        pytest.param((f"log {W[7].vkey}", "quorum w0"), id="log with a witness's type"),
        pytest.param(("policy x", "quorum w0"), id="unknown line"),
        pytest.param(("quorum w0\r",), id="carriage return"),
        pytest.param(("quorum\u00a0w0",), id="no-break space"),
        pytest.param(("quorum w0\x0cgroup",), id="form feed"),
    ],
)
def test_malformed_files_are_refused(more: tuple[str, ...]) -> None:
    with pytest.raises((WireError, KeyRejected)):
        QuorumFile.parse(lines(*more))


def test_one_key_under_two_names_is_refused() -> None:
    # An Ed25519 cosignature does not bind the name, so this pair would count as two.
    twin = Signer.witness("another.name", b"\x20" * 32)
    with pytest.raises(WireError) as caught:
        QuorumFile.parse(lines(f"witness w9 {twin.vkey}", "group g all w0 w9", "quorum g"))
    assert caught.value.rule == "quorum.key"


def test_a_log_that_is_its_own_witness_is_refused() -> None:
    own = Signer.witness("w.test", b"\x01" * 32)
    with pytest.raises(WireError) as caught:
        QuorumFile.parse(lines(f"witness w9 {own.vkey}", "quorum w0"))
    assert caught.value.rule == "quorum.key"


@pytest.mark.parametrize("text", ["", "\n", GOOD[:-1], "x" * 262_145 + "\n", "\ud800\n", "\x7f\n"])
def test_text_that_is_no_file_is_refused(text: str) -> None:
    with pytest.raises(GlasslockError):
        QuorumFile.parse(text)


def test_unsafe_groups_are_not_saved_by_a_wrapper() -> None:
    for more in (
        ("group g any w0 w1 w2 w3", "group h all g", "quorum h"),
        ("group g 3 w0 w1 w2 w3", "group h any g w4", "quorum h"),
        ("group a all w0 w1", "group b all w2 w3", "group h 1 a b", "quorum h"),
    ):
        with pytest.raises(QuorumNotMet):
            QuorumFile.parse(lines(*more, count=5))
