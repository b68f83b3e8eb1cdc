"""Fuzz targets for orders and their evidence: only our own errors, and one spelling each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from glasslock.errors import GlasslockError
from glasslock.wire.contact import decode_contact
from glasslock.wire.credential import decode_credential
from glasslock.wire.gap import decode_carried, decode_errands
from glasslock.wire.leaf import decode_leaf, encode_leaf
from glasslock.wire.manifest import decode_manifest
from glasslock.wire.notice import decode_letter
from glasslock.wire.order import decode_issued_order, decode_order
from glasslock.wire.preview import decode_preview
from glasslock.wire.release import decode_release


def _one_spelling(
    decoder: Callable[[bytes], Any], encoder: Callable[[Any], bytes]
) -> Callable[[bytes], None]:
    def target(data: bytes) -> None:
        if encoder(decoder(data)) != data:
            raise RuntimeError(f"{decoder.__name__} takes two spellings")

    return target


TARGETS = (
    _one_spelling(decode_order, lambda value: value.document),
    _one_spelling(decode_issued_order, lambda value: value.encode()),
    _one_spelling(decode_release, lambda value: value.encode()),
    _one_spelling(decode_errands, lambda value: value.encode()),
    _one_spelling(decode_carried, lambda value: value.encode()),
    _one_spelling(decode_contact, lambda value: value.encode()),
    _one_spelling(decode_preview, lambda value: value.encode()),
    _one_spelling(decode_letter, lambda value: value.encode()),
    _one_spelling(decode_manifest, lambda value: value.encoded),
    _one_spelling(decode_leaf, encode_leaf),
    decode_credential,
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
