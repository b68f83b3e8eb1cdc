"""Runs tests in a process of its own, with the modules of one mutant read from memory.

Knows imports and pytest; the checkout is never written to. The process that this runs in was forked
from one that had imported nothing of Glasslock, so every module comes in anew, by the mutant's text
where it has one.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from tests.mutants.patches import ROOT

_ARGUMENTS = ("-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist")
# The process before the fork has imported plugins, whose own assertions are nobody's business here.
_QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning")


class _Text(SourceFileLoader):
    """Loads a module from text instead of its file."""

    def __init__(self, fullname: str, path: str, text: str) -> None:
        super().__init__(fullname, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        """Compile the text; no cached bytecode is read or written."""
        del fullname
        return compile(self._text, self.path, "exec", dont_inherit=True)


class Patched(MetaPathFinder):
    """Finds the modules of a mutant before anybody else does."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Take the text of each changed file, by its path under the root of the repository."""
        self._texts = {_module(path): (path, text) for path, text in texts.items()}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find ``fullname`` if the mutant changes it."""
        del path, target
        if fullname not in self._texts:
            return None
        file, text = self._texts[fullname]
        place = str(ROOT / file)
        return spec_from_file_location(fullname, place, loader=_Text(fullname, place, text))

    def missed(self) -> list[str]:
        """Name the changed modules that nobody has imported."""
        return sorted(self._texts.keys() - sys.modules.keys())


def _module(path: str) -> str:
    parts = Path(path).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class Verdicts:
    """A pytest plugin: how each test ended.

    A test that a mutant makes fail must fail by its own judgement: an assertion, a ``raises`` that
    saw nothing raised, or another failure of Glasslock's than the expected one. A mutant that
    merely breaks the code (``NameError``, an import, a fixture) has proven nothing.
    """

    def __init__(self) -> None:
        """Begin without any verdict."""
        self.found: dict[str, str] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Write down how a phase of a test ended; a phase that fails outweighs one that passes."""
        report = yield
        if call.excinfo is not None:
            judged = report.when == "call" and issubclass(call.excinfo.type, _judgements())
            word = "failed" if judged else f"broken: {call.excinfo.typename} in {report.when}"
            self.found[item.nodeid] = word
        elif report.when == "call":
            self.found[item.nodeid] = report.outcome
        return report


def _judgements() -> tuple[type[BaseException], ...]:
    # Imported here and nowhere above: before the fork there must be nothing of Glasslock.
    from glasslock.errors import GlasslockError  # noqa: PLC0415

    return AssertionError, GlasslockError, pytest.fail.Exception


def judge(tests: Iterable[str], texts: Mapping[str, str]) -> dict[str, str]:
    """Run ``tests`` with ``texts`` in the place of what the files say; returns how each ended.

    Raises:
        RuntimeError: a module of Glasslock was there before, or is of another tree, or what was
            changed was never imported. No verdict of such a run means anything.
    """
    if any(name.split(".")[0] == "glasslock" for name in sys.modules):
        raise RuntimeError("Glasslock was imported before its mutant")
    patched, verdicts = Patched(texts), Verdicts()
    sys.meta_path.insert(0, patched)
    pytest.main([*_ARGUMENTS, *_QUIET, *tests], plugins=[verdicts])
    place = getattr(sys.modules.get("glasslock"), "__file__", None)
    if place is None or not Path(place).resolve().is_relative_to(ROOT / "src"):
        raise RuntimeError("the package that was imported is not this tree's")
    if patched.missed():
        raise RuntimeError(f"nobody imported {', '.join(patched.missed())}")
    return verdicts.found
