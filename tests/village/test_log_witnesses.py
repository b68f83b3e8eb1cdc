"""What a log makes of a witness that answers wrongly, slowly or with what is not true.

One such witness of four stops nothing, and counts for nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from glasslock.errors import LogInconsistent, QuorumNotMet
from glasslock.logserver import app, witnesses
from glasslock.runtime.http import MAX_BODY
from glasslock.runtime.keys import load_seed
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply, build_app
from glasslock.tlog.checkpoint import sign_head
from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.tlog.note import SignatureLine, Signer
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import (
    ADD_CHECKPOINT,
    WitnessRequest,
    format_witness_request,
    parse_witness_request,
)
from tests.village.logs import ORIGIN, LogVillage, log_village
from tests.village.test_log import ask, cosigners

HONEST = ["w0", "w1", "w2"]
FAR = 10_000


class Villain:
    """A witness with the key of the fourth, that answers as it is told."""

    def __init__(self, place: LogVillage) -> None:
        self.signer = Signer.witness("w3.test", load_seed(place.folder / "w3" / "witness.key"))
        self.clock = place.clock
        self.answer: Callable[[WitnessRequest], Reply] = lambda _: Reply(b"", 500)
        self.shown = Reply(b"", 404)
        self.hold: asyncio.Event | None = None
        self.asked = 0

    def line(self, body: bytes, *, time: int | None = None) -> SignatureLine:
        return self.signer.sign(body, time=self.clock.now() if time is None else time)

    def routes(self) -> list[HttpRoute]:
        async def add(request: HttpRequest) -> Reply:
            self.asked += 1
            if self.hold is not None:
                await self.hold.wait()
            return self.answer(parse_witness_request(request.body))

        async def show(_request: HttpRequest) -> Reply:
            return self.shown

        return [
            HttpRoute("POST", ADD_CHECKPOINT, add),
            HttpRoute("GET", "/{log}/checkpoint", show),
        ]


@contextlib.asynccontextmanager
async def villains(folder: Path) -> AsyncIterator[tuple[LogVillage, Villain]]:
    """A log with an entry, three witnesses, and a villain that the log knows for the fourth."""
    async with log_village(folder) as place:
        await place.add(b"one")
        await place.witnesses[3].stop()
        villain = Villain(place)
        await place.witnesses[3].start(build_app(villain.routes()))
        yield place, villain


def lines(*found: SignatureLine) -> Reply:
    return Reply(b"".join(each.encode() for each in found))


def forged(line: SignatureLine) -> SignatureLine:
    blob = line.blob[:-1] + bytes((line.blob[-1] ^ 1,))
    return SignatureLine(line.name, line.key_id, blob)


def other(head: TreeHead) -> TreeHead:
    return TreeHead(head.origin, head.size, bytes(32))


STRANGER = Signer.witness("w3.test", b"\x66" * 32)
TWIN = Signer.witness("w0.test", b"\x67" * 32)

ANSWERS: dict[str, Callable[[Villain, WitnessRequest], Reply]] = {
    "nothing": lambda _v, _r: Reply(b""),
    "junk": lambda _v, _r: Reply(b"\xff" * 100),
    "a-page": lambda _v, _r: Reply(b"<html>\n"),
    "no-last-newline": lambda v, r: Reply(v.line(r.note.body).encode()[:-1]),
    "crlf": lambda v, r: Reply(v.line(r.note.body).encode().replace(b"\n", b"\r\n")),
    "overlong": lambda _v, _r: Reply(b"x" * (MAX_BODY + 1)),
    "too-many-lines": lambda v, r: lines(*[v.line(r.note.body, time=n + 1) for n in range(65)]),
    "another-key": lambda _v, r: lines(STRANGER.sign(r.note.body, time=5)),
    "in-anothers-name": lambda _v, r: lines(TWIN.sign(r.note.body, time=5)),
    "forged": lambda v, r: lines(forged(v.line(r.note.body))),
    "forged-before-a-good-one": lambda v, r: lines(
        forged(v.line(r.note.body)), v.line(r.note.body)
    ),
    "over-another-root": lambda v, r: lines(v.line(other(r.head).body)),
    "without-a-time": lambda v, r: lines(v.line(r.note.body, time=0)),
    "from-the-future": lambda v, r: lines(v.line(r.note.body, time=v.clock.now() + FAR)),
    "moved": lambda _v, _r: Reply(b"", 302),
    "unknown": lambda _v, _r: Reply(b"", 404),
    "refused": lambda _v, _r: Reply(b"", 422),
    "failed": lambda _v, _r: Reply(b"", 500),
    "size-of-nothing": lambda _v, _r: Reply(b"", 409),
    "size-without-a-newline": lambda _v, _r: Reply(b"1", 409),
    "size-with-a-plus": lambda _v, _r: Reply(b"+1\n", 409),
    "size-with-zeroes": lambda _v, _r: Reply(b"001\n", 409),
    "size-in-arabic": lambda _v, _r: Reply("\u0661\n".encode(), 409),
    "size-negative": lambda _v, _r: Reply(b"-1\n", 409),
    "size-beyond-all": lambda _v, _r: Reply(b"%d\n" % (1 << 63), 409),
    "the-same-size-again": lambda _v, r: Reply(b"%d\n" % r.head.size, 409),
    "size-larger": lambda _v, r: Reply(b"%d\n" % (r.head.size + 1), 409),
    "size-much-larger": lambda _v, _r: Reply(b"%d\n" % ((1 << 63) - 1), 409),
}


async def test_one_witness_that_answers_wrongly_stops_nothing_and_does_not_count(
    tmp_path: Path,
) -> None:
    async with villains(tmp_path) as (place, villain):
        for number, (name, answer) in enumerate(ANSWERS.items(), 1):
            villain.answer = lambda request, answer=answer: answer(villain, request)  # type: ignore[misc]
            before = villain.asked
            assert await place.add(name.encode()) == [number], name
            assert villain.asked > before, name
            assert await cosigners(place) == HONEST, name


@pytest.mark.parametrize("name", ["another-key", "forged", "without-a-time", "from-the-future"])
async def test_it_does_not_make_up_for_one_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with villains(tmp_path) as (place, villain):
        villain.answer = lambda request: ANSWERS[name](villain, request)
        await place.witnesses[2].stop()
        with monkeypatch.context() as impatient:
            impatient.setattr(app, "ANSWER_SECONDS", 0.5)
            with pytest.raises(QuorumNotMet):
                await place.add(b"two")
        replica, _ = await place.read(place.replica())
        assert replica.size == 1
        villain.answer = lambda request: lines(villain.line(request.note.body))
        assert await place.add(b"two") == [1]
        assert await cosigners(place) == ["w0", "w1", "w3"]


async def test_one_that_never_answers_does_not_hold_the_others_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with villains(tmp_path) as (place, villain):
        villain.hold = asyncio.Event()
        monkeypatch.setattr(witnesses, "WITNESS_SECONDS", 0.2)
        monkeypatch.setattr(app, "ANSWER_SECONDS", 4.0)
        assert await place.add(b"two") == [1]
        assert await cosigners(place) == HONEST
        villain.hold.set()


async def test_one_that_shows_what_the_log_did_not_sign_proves_nothing(tmp_path: Path) -> None:
    """It claims to have seen more, and what it shows for it is by another key."""
    async with villains(tmp_path) as (place, villain):
        mallory = Signer.log(ORIGIN, b"\x07" * 32)
        longer = TreeHead(ORIGIN, 9, b"\x01" * 32)
        villain.shown = Reply(sign_head(longer, [mallory]))
        villain.answer = lambda _: Reply(b"9\n", 409)
        assert await place.add(b"two") == [1]
        assert await cosigners(place) == HONEST


async def test_one_that_has_seen_more_under_the_logs_own_name_stops_it(tmp_path: Path) -> None:
    """A copy of the log is at work: it has the same key, and is one entry ahead."""
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        log = Signer.log(ORIGIN, load_seed(tmp_path / "log" / "log.key"))
        leaves = [leaf_hash(entry) for entry in (b"one", b"other", b"more")]
        longer = sign_head(TreeHead(ORIGIN, 3, root_of(leaves)), [log])
        proof = [root_of(leaves[1:2]), leaves[2]]
        assert (await ask(place, 0, format_witness_request(1, proof, longer)))[0] == 200
        for _ in range(2):
            with pytest.raises(LogInconsistent) as caught:
                await place.add(b"two")
            assert caught.value.rule == "log.restored"
        replica, _ = await place.read(place.replica())
        assert replica.size == 1
