"""Fuzz targets for every public decoder of the log: only our own errors may come out."""

from __future__ import annotations

import sys

from glasslock.errors import GlasslockError
from glasslock.tlog.chain import decode_shard
from glasslock.tlog.checkpoint import read_head
from glasslock.tlog.claim import decode_split_view
from glasslock.tlog.follow import decode_hashes
from glasslock.tlog.note import Verifier, parse_note, parse_signatures
from glasslock.tlog.proof import decode_proof
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.reader import decode_history
from glasslock.tlog.submission import decode_submission
from glasslock.tlog.tile import Bundle, decode_bundle, encode_bundle, parse_path
from glasslock.tlog.treehead import parse_body
from glasslock.tlog.witnessing import parse_size, parse_witness_request
from glasslock.wire.shard import decode_shard_leaf


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bundle(data: bytes) -> None:
    width, rest = data[0] + 1 if data else 1, data[1:]
    if encode_bundle(decode_bundle(Bundle(0, width), rest)) != rest:
        raise RuntimeError("a bundle has two spellings")


def _shard(data: bytes) -> None:
    if decode_shard(data).encode() != data:
        raise RuntimeError("a stored shard has two spellings")


def _shard_leaf(data: bytes) -> None:
    if decode_shard_leaf(data).encode() != data:
        raise RuntimeError("a leaf of a chain has two spellings")


def _proof(data: bytes) -> None:
    decode_proof(data)


def _split_view(data: bytes) -> None:
    if decode_split_view(data).encode() != data:
        raise RuntimeError("a split view has two spellings")


TARGETS = (
    _split_view,
    parse_note,
    parse_signatures,
    read_head,
    parse_body,
    _proof,
    decode_hashes,
    decode_submission,
    _bundle,
    decode_history,
    _shard,
    _shard_leaf,
    parse_witness_request,
    parse_size,
    lambda data: Verifier.parse(_text(data)),
    lambda data: QuorumFile.parse(_text(data)),
    lambda data: parse_path(_text(data)),
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
