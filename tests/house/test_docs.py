"""The documents are true where a machine can tell: links, generated pages, indexes, words."""

import re
import runpy
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from glasslock.__main__ import NOUNS
from glasslock.wire.labels import Label
from tests.house.source import DOCS, ROOT, SRC, modules, name

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
PROMISED = "docs/limitations.md"
NOT_PROMISED = (
    "quorum opens in silence",
    "encrypt inside the encryption",
    "Deletion cannot be proven",
    "cannot be recalled",
    "not deniable",
    "stays openable by order until",
    "no live interception",
    "One provider and one policy per conversation",
    "phone client",
    "whether there should be such a law",
    "no duty to decrypt",
    "Roster, policy and timing",
    "can tip off",
    "unaudited",
    "provisional",
    "wipe memory",
    "denial of service",
)


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_resolve(page: Path) -> None:
    broken = []
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in _anchors(found)):
            broken.append(target)
    assert broken == []


def test_the_reference_is_what_make_docs_writes() -> None:
    pages = runpy.run_path(str(ROOT / "tools" / "reference.py"))["pages"]()
    stale = [
        page
        for page, text in pages.items()
        if not (DOCS / "reference" / page).is_file()
        or (DOCS / "reference" / page).read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run `make docs`"


def test_no_slug_stands_for_two_errors() -> None:
    errors = runpy.run_path(str(ROOT / "tools" / "reference.py"))["error_classes"]()
    slugs = [error.slug for error in errors]
    assert len(set(slugs)) == len(slugs) > 0


def test_every_decision_is_in_the_index() -> None:
    index = (DOCS / "adr" / "README.md").read_text(encoding="utf-8")
    decisions = [page.name for page in (DOCS / "adr").glob("[0-9]*.md")]
    assert [page for page in decisions if f"({page})" not in index] == []


def test_every_protocol_section_is_in_the_index() -> None:
    index = (DOCS / "protocol" / "README.md").read_text(encoding="utf-8")
    sections = sorted(page.name for page in (DOCS / "protocol").glob("[0-9a]*-*.md"))
    assert [page for page in sections if f"({page})" not in index] == []
    assert [section[:2] for section in sections[:10]] == [f"{n:02}" for n in range(10)]


def test_every_package_is_in_the_architecture() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in modules() if path.parent.parent == SRC}
    assert [room for room in sorted(rooms) if f"`{room}`" not in text] == []


def test_labels_of_the_protocol_text_exist() -> None:
    """A label that the text names and the code lacks would be a derivation nobody makes."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "protocol").glob("*.md"))
    named = set(re.findall(r'(?:H|Sign)\("([a-z0-9 ]+)"', text))
    assert named - set(Label) == set()


@pytest.mark.parametrize("promise", NOT_PROMISED)
def test_the_limitations_say_it(promise: str) -> None:
    assert promise in (ROOT / PROMISED).read_text(encoding="utf-8")


def test_the_first_paragraph_says_what_it_is() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")[1]
    assert "exceptional access by threshold escrow" in first


def test_every_command_that_is_there_can_be_called() -> None:
    there = [module for module, _ in NOUNS.values() if find_spec(module)]
    assert [module for module in there if not callable(import_module(module).app)] == []
