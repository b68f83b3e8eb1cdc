"""What a person types for an order and what they are shown of it: times, grants, keys, counts.

Knows texts and key files; knows no command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from glasslock import hpke
from glasslock.cli.keyfiles import open_seed
from glasslock.desk.casework import Case, Wanted, summary
from glasslock.desk.running import Office
from glasslock.desk.tracking import classes_of, reported, seats_of
from glasslock.errors import WireError
from glasslock.runtime.files import read_limited
from glasslock.signing import SigningKey
from glasslock.wire.preview import Preview
from glasslock.wire.record import ISSUING

FOREVER: Final = 1 << 40
MAX_KEY_TEXT: Final = 8_192
_TIME: Final = r"\d+|\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?"
_NAME: Final = r"[a-z0-9._-]+"
_GRANT: Final = re.compile(rf"([0-9a-f]+):({_NAME}):({_TIME}):({_TIME})(?::({_NAME}))?")


def status_of(office: Office, case: Case) -> dict[str, Any]:
    """Return where an order stands: by the log as it was read, and by what has come in."""
    record, access = office.record(case), office.policy.access
    released = {seat for seat, _, _ in office.store.releases(case.order.digest)}
    seats = [] if access is None else seats_of(record, access, released)
    verdict, opening = case.verdict, office.store.opening(case)
    issuer = office.logs.register.find(case.order.authority, ISSUING, case.order.issued)
    return {
        "case": case.id,
        "state": str(case.state),
        "reference": case.order.reference,
        "preview": None if case.preview is None else numbers_of(case.preview),
        "index": None if verdict is None else verdict.index,
        "refused": None if verdict is None else verdict.rule,
        "ground": None if verdict is None else verdict.ground,
        "hold": case.order.hold,
        "expires": case.order.expires,
        "disclose_by": office.date(case),
        "extensions": 0 if record is None else len(office.ledger.extensions(record)),
        "over": office.is_over(case),
        "classes": [] if access is None else [asdict(each) for each in classes_of(seats, access)],
        "seats": [asdict(each) for each in seats],
        "opened": None
        if opening is None
        else {"slots": opening[0], "messages": opening[1], "gaps": opening[2]},
        "reported": reported(record, issuer.key) is not None,
        "disclosed": record is not None and record.disclosed is not None,
        "noticed": case.noticed,
    }


def numbers_of(preview: Preview) -> dict[str, int]:
    """Return what a preview says, and of when it is (unix seconds)."""
    return {**asdict(preview.numbers), "time": preview.time}


def told(preview: Preview) -> str:
    """Return a preview as a sentence."""
    found = preview.numbers
    gone = f" ({found.removed:,} of them removed)" if found.removed else ""
    return (
        f"{many(found.named, 'person', 'people')} named, "
        f"{many(found.third_parties, 'third party', 'third parties')}, "
        f"{many(found.messages, 'message')}{gone} in {many(found.conversations, 'conversation')}, "
        f"{many(found.slots, 'slot')} on {many(found.days, 'day')}"
    )


def lines_of(office: Office, case: Case) -> Iterator[str]:
    """Yield an order in full, line by line."""
    facts = summary(case.order, office.policy.clocks)
    yield f"case {case.id}, {case.state}"
    for name in ("reference", "legal_basis", "offence"):
        yield f"{name.replace('_', ' ')}: {facts[name]}"
    for name in ("issued", "hold", "expires", "disclose_by"):
        yield f"{name.replace('_', ' ')}: {shown(getattr(case.order, name))}"
    if case.preview is not None:
        yield f"the provider signed at {shown(case.preview.time)}: {told(case.preview)}"
    for grant in case.order.grants:
        to = "" if grant.recipient is None else f" to {grant.recipient}"
        yield f"grant: {grant.account}{to} in {grant.group_id.hex()}"
        seconds = office.policy.clocks.slot_seconds
        for first, last in grant.spans:
            yield f"  from {shown(first * seconds)} until {shown((last + 1) * seconds)}"


def signer(path: Path) -> SigningKey:
    """Return the signing key in a key file; raises ``ConfigError``."""
    return SigningKey.from_seed(open_seed(path))


def receiver(path: Path) -> hpke.DecryptionKey:
    """Return the case key in a key file; raises ``ConfigError``."""
    return hpke.DecryptionKey.from_seed(open_seed(path))


def public_key(text: str) -> bytes:
    """Return a public key given in hex, or in a file of hex; raises ``WireError``."""
    is_file = len(text) < 256 and Path(text).is_file()
    found = read_limited(Path(text), MAX_KEY_TEXT).decode(errors="replace") if is_file else text
    try:
        return bytes.fromhex(found.strip())
    except ValueError as error:
        raise WireError("a public key is given in hex", rule="order.public") from error


def wanted(text: str) -> Wanted:
    """Read CONVERSATION:ACCOUNT:FROM:TO[:RECIPIENT]; raises ``WireError``."""
    match = _GRANT.fullmatch(text)
    if match is None:
        raise WireError(
            "a grant is CONVERSATION:ACCOUNT:FROM:TO[:RECIPIENT]; nothing stands for everything",
            rule="order.grant",
        )
    conversation, account, first, end, recipient = match.groups()
    try:
        group = bytes.fromhex(conversation)
    except ValueError as error:
        raise WireError("a conversation's id is in hex", rule="order.grant") from error
    return Wanted(group, account, seconds_of(first), seconds_of(end), recipient)


def seconds_of(text: str) -> int:
    """Read unix seconds or ISO 8601 (UTC where it says no zone); raises ``WireError``."""
    if text.isascii() and text.isdecimal() and len(text) < 18:
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise WireError("a time is unix seconds or ISO 8601", rule="order.time") from error
    aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return int(aware.timestamp())


def shown(seconds: int) -> str:
    """Return a time as a person reads it."""
    if seconds >= FOREVER:
        return "always"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def many(count: int, one: str, more: str | None = None) -> str:
    """Return a count with its noun."""
    return f"{count} {one if count == 1 else more or one + 's'}"
