"""A log changes witnesses and keys while readers pin the old quorum file or the new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasslock.errors import BadSignature, ConfigError, QuorumNotMet
from glasslock.logserver import app
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.note import Signer
from glasslock.tlog.quorum import LogKey, QuorumFile, WitnessKey
from tests.village.logs import ORIGIN, LogVillage, log_village


async def rotating(place: LogVillage) -> QuorumFile:
    """Have the log change its Ed25519 key and its fourth witness; returns the old quorum file."""
    assert place.server is not None
    old = place.server.quorum
    (place.folder / "old").write_text(old.text, encoding="utf-8")
    await place.stop_log()
    key = place.folder / "log" / "log.key"
    key.rename(key.with_name("previous-log.key"))
    place.also = [place.folder / "old"]
    place.replace_witness(3)
    await place.start_log()
    await place.start_witness(3)
    return old


async def test_a_witness_and_a_key_are_replaced_while_readers_change(tmp_path: Path) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        before, _ = await place.read(place.replica())
        old = await rotating(place)
        assert place.server is not None
        new = place.server.quorum
        assert set(old.log_keys(ORIGIN)) & set(new.log_keys(ORIGIN)) == {old.log_keys(ORIGIN)[1]}
        await place.add(b"two")
        before, logged = await place.read(before)
        after, both = await place.read(Replica(TrustedLog(new, ORIGIN)))
        assert [e.entry for e in logged] == [b"two"]
        assert len(both) == 2
        await place.stop_log()
        (tmp_path / "log" / "previous-log.key").unlink()
        place.also = []
        for number in (1, 2):
            await place.witnesses[number].stop()
            await place.start_witness(number)
        await place.start_log()
        await place.add(b"three")
        after, _ = await place.read(after)
        assert after.size == 3
        with pytest.raises(BadSignature):
            await place.read(before)


async def test_while_readers_change_both_quorums_must_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        old = await rotating(place)
        await place.add(b"two")
        await place.witnesses[2].stop()
        await place.retired[0].stop()
        with monkeypatch.context() as impatient:
            impatient.setattr(app, "ANSWER_SECONDS", 0.5)
            with pytest.raises(QuorumNotMet):
                await place.add(b"three")
        replica, _ = await place.read(Replica(TrustedLog(old, ORIGIN)))
        assert replica.size == 2


@pytest.mark.parametrize("lack", ["nothing", "key", "address", "file"])
async def test_a_quorum_file_that_cannot_be_satisfied_is_refused(tmp_path: Path, lack: str) -> None:
    async with log_village(tmp_path) as place:
        await place.add(b"one")
        assert place.server is not None
        known = place.server.quorum
        stranger = Signer.witness("stranger.test", b"\x08" * 32).verifier
        logs = [LogKey(each) for each in known.log_keys(ORIGIN)]
        if lack == "key":
            logs[0] = LogKey(Signer.log(ORIGIN, b"\x07" * 32).verifier)
        other = WitnessKey("other", stranger, None if lack == "address" else "http://127.0.0.1:1")
        text = QuorumFile.of(logs, [*known.witnesses[:3], other], 3).text
        place.also = [tmp_path / "also"]
        place.also[0].write_text("nothing" if lack == "file" else text, encoding="utf-8")
        await place.stop_log()
        if lack == "nothing":
            await place.start_log()
            return
        with pytest.raises(ConfigError) as raised:
            await place.start_log()
        assert raised.value.rule == "log.also"
