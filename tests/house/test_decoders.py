"""Every public decoder of the wire stands in the table that the property tests run over."""

import ast

from tests.house.source import SRC, modules, name, parsed
from tests.properties.wire_values import TABLE


def test_every_decoder_of_the_wire_is_in_the_table() -> None:
    found = {
        node.name: name(path)
        for path in modules(SRC / "wire")
        for node in parsed(path).body
        if isinstance(node, ast.FunctionDef)
        and (node.name.startswith("decode_") or node.name == "decode")
    }
    missing = {where: decoder for decoder, where in found.items() if decoder not in TABLE}
    assert missing == {}, "one line in tests/properties/wire_values.py"
    assert TABLE.keys() <= found.keys(), "a decoder in the table is gone"
