"""Every public decoder has a fuzz target, and every fuzz file works without a fuzzer."""

import ast
import importlib
import random
from pathlib import Path

import pytest

from tests.house.source import SRC, TESTS, modules, name, parsed

FUZZ = sorted((TESTS / "fuzz").glob("fuzz_*.py"))

# Pieces of a line, reached through every decoder above them.
PIECES = {"decode_decimal", "decode_base64", "decode_hash"}


def _decoders() -> dict[str, str]:
    """Public module functions that read bytes from outside, with where they stand."""
    found = {}
    for folder, prefixes in (("wire", ("decode_",)), ("tlog", ("decode_", "parse_"))):
        for path in modules(SRC / folder):
            for node in parsed(path).body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith(prefixes):
                    found[node.name] = name(path)
    return found


def _aimed_at() -> set[str]:
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for path in FUZZ
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Name | ast.Attribute)
    }


def test_every_decoder_has_a_fuzz_target() -> None:
    aimed = _aimed_at()
    missing = {
        f"{where}: {decoder}"
        for decoder, where in _decoders().items()
        if decoder not in aimed | PIECES
    }
    assert missing == set()


@pytest.mark.parametrize("path", FUZZ, ids=name)
def test_a_fuzz_file_takes_any_bytes(path: Path) -> None:
    module = importlib.import_module(f"tests.fuzz.{path.stem}")
    chance = random.Random(path.stem)
    assert len(module.TARGETS) > 0
    for _ in range(40 * len(module.TARGETS)):
        module.one_input(chance.randbytes(chance.randrange(200)))
