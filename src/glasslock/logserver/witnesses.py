"""A log's witnesses: what each has seen, compared before it is asked, and how it is asked to sign.

A log that was set back to an older state finds here that somebody has seen more, before it signs
anything again. A witness that was set back has forgotten what it signed: it is not asked any more.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from glasslock.errors import GlasslockError, LogInconsistent, TransportError, WireError
from glasslock.logserver.sequencer import Tree
from glasslock.runtime.http import HttpClient
from glasslock.tlog.checkpoint import add_signatures, read_head
from glasslock.tlog.note import SignatureLine, Verifier, open_note, parse_signatures
from glasslock.tlog.quorum import QuorumFile, WitnessKey
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import ADD_CHECKPOINT, format_witness_request, parse_size

_OK: Final = 200
_OTHER_SIZE: Final = 409


class Witnesses:
    """The witnesses of the log ``origin``."""

    def __init__(self, quorum: QuorumFile, origin: str, cosigned: Mapping[bytes, int]) -> None:
        """Know them by ``quorum``; ``cosigned`` is the size that each has signed, by its key."""
        self._keys = quorum.log_keys(origin)
        self._path = f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"
        self._witnesses = [(each, HttpClient(each.url or "")) for each in quorum.witnesses]
        self._signed = {w.name: cosigned.get(w.verifier.key, 0) for w in quorum.witnesses}
        self._seen = dict(self._signed)
        self.set_back: set[str] = set()
        self._compared: set[str] = set()

    async def close(self) -> None:
        """Close connections."""
        for _, client in self._witnesses:
            await client.close()

    async def compare(self, tree: Tree) -> None:
        """Read what each witness has seen of this log, unless that was done before.

        To be called before anything over ``tree`` is signed. One that cannot be reached is left
        for the next time, and not asked to sign before.

        Raises:
            LogInconsistent: one has seen what ``tree`` does not have, under this log's signature.
        """
        await asyncio.gather(
            *(
                self._compare(each, client, tree)
                for each, client in self._witnesses
                if each.name not in self._compared
            )
        )

    async def _compare(self, witness: WitnessKey, client: HttpClient, tree: Tree) -> None:
        try:
            status, note = await client.exchange("GET", self._path)
        except TransportError:
            return
        # One that has no such page, or shows what this log has not signed, accuses nobody: if it
        # has seen more all the same, it answers with another size when it is asked.
        head = self._own_head(note) if status == _OK else None
        if head is not None:
            if head.size > tree.size or tree.root(head.size) != head.root:
                raise LogInconsistent(
                    f"the witness {witness.name} has seen what this log does not have",
                    rule="log.restored",
                )
            self._know(witness.name, head.size)
        self._compared.add(witness.name)

    def _know(self, name: str, size: int) -> None:
        """Take note of what a witness holds; it may not be less than it has signed."""
        self._seen[name] = size
        if size < self._signed[name]:
            self.set_back.add(name)

    def _own_head(self, note: bytes) -> TreeHead | None:
        try:
            parsed, head = read_head(note)
            signed = open_note(parsed, self._keys)
        except GlasslockError:
            return None
        return head if signed and head.origin == self._keys[0].name else None

    async def cosignatures(self, note: bytes, head: TreeHead, tree: Tree) -> list[SignatureLine]:
        """Ask all compared witnesses to sign ``note``, which is of ``head``; returns their lines.

        Raises:
            LogInconsistent: one has seen a larger log.
        """
        answers = await asyncio.gather(
            *(
                self._ask(each, client, note, head, tree)
                for each, client in self._witnesses
                if each.name in self._compared - self.set_back
            )
        )
        return _found(answers)

    async def _ask(
        self, witness: WitnessKey, client: HttpClient, note: bytes, head: TreeHead, tree: Tree
    ) -> SignatureLine | None:
        """Ask one witness, once more when it has seen another size; None when it does not sign."""
        name, old = witness.name, min(self._seen[witness.name], head.size)
        try:
            for _ in range(2):
                body = format_witness_request(old, tree.consistency(old, head.size), note)
                status, answer = await client.exchange("POST", ADD_CHECKPOINT, body)
                if status != _OTHER_SIZE:
                    break
                old = parse_size(answer)
                if old > head.size:
                    raise LogInconsistent("a witness is ahead of this log", rule="log.restored")
                self._know(name, old)
                if name in self.set_back:
                    return None
            if status != _OK:
                return None
            line = _own_line(answer, witness.verifier, note)
        except (TransportError, WireError):
            return None
        if line is not None:
            self._seen[name] = self._signed[name] = head.size
        return line


def _found(answers: Iterable[SignatureLine | None]) -> list[SignatureLine]:
    return [line for line in answers if line is not None]


def _own_line(answer: bytes, verifier: Verifier, note: bytes) -> SignatureLine | None:
    for line in parse_signatures(answer):
        if verifier.knows(line):
            try:
                open_note(read_head(add_signatures(note, [line]))[0], [verifier])
            except GlasslockError:
                return None
            return line
    return None
