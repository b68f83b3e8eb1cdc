"""Who had what when, as the desk wrote it down: a chain of steps, signed at its head.

Times are the desk's clock: they are its word. That a step was written after the one before it, and
not changed later without all that follow, is in the chain. Knows digests; knows no log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from glasslock import signing
from glasslock.casefile.canonical import (
    bytes_of,
    decode_json,
    encode_json,
    fields_of,
    items_of,
    number_of,
    text_of,
)
from glasslock.errors import BadSignature, VerificationError, WireError
from glasslock.signing import SigningKey
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.shape import DIGEST, SIGNATURE


class Step(StrEnum):
    """What a desk writes down; each names the bytes that it was about by a digest."""

    DRAFTED = "drafted"  # the order
    PREVIEWED = "previewed"  # a preview: the last one is what the order was signed on
    SIGNED = "signed"  # the order
    COUNTERSIGNED = "countersigned"  # the order
    ADMITTED = "admitted"  # the commitment of its leaf in the log
    REFUSED = "refused"  # the same
    RELEASE = "release"  # a release that came
    OPENED = "opened"  # the manifest of what was opened
    SEALED = "sealed"  # a case file: an earlier one, since none can name itself


@dataclass(frozen=True, slots=True)
class Link:
    """One step; ``time`` in unix seconds by the desk's clock, ``subject`` a digest."""

    time: int
    what: Step
    subject: bytes


@dataclass(frozen=True, slots=True)
class Custody:
    """A case's steps in order; ``signature`` is the desk's over the chain's head."""

    key: bytes
    links: tuple[Link, ...]
    signature: bytes

    def encode(self) -> bytes:
        """Return the document."""
        links = [{"time": x.time, "what": x.what.value, "subject": x.subject} for x in self.links]
        return encode_json({"key": self.key, "links": links, "signature": self.signature})


def follow(previous: bytes, number: int, link: Link) -> bytes:
    """Return the head after link ``number``; the first link follows the order's digest."""
    return digest(Label.CUSTODY, previous, number, link.time, link.what.value, link.subject)


def head_of(order: bytes, links: Sequence[Link]) -> bytes:
    """Return the head of the whole chain of the order with this digest."""
    head = order
    for number, link in enumerate(links):
        head = follow(head, number, link)
    return head


def sign_custody(order: bytes, links: Sequence[Link], key: SigningKey) -> Custody:
    """Return the steps as the desk of ``key`` vouches for them."""
    signature = key.sign(Label.SIGN_CUSTODY, head_of(order, links))
    return Custody(key.public, tuple(links), signature)


def decode_custody(data: bytes) -> Custody:
    """Read what ``Custody.encode`` wrote; raises ``WireError``. Nothing is verified here."""
    facts = fields_of(decode_json(data), "key", "links", "signature")
    return Custody(
        bytes_of(facts["key"], DIGEST),
        tuple(_link(each) for each in items_of(facts["links"])),
        bytes_of(facts["signature"], SIGNATURE),
    )


def check_custody(custody: Custody, order: bytes, about: dict[Step, frozenset[bytes]]) -> None:
    """Check the chain of an order, which must be about these bytes and tell of all of them.

    ``about`` has the subjects of each step that must be there; ``SEALED`` alone may name anything,
    and of previews only the last one is asked for.

    Raises:
        BadSignature: the desk has not signed this chain.
        VerificationError: rule ``custody.subject``: a step is missing, or about something else.
    """
    head = head_of(order, custody.links)
    try:
        signing.verify(custody.key, Label.SIGN_CUSTODY, head, custody.signature)
    except VerificationError:
        raise BadSignature("no desk has signed this chain", rule="custody.signature") from None
    for step in Step:
        subjects = [link.subject for link in custody.links if link.what == step]
        told = frozenset(subjects[-1:] if step == Step.PREVIEWED else subjects)
        if step != Step.SEALED and told != about.get(step, frozenset()):
            raise VerificationError("custody tells of other things", rule="custody.subject")


def _link(value: object) -> Link:
    facts = fields_of(value, "time", "what", "subject")
    what = text_of(facts["what"])
    if what not in set(Step):
        raise WireError("there is no such step of custody", rule="custody.step")
    return Link(number_of(facts["time"]), Step(what), bytes_of(facts["subject"], DIGEST))
