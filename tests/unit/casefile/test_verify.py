"""What each hand could lie about in a case file: one lie each, with all that this hand can redo."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from glasslock.casefile.canonical import encode_json
from glasslock.casefile.custody import Link, Step, sign_custody
from glasslock.casefile.evidence import Claims, Evidence
from glasslock.casefile.excerpts import Excerpts, LogExcerpt
from glasslock.casefile.making import CaseFile
from glasslock.casefile.package import decode_package, encode_package
from glasslock.casefile.sealed import seal_files
from glasslock.casefile.verdict import verdict
from glasslock.casefile.verify import verify_package
from glasslock.errors import GlasslockError
from glasslock.orders.ledger import sign_leaf
from glasslock.signing import SigningKey
from glasslock.tlog.quorum import QuorumFile
from glasslock.wire.api import KeptEntry
from glasslock.wire.leaf import DoneLeaf, RefusalLeaf, decode_leaf, encode_leaf
from glasslock.wire.record import encode_record
from glasslock.wire.release import decode_release
from tests.unit.casefile.altering import inner
from tests.unit.casefile.box import (
    DESK,
    ORDERS_LOG,
    POLICY_LOG,
    STRANGER,
    WITNESSES,
    Case,
    Log,
    boxed,
    quorum_of,
)
from tests.unit.casefile.stories import alices, honest, told_world
from tests.unit.desk.cases import ISSUER, JUDGE, make_record, sign_order
from tests.unit.desk.history import QUORUM
from tests.unit.desk.world import PROVIDER, seat_key, secret


@dataclass
class Honest:
    """An honest case with its evidence and its file."""

    case: Case
    evidence: Evidence
    file: CaseFile
    package: bytes

    def made(self, **changes: object) -> bytes:
        """What the agency makes of other evidence, sealed and reported like any."""
        evidence = replace(self.evidence, **changes)  # type: ignore[arg-type]
        return self.case.report(self.case.make(evidence))

    def told(self, **changes: object) -> bytes:
        """Other evidence under documents that still tell the true story."""
        changed = replace(self.evidence, **changes)  # type: ignore[arg-type]
        kept = {n: d for n, d in inner(self.package).items() if not n.startswith("evidence/rel")}
        return self.sealed({**kept, **changed.files()})

    def sealed(self, files: dict[str, bytes]) -> bytes:
        return self.case.report(CaseFile(*seal_files(files, ISSUER), self.file.found))

    def custody(self, releases: Sequence[bytes], key: SigningKey = DESK) -> object:
        return sign_custody(self.case.script.order.digest, self.case.links(releases), key)


@pytest.fixture(scope="module")
def here() -> Honest:
    case, releases, entries = honest()
    evidence = case.evidence(releases, entries)
    file = case.make(evidence)
    found = Honest(case, evidence, file, case.report(file))
    case.verify(found.package)
    return found


def rule(work: Callable[[], object]) -> str | None:
    with pytest.raises(GlasslockError) as caught:
        work()
    return caught.value.rule


def refused(here: Honest, package: bytes) -> str | None:
    return rule(lambda: here.case.verify(package))


# -- the seal ---------------------------------------------------------------------------------


def test_a_stranger_seals_nothing(here: Honest) -> None:
    package, _ = seal_files(inner(here.package), STRANGER)
    assert refused(here, package) == "case.issuer"


def test_a_seal_is_a_signature(here: Honest) -> None:
    files = decode_package(here.package)
    said = json.loads(files["statement.json"])
    files["statement.json"] = encode_json({**said, "signature": bytes(64)})
    assert refused(here, encode_package(files)) == "signature"


def test_a_statement_is_about_this_file(here: Honest) -> None:
    files = decode_package(here.package)
    said = json.loads(files["statement.json"])
    files["statement.json"] = encode_json({**said, "case_file": bytes(32)})
    assert refused(here, encode_package(files)) == "case.statement"


def test_another_format_is_not_read_as_this_one(here: Honest) -> None:
    files = decode_package(here.package)
    listed = json.loads(files["manifest.json"])
    files["manifest.json"] = encode_json({**listed, "format": "glasslock case file 3"})
    assert refused(here, encode_package(files)) == "case.format"


@pytest.mark.parametrize("name", ["evidence/release-006.cbor", "evidence/more.cbor", "x.html"])
def test_a_case_file_has_its_files_and_no_other(here: Honest, name: str) -> None:
    package, _ = seal_files({**inner(here.package), name: b""}, ISSUER)
    assert refused(here, package) == "case.files"


@pytest.mark.parametrize("name", ["manifest.json", "statement.json"])
def test_a_package_without_its_seal_is_none(here: Honest, name: str) -> None:
    files = decode_package(here.package)
    del files[name]
    assert refused(here, encode_package(files)) == "json.spelling"


# -- the logs ---------------------------------------------------------------------------------


def test_the_readers_own_quorum_counts_and_not_the_packages(here: Honest) -> None:
    other = quorum_of(Log.of(POLICY_LOG, "forged").signer, Log.of(ORDERS_LOG, "forged").signer)
    assert rule(lambda: verify_package(here.package, other)) == "case.quorum"


def test_addresses_are_no_difference_between_quorums(here: Honest) -> None:
    text = here.case.quorum.text.replace("\nwitness w1 ", "\nwitness w1 ", 1)
    lines = [
        f"{line} https://log.example" if line.startswith("log ") else line
        for line in text.splitlines()
    ]
    moved = QuorumFile.parse("\n".join(lines) + "\n")
    assert verify_package(here.package, moved).digest == here.file.digest


def test_logs_of_somebodys_own_prove_nothing(here: Honest) -> None:
    """Whoever makes logs, witnesses and all anew fools only a reader who takes their quorum."""
    logs = (Log.of(POLICY_LOG, "forged"), Log.of(ORDERS_LOG, "forged"))
    case = boxed(told_world(), alices(), logs=logs)
    evidence = case.evidence(case.script.released(QUORUM), case.script.bundle())
    package = case.report(case.make(evidence))
    case.verify(package)
    assert refused(here, package) == "case.quorum"
    forged = replace(evidence.logs, quorum=here.case.quorum.text)
    files = {**inner(package), **replace(evidence, logs=forged).files()}
    assert refused(here, seal_files(files, ISSUER)[0]) == "checkpoint.unsigned"


def _logs(here: Honest, *, policy: LogExcerpt | None = None, orders: object = None) -> Excerpts:
    logs = here.evidence.logs
    found = replace(logs.orders, **orders) if isinstance(orders, dict) else logs.orders
    return Excerpts(logs.quorum, policy or logs.policy, found)


def test_a_checkpoint_that_two_of_four_cosigned_is_none(here: Honest) -> None:
    note = here.case.orders.note(here.case.script.world.time, by=(0, 1))
    package = here.told(logs=_logs(here, orders={"checkpoint": note}))
    assert refused(here, package) == "quorum.short"


def test_an_entry_under_a_checkpoint_that_two_of_four_cosigned_is_none(here: Honest) -> None:
    logs = here.evidence.logs
    first = logs.orders.entries[0]
    head, dash, tail = first.proof.partition(f"\u2014 {WITNESSES[2].name}".encode())
    short = replace(first, proof=head)
    assert dash
    assert tail
    package = here.told(logs=_logs(here, orders={"entries": (short, *logs.orders.entries[1:])}))
    assert refused(here, package) == "quorum.short"


def test_an_entry_stands_where_its_proof_says(here: Honest) -> None:
    entries = here.evidence.logs.orders.entries
    moved = (*entries[:-1], replace(entries[-1], index=entries[-1].index + 1))
    assert refused(here, here.told(logs=_logs(here, orders={"entries": moved}))) == "case.index"


def test_entries_rise(here: Honest) -> None:
    entries = here.evidence.logs.orders.entries
    twice = (*entries, entries[-1])
    assert refused(here, here.told(logs=_logs(here, orders={"entries": twice}))) == "case.entries"


def test_the_newest_checkpoint_covers_every_entry(here: Honest) -> None:
    _, early = here.case.orders.notes[2]
    package = here.told(logs=_logs(here, orders={"checkpoint": early}))
    assert refused(here, package) == "case.checkpoint"


def test_entries_of_another_log_prove_nothing(here: Honest) -> None:
    logs = here.evidence.logs
    mixed = replace(logs.orders, entries=logs.policy.entries)
    package = here.told(logs=replace(logs, orders=mixed))
    assert refused(here, package) == "checkpoint.origin"


def test_the_logs_are_those_that_the_policy_names() -> None:
    logs = (Log.of(POLICY_LOG), Log.of("log.test/elsewhere"))
    case = boxed(told_world(), alices(), logs=logs)
    evidence = case.evidence(case.script.released(QUORUM), case.script.bundle())
    assert rule(lambda: case.make(evidence)) == "case.origin"


# -- policy and order -------------------------------------------------------------------------


def test_only_the_policy_that_the_reader_wants(here: Honest) -> None:
    wanted = here.case.policy.digest
    assert verify_package(here.package, here.case.quorum, wanted).digest == here.file.digest
    other = bytes(32)
    assert rule(lambda: verify_package(here.package, here.case.quorum, other)) == "case.policy"


def test_a_policy_that_one_seat_did_not_sign_is_none(here: Honest) -> None:
    case = boxed(told_world(), alices(), signers={5: STRANGER})
    wanted = here.evidence.logs.policy.entries
    forged = case.policy_log.entries[0]
    assert forged != wanted[0].entry
    case_file = replace(here.evidence, logs=case_excerpts(case, here))
    assert rule(lambda: case.make(case_file)) == "policy.unlogged"


def case_excerpts(case: Case, here: Honest) -> Excerpts:
    """Every entry of a case's policy log, beside the orders log of the honest one."""
    newest = case.policy_log.notes[-1][1]
    proven = case.proven_policy(range(len(case.policy_log.entries)))
    return replace(here.evidence.logs, policy=LogExcerpt(POLICY_LOG, newest, proven))


def test_an_authority_that_the_registry_did_not_sign_issues_nothing(here: Honest) -> None:
    case = boxed(told_world(), alices())
    forged = make_record(case.policy, "issuing", key=STRANGER.public, name="forged")
    forged = replace(forged, signature=STRANGER.sign("log record", forged.signed_part()))
    case.policy_log.add(encode_record(forged), case.script.world.time)
    order = replace(case.script.order, authority=case.digest_of(forged))
    issued = sign_order(order, issuer=STRANGER)
    evidence = replace(here.evidence, order=issued.encode(), logs=case_excerpts(case, here))
    assert rule(lambda: case.make(evidence)) == "order.issuer"


def test_an_order_is_what_both_have_signed(here: Honest) -> None:
    order = replace(here.case.script.order, reference="case 2")
    alone = sign_order(order, judge=ISSUER).encode()
    assert refused(here, here.told(order=alone)) == "order.countersigner"
    foreign = sign_order(order, issuer=JUDGE).encode()
    assert refused(here, here.told(order=foreign)) == "order.issuer"


def test_an_order_that_both_sign_afterwards_is_not_the_one_in_the_log(here: Honest) -> None:
    """Agency and judge together cannot turn the order into another one."""
    order = replace(here.case.script.order, offence="treason")
    assert refused(here, here.told(order=sign_order(order).encode())) == "commitment.leaf"


def test_an_order_that_came_into_the_log_too_late_was_none() -> None:
    world = told_world()
    case = boxed(world, alices())
    evidence = case.evidence(case.script.released(QUORUM), case.script.bundle())
    world.time += 2 * 86_400
    leaf = case.orders.entries[case.script.index]
    index = case.orders.add(leaf, world.time)
    late = case.proven_orders([*(e.index for e in evidence.logs.orders.entries), index])
    logs = replace(
        evidence.logs,
        orders=LogExcerpt(ORDERS_LOG, case.orders.notes[-1][1], late),
    )
    assert rule(lambda: case.make(replace(evidence, index=index, logs=logs))) == "order.dates"


def test_a_manifest_of_the_agencys_own_is_not_committed_to(here: Honest) -> None:
    manifest = here.case.script.manifest
    shorter = replace(manifest, slots=manifest.slots[:1])
    assert refused(here, here.told(manifest=shorter.encoded)) == "commitment.leaf"


def test_heads_stand_under_roots_from_before_the_order(here: Honest) -> None:
    entries = here.evidence.logs.orders.entries
    roots = [each for each in entries if each.entry.startswith(b"glasslock/1 ingest")]
    for root in roots:
        fewer = tuple(each for each in entries if each != root)
        package = here.told(logs=_logs(here, orders={"entries": fewer}))
        assert refused(here, package) == "ingest.interval"


# -- releases ---------------------------------------------------------------------------------


def test_a_release_without_its_intent_does_not_count(here: Honest) -> None:
    entries = here.evidence.logs.orders.entries
    for intent in [each for each in entries if each.entry.startswith(b"glasslock/1 intent")]:
        fewer = tuple(each for each in entries if each != intent)
        logs = _logs(here, orders={"entries": fewer})
        assert refused(here, here.told(logs=logs)) == "case.threshold"
        changed = replace(here.evidence, logs=logs)
        assert rule(lambda changed=changed: here.case.make(changed)) == "case.threshold"


@pytest.mark.parametrize("number", range(5))
def test_a_slot_with_fewer_releases_than_its_threshold_is_not_open(
    here: Honest, number: int
) -> None:
    releases = [r for n, r in enumerate(here.evidence.releases) if n != number]
    changed = {"releases": tuple(releases), "custody": here.custody(releases)}
    assert refused(here, here.told(**changed)) == "case.threshold"
    assert rule(lambda: here.made(**changed)) == "case.threshold"


def test_a_release_that_leaves_a_slot_out_does_not_count_for_it(here: Honest) -> None:
    case = boxed(told_world(), alices())
    slots = case.script.prove().checked.slots
    short = case.script.release(7, slots[:1])
    case.script.announce(short)
    releases = [*case.script.released(QUORUM[:-1]), short.encode()]
    evidence = case.evidence(releases, case.script.bundle())
    assert case.make(evidence).found.opening.opened_slots == 1
    # The key of the other slot is right, and has come by another way.
    changed = replace(evidence, keys=here.evidence.keys)
    assert rule(lambda: case.make(changed)) == "case.threshold"


def test_what_a_release_is_signed_for_cannot_be_changed(here: Honest) -> None:
    release = decode_release(here.evidence.releases[0])
    forged = replace(release, signature=ISSUER.sign("release statement", release.statement))
    releases = [forged.encode(), *here.evidence.releases[1:]]
    changed = {"releases": tuple(releases), "custody": here.custody(releases)}
    assert refused(here, here.told(**changed)) == "case.threshold"


def test_nothing_was_released_before_the_hold_date() -> None:
    world = told_world()
    case = boxed(world, alices(), hold=world.time + 600)
    evidence = case.evidence(case.script.released(QUORUM), case.script.bundle())
    assert rule(lambda: case.make(evidence)) == "case.hold"


# -- slots and messages -----------------------------------------------------------------------


def test_a_slot_with_enough_releases_is_not_kept_shut(here: Honest) -> None:
    first = next(iter(here.evidence.keys))
    fewer = {slot: key for slot, key in here.evidence.keys.items() if slot != first}
    assert rule(lambda: here.made(keys=fewer)) == "case.withheld"


def test_a_slot_opens_under_the_key_that_was_sealed(here: Honest) -> None:
    first, second = here.evidence.keys
    keys = here.evidence.keys
    swapped = {first: keys[second], second: keys[first]}
    assert rule(lambda: here.made(keys=swapped)) == "case.slot-key"


def test_no_key_of_another_slot_is_given_away(here: Honest) -> None:
    more = {**here.evidence.keys, bytes(32): bytes(32)}
    assert rule(lambda: here.made(keys=more)) == "case.slot-key"


def test_an_agency_puts_no_word_into_a_message(here: Honest) -> None:
    """Text, content and page, all of them: what the ciphertext opens to says otherwise."""
    files = inner(here.package)
    messages = json.loads(files["messages.json"])
    messages[2] |= {"text": "a confession", "content": b"a confession".hex()}
    page = files["messages.html"].replace(b"<p>alice 1 2</p>", b"<p>a confession</p>")
    assert page != files["messages.html"]
    said = {"messages.json": encode_json(messages), "messages.html": page}
    assert refused(here, here.sealed({**files, **said})) == "case.messages"
    alone = {"messages.html": page}
    assert refused(here, here.sealed({**files, **alone})) == "case.page"


def test_a_sender_cannot_change_what_it_said_either(here: Honest) -> None:
    """A sender that helps the agency signs another text: the body that was stored opens to one."""
    files = inner(here.package)
    messages = json.loads(files["messages.json"])
    messages[0] |= {"text": "x", "content": b"x".hex(), "signature": bytes(64).hex()}
    said = {"messages.json": encode_json(messages)}
    assert refused(here, here.sealed({**files, **said})) == "case.messages"


@pytest.mark.parametrize("way", ["other ciphertext", "exchanged"])
def test_ciphertext_is_what_was_stored_at_its_place(here: Honest, way: str) -> None:
    first, second, *rest = here.evidence.entries
    if way == "exchanged":
        first, second = replace_data(first, second.data), replace_data(second, first.data)
    else:
        middle = len(second.data) // 2
        flipped = bytes((second.data[middle] ^ 1,))
        second = replace_data(second, second.data[:middle] + flipped + second.data[middle + 1 :])
    entries = (first, second, *rest)
    assert refused(here, here.told(entries=entries)) == "case.gaps"
    accepted = here.case.verify(here.made(entries=entries))
    assert "evidence.planted" in {gap.rule for gap in accepted.found.opening.gaps}


def replace_data(entry: KeptEntry, data: bytes) -> KeptEntry:
    return KeptEntry(entry.group_id, entry.position, entry.kind, data, entry.receipt)


def test_a_gap_is_not_kept_silent(here: Honest) -> None:
    entries = (*here.evidence.entries[:3], *here.evidence.entries[4:])
    told = here.told(entries=entries)
    assert refused(here, told) == "case.gaps"
    evidence = replace(here.evidence, entries=entries)
    files = inner(here.case.make(evidence).data)
    case = json.loads(files["case.json"])
    assert [gap["rule"] for gap in case["gaps"]] == ["evidence.missing"]
    silent = {**files, "case.json": encode_json({**case, "gaps": []})}
    assert refused(here, here.sealed(silent)) == "case.gaps"


# -- custody and report -----------------------------------------------------------------------


def test_custody_is_signed(here: Honest) -> None:
    links = here.case.links(here.evidence.releases)
    forged = replace(sign_custody(bytes(32), links, DESK), links=tuple(links))
    assert refused(here, here.told(custody=forged)) == "custody.signature"


@pytest.mark.parametrize("number", range(11))
def test_custody_tells_of_every_step(here: Honest, number: int) -> None:
    links = here.case.links(here.evidence.releases)
    order = here.case.script.order.digest
    fewer = sign_custody(order, [x for n, x in enumerate(links) if n != number], DESK)
    assert rule(lambda: here.case.verify(here.told(custody=fewer))) == "custody.subject"
    other = replace(links[number], subject=secret("something else"))
    more = sign_custody(order, [*links, other], DESK)
    assert rule(lambda: here.case.verify(here.told(custody=more))) == "custody.subject"


def test_custody_may_tell_of_previews_and_earlier_case_files(here: Honest) -> None:
    order, time = here.case.script.order.digest, here.case.script.world.time
    links = here.case.links(here.evidence.releases)
    earlier = Link(time, Step.PREVIEWED, secret("an earlier preview"))
    more = [earlier, *links, Link(time, Step.SEALED, secret("file"))]
    here.case.verify(here.made(custody=sign_custody(order, more, DESK)))


def test_a_case_file_that_was_never_reported_is_refused(here: Honest) -> None:
    assert refused(here, here.file.data) == "case.unreported"


@pytest.mark.parametrize(
    "changes",
    [{"case_file": bytes(32)}, {"order": 1}, {"slots": 1}, {"messages": 1}],
)
def test_a_report_is_of_this_case_file_and_its_counts(
    here: Honest, changes: dict[str, object]
) -> None:
    assert refused(here, here.case.report(here.file, **changes)) == "case.report"


def test_an_entry_of_another_kind_is_no_report(here: Honest) -> None:
    leaf = DoneLeaf(here.case.script.index, 0, here.file.digest, 2)
    package = here.case.logged(here.file.data, encode_leaf(sign_leaf(leaf, ISSUER)))
    assert refused(here, package) == "case.report"


def test_only_the_issuing_authority_reports(here: Honest) -> None:
    assert refused(here, here.case.report(here.file, STRANGER)) == "case.reporter"


def test_a_report_is_signed(here: Honest) -> None:
    leaf = here.case.leaf_of(here.file)
    signed = replace(sign_leaf(leaf, STRANGER), key=ISSUER.public)
    assert refused(here, here.case.logged(here.file.data, encode_leaf(signed))) == "signature"


def test_a_report_that_is_not_in_the_log_is_none(here: Honest) -> None:
    files = decode_package(here.package)
    report = json.loads(files["report.json"])
    other = decode_leaf(bytes.fromhex(report["entry"]))
    assert other
    entry = here.case.orders.entries[0].hex()
    files["report.json"] = encode_json({**report, "entry": entry})
    assert refused(here, encode_package(files)) == "merkle.inclusion"


# -- what the agency can do, and how it shows ---------------------------------------------------


def test_what_the_agency_leaves_out_shows_as_a_gap(here: Honest) -> None:
    for number in range(6):
        entries = tuple(e for n, e in enumerate(here.evidence.entries) if n != number)
        accepted = here.case.verify(here.made(entries=entries))
        gaps = accepted.found.opening.gaps
        assert len(gaps) >= 1
        assert {gap.place.position for gap in gaps} >= {here.evidence.entries[number].position}


def test_blaming_keyholders_shuts_a_slot_and_is_told_as_the_desks_word(here: Honest) -> None:
    """The limit: only who has the case keys can see what is within a release."""
    first = next(iter(here.evidence.keys))
    fewer = {slot: key for slot, key in here.evidence.keys.items() if slot != first}
    claims = Claims(false={(0, first): "share.commitment"})
    accepted = here.case.verify(here.made(keys=fewer, claims=claims))
    assert accepted.found.opening.opened_slots == 1
    assert any("keyholder-0 gave a false share" in each for each in verdict(accepted).word)
    unfit = here.case.verify(here.made(keys=fewer, claims=Claims(unfit=frozenset({first}))))
    assert any("do not give its key" in each for each in verdict(unfit).word)
    locked = Claims(locked=frozenset({0}))
    shut = here.case.verify(here.made(keys={}, claims=locked))
    assert any("release 0 does not open" in each for each in verdict(shut).word)


def test_a_release_that_the_agency_hides_shows_by_what_its_keyholder_logged() -> None:
    case = boxed(told_world(), alices())
    releases = case.script.released((*QUORUM, 6))
    hidden = decode_release(releases[-1])
    done = DoneLeaf(case.script.index, 6, hidden.digest, 2)
    case.script.add(encode_leaf(sign_leaf(done, seat_key(6))))
    refusal = RefusalLeaf(case.script.index, 4, "keyholder.person", "not grave enough", bytes(16))
    case.script.add(encode_leaf(sign_leaf(refusal, seat_key(4))))
    evidence = case.evidence(releases[:-1], case.script.bundle())
    accepted = case.verify(case.report(case.make(evidence)))
    assert any("release that does not count" in each for each in verdict(accepted).remains)
    kinds = [(each["kind"], each["by"]) for each in accepted.facts["log"]]
    assert kinds[-2:] == [("done", "keyholder-6"), ("refusal", "keyholder-4")]


def test_keys_of_nobody_in_the_log_are_told(here: Honest) -> None:
    logs = here.evidence.logs
    fewer = tuple(e for e in logs.policy.entries if not e.entry.startswith(b"glasslock/1 period"))
    changed = replace(logs, policy=replace(logs.policy, entries=fewer))
    accepted = here.case.verify(here.made(logs=changed))
    assert accepted.facts["slots"][0]["unlogged_seats"] == list(range(8))
    assert any("keys that are not shown" in each for each in verdict(accepted).remains)


def test_keys_that_no_keyholder_signed_are_told() -> None:
    case = boxed(told_world(), alices(), period_signer=STRANGER)
    evidence = case.evidence(case.script.released(QUORUM), case.script.bundle())
    accepted = case.verify(case.report(case.make(evidence)))
    assert accepted.facts["slots"][0]["unlogged_seats"] == list(range(8))


def test_leaves_that_this_version_does_not_know_are_passed_over(here: Honest) -> None:
    unknown = encode_leaf(sign_leaf(DoneLeaf(0, 0, bytes(32), 1), PROVIDER))
    unknown = unknown.replace(b"glasslock/1 done\n", b"glasslock/1 later\n")
    index = here.case.script.add(unknown)
    logs = here.evidence.logs
    indexes = [*(each.index for each in logs.orders.entries), index]
    newest = here.case.orders.notes[-1][1]
    excerpt = LogExcerpt(ORDERS_LOG, newest, here.case.proven_orders(indexes))
    here.case.verify(here.made(logs=replace(logs, orders=excerpt)))
