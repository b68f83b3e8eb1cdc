"""Every field of every document turned, by an agency that holds the issuing key and seals it anew.

What refuses is what others signed, or what anybody computes from it; the log would refuse it too,
since the report there names another digest, but nothing here hangs on that.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from glasslock.casefile.package import encode_package
from glasslock.casefile.sealed import seal_files
from glasslock.errors import GlasslockError
from tests.unit.casefile.altering import (
    DOCUMENTS,
    field_alterations,
    inner,
    list_alterations,
    raw_alterations,
    shape_alterations,
)
from tests.unit.casefile.box import Case
from tests.unit.casefile.stories import honest, troubled
from tests.unit.desk.cases import ISSUER

STORIES = {"honest": honest, "troubled": troubled}


@pytest.fixture(scope="module", params=STORIES)
def sealed(request: pytest.FixtureRequest) -> tuple[Case, bytes]:
    case, releases, entries = STORIES[request.param]()
    package = case.report(case.make(case.evidence(releases, entries)))
    case.verify(package)
    return case, package


def refused(case: Case, package: bytes) -> str | None:
    try:
        case.verify(package)
    except GlasslockError as error:
        return error.rule
    return "accepted"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_agency_changes_no_field(sealed: tuple[Case, bytes], name: str) -> None:
    case, package = sealed
    files = inner(package)

    def altered() -> Iterator[tuple[str, str, bytes]]:
        yield from field_alterations(files, name)
        yield from list_alterations(files, name)
        yield from shape_alterations(files, name)

    wrong, count = [], 0
    for said, rule, data in altered():
        again, _ = seal_files({**files, name: data}, ISSUER)
        found = refused(case, again)
        count += 1
        if found != rule:
            wrong.append(f"{said}: {found}, not {rule}")
    assert wrong == []
    assert count > 10


def test_nobody_changes_a_file_under_its_manifest(sealed: tuple[Case, bytes]) -> None:
    case, package = sealed
    wrong, count = [], 0
    for altered in raw_alterations(package):
        found = refused(case, encode_package(altered.files))
        count += 1
        if found != altered.rule:
            wrong.append(f"{altered.name}: {found}, not {altered.rule}")
    assert wrong == []
    assert count >= 80
