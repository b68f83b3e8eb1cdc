"""The desk is stopped at every write point; what it does again gives what it would have given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from glasslock.casefile.custody import Step
from glasslock.casefile.making import CaseFile
from glasslock.desk.app import Desk
from glasslock.desk.casework import Case
from glasslock.desk.extending import draft_extension
from glasslock.desk.running import Office
from glasslock.orders.lifecycle import State
from glasslock.runtime.server import HttpRequest
from glasslock.wire import api
from glasslock.wire.leaf import ReportLeaf
from tests.journeys.points import MOMENTS, write_points
from tests.village.desk import KEYS, SEATS, Scene, scene
from tests.village.institutions import ISSUER, JUDGE

# Files are made once, before any case.
ONCE = {"migrate"}
ONE_BY_ONE = [Step.DRAFTED, Step.SIGNED, Step.COUNTERSIGNED, Step.ADMITTED]
# They are done again after a crash that comes behind them.
TWICE = {Step.PREVIEWED, Step.OPENED, Step.SEALED}
POINTS = sorted(p for p in write_points("desk") if p.partition(".")[0] not in ONCE)


class Crash(BaseException):
    """The process ends here."""


class Points:
    """Ends the process once at each of some write points."""

    def __init__(self, moment: str) -> None:
        self.moment = moment
        self.left = {name for name in POINTS if name.endswith(f".{moment}")}

    def __call__(self, name: str) -> None:
        if name in self.left:
            self.left.discard(name)
            raise Crash


class Life:
    """One order from its draft to its end, on a desk that may stop anywhere."""

    def __init__(self, here: Scene, point: Points) -> None:
        self.here = here
        self.point = point
        self.files: list[CaseFile] = []
        self.before = {case.id for case in here.office.store.cases()}
        self.desk = self._open()

    def _open(self) -> Desk:
        return Desk(self.here.config, self.here.place.clock, self.point)

    @property
    def office(self) -> Office:
        return self.desk.office

    @property
    def case(self) -> Case:
        """The case of this life: the last draft, when a crash made its person draft twice."""
        return next(c for c in reversed(self.office.store.cases()) if c.id not in self.before)

    async def step(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do something, and again after each crash, on a desk that was opened again."""
        while True:
            try:
                await work()
            except Crash:
                self.office.close()
                self.desk = self._open()
            else:
                return

    async def live(self) -> None:
        await self.step(self._draft)
        await self.step(lambda: self.office.preview(self.case, ISSUER))
        await self.step(self._sign)
        await self.step(self._countersign)
        await self.step(lambda: self.office.submit(self.case))
        await self.step(self._draft_extension)
        for seat in SEATS:
            release = await self.here.release(self.case, seat)
            await self.here.announce(self.case, release)
            data = release.encode()
            request = HttpRequest("POST", api.RELEASES, {}, {}, {}, data)
            await self.step(lambda request=request: self.desk._release(request))  # type: ignore[misc]
        await self.step(self._look)
        await self.step(self._report)
        self.here.place.clock.offset += 30
        await self.here.place.tick()
        await self.here.place.orders_log.add(b"a breath at %d" % self.here.place.clock.now())
        for _ in range(3):
            await self.step(self.desk_works)

    async def desk_works(self) -> None:
        await self.desk.work()

    async def _draft(self) -> None:
        now = self.here.place.clock.now()
        asked = self.here.request(
            reference=f"CASE {self.point.moment}", expires=now + 1_000, disclose_by=now + 20
        )
        await self.office.draft(asked)

    async def _sign(self) -> None:
        if self.case.state != State.SIGNED:
            self.office.sign(self.case, ISSUER)

    async def _countersign(self) -> None:
        if self.case.state != State.ISSUED:
            self.office.countersign(self.case, JUDGE)

    async def _draft_extension(self) -> None:
        # It stays a draft: the notice comes on its first date.
        until = self.case.order.disclose_by + 5
        drafted = await draft_extension(self.office, self.case, until, "a draft")
        assert (drafted.number, drafted.entry) == (1, None)

    async def _look(self) -> None:
        await self.office.follow()
        evidence = await self.office.evidence(self.case, ISSUER)
        proven = self.office.prove(self.case, evidence.manifest)
        opening, file = self.office.open(self.case, proven, evidence, KEYS, ISSUER)
        assert len(opening.messages) == 2
        assert opening.gaps == ()
        assert opening.faults == ()
        self.files.append(file)

    async def _report(self) -> None:
        await self.office.follow()
        await self.office.report(self.case, ISSUER)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_every_step_may_be_the_last(moment: str, tmp_path: Path) -> None:
    """At each write point of the desk: just before it, just before its commit, just after."""
    async with scene(tmp_path) as here:
        points = Points(moment)
        life = Life(here, points)
        try:
            await life.live()
            assert points.left == set(), "these were never reached"
            case = life.case
            assert case.state == State.CLOSED
            await here.office.follow()
            (record,) = here.office.ledger.orders.values()
            assert record.disclosed is not None
            reports = {said.leaf for said in record.said if isinstance(said.leaf, ReportLeaf)}
            # A case file is made anew after a crash, at another second: both are on the record.
            assert 1 <= len(reports) <= 2
            assert len(life.office.store.releases(case.order.digest)) == len(SEATS)
            # Each step is written down once, with what it changed, whatever came in between.
            links = life.office.store.custody(case.order.digest)
            steps = [link.what for link in links if link.what not in TWICE]
            assert steps == [*ONE_BY_ONE, *[Step.RELEASE] * len(SEATS)]
            assert {link.what for link in links} == {*ONE_BY_ONE, *TWICE, Step.RELEASE}
            sealed = [link.subject for link in links if link.what == Step.SEALED]
            assert life.files[-1].digest == sealed[-1]
        finally:
            life.office.close()
