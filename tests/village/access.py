"""A village with a way in: policy log, witnesses, provider, and keyholders that are keys in a test.

The log's clock begins two policy days ago, so that period keys are logged in time, and jumps to
the present before anybody writes.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from glasslock import _core
from glasslock.client import Client, Invited, Joined
from glasslock.ids import KeyholderId, keyholder_id
from glasslock.provider.config import ClockSettings, PolicyLogSettings
from glasslock.sealing.roster import possession_answer
from glasslock.signing import SigningKey
from glasslock.tlog.quorum import LogKey, QuorumFile
from glasslock.wire.digest import digest
from glasslock.wire.labels import Label
from glasslock.wire.policy import (
    Access,
    Clocks,
    KeyholderClass,
    Limits,
    Policy,
    Seat,
    SignedPolicy,
)
from glasslock.wire.record import (
    EndRecord,
    PeriodKeyRecord,
    PolicyRecord,
    ProofRecord,
    Record,
    encode_record,
)
from tests.village.logs import ORIGIN, LogVillage
from tests.village.village import Clock, Village, event

Shape = tuple[tuple[int, int], ...]
TWO_CLASSES: Shape = ((2, 3), (3, 5))
SMALL: Shape = ((2, 2), (2, 2))
SETTINGS = ClockSettings(slot_seconds=2, slots_per_day=1_440, skew_seconds=6)


@dataclass(frozen=True)
class Keyholder:
    """One seat's keys: for its signature, and for the shares of one period."""

    name: KeyholderId
    signing: SigningKey
    seed: bytes

    @classmethod
    def of(cls, number: int) -> Keyholder:
        sign = digest(Label.PROOF, b"signing seed of a test", number)
        seed = digest(Label.PROOF, b"period seed of a test", number)
        return cls(keyholder_id(f"keyholder-{number}"), SigningKey.from_seed(sign), seed)

    def period_key(self, first_day: int) -> PeriodKeyRecord:
        """Return its signed period key for seven days."""
        public = _core.xwing_public_key(self.seed)
        bare = PeriodKeyRecord(self.name, first_day, first_day + 6, public)
        signature = self.signing.sign(Label.SIGN_RECORD, bare.signed_part())
        return PeriodKeyRecord(self.name, first_day, first_day + 6, public, signature)

    def proof(self, step: str, key_id: bytes, challenger: KeyholderId, data: bytes) -> ProofRecord:
        """Return a signed step of a proof of possession."""
        bare = ProofRecord(step, key_id, challenger, data)
        signature = self.signing.sign(Label.SIGN_RECORD, bare.signed_part())
        return ProofRecord(step, key_id, challenger, data, signature)

    def end(self, key_id: bytes, time: int, kind: str = "revoked") -> EndRecord:
        """Return the signed end of one of its keys."""
        bare = EndRecord(kind, key_id, self.name, time)
        return EndRecord(
            kind,
            key_id,
            self.name,
            time,
            self.signing.sign(Label.SIGN_RECORD, bare.signed_part()),
        )


@dataclass
class PolicyLog:
    """A log with its witnesses, and the keyholders who write into it."""

    folder: Path
    logs: LogVillage
    clocks: Clocks
    keyholders: list[Keyholder] = field(default_factory=list)
    keys: list[PeriodKeyRecord] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        return self.logs.clock

    async def open(self) -> PolicyLogSettings:
        """Start log and witnesses, two policy days ago; returns how a provider reads it."""
        self.clock.offset = -2 * self.clocks.day_seconds
        await self.logs.open()
        quorum = self.folder / "quorum"
        quorum.write_text(self.quorum, encoding="utf-8")
        return PolicyLogSettings(ORIGIN, self.logs.url, quorum)

    @property
    def quorum(self) -> str:
        """The quorum file with the log's address in it."""
        assert self.logs.server is not None
        known = self.logs.server.quorum
        logs = [LogKey(key, self.logs.url) for key in known.log_keys(ORIGIN)]
        return QuorumFile.of(logs, known.witnesses, known.needed).text

    def policy(
        self, name: str, provider: bytes, shape: Shape, clocks: Clocks | None = None
    ) -> Policy:
        """Return a policy of the first keyholders for the first class, and so on."""
        classes, first = [], 0
        for number, (threshold, count) in enumerate(shape):
            seats = tuple(
                Seat(Keyholder.of(j).name, f"Person {j}", Keyholder.of(j).signing.public)
                for j in range(first, first + count)
            )
            classes.append(KeyholderClass(f"class {number}", threshold, seats))
            first += count
        access = Access(tuple(classes), bytes(32), self.quorum, ORIGIN, "log.test/orders", Limits())
        return Policy(name, "test", provider, clocks or self.clocks, access)

    async def publish(self, *policies: Policy) -> None:
        """Put policies into the log, signed by all their seats."""
        for policy in policies:
            assert policy.access is not None
            signers = [Keyholder.of(j) for j in range(len(policy.access.seats))]
            signatures = tuple(k.signing.sign(Label.SIGN_POLICY, policy.document) for k in signers)
            await self.add(PolicyRecord(SignedPolicy(policy, signatures)))

    async def add(self, *records: Record) -> list[int]:
        """Put records into the log."""
        return await self.logs.add(*map(encode_record, records))

    async def tick(self) -> None:
        """Have the witnesses sign the log at the clock's present."""
        await self.logs.add(b"nothing at %d" % self.clock.now())

    async def publish_keys(self, count: int, vacant: frozenset[int] = frozenset()) -> None:
        """Log the period keys of ``count`` keyholders with all proofs; then it is the present."""
        real = self.clock.now() - self.clock.offset
        self.keyholders = [Keyholder.of(number) for number in range(count)]
        first_day = real // self.clocks.day_seconds
        self.keys = [keyholder.period_key(first_day) for keyholder in self.keyholders]
        steps = [list(step) for step in zip(*self._proofs(vacant), strict=True)]
        published = [key for number, key in enumerate(self.keys) if number not in vacant]
        await self.add(*published, *steps[0])
        await self.add(*steps[1])
        await self.add(*steps[2])
        self.clock.offset = 0
        await self.tick()

    def _proofs(self, vacant: frozenset[int]) -> Iterator[tuple[ProofRecord, ...]]:
        for number, (owner, key) in enumerate(zip(self.keyholders, self.keys, strict=True)):
            for other in self.keyholders:
                if other is owner or number in vacant:
                    continue
                coins = digest(Label.PROOF, key.key_id, other.name) * 2
                secret, enc = _core.xwing_encapsulate(key.public_key, coins)
                yield (
                    other.proof("challenge", key.key_id, other.name, enc),
                    owner.proof(
                        "answer", key.key_id, other.name, possession_answer(secret, key.key_id)
                    ),
                    other.proof("reveal", key.key_id, other.name, coins),
                )

    async def revoke(self, number: int) -> None:
        """End a keyholder's key now."""
        key = self.keys[number]
        await self.add(self.keyholders[number].end(key.key_id, self.clock.now()))


@dataclass
class AccessVillage(PolicyLog):
    """A ``Village`` whose provider reads a policy log, and that log; both on one clock."""

    people: Village = field(kw_only=True)

    async def open(self) -> PolicyLogSettings:
        """Start log, witnesses and provider, two policy days ago."""
        self.logs.clock = self.people.clock
        self.people.policy_log = await super().open()
        await self.people.open()
        return self.people.policy_log

    def sealed(self, name: str, shape: Shape = TWO_CLASSES, clocks: Clocks | None = None) -> Policy:
        """Return a policy for this village's provider."""
        assert self.people.provider is not None
        return self.policy(name, self.people.provider.key, shape, clocks)

    async def publish(self, *policies: Policy) -> None:
        """Put policies into the log, and have the provider read it."""
        await super().publish(*policies)
        assert self.people.provider is not None
        await self.people.provider.read_log()

    async def read_logs(self, *clients: Client) -> None:
        """Have devices read the log at once."""
        for client in clients or self.people.clients:
            for policy in client.policies():
                await client._running.read_log(policy)

    async def accept(self, group: bytes, *clients: Client) -> None:
        """Have invited people read the policy and say yes."""
        for client in clients:
            await event(client, Invited, group_id=group)
            await client.accept(group)
            await event(client, Joined, group_id=group)

    async def close(self) -> None:
        """Stop everything."""
        for client in self.people.clients:
            await client.close()
        await self.people.shut()
        await self.logs.close()


def clocks_of(settings: ClockSettings) -> Clocks:
    """Return the clocks of a policy like those of a provider's ``none``."""
    return Clocks(
        settings.slot_seconds,
        settings.slots_per_day,
        settings.skew_seconds,
        settings.away_days,
        settings.ingest_seconds,
    )


@contextlib.asynccontextmanager
async def access_village(
    folder: Path,
    *,
    shape: Shape = TWO_CLASSES,
    vacant: frozenset[int] = frozenset(),
    settings: ClockSettings = SETTINGS,
) -> AsyncIterator[tuple[AccessVillage, Policy]]:
    """Open a village under one published policy; close everything in it at the end."""
    people = Village(folder / "people", settings)
    people.folder.mkdir(parents=True)
    logs = LogVillage(folder / "logs")
    place = AccessVillage(people.folder, logs, clocks_of(settings), people=people)
    await place.open()
    try:
        policy = place.sealed("sealed", shape)
        await place.publish(policy)
        await place.publish_keys(sum(count for _, count in shape), vacant)
        yield place, policy
    finally:
        await place.close()
