"""What lawful access costs: a seal at its sender, a release at a keyholder, an opening at a desk.

The figures of keyholder and desk are of whole decisions, with every check: order, log, manifest,
lines, seals, releases, receipts. Five messages stand in every slot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from glasslock import _core
from glasslock.sealing.roster import DayRoster, SeatKey
from glasslock.sealing.seal import make_seal, make_tier1
from glasslock.wire.envelope import Seen, SlotHeader
from glasslock.wire.seal import Tier1Header
from tests.bench.access_scene import MESSAGES, SHAPE, AtDesk, AtKeyholder, make_case
from tests.bench.harness import Path, Run, milliseconds, per_cpu_second
from tests.bench.references import Reference, ed25519_verify

TAU = 1_973_128
DAY = TAU // 96
SEATS = sum(count for _, count in SHAPE)
SECRET = bytes(range(32))
FIRSTS = 40
LATERS = 300
# A sample that is long enough, and the size of a large case.
SLOTS, MANY_SLOTS = 400, 2_000


def _xwing() -> Reference:
    """Return the time of ``cryptography`` (OpenSSL) for both halves of an encapsulation."""
    kem, curve = MLKEM768PrivateKey.generate().public_key(), X25519PrivateKey.generate()
    public = curve.public_key()

    def work() -> None:
        for _ in range(100):
            kem.encapsulate()
            X25519PrivateKey.generate().exchange(public)

    return lambda: milliseconds(work, 100), "bare ML-KEM-768 and X25519, ms"


def _shamir() -> Reference:
    """Return the time of the core alone sharing one secret among the seats."""

    def work() -> None:
        for _ in range(5_000):
            for threshold, count in SHAPE:
                _core.shamir_shares(SECRET, [SECRET] * (threshold - 1), count)

    return lambda: milliseconds(work, 5_000), "bare Shamir for 8 seats, ms"


@contextmanager
def _first_slot() -> Iterator[Run]:
    roster = _roster()
    tier1_header, slot = _tier1_header(roster), _slot_header()

    def work() -> None:
        for epoch in range(FIRSTS):
            tier1, keys = make_tier1(SECRET, replace(tier1_header, epoch=epoch), roster)
            header = replace(slot, epoch=epoch, tier1=tier1.digest)
            _whole(make_seal(SECRET, header, SHAPE, keys).encoded)

    yield Run(lambda: milliseconds(work, FIRSTS), *_xwing())


@contextmanager
def _later_slot() -> Iterator[Run]:
    roster = _roster()
    _, first = make_tier1(SECRET, _tier1_header(roster), roster)
    slot = _slot_header()

    def work() -> None:
        for epoch in range(LATERS // 60):
            keys = first
            for tau in range(TAU + 1, TAU + 61):
                keys = keys.at(tau)
                header = replace(slot, epoch=epoch, tau=tau)
                _whole(make_seal(SECRET, header, SHAPE, keys).encoded)

    yield Run(lambda: milliseconds(work, LATERS), *_shamir())


def _keyholder(slots: int) -> Callable[[], AbstractContextManager[Run]]:
    @contextmanager
    def make() -> Iterator[Run]:
        work = AtKeyholder.of(make_case(slots))
        yield Run(lambda: per_cpu_second(work.release, slots), *ed25519_verify())

    return make


def _desk(slots: int) -> Callable[[], AbstractContextManager[Run]]:
    @contextmanager
    def make() -> Iterator[Run]:
        work = AtDesk.of(make_case(slots))
        yield Run(lambda: per_cpu_second(work.open, slots * MESSAGES), *ed25519_verify())

    return make


def _whole(seal: bytes) -> None:
    if len(seal) < SEATS * 80:
        raise RuntimeError("a seal has too few rows")


def _roster() -> DayRoster:
    seats = tuple(
        SeatKey(bytes([number]) * 32, _core.xwing_public_key(bytes([number]) * 32))
        for number in range(SEATS)
    )
    return DayRoster(bytes(32), DAY, SHAPE, seats)


def _tier1_header(roster: DayRoster) -> Tier1Header:
    empty = bytes(32)
    return Tier1Header(empty, b"group", 7, empty, 3, empty, DAY, TAU, roster.key_ids)


def _slot_header() -> SlotHeader:
    empty = bytes(32)
    return SlotHeader(empty, b"group", 7, empty, 3, empty, empty, TAU, empty, None, Seen(1, empty))


_RELEASE, _OPEN = "keyholder: verify and release", "desk: combine and open"
PATHS = (
    Path("seal: first slot of a tier 1, 8 keyholders", "ms", "lower", 2.5, _first_slot),
    Path("seal: later slot, 8 keyholders", "ms", "lower", 0.4, _later_slot),
    Path(_RELEASE, "slots/s", "higher", 5_000, _keyholder(SLOTS)),
    Path(f"{_RELEASE}, 2,000 slots", "slots/s", "higher", 5_000, _keyholder(MANY_SLOTS), slow=True),
    Path(_OPEN, "messages/s", "higher", 10_000, _desk(SLOTS)),
    Path(f"{_OPEN}, 2,000 slots", "messages/s", "higher", 10_000, _desk(MANY_SLOTS), slow=True),
)
