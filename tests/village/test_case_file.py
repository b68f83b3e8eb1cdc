"""The case file of a real order, before a stranger: accepted as it is, refused as anything else.

Real logs, witnesses, a provider, keyholders' releases and a desk make it, once. Then only the
package, a quorum file and the verifier are left.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from glasslock.casefile.excerpts import decode_excerpts
from glasslock.casefile.package import decode_package, encode_package
from glasslock.casefile.sealed import add_report, seal_files
from glasslock.casefile.verdict import verdict
from glasslock.casefile.verify import verify_package
from glasslock.cli.case import app as case_command
from glasslock.errors import GlasslockError
from glasslock.signing import SigningKey
from glasslock.tlog.quorum import QuorumFile
from tests.unit.casefile.altering import (
    DOCUMENTS,
    Altered,
    field_alterations,
    inner,
    list_alterations,
    raw_alterations,
    shape_alterations,
)
from tests.village.desk import scene
from tests.village.institutions import ISSUER, seed


@dataclass(frozen=True)
class Court:
    """What a court has: a package, and a quorum file from somebody it trusts."""

    package: bytes
    quorum: str
    policy: bytes

    def rule(self, package: bytes) -> str | None:
        """Return the rule that refuses a package, or that it is accepted."""
        try:
            verify_package(package, QuorumFile.parse(self.quorum))
        except GlasslockError as error:
            return error.rule
        return "accepted"


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Court:
    return asyncio.run(_court(tmp_path_factory.mktemp("court")))


async def _court(folder: Path) -> Court:
    async with scene(folder) as here:
        case, file = await here.opened()
        index = await here.office.report(here.again(case), ISSUER)
        package = add_report(file.data, await here.office.proven_report(index))
        return Court(package, here.place.quorum, here.policy.digest)


def test_it_is_accepted_as_it_is(court: Court) -> None:
    accepted = verify_package(court.package, QuorumFile.parse(court.quorum), court.policy)
    assert [message.content.decode() for message in accepted.found.opening.messages] == [
        "alice 0",
        "alice 1",
    ]
    assert accepted.found.opening.gaps == ()
    case = accepted.facts
    assert [each["unlogged_seats"] for each in case["slots"]] == [[], []]
    assert [each["counts"] for each in case["releases"]] == [True] * 4
    steps = [link.what.value for link in accepted.evidence.custody.links]
    releases = ["release"] * 4
    assert steps == ["drafted", "signed", "countersigned", "admitted", *releases, "opened"]
    # Each entry is as old as the first checkpoint over it, and not as the day of the case file.
    logs = decode_excerpts(inner(court.package)["logs.json"])
    sizes = {each.proof.split(b"\n\n")[1].split(b"\n")[1] for each in logs.orders.entries}
    assert len(sizes) > 3
    said = verdict(accepted)
    assert any("2 messages" in each for each in said.holds)


def altered(court: Court) -> Iterator[Altered]:
    """Everything that can be turned, by a stranger, by the desk, and by an agency that seals."""
    yield from raw_alterations(court.package)
    files, outside = inner(court.package), decode_package(court.package)
    for name in DOCUMENTS:
        for said, rule, data in itertools.chain(
            field_alterations(files, name),
            list_alterations(files, name),
            shape_alterations(files, name),
        ):
            package, _ = seal_files({**files, name: data}, ISSUER)
            yield Altered(f"agency: {said}", decode_package(package), rule)
    for said, rule in (
        ("manifest.json", "json.spelling"),
        ("statement.json", "json.spelling"),
        ("report.json", "case.unreported"),
    ):
        less = {name: data for name, data in outside.items() if name != said}
        yield Altered(f"{said} dropped", less, rule)
    stranger = SigningKey.from_seed(seed("stranger"))
    for name, data in files.items():
        if name.endswith(".html"):
            package, _ = seal_files({**files, name: data + b" "}, stranger)
            yield Altered(f"stranger: {name}", decode_package(package), "case.issuer")


def test_hundreds_of_altered_ones_are_refused_each_with_its_reason(court: Court) -> None:
    assert court.rule(court.package) == "accepted"
    wrong, rules, count = [], set(), 0
    for each in altered(court):
        found = court.rule(encode_package(each.files))
        rules.add(found)
        count += 1
        if found != each.rule:
            wrong.append(f"{each.name}: {found}, not {each.rule}")
    assert wrong == []
    assert count >= 300
    assert len(rules) >= 20


@pytest.mark.parametrize("way", ["accepted", "altered", "malformed"])
def test_one_command_judges_it_without_a_network(
    court: Court, way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package, quorum = tmp_path / "case.zip", tmp_path / "quorum"
    quorum.write_text(court.quorum, encoding="utf-8")
    files = decode_package(court.package)
    page = files["messages.html"].replace(b"alice 1", b"alice 2")
    data = {
        "accepted": court.package,
        "altered": encode_package({**files, "messages.html": page}),
        "malformed": court.package[:-1],
    }[way]
    package.write_bytes(data)
    words = ["verify", str(package), "--quorum", str(quorum)]
    code = case_command(words, standalone_mode=False)
    said = capsys.readouterr().out
    assert (code, said.split()[0]) == ((0, "ACCEPTED:") if way == "accepted" else (4, "REFUSED"))
    assert ("[case.hash]" in said) == (way == "altered")
    assert ("[package.end]" in said) == (way == "malformed")
    assert case_command([*words, "--json"], standalone_mode=False) == code
    assert json.loads(capsys.readouterr().out)["accepted"] == (way == "accepted")
