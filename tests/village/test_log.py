"""A log, its witnesses and its readers: outages, forks, restarts."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from glasslock.errors import (
    BadSignature,
    Conflict,
    Denied,
    LogInconsistent,
    QuorumNotMet,
    VerificationError,
    WireError,
)
from glasslock.logserver import app, shards
from glasslock.runtime.http import HttpClient
from glasslock.runtime.logs import Log
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply, build_app
from glasslock.signing import SigningKey
from glasslock.tlog.checkpoint import sign_head
from glasslock.tlog.merkle import root_of
from glasslock.tlog.note import Signer
from glasslock.tlog.reader import decode_history
from glasslock.tlog.submission import submit
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import format_witness_request
from glasslock.wire.api import LOG_ADD
from tests.village.logs import SUBMITTER, LogVillage, log_village


async def test_what_is_added_is_read_by_everybody_with_the_same_time(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        assert await place.add(b"one") == [0]
        early, first = await place.read(place.replica())
        place.clock.offset += 100
        assert sorted(await place.add(*(b"entry %d" % n for n in range(300)))) == [*range(1, 301)]
        early, more = await place.read(early)
        late, all_ = await place.read(place.replica())
        assert [e.entry for e in [*first, *more]] == [e.entry for e in all_]
        times = [e.checkpoint.median_time for e in all_]
        assert times == [e.checkpoint.median_time for e in [*first, *more]]
        assert times[1] - times[0] >= 99
        assert early.size == late.size == 301
        assert await place.add(b"one", b"entry 7") == [0, [e.entry for e in all_].index(b"entry 7")]


async def test_one_witness_may_be_down_and_comes_back_from_behind(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        await place.witnesses[2].stop()
        await place.add(b"two")
        replica, _ = await place.read(place.replica())
        assert replica.log.checkpoint is not None
        assert [name for name, _ in replica.log.checkpoint.times] == ["w0", "w1", "w3"]
        await place.start_witness(2)
        await place.witnesses[0].stop()
        await place.add(b"three")
        replica, logged = await place.read(replica)
        assert [e.entry for e in logged] == [b"three"]


async def test_without_a_quorum_nothing_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        for number in (1, 2):
            await place.witnesses[number].stop()
        with monkeypatch.context() as impatient:
            impatient.setattr(app, "ANSWER_SECONDS", 0.3)
            with pytest.raises(QuorumNotMet):
                await place.add(b"two")
        replica, logged = await place.read(place.replica())
        assert [e.entry for e in logged] == [b"one"]
        await place.start_witness(1)
        assert await place.add(b"two") == [1]
        replica, logged = await place.read(replica)
        assert [e.entry for e in logged] == [b"two"]


async def test_only_known_submitters_are_heard(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        with pytest.raises(Denied):
            await place.add(b"spam", key=SigningKey.from_seed(b"\x09" * 32))
        client = HttpClient(place.url)
        try:
            with pytest.raises(WireError):
                await client.post(LOG_ADD, b"\xff" * 40)
            known = submit(SUBMITTER, place.origin, b"one")
            for forged in (
                replace(known, entry=b"spam"),
                submit(SUBMITTER, "log.test/other", b"one"),
            ):
                with pytest.raises(BadSignature):
                    await client.post(LOG_ADD, forged.encode())
        finally:
            await client.close()


async def test_a_log_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        replica, _ = await place.read(place.replica())
        await place.stop_log()
        await place.start_log()
        assert await place.add(b"two", b"one") == [1, 0]
        replica, logged = await place.read(replica)
        assert [e.entry for e in logged] == [b"two"]


async def ask(place: LogVillage, number: int, body: bytes) -> tuple[int, bytes]:
    client = HttpClient(place.witnesses[number].url)
    try:
        return await client.exchange("POST", "/add-checkpoint", body)
    finally:
        await client.close()


async def test_a_witness_signs_no_fork_and_keeps_the_evidence(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        log = Signer.log(place.origin, (tmp_path / "log" / "log.key").read_bytes()[-32:])
        fork = TreeHead(place.origin, 1, root_of([b"\x01" * 32]))
        body = format_witness_request(1, [], sign_head(fork, [log]))
        assert (await ask(place, 0, body))[0] == 422
        longer = TreeHead(place.origin, 2, root_of([b"\x01" * 32, b"\x02" * 32]))
        proof = [b"\x02" * 32]
        body = format_witness_request(1, proof, sign_head(longer, [log]))
        assert (await ask(place, 0, body))[0] == 422
        assert await ask(place, 0, format_witness_request(0, [], sign_head(longer, [log]))) == (
            409,
            b"1\n",
        )
        mallory = Signer.log(place.origin, b"\x07" * 32)
        body = format_witness_request(1, proof, sign_head(longer, [mallory]))
        assert (await ask(place, 0, body))[0] == 403
        other = Signer.log("log.test/other", b"\x07" * 32)
        head = TreeHead("log.test/other", 1, b"\x01" * 32)
        assert (await ask(place, 0, format_witness_request(0, [], sign_head(head, [other]))))[
            0
        ] == 404
        assert (await ask(place, 0, b"old x\n\nnothing"))[0] == 400
        assert await place.add(b"two") == [1]


async def test_a_reader_refuses_a_log_that_forgets(tmp_path: Path) -> None:
    async with log_village(tmp_path / "a") as honest:
        await honest.add(b"one", b"two")
        replica, _ = await honest.read(honest.replica())
        async with log_village(tmp_path / "b") as other:
            await other.add(b"uno")
            with pytest.raises(VerificationError):
                await other.read(replica)
    assert replica.size == 2


async def restored(place: LogVillage) -> None:
    """Stop a log of two entries and put its database back to the first."""
    await place.add(b"one")
    await place.stop_log()
    folder = place.folder / "log"
    backup = (folder / "log.db").read_bytes()
    await place.start_log()
    await place.add(b"two")
    await place.stop_log()
    for name in ("log.db-wal", "log.db-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "log.db").write_bytes(backup)


async def test_a_log_restored_from_a_backup_does_not_start(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await restored(place)
        with pytest.raises(LogInconsistent):
            await place.start_log()


async def test_a_log_restored_with_all_its_files_signs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its witnesses remember what it does not: it asks them before it signs anything."""
    signed: list[TreeHead] = []

    def note(head: TreeHead, signers: Sequence[Signer]) -> bytes:
        signed.append(head)
        return sign_head(head, signers)

    async with log_village(tmp_path) as place:
        await restored(place)
        shutil.rmtree(tmp_path / "log" / "public")
        monkeypatch.setattr(app, "sign_head", note)
        await place.start_log()
        for _ in range(2):
            with pytest.raises(LogInconsistent) as raised:
                await place.add(b"another two")
            assert raised.value.rule == "log.restored"
        assert signed == []


async def test_a_restored_log_asks_a_witness_for_nothing_before_it_has_compared(
    tmp_path: Path,
) -> None:
    async with log_village(tmp_path) as place:
        await restored(place)
        shutil.rmtree(tmp_path / "log" / "public")
        await place.witnesses[0].stop()
        await place.start_log()
        with pytest.raises(LogInconsistent):
            await place.add(b"another two")


async def test_a_witness_that_shows_anothers_log_stops_nothing(tmp_path: Path) -> None:
    """Only what this log has signed counts against it: a witness alone cannot stop it."""
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        await place.stop_log()
        await place.witnesses[1].stop()
        mallory = Signer.log(place.origin, b"\x07" * 32)
        longer = sign_head(TreeHead(place.origin, 9, b"\x01" * 32), [mallory])

        async def show(_request: HttpRequest) -> Reply:
            return Reply(longer)

        await place.witnesses[1].start(build_app([HttpRoute("GET", "/{log}/checkpoint", show)]))
        await place.start_log()
        assert await place.add(b"two") == [1]


async def test_a_witness_that_was_set_back_is_not_asked_any_more(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        await place.witnesses[3].stop()
        folder = tmp_path / "w3"
        before = (folder / "witness.db").read_bytes()
        await place.start_witness(3)
        # Three may be quicker than the fourth: all must have signed what one forgets.
        for number in range(3):
            await place.add(b"more %d" % number)
        assert await cosigners(place) == ["w0", "w1", "w2", "w3"]
        await place.witnesses[3].stop()
        for name in ("witness.db-wal", "witness.db-shm"):
            (folder / name).unlink(missing_ok=True)
        (folder / "witness.db").write_bytes(before)
        await place.start_witness(3)
        await place.add(b"and more")
        assert await cosigners(place) == ["w0", "w1", "w2"]
        assert place.server is not None
        lines = io.StringIO()
        told = 0
        for _ in range(2):
            told = shards.tell_set_back(Log("log", lines), place.server.set_back, told)
        assert lines.getvalue().count("witness.set-back") == told == 1
        await place.stop_log()
        await place.start_log()
        await place.add(b"the last")
        assert await cosigners(place) == ["w0", "w1", "w2"]


async def cosigners(place: LogVillage) -> list[str]:
    """Who signed the newest checkpoint."""
    replica, _ = await place.read(place.replica())
    assert replica.log.checkpoint is not None
    return [name for name, _ in replica.log.checkpoint.times]


async def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        first = place.server
        with pytest.raises(Conflict) as raised:
            place._make_server()
        assert raised.value.rule == "files.writer"
        assert place.server is first
        assert await place.add(b"two") == [1]


async def test_a_history_comes_in_answers_that_a_reader_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notes may be long: then an answer has fewer of them, and one in any case."""
    async with log_village(tmp_path) as place:
        for number in range(9):
            place.clock.offset += 10
            await place.add(b"entry %d" % number)
        _, whole = await place.read(place.replica())
        for most in (20_000, 1):
            monkeypatch.setattr(app, "HISTORY_BYTES", most)
            client = HttpClient(place.url)
            assert len(decode_history(await client.get("/history/0"))) in (1, 2, 4)
            await client.close()
            _, parts = await place.read(place.replica())
            times = [each.checkpoint.median_time for each in parts]
            assert times == [each.checkpoint.median_time for each in whole]
            assert len(set(times)) == 9


async def test_a_stale_checkpoint_is_not_enough(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        replica, _ = await place.read(place.replica(max_age=3_600))
        place.clock.offset += 10_000
        with pytest.raises(QuorumNotMet):
            await place.read(replica)
        assert await place.add(b"two") == [1]
        await place.read(replica)
