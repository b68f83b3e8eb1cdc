"""Signatures, KEM, slot, seal and body, each alone, as every other path is made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from glasslock import _core
from glasslock.sealing.body import make_message, open_body
from glasslock.sealing.roster import DayRoster, SeatKey
from glasslock.sealing.seal import make_seal, make_tier1
from glasslock.sealing.slots import SlotTree, chain_start, chain_step, leaf_secret, slot_key
from glasslock.signing import SigningKey, verify
from glasslock.wire.envelope import Seen, SlotHeader
from glasslock.wire.seal import Tier1Header
from tests.bench.harness import Path, Run, per_cpu_second
from tests.bench.references import MESSAGE, Reference, ed25519_sign, ed25519_verify

SHAPE = ((2, 3), (3, 5))
TAU = 1_973_128
DAY = TAU // 96

Call = Callable[[], object]


def _path(
    name: str, prepare: Callable[[], Call], reference: Callable[[], Reference], repeats: int
) -> Path:
    @contextmanager
    def make() -> Iterator[Run]:
        call = prepare()

        def work() -> None:
            for _ in range(repeats):
                call()

        bare, reference_name = reference()
        yield Run(lambda: per_cpu_second(work, repeats), bare, reference_name)

    typed: Callable[[], AbstractContextManager[Run]] = make
    return Path(f"primitive: {name}", "calls/s", "higher", None, typed)


def _sign() -> Call:
    key = SigningKey.from_seed(bytes(32))
    return lambda: key.sign("slot", MESSAGE)


def _verify() -> Call:
    key = SigningKey.from_seed(bytes(32))
    signature = key.sign("slot", MESSAGE)
    return lambda: verify(key.public, "slot", MESSAGE, signature)


def _encapsulate() -> Call:
    public, coins = _core.xwing_public_key(bytes(32)), bytes(64)
    return lambda: _core.xwing_encapsulate(public, coins)


def _secret() -> bytes:
    node, _ = SlotTree.from_root(bytes(32)).use(TAU)
    return leaf_secret(node, 3, bytes(32))


def _tier1() -> Call:
    roster, secret = _roster(), _secret()
    header = _tier1_header(roster)
    return lambda: make_tier1(secret, header, roster)


def _seal() -> Call:
    roster, secret, slot = _roster(), _secret(), _slot_header()
    _, keys = make_tier1(secret, _tier1_header(roster), roster)
    later = keys.at(TAU)
    return lambda: make_seal(secret, slot, SHAPE, later)


def _make_body() -> Call:
    signer, slot = SigningKey.from_seed(bytes(32)), _slot_header()
    key, _ = chain_step(chain_start(slot_key(_secret(), slot.digest)), 0)
    place = (slot.digest, 0, None)
    return lambda: make_message(key, place, MESSAGE, bytes(32), signer.sign)


def _open_body() -> Call:
    signer, slot = SigningKey.from_seed(bytes(32)), _slot_header()
    key, _ = chain_step(chain_start(slot_key(_secret(), slot.digest)), 0)
    header, body = make_message(key, (slot.digest, 0, None), MESSAGE, bytes(32), signer.sign)
    return lambda: open_body(key, header, body, signer.public)


def _roster() -> DayRoster:
    seats = tuple(
        SeatKey(bytes([number]) * 32, _core.xwing_public_key(bytes([number]) * 32))
        for number in range(sum(count for _, count in SHAPE))
    )
    return DayRoster(bytes(32), DAY, SHAPE, seats)


def _tier1_header(roster: DayRoster) -> Tier1Header:
    empty = bytes(32)
    return Tier1Header(empty, b"group", 7, empty, 3, empty, DAY, TAU, roster.key_ids)


def _slot_header() -> SlotHeader:
    empty = bytes(32)
    return SlotHeader(
        policy=empty,
        group_id=b"group",
        epoch=7,
        context=empty,
        leaf=3,
        credential=empty,
        signer=empty,
        tau=TAU,
        tier1=empty,
        close=None,
        seen=Seen(1, empty),
    )


PATHS = (
    _path("sign with label", _sign, ed25519_sign, 2_000),
    _path("verify with label", _verify, ed25519_verify, 1_500),
    _path("X-Wing, encapsulate to one key", _encapsulate, ed25519_verify, 500),
    _path("slot, secret of one leaf", lambda: _secret, ed25519_verify, 500),
    _path("tier 1 for 8 seats, make or recompute", _tier1, ed25519_verify, 50),
    _path("seal for 8 seats, make or recompute", _seal, ed25519_verify, 400),
    _path("body of 450 bytes, sign and seal", _make_body, ed25519_sign, 1_000),
    _path("body of 450 bytes, open and verify", _open_body, ed25519_verify, 1_000),
)
