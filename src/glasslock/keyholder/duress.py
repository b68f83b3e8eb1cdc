"""A refusal that its contact can tell from others, and nobody else (protocol section 6).

Two codes are agreed on, each with a chain of keys: one for a refusal, one for a refusal under
duress. Every refusal carries 16 bytes; made with a code they are a mark under the key of its chain,
else they are random. Both chains step with every refusal, so that what a store holds says nothing
about what was said before; and which chain is which, only the contact's file says. Pure.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from glasslock.errors import ConfigError, StateError
from glasslock.orders.ledger import Ledger
from glasslock.wire.contact import ContactKey
from glasslock.wire.digest import derive
from glasslock.wire.labels import Label
from glasslock.wire.leaf import MARK, RefusalLeaf

MIN_CODE: Final = 6
SALT: Final = 16
FRESH: Final = 65
# A contact looks this many refusals ahead; more than a keyholder gives in years.
MOST: Final = 4_096
AGREED: Final = "agreed"
DURESS: Final = "UNDER DURESS"
NO_MARK: Final = "no mark"


@dataclass(frozen=True, slots=True)
class Code:
    """One of two codes as the store keeps it; nothing in it says for what it is."""

    salt: bytes
    verifier: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal in the log and what it says to the contact; times are unix seconds."""

    order: int
    time: int
    rule: str
    meaning: str


def check_codes(agreed: str, duress: str) -> None:
    """Raise ``ConfigError`` unless both codes are long enough and differ."""
    if min(len(agreed), len(duress)) < MIN_CODE or agreed == duress:
        raise ConfigError(
            f"two different codes of {MIN_CODE} characters or more", rule="keyholder.codes"
        )


def arrange(salt: bytes, agreed: bytes, duress: bytes, fresh: bytes) -> tuple[Code, Code]:
    """Return both codes in the order that chance gives.

    ``agreed`` and ``duress`` are the stretched codes; ``fresh`` is 65 random bytes: the first keys
    of both chains in this order, and one byte for the order.
    """
    codes = (
        Code(salt, verifier(agreed), fresh[:32]),
        Code(salt, verifier(duress), fresh[32:64]),
    )
    return codes if fresh[64] & 1 else codes[::-1]


def contact_key(keyholder: bytes, fresh: bytes) -> ContactKey:
    """Return what the contact is given; ``fresh`` as for ``arrange``."""
    return ContactKey(keyholder, fresh[:32], fresh[32:64])


def verifier(stretched: bytes) -> bytes:
    """Return by what a stretched code is known again."""
    return derive(stretched, Label.REFUSAL_CODE)


def mark(key: bytes, commitment: bytes) -> bytes:
    """Return the 16 bytes that a refusal of the order of ``commitment`` carries under ``key``."""
    return derive(key, Label.REFUSAL_MARK, commitment, length=MARK)


def find(codes: Sequence[Code], stretched: bytes) -> Code:
    """Return the code that was entered; both are compared, whichever it is.

    Raises:
        StateError: it is neither.
    """
    entered = verifier(stretched)
    found = [code for code in codes if hmac.compare_digest(code.verifier, entered)]
    if not found:
        raise StateError("the code is wrong", rule="keyholder.code")
    return found[0]


def stepped(codes: Sequence[Code]) -> tuple[Code, ...]:
    """Return both codes with the next keys of their chains; the old ones are to be forgotten."""
    return tuple(Code(code.salt, code.verifier, _next(code.key)) for code in codes)


def read_marks(contact: ContactKey, ledger: Ledger) -> Iterator[Told]:
    """Yield what every refusal by the contact's keyholder says, in log order."""
    chains = {AGREED: _chain(contact.agreed), DURESS: _chain(contact.duress)}
    for index in sorted(ledger.orders):
        record = ledger.orders[index]
        for said in record.by(contact.keyholder):
            if isinstance(said.leaf, RefusalLeaf):
                shown = said.leaf.mark or b""
                meaning = _meaning(chains, record.leaf.commitment, shown)
                yield Told(index, said.time, said.leaf.rule, meaning)


def _meaning(chains: dict[str, list[bytes]], commitment: bytes, shown: bytes) -> str:
    return next(
        (name for name, keys in chains.items() if shown in {mark(k, commitment) for k in keys}),
        NO_MARK,
    )


def _chain(key: bytes) -> list[bytes]:
    keys = [key]
    while len(keys) < MOST:
        keys.append(_next(keys[-1]))
    return keys


def _next(key: bytes) -> bytes:
    return derive(key, Label.REFUSAL_NEXT)
