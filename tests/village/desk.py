"""A desk daemon in a village: its conversation, its releases, a command's view of its folder."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from glasslock import hpke
from glasslock.casefile.making import CaseFile
from glasslock.client import Client
from glasslock.desk.app import Desk
from glasslock.desk.casework import Case, Request, Wanted
from glasslock.desk.config import DeskConfig
from glasslock.desk.releases import CaseKeyPair
from glasslock.desk.running import Office
from glasslock.orders.ledger import sign_leaf
from glasslock.runtime.http import HttpClient
from glasslock.runtime.server import build_app
from glasslock.runtime.service import bind
from glasslock.sealing.releasing import CaseKeys, make_release
from glasslock.sealing.shares import open_seat, open_share
from glasslock.wire import api
from glasslock.wire.leaf import IntentLeaf, encode_leaf
from glasslock.wire.policy import Policy
from glasslock.wire.release import Release
from tests.unit.desk.cases import verified
from tests.village.access import Keyholder
from tests.village.institutions import (
    ISSUER,
    JUDGE,
    ORDERS,
    OrdersVillage,
    orders_village,
    seed,
)
from tests.village.logs import ORIGIN
from tests.village.serving import Serving

KEYS = CaseKeyPair(
    hpke.DecryptionKey.from_seed(seed("agency")), hpke.DecryptionKey.from_seed(seed("court"))
)
SEATS = range(4)


@dataclass
class Scene:
    """A conversation that is over, a desk daemon, and a command's view of the same folder."""

    place: OrdersVillage
    policy: Policy
    group: bytes
    people: list[Client]
    config: DeskConfig
    desk: Desk
    office: Office
    url: str
    begin: int

    def request(self, **changes: object) -> Request:
        now = self.place.clock.now()
        asked = Request(
            "CASE 7",
            "Act 1, section 2",
            "fraud",
            "the issuing",
            "the countersigner",
            "the agency",
            "the court-registry",
            (Wanted(self.group, "alice", self.begin, now - 4),),
            expires=now + 3_000,
            disclose_by=now + 600,
        )
        return replace(asked, **changes)  # type: ignore[arg-type]

    async def issued(self) -> Case:
        case = await self.office.draft(self.request())
        self.office.sign(case, ISSUER)
        self.office.countersign(self.again(case), JUDGE)
        return self.again(case)

    async def logged(self) -> Case:
        case = await self.issued()
        verdict = await self.office.submit(case)
        assert verdict.admitted, verdict
        await self.desk.work()
        return self.again(case)

    def again(self, case: Case) -> Case:
        return self.office.store.case(case.id)

    async def release(self, case: Case, seat: int, fresh: int = 0) -> Release:
        """What the keyholder of ``seat`` makes of the case, as the provider hands it out."""
        await self.office.follow()
        evidence = await self.office.evidence(case, ISSUER)
        shares = []
        for slot in self.office.prove(case, evidence.manifest).checked.slots:
            sealed = verified(slot, self.policy)
            key_id, enc = sealed.tier1.key_ids[seat], slot.tier1.encs[seat]
            assert key_id is not None
            assert enc is not None
            opened = open_seat(sealed, seat, Keyholder.of(seat).seed, key_id, enc)
            shares.append((sealed, open_share(sealed, opened)))
        keys = CaseKeys(KEYS.agency.public, KEYS.registry.public)
        return make_release(
            case.order.digest, keys, shares, bytes((fresh,)) * 96, Keyholder.of(seat).signing
        )

    async def announce(self, case: Case, release: Release) -> None:
        index = case.logged().index or 0
        leaf = IntentLeaf(index, release.seat, release.digest)
        entry = encode_leaf(sign_leaf(leaf, Keyholder.of(release.seat).signing))
        await self.office.add(ORDERS, entry)

    async def open(self, case: Case) -> CaseFile:
        """Open what was released so far."""
        await self.office.follow()
        case = self.again(case)
        evidence = await self.office.evidence(case, ISSUER)
        proven = self.office.prove(case, evidence.manifest)
        return self.office.open(case, proven, evidence, KEYS, ISSUER)[1]

    async def opened(self) -> tuple[Case, CaseFile]:
        """A case whose keyholders have all released, and its first case file."""
        case = await self.logged()
        for seat in SEATS:
            release = await self.release(case, seat)
            await self.announce(case, release)
            await self.post(release.encode())
        return case, await self.open(case)

    async def post(self, data: bytes) -> None:
        http = HttpClient(self.url)
        try:
            await http.post(api.RELEASES, data)
        finally:
            await http.close()


@contextlib.asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    async with orders_village(folder) as (place, policy):
        begin = place.clock.now()
        people = [await place.people.person(name) for name in ("alice", "bob")]
        group = await people[0].create_conversation(["bob"], policy)
        await place.accept(group, people[1])
        texts = [(each, f"{each.account} {n}") for n in range(2) for each in people]
        await place.write(group, *texts)
        place.clock.offset += 20
        quorum = folder / "quorum"
        quorum.write_text(place.quorum, encoding="utf-8")
        config = DeskConfig(
            folder / "desk", quorum, ORIGIN, ORDERS, policy.digest.hex(), place.url, port=0
        )
        desk, office = Desk(config, place.clock), Office(config, place.clock)
        serving = Serving(bind("127.0.0.1", 0))
        await serving.start(build_app(desk.routes(), desk.close))
        try:
            yield Scene(place, policy, group, people, config, desk, office, serving.url, begin)
        finally:
            office.close()
            await serving.stop()
