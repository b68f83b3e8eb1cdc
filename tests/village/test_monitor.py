"""A monitor before logs that are honest, rewritten, withheld, split, or out of reach."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from glasslock.errors import ConfigError, TransportError
from glasslock.monitor import store as monitor_store
from glasslock.monitor.app import look
from glasslock.monitor.audit import AGREES, AHEAD, DIFFERS, SILENT, Account, Seen, audit
from glasslock.monitor.store import Store
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply, build_app
from glasslock.runtime.service import bind
from glasslock.tlog.checkpoint import sign_head
from glasslock.tlog.merkle import leaf_hash, root_of
from glasslock.tlog.note import Signer
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from glasslock.tlog.reader import encode_history
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import format_witness_request
from tests.village.logs import LogVillage, log_village
from tests.village.serving import Serving
from tests.village.test_log import ask

DAY = 86_400


def quorum_of(place: LogVillage, url: str | None) -> QuorumFile:
    """The file that a reader has: with the addresses of the log and of its witnesses."""
    assert place.server is not None
    known = place.server.quorum
    witnesses = [
        WitnessKey(each.name, each.verifier, place.witnesses[number].url)
        for number, each in enumerate(known.witnesses)
    ]
    logs = [LogKey(key, url) for key in known.log_keys(place.origin)]
    return QuorumFile.of(logs, witnesses, known.needed)


def note(place: LogVillage, *entries: bytes) -> bytes:
    """A checkpoint over ``entries``, signed with the log's own key, which a villain holds."""
    log = Signer.log(place.origin, (place.folder / "log" / "log.key").read_bytes()[-32:])
    return sign_head(TreeHead(place.origin, len(entries), root_of(map(leaf_hash, entries))), [log])


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[Store]:
    folder.mkdir(exist_ok=True)
    store = Store(folder)
    try:
        yield store
    finally:
        store.db.close()


async def seen(place: LogVillage, url: str | None = None) -> Seen:
    """What a monitor that remembers sees now; each time it opens its folder anew."""
    with memory(place.folder / "monitor") as store:
        found = await look(quorum_of(place, url or place.url), None, store, place.clock)
        (one,) = found
        return replace(one, entries=[*one.entries])


def account(place: LogVillage, found: Seen) -> Account:
    return audit([found], place.clock.now(), DAY)


def rules(place: LogVillage, found: Seen) -> set[tuple[str, str]]:
    return {(each.kind, each.rule) for each in account(place, found).findings}


@contextlib.asynccontextmanager
async def showing(answers: dict[str, bytes]) -> AsyncIterator[str]:
    """A log's address behind which somebody shows what they like."""

    async def answer(request: HttpRequest) -> Reply:
        return Reply(answers[request.parts["path"]])

    routes = [HttpRoute("GET", "/{path:path}", answer)]
    server = Serving(bind("127.0.0.1", 0))
    await server.start(build_app(routes))
    try:
        yield server.url
    finally:
        await server.stop()


async def test_an_honest_log_is_read_on_from_where_the_monitor_stood(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one", b"two")
        first = await seen(place)
        assert first.failure is None
        assert [each.verdict for each in first.views].count(AGREES) >= 3
        assert sorted(entry for _, _, entry in first.entries) == [b"one", b"two"]
        await place.add(b"three")
        second = await seen(place)
        assert [*first.entries, second.entries[2]] == list(second.entries)
        assert rules(place, second) == set()
        (facts,) = account(place, second).logs
        assert (facts["size"], facts["kind"]) == (3, "other")
        assert len(facts["cosigned"]) >= 3


async def test_a_log_out_of_reach_is_told_as_far_as_it_was_read(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        await seen(place)
        url, quorum = place.url, quorum_of(place, place.url)
        await place.stop_log()
        place.clock.offset += DAY + 1
        with memory(tmp_path / "monitor") as store:
            (found,) = await look(quorum, None, store, place.clock)
            found = replace(found, entries=[*found.entries])
        assert isinstance(found.failure, TransportError)
        assert [entry for _, _, entry in found.entries] == [b"one"]
        assert rules(place, found) == {("unseen", "log.unreachable"), ("unseen", "log.stale")}
        await place.start_log()
        assert place.url == url
        assert (await seen(place)).failure is None


async def test_a_log_that_shows_another_past_is_caught_and_the_proof_kept(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        await place.add(b"two")
        await seen(place)
        fork = note(place, b"one", b"other")
        shown = {"checkpoint": fork, "history/2": b""}
        async with showing(shown) as url:
            found = await seen(place, url)
        assert ("broken", "log.contradiction") in rules(place, found)
        assert len(found.contradictions) == 1
        assert found.failure is not None
        with memory(tmp_path / "monitor") as store:
            ((_, held, kept),) = store.contradictions(place.origin)
        assert kept == fork
        assert held != fork
        # It is honest again, and still not believed.
        assert rules(place, await seen(place)) == {("broken", "log.contradiction")}


async def test_an_older_past_in_its_history_is_a_contradiction_too(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        await place.add(b"two")
        await seen(place)
        await place.add(b"three")
        shown = {
            "checkpoint": (tmp_path / "log" / "public" / "checkpoint").read_bytes(),
            "history/2": encode_history([note(place, b"other")]),
        }
        async with showing(shown) as url:
            assert ("broken", "log.contradiction") in rules(place, await seen(place, url))
        with memory(tmp_path / "monitor") as store:
            ((_, _, kept),) = store.contradictions(place.origin)
        assert kept == note(place, b"other")


async def test_what_the_log_did_not_sign_accuses_nobody_for_good(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        await seen(place)
        mallory = Signer.log(place.origin, b"\x07" * 32)
        head = TreeHead(place.origin, 1, root_of([leaf_hash(b"other")]))
        for junk in (sign_head(head, [mallory]), b"junk", b""):
            async with showing({"checkpoint": junk, "history/1": b""}) as url:
                found = await seen(place, url)
            assert {kind for kind, _ in rules(place, found)} == {"broken"}
            assert found.contradictions == ()
        assert rules(place, await seen(place)) == set()


async def test_tampered_entries_are_not_taken_in(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        public = tmp_path / "log" / "public"
        bundle = next(path for path in (public / "tile" / "entries").rglob("*") if path.is_file())
        name = bundle.relative_to(public).as_posix()
        shown = {
            "checkpoint": (public / "checkpoint").read_bytes(),
            "history/0": b"",
            name: bundle.read_bytes().replace(b"one", b"two"),
        }
        async with showing(shown) as url:
            found = await seen(place, url)
        assert found.failure is not None
        assert (found.checkpoint, found.entries, found.contradictions) == (None, [], ())
        assert {kind for kind, _ in rules(place, found)} == {"broken"}
        assert rules(place, await seen(place)) == set()


async def test_another_past_shown_to_one_witness_alone_is_a_split(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.witnesses[3].stop()
        await place.add(b"one")
        await place.start_witness(3)
        fork = note(place, b"other")
        assert (await ask(place, 3, format_witness_request(0, [], fork)))[0] == 200
        found = await seen(place)
        assert {each.name: each.verdict for each in found.views}["w3"] == DIFFERS
        assert rules(place, found) == {("broken", "log.split"), ("broken", "log.contradiction")}
        await place.witnesses[3].stop()
        later = await seen(place)
        assert {each.name: each.verdict for each in later.views}["w3"] == SILENT
        assert rules(place, later) == {("broken", "log.contradiction")}


async def test_what_a_witness_has_seen_and_the_log_hides_is_found(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        longer = note(place, b"one", b"hidden")
        proof = [leaf_hash(b"hidden")]
        assert (await ask(place, 0, format_witness_request(1, proof, longer)))[0] == 200
        found = await seen(place)
        assert {each.name: each.verdict for each in found.views}["w0"] == AHEAD
        # It may be on its way, for a while.
        assert rules(place, found) == set()
        place.clock.offset += 301
        assert rules(place, await seen(place)) == {("broken", "log.withheld")}


async def test_a_log_without_an_address_is_asked_for(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        quorum = quorum_of(place, None)
        with memory(tmp_path / "monitor") as store:
            with pytest.raises(ConfigError):
                await look(quorum, None, store, place.clock)
            (found,) = await look(quorum, place.url, store, place.clock)
        assert found.failure is None


@pytest.mark.parametrize("moment", ["begin", "commit", "done"])
@pytest.mark.parametrize("name", ["read", "contradiction"])
async def test_a_monitor_that_dies_while_writing_goes_on(
    tmp_path: Path, name: str, moment: str
) -> None:
    class Died(BaseException):
        pass

    def die(point: str) -> None:
        if point == f"{name}.{moment}":
            raise Died

    async with log_village(tmp_path) as place:
        await place.add(b"one")
        if name == "contradiction":
            await seen(place)
        shown = {"checkpoint": note(place, b"other"), "history/1": b""}
        async with showing(shown) as url:
            address = place.url if name == "read" else url
            store = Store(_folder(tmp_path / "monitor"), die)
            with pytest.raises(Died):
                await look(quorum_of(place, address), None, store, place.clock)
            store.db.close()
            found = await seen(place, address)
        assert [entry for _, _, entry in found.entries] == [b"one"]
        assert len(found.contradictions) == (name == "contradiction")


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


async def test_a_long_log_is_gone_through_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As often as a report wants it, whole and in order; witnesses behind are compared too."""
    monkeypatch.setattr(monitor_store, "_PAGE", 2)
    async with log_village(tmp_path) as place:
        await place.add(b"one", b"two", b"three")
        await place.witnesses[3].stop()
        await place.add(b"four", b"five")
        await place.start_witness(3)
        with memory(tmp_path / "monitor") as store:
            (found,) = await look(quorum_of(place, place.url), None, store, place.clock)
            passes = [[entry for _, _, entry in found.entries] for _ in range(2)]
            assert passes[0] == passes[1]
            assert len(found.entries) == len({*passes[0]}) == 5
            assert [index for index, _, _ in found.entries] == [*range(5)]
        assert {each.verdict for each in found.views} == {AGREES}
        assert sorted(each.size for each in found.views) == [3, 5, 5, 5]
