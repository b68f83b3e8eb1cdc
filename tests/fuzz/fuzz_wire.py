"""Fuzz targets for policies, log records, entries and frames: only our own errors may come out."""

from __future__ import annotations

import sys

from glasslock.errors import GlasslockError
from glasslock.wire.api import decode_device_frame, decode_provider_frame
from glasslock.wire.codec import decode, encode
from glasslock.wire.drill import decode_drill, encode_drill
from glasslock.wire.entry import decode_receipt, decode_receipt_leaf
from glasslock.wire.policy import decode_policy, decode_policy_extension, decode_signed_policy
from glasslock.wire.record import decode_record, encode_record


def _value(data: bytes) -> None:
    if encode(decode(data)) != data:
        raise RuntimeError("a value has two spellings")


def _record(data: bytes) -> None:
    if encode_record(decode_record(data)) != data:
        raise RuntimeError("a record has two spellings")


def _drill(data: bytes) -> None:
    if encode_drill(decode_drill(data)) != data:
        raise RuntimeError("a record of a drill has two spellings")


TARGETS = (
    _value,
    _record,
    _drill,
    decode_policy,
    decode_signed_policy,
    decode_policy_extension,
    decode_receipt,
    decode_receipt_leaf,
    decode_device_frame,
    decode_provider_frame,
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
