"""Writes the vector files of section 9 with the product; run as a module to write them anew.

``python -m tests.vectors.generate`` after a change of the protocol, never to make a test pass.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from glasslock.errors import GlasslockError
from tests.vectors import inputs, inputs_evidence, inputs_orders, inputs_preview, inputs_sealed
from tests.vectors.by_product import OPERATIONS
from tests.vectors.form import FILES, Case, load, shown, written

CONTENTS: dict[str, tuple[str, Callable[[], list[Case]]]] = {
    "cbor": ("Notation", inputs.cbor),
    "kdf": ("Notation", inputs.kdf),
    "hash": ("Notation", inputs.hashes),
    "sign": ("Notation", inputs.signs),
    "tree": ("2", inputs.tree),
    "xwing": ("3", inputs.xwing),
    "tier1": ("3", inputs_sealed.tier1),
    "seal": ("3", inputs_sealed.seal),
    "body": ("4", inputs_sealed.body),
    "stream": ("2 and 4", inputs_sealed.stream),
    "evidence": ("4 and 5", inputs_evidence.evidence),
    "orders": ("5", inputs_orders.orders),
    "preview": ("5", inputs_preview.preview),
}


def answered(case: Case) -> Case:
    """Return the case with what the product gives, or refuses it for.

    Raises:
        AssertionError: what must be refused was taken.
    """
    run = OPERATIONS[case.operation]
    if case.refused is None:
        return replace(case, out=shown(run(load(case.inputs))))
    try:
        run(load(case.inputs))
    except GlasslockError as error:
        return replace(case, refused=(error.slug, error.rule))
    raise AssertionError(f"{case.operation} takes {case.name}")


def file_bytes(name: str) -> bytes:
    """Return the file ``name`` as it must stand."""
    section, cases = CONTENTS[name]
    return written(name, section, [answered(case) for case in cases()])


def main() -> None:
    FILES.mkdir(exist_ok=True)
    for name in CONTENTS:
        data = file_bytes(name)
        (FILES / f"{name}.json").write_bytes(data)
        sys.stdout.write(f"{name}: {len(data):,} bytes\n")


if __name__ == "__main__":
    main()
