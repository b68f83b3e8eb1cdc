"""Every protection is in docs/validation.md, with the mutant that shows what it is for.

The list is held against the source from both sides: what refuses there must be in the list, and
what the list names must be there. So a check that is added, removed or moved fails here until the
list says what became of it.
"""

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.house.source import DOCS, ROOT, SRC, TESTS, band, modules, name, parsed
from tests.mutants.patches import Mutant, StaleMutantError, read_mutant, read_mutants

LIST = DOCS / "validation.md"
NO_MUTANT = "none: "
NO_PROTECTION = "no protection: "
# They show and type; what they are told by the rooms below them, they cannot overrule.
OUTSIDE = {"cli", "demo", "lab", "tui", "web", "__main__"}
RULE = re.compile(r"[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*")
# They say that a file, a disk or the way to somebody failed, and no check.
UNJUDGED = {"TransportError", "StorageError", "ConfigError", "WireError"}
CHECKING = re.compile(r"_?(check|verify|vet|require|review|compare_digest|authenticate)(_\w+)?")
TOKEN = re.compile(r"`([^`]+)`(?: x(\d+))?")
MUTANTS = read_mutants()


def _rows(heading: str) -> list[list[str]]:
    """The cells of each row of the table under a heading of the list."""
    text = LIST.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines]


def protections() -> dict[str, list[str]]:
    """Section, place, what is lost, test and mutant of every protection, by its id."""
    rows = _rows("Protections")
    found = {row[0].strip("`"): row[1:] for row in rows}
    assert len(found) == len(rows)
    return found


# What they ask is whether a program ended well.
STAGE = {"demo", "lab"}


# -- what refuses, as the source has it -------------------------------------------------------


def _prefixes() -> frozenset[str]:
    return frozenset(
        node.value.value.split(".")[0]
        for path in modules()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.keyword) and node.arg == "rule"
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=called) | ast.Attribute(attr=called):
            return called
    return ""


def refusing(tree: ast.Module, prefixes: frozenset[str]) -> Counter[str]:
    """What refuses, each with how often it is there: rule ids, errors raised without one, calls of
    checks; and where an error of a check is not passed on.
    """
    found: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            rule = node.value
            found[rule] += bool(RULE.fullmatch(rule)) and rule.split(".")[0] in prefixes
        if isinstance(node, ast.Call) and CHECKING.fullmatch(_called(node)):
            found[_called(node) + "()"] += 1
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            error = _called(node.exc)
            bare = not any(each.arg == "rule" for each in node.exc.keywords)
            found[error] += bare and error[:1].isupper()
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
            found[node.exc.id] += node.exc.id[:1].isupper()
        found += Counter(f"except {error}" for error in _swallowed(node))
    return +found


def _swallowed(node: ast.AST) -> list[str]:
    """Errors of checks that go no further here: neither raised again nor looked at."""
    match node:
        case ast.ExceptHandler(type=ast.expr() as kind, name=called, body=body):
            inside = [each for part in body for each in ast.walk(part)]
            if any(
                isinstance(each, ast.Raise) or (isinstance(each, ast.Name) and each.id == called)
                for each in inside
            ):
                return []
            kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
        case ast.Call(args=kinds) if _called(node) == "suppress":
            pass
        case _:
            return []
    names = [each.id for each in kinds if isinstance(each, ast.Name)]
    return [each for each in names if not hasattr(builtins, each) and each not in UNJUDGED]


def _listed() -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for file, tokens, _ in _rows("Where something is refused"):
        counts = found.setdefault(file.strip("`"), Counter())
        for token, times in TOKEN.findall(tokens):
            assert token not in counts, f"{file}: {token} stands twice"
            counts[token] = int(times or 1)
    return found


def test_everything_that_refuses_is_in_the_list() -> None:
    prefixes = _prefixes()
    there = {
        path.relative_to(SRC).as_posix(): refusing(parsed(path), prefixes)
        for path in modules()
        if band(path) not in OUTSIDE
    }
    listed = _listed()
    wrong = [
        f"{file}: `{token}` is there {counts[token]} times and {times} times in the list"
        for file in sorted(there.keys() | listed.keys())
        for counts, told in [(there.get(file, Counter()), listed.get(file, Counter()))]
        for token in sorted(counts.keys() | told.keys())
        if counts[token] != (times := told[token])
    ]
    assert wrong == [], "say in docs/validation.md what became of it, and write its mutant"


def test_what_refuses_is_covered_by_a_protection_or_is_none() -> None:
    known = protections().keys()
    wrong = [
        f"{file}: {covered}"
        for file, _, covered in _rows("Where something is refused")
        if not covered.startswith(NO_PROTECTION) or len(covered) <= len(NO_PROTECTION)
        if not known >= {each.strip("` ") for each in covered.split(",")}
    ]
    assert wrong == []


def test_the_source_is_read_as_it_is_meant() -> None:
    tree = ast.parse(
        "def f(x):\n"
        "    check_it(x)\n"
        "    if not x.verify_that():\n"
        "        raise Wrong('no', rule='room.wrong')\n"
        "    raise Bare('no')\n"
        "def g(x):\n"
        "    try:\n"
        "        with suppress(Swallowed, OSError):\n"
        "            raise Bare\n"
        "    except (TransportError, Passed):\n"
        "        return\n"
        "    except Told as error:\n"
        "        print(error)\n"
        "    except Again:\n"
        "        raise\n"
    )
    found = refusing(tree, frozenset({"room"}))
    passed = {"except Swallowed": 1, "except Passed": 1}
    refused = {"check_it()": 1, "verify_that()": 1, "room.wrong": 1, "Bare": 2}
    assert found == {**passed, **refused}


# -- protections and mutants ------------------------------------------------------------------


def test_every_protection_has_a_mutant_or_says_why_not() -> None:
    wrong = [
        each
        for each, row in protections().items()
        if not row[-1].startswith(NO_MUTANT) or len(row[-1]) <= len(NO_MUTANT)
        if each not in {mutant.protection for mutant in MUTANTS}
    ]
    assert wrong == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_is_in_the_list_with_its_test(mutant: Mutant) -> None:
    rows = protections()
    assert mutant.protection in rows
    _, place, lost, test, patch = rows[mutant.protection]
    assert (lost, test, patch) == (
        mutant.removes,
        f"`{mutant.test.split('[')[0]}`",
        f"`{mutant.name}`",
    )
    file, _, function = place.strip("`").partition(":")
    assert mutant.paths == {f"src/glasslock/{file}"}
    assert function in _around(mutant), "the place is where the mutant changes something"


def _around(mutant: Mutant) -> set[str]:
    """The functions and classes, or the constants, in which a mutant changes lines."""
    found = set()
    for path, changed in mutant.applied(ROOT).items():
        before = (ROOT / path).read_text(encoding="utf-8")
        old, new = before.splitlines(), changed.splitlines()
        at = next(n for n, pair in enumerate(zip_longest(old, new), 1) if pair[0] != pair[1])
        found |= set(_names_at(ast.parse(before), at, ""))
    return found


def _names_at(node: ast.AST, line: int, outer: str) -> Iterator[str]:
    for each in ast.iter_child_nodes(node):
        if not isinstance(each, ast.stmt) or not each.lineno <= line <= (each.end_lineno or 0):
            continue
        inner = outer
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{outer}{each.name}."
            yield inner[:-1]
        elif isinstance(each, ast.Assign | ast.AnnAssign):
            yield outer + ast.unparse(
                each.targets[0] if isinstance(each, ast.Assign) else each.target
            )
        yield from _names_at(each, line, inner)


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 30


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_applies_and_compiles(mutant: Mutant) -> None:
    for path, text in mutant.applied(ROOT).items():
        compile(text, path, "exec")
        assert text != (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_test_that_is_named_exists(mutant: Mutant) -> None:
    path, _, test = mutant.test.partition("::")
    tree = parsed(ROOT / path)
    functions = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert test.split("[")[0] in functions


@pytest.mark.parametrize(
    "text",
    [
        "# protection: a\n# removes: b\n",
        "# protection: a\n# removes: b\n# test: c\n--- a/tests/x\n+++ b/tests/x\n@@ @@\n-a\n",
        "# protection: a\n# removes: b\n# test: c\n+++ b/src/glasslock/x\n@@ @@\n a\n",
    ],
)
def test_what_is_no_mutant_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "one.patch"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StaleMutantError):
        read_mutant(path)


def test_a_patch_whose_lines_are_not_there_once_is_stale(tmp_path: Path) -> None:
    path = tmp_path / "one.patch"
    head = "# protection: a\n# removes: b\n# test: c\n"
    file = "src/glasslock/x.py"
    path.write_text(f"{head}--- a/{file}\n+++ b/{file}\n@@ @@\n-once()\n", encoding="utf-8")
    mutant = read_mutant(path)
    (tmp_path / "src" / "glasslock").mkdir(parents=True)
    for text, fits in (("once()\n", True), ("once()\nonce()\n", False), ("twice()\n", False)):
        (tmp_path / file).write_text(text, encoding="utf-8")
        if fits:
            assert mutant.applied(tmp_path) == {file: ""}
            continue
        with pytest.raises(StaleMutantError):
            mutant.applied(tmp_path)


# -- no switch --------------------------------------------------------------------------------

SWITCH = re.compile(
    r"(?:^|_)(?:skip|disable|bypass|ignore|insecure|unsafe|unchecked|unverified|trust|debug|force"
    r"|dry_run|testing|test_mode|no_(?:check|verify|verification)|allow_(?:any|all|unsigned|old)"
    r"|strict|lenient|permissive|verify|validate|check)(?:_|$)"
)
TRUTH = {"bool", "bool | None"}
# Whatever it names, of whatever type: a function, a variable, a setting, an option of a command.
NEVER = re.compile(
    r"(?:^|_)(?:skip|disabled?|bypass|insecure|unsafe|unchecked|unverified|dry_run|testing|debug"
    r"|test_mode|no_(?:check|verify|verification)|allow_(?:any|all|unsigned|old)|(?<!in_)force"
    r"|lenient|permissive|relax(?:ed)?|mock|fake|sandbox)(?:_|$)"
)
OPTION = re.compile(r"--[a-z-]+|[a-z_]+")
# Of Python's own functions, and in them the strict way: lengths that must agree, base64 that must
# be whole, and a process whose end is looked at afterwards.
PYTHONS = {
    ("zip", "strict", True),
    ("b64decode", "validate", True),
    ("a2b_base64", "strict_mode", True),
    ("subprocess.run", "check", False),
    ("resolve", "strict", True),
    ("rmtree", "ignore_errors", True),
}


def _switches(path: Path) -> list[str]:
    """Names of truth values, as parameters, fields or arguments, that read like a switch."""
    found = []
    for node in ast.walk(parsed(path)):
        match node:
            case ast.arg(arg=called, annotation=ast.expr() as kind) if ast.unparse(kind) in TRUTH:
                found.append(called)
            case ast.AnnAssign(target=ast.Name(id=called), annotation=kind) if (
                ast.unparse(kind) in TRUTH
            ):
                found.append(called)
            case ast.Call(keywords=keywords):
                found += [
                    str(each.arg)
                    for each in keywords
                    if isinstance(each.value, ast.Constant)
                    and isinstance(each.value.value, bool)
                    and not {
                        (called, each.arg, each.value.value)
                        for called in (_called(node), ast.unparse(node.func))
                    }
                    & PYTHONS
                ]
    return [each for each in found if SWITCH.search(each)]


@pytest.mark.parametrize("path", [p for p in modules() if band(p) not in STAGE], ids=name)
def test_no_truth_value_reads_like_a_switch_of_a_check(path: Path) -> None:
    assert _switches(path) == []


def _identifiers(path: Path) -> Iterator[str]:
    """Every name that a file defines or uses, and the texts that could be one."""
    for node in ast.walk(parsed(path)):
        match node:
            case (
                ast.Name(id=called)
                | ast.Attribute(attr=called)
                | ast.arg(arg=called)
                | ast.keyword(arg=str(called))
                | ast.FunctionDef(name=called)
                | ast.AsyncFunctionDef(name=called)
                | ast.ClassDef(name=called)
            ):
                yield called
            case ast.Constant(value=str(text)) if OPTION.fullmatch(text):
                yield text.removeprefix("--").replace("-", "_")


# They draw on a terminal, or end a server of the stage.
@pytest.mark.parametrize("path", [p for p in modules() if band(p) not in STAGE | {"cli"}], ids=name)
def test_nothing_is_named_like_a_switch_of_a_check(path: Path) -> None:
    assert [each for each in _identifiers(path) if NEVER.search(each.lower())] == []


@pytest.mark.parametrize("path", modules(), ids=name)
def test_nothing_asks_whether_it_is_being_tested_or_debugged(path: Path) -> None:
    names = {node.id for node in ast.walk(parsed(path)) if isinstance(node, ast.Name)}
    assert not names & {"__debug__", "TESTING", "DEBUG", "INSECURE"}
    assert "pytest" not in path.read_text(encoding="utf-8")
    used = {ast.unparse(node) for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)}
    assert not used & {"sys.flags", "sys.modules", "sys.gettrace", "sys.settrace"}


@pytest.mark.parametrize("path", modules(), ids=name)
def test_no_check_is_swallowed(path: Path) -> None:
    """``except`` without a class, or of everything, would make any check silent."""
    broad = [
        node.lineno
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or {"Exception", "BaseException"} & _words(node.type))
        and not any(
            isinstance(each, ast.Raise) or (isinstance(each, ast.Name) and each.id == node.name)
            for each in ast.walk(node)
        )
    ]
    assert broad == []
    assert not [
        node.lineno
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and _called(node) == "suppress"
        and {"Exception", "BaseException"} & _words(node)
    ]


def _words(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def test_no_setting_reads_like_a_switch_of_a_check() -> None:
    """A daemon's settings are the fields of its config: none of them may turn a check off."""
    fields = [
        f"{name(path)}: {node.target.id}"
        for path in modules()
        if path.name == "config.py"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and SWITCH.search(node.target.id)
    ]
    assert fields == []


def test_mutants_are_no_part_of_what_is_shipped() -> None:
    assert not any("mutants" in path.read_text(encoding="utf-8") for path in modules())
    assert (TESTS / "mutants" / "run.py").is_file()
