"""``glasslock case``: a sealed case file, judged by somebody who trusts neither side of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from glasslock.casefile.package import MAX_PACKAGE
from glasslock.casefile.verdict import verdict
from glasslock.casefile.verify import Accepted, verify_package
from glasslock.cli import output
from glasslock.errors import ConfigError, GlasslockError
from glasslock.runtime.files import read_limited
from glasslock.tlog.quorum import MAX_FILE, QuorumFile
from glasslock.wire.shape import DIGEST

app = typer.Typer(add_completion=False, no_args_is_help=True)

_HEADINGS: Final = {
    "holds": "It holds:",
    "word": "Only the desk says:",
    "remains": "What remains:",
}


@app.callback()
def group() -> None:
    """Verify a case file without a network, an account or a desk."""


@app.command()
def verify(
    package: Annotated[Path, typer.Argument(help="the case file, as the desk handed it out")],
    *,
    quorum: Annotated[
        Path, typer.Option(help="a quorum file that you have from somebody you trust")
    ],
    policy: Annotated[
        str | None, typer.Option(help="the digest of the only policy to take, in hex")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> int:
    """Check everything in a case file from the roots down; say what holds and what does not."""
    data, trusted = read_limited(package, MAX_PACKAGE), _quorum(quorum)
    wanted = None if policy is None else _digest(policy)
    try:
        accepted = verify_package(data, trusted, wanted)
    except GlasslockError as error:
        return _refused(error, as_json=json)
    _tell(accepted, as_json=json)
    return output.EXIT_CODES["ok"][0]


def _tell(accepted: Accepted, *, as_json: bool) -> None:
    said = asdict(verdict(accepted))
    order = accepted.found.case.admitted.order
    if as_json:
        facts = {
            "accepted": True,
            "case_file": accepted.digest,
            "reference": order.reference,
            "policy": order.policy,
            "messages": len(accepted.found.opening.messages),
            "gaps": len(accepted.found.opening.gaps),
            **said,
        }
        output.data(facts, as_json=True)
        return
    output.data(f"ACCEPTED: case file {accepted.digest.hex()}")
    for name, heading in _HEADINGS.items():
        output.data(f"\n{heading}")
        for sentence in said[name]:
            output.data(f"  - {_plain(sentence)}")


def _refused(error: GlasslockError, *, as_json: bool) -> int:
    """Whatever does not hold, and whatever is malformed, is refused alike: with its rule."""
    rule = error.rule or error.slug
    if as_json:
        output.data({"accepted": False, "rule": rule, "reason": str(error)}, as_json=True)
    else:
        output.data(f"REFUSED [{rule}]: {_plain(str(error))}")
    return output.EXIT_CODES["verification"][0]


def _plain(text: str) -> str:
    """Return text of strangers without what could move a terminal's cursor."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _quorum(path: Path) -> QuorumFile:
    try:
        return QuorumFile.parse(read_limited(path, MAX_FILE).decode())
    except (GlasslockError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is no quorum file: {error}", rule="case.trusted") from error


def _digest(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != DIGEST:
        raise ConfigError("a policy is named by its digest, in hex", rule="case.named")
    return found
