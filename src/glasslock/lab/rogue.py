"""A log whose operator lies: its real key, entries of its choice, and what signatures it can get.

Speaks as a log does. Asks honest witnesses as a log does, and signs for those whose keys it stole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from glasslock.errors import WireError
from glasslock.lab.logs import Log, Logs
from glasslock.lab.serving import Port
from glasslock.logserver.keys import load_signers
from glasslock.logserver.sequencer import Tree, files
from glasslock.runtime.http import HttpClient
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply
from glasslock.tlog.checkpoint import add_signatures, sign_head
from glasslock.tlog.note import SignatureLine, Signer, parse_signatures
from glasslock.tlog.reader import encode_history
from glasslock.tlog.tile import parse_path
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import ADD_CHECKPOINT, format_witness_request
from glasslock.wire.api import LOG_CHECKPOINT, LOG_HISTORY, LOG_TILES


class Rogue:
    """One view of a log, served where its operator likes."""

    def __init__(self, log: Log, logs: Logs, entries: Sequence[bytes]) -> None:
        """Take over the log's keys and begin with ``entries``, whatever the real ones are."""
        self._signers = load_signers(log.folder, log.origin)
        self._origin, self._logs = log.origin, logs
        self._tree = Tree(entries)
        self._files = dict(files(self._tree, 0, len(entries), entries))
        self._note = b""
        self.head = TreeHead(log.origin, len(entries), self._tree.root(len(entries)))

    def routes(self) -> list[HttpRoute]:
        """Return what readers ask a log for."""
        return [
            HttpRoute("GET", LOG_CHECKPOINT, self._checkpoint),
            HttpRoute("GET", LOG_HISTORY + "/{size}", self._history),
            HttpRoute("GET", LOG_TILES + "/{path:path}", self._tile),
        ]

    async def publish(
        self, honest: Iterable[int], stolen: Mapping[int, bytes], old: Sequence[int]
    ) -> int:
        """Sign the head, have it cosigned, and return by how many.

        ``honest`` witnesses are asked with every size of ``old`` that they may have seen;
        ``stolen`` are seeds of witness keys by number.
        """
        bare = sign_head(self.head, self._signers)
        now = self._logs.clock.now()
        lines = [
            Signer.witness(f"w{number}.lab", seed).sign(self.head.body, time=now)
            for number, seed in stolen.items()
        ]
        for number in honest:
            lines += await self._ask(number, bare, old)
        self._note = add_signatures(bare, lines)
        return len(lines)

    async def _ask(self, number: int, note: bytes, old: Sequence[int]) -> list[SignatureLine]:
        client = HttpClient(self._logs.witnesses[number].url)
        try:
            for size in old:
                proof = self._tree.consistency(size, self.head.size)
                body = format_witness_request(size, proof, note)
                status, answer = await client.exchange("POST", ADD_CHECKPOINT, body)
                if status == 200:
                    return list(parse_signatures(answer))
        finally:
            await client.close()
        return []

    async def _checkpoint(self, _request: HttpRequest) -> Reply:
        return Reply(self._note)

    async def _history(self, request: HttpRequest) -> Reply:
        known = int(request.parts["size"])
        return Reply(encode_history([self._note] if known < self.head.size else []))

    async def _tile(self, request: HttpRequest) -> Reply:
        found = self._files.get(parse_path("tile/" + request.parts["path"]).path)
        if found is None:
            raise WireError("no such tile", rule="log.tile")
        return Reply(found)


async def served(rogue: Rogue) -> Port:
    """Serve a view on a port of its own."""
    port = Port()
    await port.start(rogue.routes())
    return port
