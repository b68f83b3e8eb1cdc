"""A keyholder without a network serves by files like any other; its relay may be a villain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from glasslock.errors import Denied, GlasslockError, StateError, WireError
from glasslock.keyholder import app
from glasslock.keyholder.gap import PASS_SECONDS, Gapped
from glasslock.keyholder.relay import run_errands
from glasslock.runtime.logs import Log
from glasslock.runtime.sqlite import WritePoint, no_point
from glasslock.wire import api
from glasslock.wire.gap import Carried, decode_carried, decode_errands
from glasslock.wire.leaf import DoneLeaf, IntentLeaf
from glasslock.wire.policy import Policy
from tests.village.keyholders import KeyholderVillage, keyholder_village
from tests.village.test_keyholders import record_of, said


@dataclass
class Gap:
    """Keyholder 0 behind its gap, and the way that files go."""

    place: KeyholderVillage
    policy: Policy
    errands: bytes = b""
    carried: list[bytes] = field(default_factory=list)

    def open(self, point: WritePoint = no_point) -> Gapped:
        return app.open_gapped(self.place.config(0, self.policy), self.place.clock, point)

    async def relay(self) -> bytes:
        """What an honest relay brings."""
        found = decode_errands(self.errands)
        return (await run_errands(found, self.place.clock, Log("relay"))).encode()

    async def take(self, data: bytes, point: WritePoint = no_point) -> None:
        office = self.open(point)
        try:
            self.errands = await office.take(decode_carried(data))
        finally:
            office.close()
        self.carried.append(data)

    async def walk(self) -> None:
        """Carry one file there and one back."""
        await self.take(await self.relay())

    def state(self) -> tuple[object, ...]:
        """Everything that must not change when a file is refused."""
        office = self.open()
        try:
            store = office.store
            rows = tuple(tuple(store.entries(log)) for log in office._http)
            cases = tuple(office.cases.items())
            return rows, cases, tuple(store.outbox()), tuple(store.exchanges()), store.errands()
        finally:
            office.close()


@dataclass
class Walker:
    """The keyholder behind the gap, in the round of those who are not."""

    gap: Gap

    async def round(self) -> None:
        await self.gap.walk()

    async def stop(self) -> None:
        """Nothing runs."""


@asynccontextmanager
async def gapped_village(folder: Path) -> AsyncIterator[Gap]:
    """A village whose first keyholder has no network; all period keys are proven."""
    async with keyholder_village(folder) as (place, policy):
        await place.daemons[0].stop()
        gap = Gap(place, policy)
        office = gap.open()
        gap.errands = office.begin()
        with pytest.raises(StateError) as caught:
            office.begin()
        assert caught.value.rule == "gap.begun"
        office.close()
        others = place.daemons[1:]
        place.daemons = [*others, Walker(gap)]  # type: ignore[list-item]
        await place.fill_roster(policy)
        place.daemons = others
        assert place.seats_filled(policy) == 4
        yield gap


async def asked(gap: Gap) -> api.OrderVerdict:
    group, _ = await gap.place.talk(gap.policy, 1)
    return await gap.place.ask(gap.policy, group)


async def test_a_keyholder_without_a_network_proves_releases_and_says_done(tmp_path: Path) -> None:
    async with gapped_village(tmp_path) as gap:
        verdict = await asked(gap)
        place, index = gap.place, verdict.index or 0
        bodies = []
        for _ in range(6):
            await gap.walk()
            bodies.append([r.seat for r in place.desk.releases])
            _, record = await record_of(place, verdict)
            # L1 holds over a gap too: nothing comes to the desk before its intent is in the log.
            assert 0 in said(record, IntentLeaf) or bodies[-1] == []
        assert bodies[-1] == [0]
        _, record = await record_of(place, verdict)
        assert (said(record, IntentLeaf), said(record, DoneLeaf)) == ([0], [0])
        office = gap.open()
        assert office.cases[index].sent
        assert office.store.outbox() == []
        office.close()
        assert len(set(place.desk.bodies)) == 1


async def test_a_villain_relay_changes_nothing(tmp_path: Path) -> None:
    """Old, foreign, cut, swapped and altered files are refused by name, and nothing is lost."""
    async with gapped_village(tmp_path) as gap:
        await asked(gap)
        good = await gap.relay()
        before = gap.state()
        read = decode_carried(good)

        async def refused(data: bytes) -> str | None:
            with pytest.raises(GlasslockError) as caught:
                await gap.take(data)
            # What one log showed may be kept; nothing was done about it, and nothing forgotten.
            assert gap.state()[1:] == before[1:]
            return caught.value.rule

        assert await refused(gap.carried[-1]) == "gap.replayed"
        assert await refused(gap.carried[0]) == "gap.replayed"
        assert await refused(replace(read, exchange=bytes(16)).encode()) == "gap.foreign"
        assert await refused(gap.errands) == "gap.head"
        for size in (len(good) - 1, len(good) // 2, 30):
            with pytest.raises(WireError):
                decode_carried(good[:size])
        with pytest.raises(WireError):
            decode_carried(good + b"\x00")
        twice = Carried(read.exchange, (*read.answers, read.answers[0]))
        assert await refused(twice.encode()) == "gap.twice"
        none = Carried(read.exchange, ())
        assert await refused(none.encode()) == "gap.missing"
        # The logs as they were, under the name of these errands.
        past = decode_carried(gap.carried[0]).answers
        assert await refused(Carried(read.exchange, past).encode()) is not None
        for number, answer in enumerate(read.answers):
            if answer.body and answer.method == "GET":
                answers = list(read.answers)
                answers[number] = replace(answer, body=answer.body[: len(answer.body) // 3])
                assert await refused(Carried(read.exchange, tuple(answers)).encode()) is not None
        # A log that was read before is not an empty one.
        gone = [replace(a, body=None) if a.path.endswith("checkpoint") else a for a in read.answers]
        assert await refused(Carried(read.exchange, tuple(gone)).encode()) == "gap.none"
        await gap.take(good)
        assert gap.state() != before


async def test_a_relay_that_keeps_a_release_back_is_sent_again(tmp_path: Path) -> None:
    """It may withhold for ever; it cannot get a second release, nor an intent without one."""
    async with gapped_village(tmp_path) as gap:
        verdict = await asked(gap)
        for _ in range(6):
            errands = decode_errands(gap.errands)
            kept = tuple(e for e in errands.errands if not e.place.startswith("desk"))
            found = replace(errands, errands=kept)
            made = await run_errands(found, gap.place.clock, Log("relay"))
            await gap.take(made.encode())
        assert gap.place.desk.bodies == []
        _, record = await record_of(gap.place, verdict)
        assert (said(record, IntentLeaf), said(record, DoneLeaf)) == ([0], [])
        for _ in range(3):
            await gap.walk()
        assert len(set(gap.place.desk.bodies)) == 1
        _, record = await record_of(gap.place, verdict)
        assert (said(record, IntentLeaf), said(record, DoneLeaf)) == ([0], [0])


async def test_killed_around_its_errands_it_goes_on_with_the_same_file(tmp_path: Path) -> None:
    async with gapped_village(tmp_path) as gap:
        for moment in ("begin", "commit"):
            data = await gap.relay()

            def dies(point: str, moment: str = moment) -> None:
                if point == f"gap.{moment}":
                    raise KeyboardInterrupt

            before = gap.state()
            with pytest.raises(KeyboardInterrupt):
                await gap.take(data, dies)
            assert gap.state()[3:] == before[3:]
            await gap.take(data)

        def late(point: str) -> None:
            if point == "gap.done":
                raise KeyboardInterrupt

        data = await gap.relay()
        with pytest.raises(KeyboardInterrupt):
            await gap.take(data, late)
        with pytest.raises(Denied):
            await gap.take(data)
        office = gap.open()
        gap.errands = office.again()
        office.close()
        await gap.walk()


async def test_passes_end(tmp_path: Path) -> None:
    async with gapped_village(tmp_path) as gap:
        await asked(gap)
        await gap.walk()
        asked_for = [e for e in decode_errands(gap.errands).errands if e.passes]
        assert len(asked_for) == 1
        gap.place.clock.offset += PASS_SECONDS + 120
        found = decode_carried(await gap.relay())
        assert asked_for[0].path not in {answer.path for answer in found.answers}
