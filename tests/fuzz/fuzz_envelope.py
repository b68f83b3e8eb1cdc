"""Fuzz targets for what devices send under a slot: only our own errors, and one spelling each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from glasslock.errors import GlasslockError
from glasslock.sealing.slots import decode_slot_tree
from glasslock.wire.carried import decode_carried, encode_carried
from glasslock.wire.envelope import (
    decode_envelope,
    decode_message_header,
    decode_slot_header,
    decode_tombstone,
)
from glasslock.wire.seal import decode_seal, decode_seal_upload, decode_tier1_header


def _one_spelling(decoder: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    def target(data: bytes) -> None:
        value = decoder(data)
        again = value.encoded if hasattr(value, "encoded") else value.encode()
        if again != data:
            raise RuntimeError(f"{decoder.__name__} takes two spellings")

    return target


def _carried(data: bytes) -> None:
    # Random bytes are never as long as the field: what they say is put into one.
    field = data[:1_024].ljust(1_024, b"\0")
    if encode_carried(decode_carried(field)) != field:
        raise RuntimeError("what a message carries has two spellings")


TARGETS = (
    _carried,
    *(
        _one_spelling(decoder)
        for decoder in (
            decode_envelope,
            decode_tombstone,
            decode_slot_header,
            decode_message_header,
            decode_tier1_header,
            decode_seal,
            decode_seal_upload,
            decode_slot_tree,
        )
    ),
)


def one_input(data: bytes) -> None:
    """Feed ``data`` to the decoder that its first byte chooses."""
    if not data:
        return
    try:
        TARGETS[data[0] % len(TARGETS)](data[1:])
    except GlasslockError:
        return


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
