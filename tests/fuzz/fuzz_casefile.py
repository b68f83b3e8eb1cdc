"""Fuzz targets for a case file: only our own errors, and one spelling each."""

from __future__ import annotations

import sys

from glasslock.casefile.canonical import decode_json, encode_json
from glasslock.casefile.custody import decode_custody
from glasslock.casefile.evidence import decode_entries, read_evidence
from glasslock.casefile.excerpts import decode_excerpts
from glasslock.casefile.package import decode_package, encode_package
from glasslock.casefile.sealed import MANIFEST, open_package
from glasslock.errors import GlasslockError


def _package(data: bytes) -> None:
    if encode_package(decode_package(data)) != data:
        raise RuntimeError("a package has two spellings")


def _json(data: bytes) -> None:
    if encode_json(decode_json(data)) != data:
        raise RuntimeError("a document has two spellings")


def _excerpts(data: bytes) -> None:
    if decode_excerpts(data).encode() != data:
        raise RuntimeError("excerpts have two spellings")


def _custody(data: bytes) -> None:
    if decode_custody(data).encode() != data:
        raise RuntimeError("custody has two spellings")


def _evidence(data: bytes) -> None:
    """Every file of a package is the same bytes: what is read first refuses first."""
    names = ("case.json", "custody.json", "logs.json")
    cbor = (f"evidence/{name}.cbor" for name in ("order", "manifest", "entries"))
    read_evidence(dict.fromkeys((*names, *cbor), data))


def _sealed(data: bytes) -> None:
    open_package(encode_package({MANIFEST: data}))


TARGETS = (_package, _json, _excerpts, _custody, _evidence, _sealed, decode_entries, open_package)


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
