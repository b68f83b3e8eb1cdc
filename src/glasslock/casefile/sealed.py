"""The seal of a package: a manifest of every file, a statement over it, the report in the log.

Statement and report stand beside the manifest, since both name it; all else is in it. Knows files
and digests; knows nothing of what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from glasslock import signing
from glasslock.casefile.canonical import (
    bytes_of,
    decode_json,
    encode_json,
    fields_of,
    items_of,
    text_of,
)
from glasslock.casefile.evidence import (
    CASE,
    CUSTODY,
    ENTRIES,
    FORESEEN,
    LISTED,
    LOGS,
    MESSAGES,
    ORDER,
    PAGE,
    release_name,
)
from glasslock.casefile.excerpts import ProvenBytes, proven_of
from glasslock.casefile.package import decode_package, encode_package
from glasslock.errors import VerificationError
from glasslock.signing import SigningKey
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.shape import DIGEST, SIGNATURE

FORMAT: Final = "glasslock case file 2"
INSIDE: Final = (CASE, MESSAGES, PAGE, CUSTODY, LOGS, ORDER, LISTED, ENTRIES, FORESEEN)
MANIFEST: Final = "manifest.json"
STATEMENT: Final = "statement.json"
REPORT: Final = "report.json"
_TYPES: Final = {"json": "application/json", "html": "text/html", "cbor": "application/cbor"}


@dataclass(frozen=True, slots=True)
class Statement:
    """The issuing authority's signature over a case file's digest."""

    digest: bytes
    key: bytes
    signature: bytes

    def encode(self) -> bytes:
        """Return the document."""
        return encode_json({"case_file": self.digest, "key": self.key, "signature": self.signature})


@dataclass(frozen=True, slots=True)
class Sealed:
    """A package that was opened: its inner files, its digest, the statement, the report if any."""

    files: Mapping[str, bytes]
    digest: bytes
    statement: Statement
    report: ProvenBytes | None


def case_file_digest(manifest: bytes) -> bytes:
    """Return ``H("case file", manifest.json)``: what the report in the log names."""
    return digest(Label.CASE_FILE, manifest)


def seal_files(files: Mapping[str, bytes], key: SigningKey) -> tuple[bytes, bytes]:
    """Return the package of ``files``, signed by the issuing authority, and its digest."""
    manifest = encode_json({"format": FORMAT, "files": _listed(files)})
    named = case_file_digest(manifest)
    statement = Statement(named, key.public, key.sign(Label.SIGN_CASE_FILE, named))
    packed = {**files, MANIFEST: manifest, STATEMENT: statement.encode()}
    return encode_package(packed), named


def add_report(package: bytes, report: ProvenBytes) -> bytes:
    """Return a package with the report that names it, in the place of another or of none.

    Raises:
        WireError: it is no package.
    """
    proven = {"index": report.index, "entry": report.entry, "proof": report.proof.decode()}
    return encode_package({**decode_package(package), REPORT: encode_json(proven)})


def open_package(data: bytes) -> Sealed:
    """Return what a package holds, each file as its manifest has it.

    Raises:
        VerificationError: another format, files that are not listed or not there, a file that is
            not the one listed, or a statement about something else.
        WireError: package, manifest or statement is malformed.
    """
    files = decode_package(data)
    outside = {name: files.pop(name, b"") for name in (MANIFEST, STATEMENT, REPORT)}
    listed = fields_of(decode_json(outside[MANIFEST]), "format", "files")
    if listed["format"] != FORMAT:
        raise VerificationError("a case file of another format", rule="case.format")
    told = {text_of(_entry(each)["name"]): each for each in items_of(listed["files"])}
    releases = {release_name(number) for number in range(len(files) - len(INSIDE))}
    if not told.keys() == files.keys() == {*INSIDE, *releases}:
        raise VerificationError("other files than a case file has", rule="case.files")
    if listed["files"] != decode_json(encode_json(_listed(files))):
        raise VerificationError("a file is not the one in the manifest", rule="case.hash")
    named = case_file_digest(outside[MANIFEST])
    statement = _statement(outside[STATEMENT])
    if statement.digest != named:
        raise VerificationError("the statement is about another file", rule="case.statement")
    report = proven_of(decode_json(outside[REPORT])) if outside[REPORT] else None
    return Sealed(files, named, statement, report)


def check_statement(statement: Statement, issuer: bytes) -> None:
    """Check that the issuing authority, whose key is ``issuer``, has signed the case file.

    Raises:
        BadSignature: it has not.
        VerificationError: rule ``case.issuer``: somebody else has.
    """
    if statement.key != issuer:
        raise VerificationError("somebody else has signed the case file", rule="case.issuer")
    signing.verify(issuer, Label.SIGN_CASE_FILE, statement.digest, statement.signature)


def _listed(files: Mapping[str, bytes]) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "bytes": len(files[name]),
            "sha256": sha256(files[name]).digest(),
            "type": _TYPES[name.rpartition(".")[2]],
        }
        for name in sorted(files)
    ]


def _entry(value: object) -> Mapping[str, object]:
    return fields_of(value, "name", "bytes", "sha256", "type")


def _statement(data: bytes) -> Statement:
    facts = fields_of(decode_json(data), "case_file", "key", "signature")
    return Statement(
        bytes_of(facts["case_file"], DIGEST),
        bytes_of(facts["key"], DIGEST),
        bytes_of(facts["signature"], SIGNATURE),
    )
