"""A log's witnesses: what each has seen, compared before it is asked, and how it is asked to sign.

A log that was set back to an older state finds here that somebody has seen more, before it signs
anything again. A witness that was set back has forgotten what it signed: it is not asked any more.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from glasslock.errors import GlasslockError, LogInconsistent, TransportError, WireError
from glasslock.logserver.sequencer import Tree
from glasslock.runtime.http import HttpClient
from glasslock.tlog.checkpoint import add_signatures, read_head
from glasslock.tlog.note import SignatureLine, Signer, Verifier, open_note, parse_signatures
from glasslock.tlog.quorum import QuorumFile, WitnessKey
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import ADD_CHECKPOINT, format_witness_request, parse_size

# How long the others wait for one: whoever holds a round up longer has no part in it.
WITNESS_SECONDS: Final = 5.0
_OK: Final = 200
_OTHER_SIZE: Final = 409


@dataclass
class _Asked:
    """A witness, what it has ``signed`` and what it holds (``seen``), both as sizes."""

    witness: WitnessKey
    client: HttpClient
    signed: int
    seen: int
    compared: bool = False
    set_back: bool = False

    async def exchange(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Return its answer; raises ``TransportError``, also when the others have waited enough."""
        try:
            async with asyncio.timeout(WITNESS_SECONDS):
                return await self.client.exchange(method, path, body)
        except TimeoutError:
            raise TransportError("a witness is too slow", rule="http.slow") from None

    def know(self, size: int) -> None:
        """Take note of what it holds; that may not be less than it has signed."""
        self.seen = size
        if size < self.signed:
            self.set_back = True


class Witnesses:
    """Everybody whom any of the quorum files of a log names, each by its key."""

    def __init__(
        self,
        quorums: Sequence[QuorumFile],
        signers: Sequence[Signer],
        cosigned: Mapping[bytes, int],
    ) -> None:
        """Know them; ``cosigned`` is the size that each has signed, by its key."""
        self._keys = [each.verifier for each in signers]
        self._origin = signers[0].name
        self._path = f"/{hashlib.sha256(self._origin.encode()).hexdigest()}/checkpoint"
        # Of a witness in several files the first counts: the log's own knows its address.
        known = {w.verifier.key: w for quorum in reversed(quorums) for w in quorum.witnesses}
        self._asked = [
            _Asked(witness, HttpClient(witness.url or ""), size, size)
            for key, witness in known.items()
            for size in [cosigned.get(key, 0)]
        ]

    @property
    def set_back(self) -> int:
        """How many have forgotten what they signed; they are not asked any more."""
        return sum(each.set_back for each in self._asked)

    async def close(self) -> None:
        """Close connections."""
        for each in self._asked:
            await each.client.close()

    async def compare(self, tree: Tree) -> None:
        """Read what each witness has seen of this log, unless that was done before.

        To be called before anything over ``tree`` is signed. One that cannot be reached is left
        for the next time, and not asked to sign before.

        Raises:
            LogInconsistent: one has seen what ``tree`` does not have, under this log's signature.
        """
        new = [each for each in self._asked if not each.compared]
        await asyncio.gather(*(self._compare(each, tree) for each in new))

    async def _compare(self, asked: _Asked, tree: Tree) -> None:
        try:
            status, note = await asked.exchange("GET", self._path)
        except TransportError:
            return
        # One that has no such page, or shows what this log has not signed, accuses nobody.
        head = self._own_head(note) if status == _OK else None
        if head is not None:
            if head.size > tree.size or tree.root(head.size) != head.root:
                raise LogInconsistent(
                    f"the witness {asked.witness.name} has seen what this log does not have",
                    rule="log.restored",
                )
            asked.know(head.size)
        asked.compared = True

    def _own_head(self, note: bytes) -> TreeHead | None:
        try:
            parsed, head = read_head(note)
            signed = open_note(parsed, self._keys)
        except GlasslockError:
            return None
        return head if signed and head.origin == self._origin else None

    async def cosignatures(
        self, note: bytes, head: TreeHead, tree: Tree
    ) -> dict[bytes, SignatureLine]:
        """Ask all compared witnesses to sign ``note``, which is of ``head``.

        Returns:
            The line of each that signed, by its key.

        Raises:
            LogInconsistent: one has seen a larger log.
        """
        able = [each for each in self._asked if each.compared and not each.set_back]
        lines = await asyncio.gather(*(self._ask(each, note, head, tree) for each in able))
        pairs = zip(able, lines, strict=True)
        return {each.witness.verifier.key: line for each, line in pairs if line is not None}

    async def _ask(
        self, asked: _Asked, note: bytes, head: TreeHead, tree: Tree
    ) -> SignatureLine | None:
        """Ask one witness, once more when it has seen another size; None when it does not sign."""
        old = min(asked.seen, head.size)
        try:
            for _ in range(2):
                body = format_witness_request(old, tree.consistency(old, head.size), note)
                status, answer = await asked.exchange("POST", ADD_CHECKPOINT, body)
                if status != _OTHER_SIZE:
                    break
                old = parse_size(answer)
                if old > head.size:
                    # Saying so costs it nothing: that it has seen more counts once it shows it.
                    await self._compare(asked, tree)
                    return None
                asked.know(old)
                if asked.set_back:
                    return None
            if status != _OK:
                return None
            line = _own_line(answer, asked.witness.verifier, note)
        except (TransportError, WireError):
            return None
        if line is not None:
            asked.seen = asked.signed = head.size
        return line


def _own_line(answer: bytes, verifier: Verifier, note: bytes) -> SignatureLine | None:
    for line in parse_signatures(answer):
        if verifier.knows(line):
            try:
                open_note(read_head(add_signatures(note, [line]))[0], [verifier])
            except GlasslockError:
                return None
            return line
    return None
