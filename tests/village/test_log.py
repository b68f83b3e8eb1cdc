"""A log, its witnesses and its readers: outages, forks, restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasslock.errors import (
    Denied,
    LogInconsistent,
    QuorumNotMet,
    VerificationError,
    WireError,
)
from glasslock.logserver import app
from glasslock.runtime.http import HttpClient
from glasslock.signing import SigningKey
from glasslock.tlog.checkpoint import sign_head
from glasslock.tlog.merkle import root_of
from glasslock.tlog.note import Signer
from glasslock.tlog.treehead import TreeHead
from glasslock.tlog.witnessing import format_witness_request
from glasslock.wire.api import LOG_ADD
from tests.village.logs import LogVillage, log_village


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
        with pytest.raises(WireError):
            await client.post(LOG_ADD, b"\xff" * 40)
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


async def test_a_log_restored_from_a_backup_signs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        await place.stop_log()
        backup = (tmp_path / "log" / "log.db").read_bytes()
        await place.start_log()
        await place.add(b"two")
        await place.stop_log()
        for name in ("log.db-wal", "log.db-shm"):
            (tmp_path / "log" / name).unlink(missing_ok=True)
        (tmp_path / "log" / "log.db").write_bytes(backup)
        with pytest.raises(LogInconsistent):
            await place.start_log()
        (tmp_path / "log" / "public" / "checkpoint").unlink()
        await place.start_log()
        monkeypatch.setattr(app, "ANSWER_SECONDS", 0.5)
        with pytest.raises(QuorumNotMet):
            await place.add(b"another two")


async def test_a_stale_checkpoint_is_not_enough(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        replica, _ = await place.read(place.replica(max_age=3_600))
        place.clock.offset += 10_000
        with pytest.raises(QuorumNotMet):
            await place.read(replica)
        assert await place.add(b"two") == [1]
        await place.read(replica)
