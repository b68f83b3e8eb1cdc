"""The desk's daemon: takes releases, follows both logs, sends the notice on its day."""

from __future__ import annotations

from typing import Final

from glasslock.casefile.releases import accept_release
from glasslock.desk.casework import Case, lapses, received, takes_releases
from glasslock.desk.config import DeskConfig
from glasslock.desk.extending import hand_on
from glasslock.desk.running import Office
from glasslock.desk.tracking import ClassStatus, classes_of, seats_of
from glasslock.errors import Denied, GlasslockError
from glasslock.orders.lifecycle import NEXT, State
from glasslock.runtime.clock import Clock, SystemClock
from glasslock.runtime.logs import Log
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply, build_app, run_service
from glasslock.runtime.service import bind, every
from glasslock.runtime.sqlite import WritePoint, no_point
from glasslock.wire.api import RELEASES
from glasslock.wire.policy import Access
from glasslock.wire.release import MAX_RELEASE, decode_release

# A keyholder sends one release of an order; more are a mistake, and many would fill the disk.
MAX_PER_SEAT: Final = 4


class Desk:
    """One desk over one folder."""

    def __init__(self, config: DeskConfig, clock: Clock, point: WritePoint = no_point) -> None:
        """Open the folder; raises as ``Office``."""
        self.office = Office(config, clock, point)
        self._log = Log("desk")
        self.office.recall()

    def routes(self) -> list[HttpRoute]:
        """Return what the desk serves: a place to put releases."""
        return [HttpRoute("POST", RELEASES, self._release, MAX_RELEASE)]

    async def close(self) -> None:
        """Close the store."""
        self.office.close()

    async def work(self) -> None:
        """Read both logs, then do what has come due."""
        await self.office.follow()
        for case in self.office.store.cases():
            try:
                await self._attend(case)
            except GlasslockError as error:
                self._log.event("case.failed", error=error.slug, rule=error.rule)

    def progress(self, case: Case) -> list[ClassStatus]:
        """Return releases per class against the thresholds."""
        access = self._access()
        released = {seat for seat, _, _ in self.office.store.releases(case.order.digest)}
        return classes_of(seats_of(self.office.record(case), access, released), access)

    async def _release(self, request: HttpRequest) -> Reply:
        """Take a release of an order that is known here; stored before it is answered."""
        claimed = decode_release(request.body)
        case = self.office.store.case_of(claimed.order)
        # A command may have read on in the logs since this daemon did.
        self.office.recall()
        if case is None or not takes_releases(case.state) or self.office.is_over(case):
            raise Denied("this desk waits for no release of this order", rule="desk.order")
        release = accept_release(request.body, case.order.digest, self._access())
        known = self.office.store.releases(case.order.digest)
        mine = [digest for seat, digest, _ in known if seat == release.seat]
        if release.digest in mine:
            return Reply()
        if len(mine) >= MAX_PER_SEAT:
            raise Denied("this seat has released often enough", rule="desk.releases")
        now = self.office.clock.now()
        self.office.store.put_release(case, release, request.body, received(case.state), now)
        self._log.event("release.received", count=len(known) + 1)
        return Reply()

    async def _attend(self, case: Case) -> None:
        office, record = self.office, self.office.record(case)
        released = [seat for seat, _, _ in office.store.releases(case.order.digest)]
        time = office.ledger.time
        await hand_on(office, case)
        if lapses(case, released, office.policy, time):
            office.store.put_state(case, State.LAPSED)
        elif record is None or case.verdict is None or not case.verdict.admitted:
            return
        elif case.state == State.NOTICED:
            if record.disclosed is not None:
                office.store.put_state(case, State.CLOSED)
        elif case.noticed and State.NOTICED in NEXT[case.state]:
            office.store.put_state(case, State.NOTICED)
        elif not case.noticed and time >= office.date(case):
            await office.notify(case)

    def _access(self) -> Access:
        access = self.office.policy.access
        if access is None:
            raise Denied("this policy has no keyholders", rule="desk.policy")
        return access


def run(config: DeskConfig, clock: Clock | None = None, point: WritePoint = no_point) -> None:
    """Run a desk until SIGTERM or SIGINT; raises ``ConfigError``."""
    listener = bind(config.host, config.port)
    log = Log("desk")
    desk = Desk(config, clock or SystemClock(), point)

    async def rounds() -> None:
        await every(config.poll_seconds, desk.work, log)

    run_service(build_app(desk.routes(), desk.close), listener, [rounds])
