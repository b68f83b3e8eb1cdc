"""A witness's answers over HTTP, in the order of tlog-witness, and what it keeps of requests."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpcore
import pytest

from glasslock.errors import ConfigError
from glasslock.logserver.sequencer import Tree
from glasslock.runtime.clock import SystemClock
from glasslock.runtime.files import private_folder
from glasslock.runtime.http import HttpClient
from glasslock.runtime.server import build_app
from glasslock.runtime.service import bind
from glasslock.runtime.sqlite import Database
from glasslock.tlog.checkpoint import add_signatures, read_head, sign_head
from glasslock.tlog.encoding import encode_base64
from glasslock.tlog.merkle import EMPTY_ROOT
from glasslock.tlog.note import (
    SignatureLine,
    Signer,
    Verifier,
    format_note,
    open_note,
    parse_signatures,
)
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import ADD_CHECKPOINT, MAX_REQUEST, SIZE_TYPE, format_witness_request
from glasslock.witness import store
from glasslock.witness.app import Witness
from glasslock.witness.config import LogSettings, WitnessConfig
from tests.village.serving import Serving

ORIGIN, OTHER = "log.test/one", "log.test/other"
LOG, SECOND, MALLORY = (Signer.log(ORIGIN, bytes((n,)) * 32) for n in (1, 2, 3))
HEAVY = Signer.ml_dsa(ORIGIN, b"\x01" * 32)
STRANGER = Signer.log(OTHER, b"\x04" * 32)
TREE, FORK = (Tree([b"%s %d" % (name, n) for n in range(12)]) for name in (b"one", b"other"))
STRAY = [b"\x09" * 32]


def head(size: int, tree: Tree = TREE, origin: str = ORIGIN) -> TreeHead:
    return TreeHead(origin, size, tree.root(size))


def note(size: int, tree: Tree = TREE, by: tuple[Signer, ...] = (LOG,)) -> bytes:
    return sign_head(head(size, tree, by[0].name), by)


def request(old: int, shown: bytes, proof: list[bytes] | None = None) -> bytes:
    size = read_head(shown)[1].size
    given = TREE.consistency(old, size) if proof is None and old <= size else proof or []
    return format_witness_request(old, given, shown)


@dataclass
class Asked:
    """A witness that runs, and has seen a log of five leaves."""

    witness: Witness
    serving: Serving
    client: HttpClient

    async def post(self, body: bytes) -> tuple[int, bytes]:
        return await self.client.exchange("POST", ADD_CHECKPOINT, body)

    async def shown(self, origin: str = ORIGIN) -> tuple[int, bytes]:
        name = hashlib.sha256(origin.encode()).hexdigest()
        return await self.client.exchange("GET", f"/{name}/checkpoint")

    @property
    def forks(self) -> list[tuple[int, bytes]]:
        """The size that was held and the request that contradicts, of each fork that is kept."""
        return self.witness._store.db.all("SELECT held_size, request FROM forks")


@contextlib.asynccontextmanager
async def asked(folder: Path, seen: int = 5) -> AsyncIterator[Asked]:
    keys = [LOG.vkey, SECOND.vkey, HEAVY.vkey]
    config = WitnessConfig(folder, "w.test", [LogSettings(ORIGIN, keys)])
    witness, serving = Witness(config, SystemClock()), Serving(bind("127.0.0.1", 0))
    await serving.start(build_app(witness.routes(), witness.close))
    client = HttpClient(serving.url)
    try:
        place = Asked(witness, serving, client)
        if seen:
            assert (await place.post(request(0, note(seen))))[0] == 200
        yield place
    finally:
        await client.close()
        await serving.stop()


def forged(shown: bytes) -> bytes:
    """The note with another last byte in its first signature."""
    parsed, _ = read_head(shown)
    line = parsed.signatures[0]
    bad = replace(line, blob=line.blob[:-1] + bytes((line.blob[-1] ^ 1,)))
    return format_note(parsed.body, [bad, *parsed.signatures[1:]])


def empty_note(root: bytes) -> bytes:
    """A checkpoint of no leaves with a root of its own, which no log of ours would sign."""
    body = b"%s\n0\n%s\n" % (ORIGIN.encode(), encode_base64(root))
    return format_note(body, [LOG.sign(body)])


# What was tried, and the status: each line breaks its own rule and all that come after it.
ORDER: dict[str, tuple[Callable[[], bytes], int]] = {
    "malformed-of-unknown-log": (lambda: b"old 6\n\n" + note(5, FORK, (STRANGER,))[:-1], 400),
    "malformed-and-unsigned": (lambda: b"old 6\n\n" + note(5, FORK, (MALLORY,)) + b"\n", 400),
    "unknown-and-too-old": (lambda: request(9, note(5, FORK, (STRANGER,)), STRAY), 404),
    "unsigned-and-too-old": (lambda: request(9, note(5, FORK, (MALLORY,)), STRAY), 403),
    "forged-and-too-old": (lambda: request(9, forged(note(5, FORK)), STRAY), 403),
    "old-beyond-new-and-unseen": (lambda: request(9, note(7, FORK), STRAY), 400),
    "unseen-and-inconsistent": (lambda: request(3, note(7, FORK), STRAY), 409),
    "unseen-and-nothing-to-prove": (lambda: request(0, note(7, FORK), STRAY), 409),
    "unseen-and-empty": (lambda: format_witness_request(0, [], empty_note(bytes(32))), 409),
    "inconsistent": (lambda: request(5, note(7, FORK)), 422),
    "unproven": (lambda: request(5, note(7), []), 422),
    "proof-too-long": (lambda: request(5, note(7), [*TREE.consistency(5, 7), *STRAY]), 422),
    "63-hashes": (lambda: request(5, note(7), STRAY * 63), 422),
    "64-hashes": (lambda: request(5, note(7), STRAY * 64), 400),
    "same-size-other-root": (lambda: request(5, note(5, FORK)), 422),
    "same-size-with-a-proof": (lambda: request(5, note(5), STRAY), 422),
}


async def test_the_first_rule_that_is_broken_is_answered(tmp_path: Path) -> None:
    async with asked(tmp_path) as place:
        before = await place.shown()
        answers = {case: await place.post(make()) for case, (make, _) in ORDER.items()}
        found = {case: status for case, (status, _) in answers.items()}
        assert found == {case: status for case, (_, status) in ORDER.items()}
        assert {answer for status, answer in answers.values() if status == 409} == {b"5\n"}
        # What it refused moved nothing: it goes on from where it was.
        assert await place.shown() == before
        assert (await place.post(request(5, note(5))))[0] == 200
        assert (await place.post(request(5, note(7))))[0] == 200


# A witness that has seen nothing of a log that it follows.
FRESH: dict[str, tuple[Callable[[], bytes], int]] = {
    "old-beyond-new": (lambda: request(7, note(5)), 400),
    "old-unseen": (lambda: request(3, note(5)), 409),
    "proof-from-nothing": (lambda: request(0, note(5), STRAY), 422),
    "empty-with-another-root": (lambda: format_witness_request(0, [], empty_note(bytes(32))), 422),
    "empty-with-a-proof": (lambda: request(0, note(0), STRAY), 422),
    "empty": (lambda: request(0, note(0)), 200),
    "first": (lambda: request(0, note(5)), 200),
}


@pytest.mark.parametrize("case", FRESH)
async def test_a_log_begins_as_the_empty_tree_does(tmp_path: Path, case: str) -> None:
    make, status = FRESH[case]
    async with asked(tmp_path, 0) as place:
        assert (await place.shown())[0] == 404
        found, answer = await place.post(make())
        assert found == status
        if status == 409:
            assert answer == b"0\n"
        assert ((await place.shown())[0] == 200) == (status == 200)


async def test_after_the_empty_tree_anything_may_come(tmp_path: Path) -> None:
    async with asked(tmp_path, 0) as place:
        assert head(0).root == EMPTY_ROOT
        for proof, status in (([], 200), (STRAY, 422), ([], 200)):
            assert (await place.post(request(0, note(0), proof)))[0] == status
        assert (await place.post(request(0, note(5), STRAY)))[0] == 422
        assert (await place.post(request(0, note(5))))[0] == 200
        assert (await place.post(request(0, note(0)))) == (409, b"5\n")


MALFORMED = {
    "empty": b"",
    "no-old": note(7),
    "old-only": b"old 5\n",
    "no-blank-line": b"old 5\n" + note(7),
    "crlf": request(5, note(7)).replace(b"\n", b"\r\n"),
    "no-last-newline": request(5, note(7))[:-1],
    "upper-case": b"Old" + request(5, note(7))[3:],
    "two-spaces": request(5, note(7)).replace(b"old ", b"old  "),
    "zeroes": request(5, note(7)).replace(b"old 5", b"old 05"),
    "plus": request(5, note(7)).replace(b"old 5", b"old +5"),
    "underscore": request(5, note(7)).replace(b"old 5", b"old 0_5"),
    "arabic": request(5, note(7)).replace(b"old 5", "old \u0665".encode()),
    "minus": request(5, note(7)).replace(b"old 5", b"old -5"),
    "above-2-63": request(5, note(7)).replace(b"old 5", b"old 9223372036854775808"),
    "short-hash": request(5, note(7)).replace(b"=\n", b"\n", 1),
    "extension": request(5, note(7)).replace(b"=\n\n\xe2", b"=\nmore\n\n\xe2"),
    "unsigned": request(5, note(7)).partition(b"\n\n\xe2")[0] + b"\n",
    "not-utf-8": request(5, note(7)).replace(ORIGIN.encode(), b"log.test/\xff"),
    "too-long": request(5, note(7)) + bytes(MAX_REQUEST),
}


async def test_what_is_no_request_is_told_so(tmp_path: Path) -> None:
    async with asked(tmp_path) as place:
        found = {case: (await place.post(body))[0] for case, body in MALFORMED.items()}
        assert found == dict.fromkeys(MALFORMED, 400)
        assert place.forks == []


async def test_the_size_is_told_as_the_specification_has_it(tmp_path: Path) -> None:
    """Other logs tell this answer from every other 409 by its content type, to the letter."""
    async with asked(tmp_path) as place, httpcore.AsyncConnectionPool() as pool:
        url = place.serving.url + ADD_CHECKPOINT
        answer = await pool.request("POST", url, content=request(3, note(7)))
        assert (answer.status, answer.content) == (409, b"5\n")
        types = [value for name, value in answer.headers if name.lower() == b"content-type"]
        assert types == [SIZE_TYPE.encode()]


async def test_a_cosignature_is_of_what_was_shown_and_of_now(tmp_path: Path) -> None:
    async with asked(tmp_path) as place:
        stranger = Signer.witness("stranger.test", b"\x08" * 32).sign(head(7).body, time=5)
        shown = add_signatures(note(7), [stranger])
        status, answer = await place.post(request(5, shown))
        assert status == 200
        (line,) = parse_signatures(answer)
        key = Verifier.parse(place.witness.vkey)
        found = open_note(read_head(add_signatures(shown, [line]))[0], [key])
        assert 0 < SystemClock().now() - 60 < found[key]
        # What it shows to monitors has its own line and those of the log that it verified.
        parsed, again = read_head((await place.shown())[1])
        assert again == head(7)
        assert {key, LOG.verifier} <= open_note(parsed, [key, LOG.verifier]).keys()


@pytest.mark.parametrize("by", [(LOG,), (SECOND,), (HEAVY,), (LOG, SECOND, HEAVY)])
async def test_any_key_that_is_trusted_signs_for_the_log(
    tmp_path: Path, by: tuple[Signer, ...]
) -> None:
    async with asked(tmp_path) as place:
        assert (await place.post(request(5, note(7, by=by))))[0] == 200


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_one_trusted_signature_that_fails_refuses_the_rest(
    tmp_path: Path, which: int
) -> None:
    async with asked(tmp_path) as place:
        parsed, _ = read_head(note(7, by=(LOG, SECOND, HEAVY)))
        lines = list(parsed.signatures)
        blob = lines[which].blob
        lines[which] = replace(lines[which], blob=blob[:-1] + bytes((blob[-1] ^ 1,)))
        assert (await place.post(request(5, format_note(parsed.body, lines))))[0] == 403
        # Lines that only look like a trusted one are a stranger's, and in nobody's way.
        odd = SignatureLine(ORIGIN, b"\x00" * 4, b"\x01" * 64)
        assert (await place.post(request(5, add_signatures(note(7), [odd]))))[0] == 200


async def test_a_fork_is_kept_as_evidence_once(tmp_path: Path) -> None:
    """The log's signature over another past; however often it is shown, with whatever around."""
    async with asked(tmp_path) as place:
        forks = [note(5, FORK), note(7, FORK), note(9, FORK)]
        for number in range(3):
            for shown in forks:
                again = add_signatures(shown, [SignatureLine("x", bytes(4), bytes((number + 1,)))])
                assert (await place.post(request(5, again, [])))[0] == 422
        assert len(place.forks) == len(forks)
        kept = [read_head(body.partition(b"\n\n")[2])[1] for _, body in place.forks]
        assert kept == [head(size, FORK) for size in (5, 7, 9)]


async def test_nobody_but_the_log_can_fill_the_evidence(tmp_path: Path) -> None:
    """What the log has signed and anybody can show, with proofs that anybody can make up."""
    async with asked(tmp_path) as place:
        for number in range(20):
            junk = [bytes((number,)) * 32] * 60
            assert (await place.post(request(5, note(5), junk)))[0] == 422
        assert place.forks == []
        for number in range(20):
            junk = [bytes((number,)) * 32] * 60
            assert (await place.post(request(5, note(7), junk)))[0] == 422
        assert len(place.forks) <= 1


async def test_of_two_forks_at_once_one_is_cosigned(tmp_path: Path) -> None:
    async with asked(tmp_path) as place:
        bodies = [request(5, note(8)), *(request(5, note(8, FORK), STRAY) for _ in range(3))]
        bodies += [request(5, note(7)), request(5, note(6))]
        answers = await asyncio.gather(*(place.post(body) for body in bodies))
        assert sorted(status for status, _ in answers).count(200) == 1


async def test_two_processes_over_one_folder_cosign_one_history(tmp_path: Path) -> None:
    """Deciding and remembering are one transaction of the one database that both have."""
    async with asked(tmp_path, 0) as one, asked(tmp_path, 0) as other:
        heads = [note(size, tree) for size in (3, 4, 6, 7) for tree in (TREE, FORK)]
        pairs = zip((one, other) * 4, heads, strict=True)
        answers = await asyncio.gather(*(place.post(request(0, shown)) for place, shown in pairs))
        assert [status for status, _ in answers].count(200) == 1
        assert (await one.shown()) == (await other.shown())


async def test_a_key_that_is_not_the_logs_is_not_trusted_for_it(tmp_path: Path) -> None:
    for keys in ([], [STRANGER.vkey], [LOG.vkey, STRANGER.vkey], ["nothing"], [LOG.vkey + "x"]):
        with pytest.raises(ConfigError) as caught:
            Witness(WitnessConfig(tmp_path, "w.test", [LogSettings(ORIGIN, keys)]), SystemClock())
        assert caught.value.rule == "witness.key"


async def test_a_witness_of_the_first_version_keeps_what_it_had(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "w")
    old = Database.open(folder / "witness.db", store._MIGRATIONS[:1])
    for _ in range(2):
        old.execute("INSERT INTO forks VALUES (?, 1, 5, ?, ?)", (ORIGIN, bytes(32), b"request"))
    old.execute("INSERT INTO heads VALUES (?, 5, ?)", (ORIGIN, head(5).root))
    old.close()
    async with asked(folder, 0) as place:
        assert (await place.post(request(0, note(7)))) == (409, b"5\n")
        assert (await place.post(request(5, note(7, FORK))))[0] == 422
        assert [size for size, _ in place.forks] == [5, 5, 5]
