"""The table of reference values in section 9 holds in the product and in the oracle."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.house.source import DOCS
from tests.vectors.reference import Values, oracle_values, product_values

PAGE = DOCS / "protocol" / "09-test-vectors.md"


def printed() -> Values:
    """The table as people read it."""
    rows = re.findall(r"^\| (.+) \| ([0-9a-f; ]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {
        name: bytes.fromhex(value)
        for names, values in rows
        for name, value in zip(names.split("; "), values.split("; "), strict=True)
    }


@pytest.mark.parametrize("compute", [product_values, oracle_values])
def test_the_printed_values_hold(compute: Callable[[], Values]):
    assert compute() == printed()
    assert len(printed()) == 19
