"""A log that lies: a real one with its keys and witnesses, its answers changed on the way.

Whoever changes answers may hold no key, or those of the log and of enough witnesses for a quorum:
each lie says by what it takes which of the two it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice, product
from pathlib import Path

from glasslock.logserver.app import LogServer
from glasslock.logserver.config import LogConfig, WitnessSettings
from glasslock.runtime.keys import load_seed
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply
from glasslock.tlog.checkpoint import add_signatures, sign_head
from glasslock.tlog.encoding import decode_base64, encode_base64
from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.tlog.note import SignatureLine, Signer, format_note, parse_note
from glasslock.tlog.reader import decode_history, encode_history
from glasslock.tlog.tile import Bundle, decode_bundle, encode_bundle, parse_path
from glasslock.tlog.treehead import TreeHead
from tests.village.institutions import ORDERS, TwoLogs, _OrdersLog
from tests.village.logs import LogVillage
from tests.village.village import Clock

# What is shown at a path, from what is really there.
Lie = Callable[[str, Reply], Reply]
# How a lie is made of a log, before the log grows once more.
Making = Callable[["LyingServer"], Lie]
Lines = list[SignatureLine]
QUORUM = range(3)
READERS = [("client", "policy"), *product(("keyholder", "monitor"), ("policy", "orders"))]


class LyingServer(LogServer):
    """A log that shows what its ``lie`` makes of the truth; without one it is honest."""

    lie: Lie | None = None
    village: Lying
    other: LyingServer

    def routes(self) -> list[HttpRoute]:
        """Return the real routes, with a liar before those that show something."""
        routes = super().routes()
        return [self._before(each) if each.method == "GET" else each for each in routes]

    def _before(self, route: HttpRoute) -> HttpRoute:
        async def answer(request: HttpRequest) -> Reply:
            reply = await route.handler(request)
            return self.lie(request.path.lstrip("/"), reply) if self.lie else reply

        return replace(route, handler=answer)

    @property
    def now(self) -> int:
        """Its clock's present."""
        return self._clock.now()

    @property
    def entries(self) -> list[bytes]:
        """Everything that really stands in this log."""
        return self._store.entries(0, self._store.size())

    def witness(self, number: int) -> Signer:
        """The key of a witness, from its folder."""
        folder = self.village.seeds / f"w{number}"
        return Signer.witness(f"w{number}.test", load_seed(folder / "witness.key"))

    def cosigned(self, head: TreeHead, by: Iterable[int] = QUORUM, *, ahead: int = 0) -> bytes:
        """A note over ``head`` that this log signs and witnesses by their keys, not their will."""
        time = self.now + ahead
        lines = [self.witness(number).sign(head.body, time=time) for number in by]
        return add_signatures(sign_head(head, self._signers), lines)

    def head(self, entries: Sequence[bytes]) -> TreeHead:
        """The head of this log if it held ``entries``."""
        return TreeHead(self._config.origin, len(entries), root_of(map(leaf_hash, entries)))


class Lying(LogVillage):
    """A log of this kind that takes entries from anybody, with its witnesses."""

    def _make_server(self) -> None:
        witnesses = [
            WitnessSettings(f"w{n}", key, self.witnesses[n].url) for n, key in enumerate(self._keys)
        ]
        config = LogConfig(
            self.folder / "log",
            self.origin,
            witnesses,
            3,
            batch_seconds=0.01,
            heartbeat_seconds=3_600,
        )
        self.server = server = LyingServer(config, self.clock)
        server.village = self

    @property
    def seeds(self) -> Path:
        """The folder with those of the witnesses."""
        return self.folder

    @property
    def liar(self) -> LyingServer:
        """The log."""
        assert isinstance(self.server, LyingServer)
        return self.server


class LyingOrders(Lying, _OrdersLog):
    """An orders log that lies, beside the policy log's folder of the same witnesses."""

    @property
    def seeds(self) -> Path:
        return self.folder.parent


class LyingLogs(Lying, TwoLogs):
    """A policy log and an orders log that lie."""

    orders: LyingOrders

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder, clock)
        self.orders = LyingOrders(folder / "orders", clock, ORDERS)
        self.orders.witnesses, self.orders._keys = self.witnesses, self._keys

    def tell(self, making: Making | None) -> None:
        """Have both logs lie about what they are now; None makes them honest."""
        both = (self.liar, self.orders.liar)
        both[0].other, both[1].other = both[1], both[0]
        for log in both:
            log.lie = None if making is None else making(log)

    @property
    def sizes(self) -> dict[str, int]:
        """How many entries each log has, by who reads it."""
        policy, orders = (len(log.entries) for log in (self.liar, self.orders.liar))
        who = {"policy": policy, "orders": orders}
        return {f"{reader}-{log}": who[log] for reader, log in READERS}


# -- what can be changed without any key ------------------------------------------------------


def at(kind: str, change: Callable[[bytes], bytes]) -> Lie:
    """Change every answer with something in it at paths of a kind."""

    def lie(path: str, reply: Reply) -> Reply:
        if not path.startswith(kind) or reply.status != 200 or not reply.body:
            return reply
        return replace(reply, body=change(reply.body))

    return lie


def failing(kind: str, status: int) -> Lie:
    """Answer with an error at paths of a kind."""
    return lambda path, reply: Reply(b"", status) if path.startswith(kind) else reply


def in_history(change: Callable[[bytes], bytes]) -> Lie:
    """Change the first note of every history."""

    def changed(data: bytes) -> bytes:
        first, *rest = decode_history(data)
        return encode_history([change(first), *rest])

    return at("history/", changed)


def in_bundle(change: Callable[[list[bytes]], list[bytes]]) -> Lie:
    """Change the entries of every bundle."""

    def lie(path: str, reply: Reply) -> Reply:
        if not path.startswith("tile/entries/") or reply.status != 200:
            return reply
        bundle = parse_path(path)
        assert isinstance(bundle, Bundle)
        return replace(reply, body=encode_bundle(change([*decode_bundle(bundle, reply.body)])))

    return lie


def text(line: int, change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Change a line of a note's text: origin, size or root."""

    def changed(note: bytes) -> bytes:
        lines = note.split(b"\n")
        lines[line] = change(lines[line])
        return b"\n".join(lines)

    return changed


def root(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Change the root of a note, and spell it rightly."""
    return text(2, lambda word: encode_base64(change(decode_base64(word, rule="lie"))))


def flip(data: bytes, place: int) -> bytes:
    """Change one bit of a byte."""
    place %= len(data)
    return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]


def lines(change: Callable[[Lines], Lines]) -> Callable[[bytes], bytes]:
    """Change the signature lines of a note: two of the log, then those of three witnesses."""

    def changed(note: bytes) -> bytes:
        parsed = parse_note(note)
        log = [line for line in parsed.signatures if not line.name.startswith("w")]
        witnesses = [line for line in parsed.signatures if line.name.startswith("w")]
        return format_note(parsed.body, change([*log, *sorted(witnesses, key=_name)[:3]]))

    return changed


def _name(line: SignatureLine) -> str:
    return line.name


def line(number: int, change: Callable[[SignatureLine], SignatureLine]) -> Callable[[bytes], bytes]:
    """Change one signature line."""
    return lines(lambda all_: [*all_[:number], change(all_[number]), *all_[number + 1 :]])


def only(*numbers: int) -> Callable[[bytes], bytes]:
    """Leave the log's lines and those of the witnesses ``numbers``."""

    def changed(note: bytes) -> bytes:
        parsed = parse_note(note)
        kept = {f"w{number}.test" for number in numbers}
        return format_note(
            parsed.body,
            [each for each in parsed.signatures if each.name[:1] != "w" or each.name in kept],
        )

    return changed


def always(lie: Lie) -> Making:
    """Tell the same, whatever the log is now."""
    return lambda _log: lie


# -- what takes keys --------------------------------------------------------------------------


@dataclass(frozen=True)
class Split:
    """Another log of the same name: ``entries`` under a note, and no history."""

    entries: Sequence[bytes]
    note: bytes = field(repr=False)

    def __call__(self, path: str, _reply: Reply) -> Reply:
        if path == "checkpoint":
            return Reply(self.note)
        if path.startswith("history/"):
            return Reply(b"")
        bundle = parse_path(path)
        assert isinstance(bundle, Bundle)
        first = bundle.index * 256
        return Reply(encode_bundle(self.entries[first : first + bundle.width]))


def split(make: Callable[[list[bytes]], list[bytes]], by: Iterable[int] = QUORUM) -> Making:
    """Make a split view of what the log holds now."""
    numbers = list(by)

    def making(log: LyingServer) -> Lie:
        entries = make(log.entries)
        return Split(entries, log.cosigned(log.head(entries), numbers))

    return making


def resigned(sign: Callable[[LyingServer, TreeHead], bytes]) -> Making:
    """Show the true head, signed otherwise."""

    def making(log: LyingServer) -> Lie:
        return at("checkpoint", lambda _: sign(log, log.head(log.entries)))

    return making


def of_the_other(log: LyingServer) -> Lie:
    """Show the entries of the other log of the village in the place of its own."""
    return in_bundle(lambda mine: [*islice(cycle(log.other.entries), len(mine))])
