"""The two files between a keyholder without a network and its relay (A.14); decides nothing.

An errand says what the relay is to fetch and to deliver; what is carried back are the answers, as
they came. Neither is signed: whoever reads one believes only what proves itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from glasslock.errors import WireError
from glasslock.wire.codec import Value, encode
from glasslock.wire.shape import DIGEST, SIGNATURE, Fields

MAX_GAP: Final = 64 * 1024 * 1024
EXCHANGE: Final = 16
GET, POST = "GET", "POST"
PROVIDER: Final = "provider"
DESK: Final = "desk "
ERRANDS: Final = b"glasslock/1 errands\n"
CARRIED: Final = b"glasslock/1 carried\n"
_MAX_BODY: Final = 8 * 1024 * 1024
_MAX_TEXT: Final = 512
_MAX_QUORUM: Final = 65_536
_MAX_ITEMS: Final = 8_192
_MAX_PASSES: Final = 2_048
_MAX_NODES: Final = 64
_MAX_PLACES: Final = 256


@dataclass(frozen=True, slots=True)
class Errand:
    """One request: ``place`` is a log's origin, ``provider`` or ``desk NAME``.

    ``passes`` are signatures of the request for different times (unix seconds), of which the relay
    takes the one for its present; none where the request is not signed.
    """

    place: str
    method: str
    path: str
    body: bytes = field(default=b"", repr=False)
    passes: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log was read: the checkpoint's note and the tree's frontier; empty at first."""

    origin: str
    note: bytes = field(default=b"", repr=False)
    nodes: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Errands:
    """What the keyholder of ``key`` sends its relay for: logs to read on, and requests."""

    exchange: bytes
    key: bytes
    quorum: str
    positions: tuple[Position, ...]
    addresses: tuple[tuple[str, str], ...]
    errands: tuple[Errand, ...]

    def encode(self) -> bytes:
        """Return the file's bytes."""
        return ERRANDS + encode(
            (
                self.exchange,
                self.key,
                self.quorum,
                tuple((each.origin, each.note, each.nodes) for each in self.positions),
                self.addresses,
                tuple((e.place, e.method, e.path, e.body, e.passes) for e in self.errands),
            )
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back on a request: ``asked`` is the digest of its body; None was not found."""

    place: str
    method: str
    path: str
    asked: bytes
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Carried:
    """All answers to the errands of ``exchange``, and what was read of the logs."""

    exchange: bytes
    answers: tuple[Answered, ...]

    def encode(self) -> bytes:
        """Return the file's bytes."""
        rows = tuple((a.place, a.method, a.path, a.asked, a.body) for a in self.answers)
        return CARRIED + encode((self.exchange, rows))


def decode_errands(data: bytes) -> Errands:
    """Read a file of errands; raises ``WireError``."""
    fields = _open(data, ERRANDS, 6)
    errands = Errands(
        fields.exactly(EXCHANGE),
        fields.digest(),
        fields.text(_MAX_QUORUM, 1),
        fields.each(_position, 2, 2),
        fields.each(_address, _MAX_PLACES),
        fields.each(_errand, _MAX_ITEMS),
    )
    fields.close()
    return errands


def decode_carried(data: bytes) -> Carried:
    """Read a file of answers; raises ``WireError``."""
    fields = _open(data, CARRIED, 2)
    carried = Carried(fields.exactly(EXCHANGE), fields.each(_answered, _MAX_ITEMS))
    fields.close()
    asked = [(a.place, a.method, a.path, a.asked) for a in carried.answers]
    if len(set(asked)) != len(asked):
        raise WireError("two answers to one request", rule="gap.twice")
    return carried


def _open(data: bytes, head: bytes, count: int) -> Fields:
    if not data.startswith(head):
        raise WireError("this is not the file that belongs here", rule="gap.head")
    return Fields.of(data[len(head) :], "a file of the relay", count, limit=MAX_GAP)


def _position(value: Value) -> Position:
    fields = Fields(value, "a position", 3)
    origin, note = fields.text(_MAX_TEXT, 1), fields.bytes(_MAX_QUORUM)
    return Position(origin, note, fields.each(_node, _MAX_NODES))


def _node(value: Value) -> bytes:
    return Fields((value,), "a node", 1).exactly(DIGEST)


def _address(value: Value) -> tuple[str, str]:
    fields = Fields(value, "an address", 2)
    return fields.text(_MAX_TEXT, 1), fields.text(_MAX_TEXT, 1)


def _errand(value: Value) -> Errand:
    fields = Fields(value, "an errand", 5)
    place, method, path = fields.text(_MAX_TEXT, 1), _method(fields), fields.text(_MAX_TEXT, 1)
    return Errand(place, method, path, fields.bytes(_MAX_BODY), fields.each(_pass, _MAX_PASSES))


def _pass(value: Value) -> tuple[int, bytes]:
    fields = Fields(value, "a pass", 2)
    return fields.uint(), fields.exactly(SIGNATURE)


def _answered(value: Value) -> Answered:
    fields = Fields(value, "an answer", 5)
    place, method, path = fields.text(_MAX_TEXT, 1), _method(fields), fields.text(_MAX_TEXT, 1)
    asked = fields.digest()
    return Answered(place, method, path, asked, fields.maybe(lambda: fields.bytes(_MAX_BODY)))


def _method(fields: Fields) -> str:
    method = fields.text(4, 3)
    if method not in (GET, POST):
        raise WireError("no such method", rule="gap.method")
    return method
