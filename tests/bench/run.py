"""Measures slots, seals, bodies and signatures against references taken in the same run.

Knows how to time a call and what to compare it with; passes no verdict. Speed is never a test:
absolute figures drift between machines and minutes, the ratio to the reference drifts less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from glasslock import _core
from glasslock.sealing.body import make_message, open_body
from glasslock.sealing.roster import DayRoster, SeatKey
from glasslock.sealing.seal import make_seal, make_tier1
from glasslock.sealing.slots import SlotTree, chain_start, chain_step, leaf_secret, slot_key
from glasslock.signing import SigningKey, verify
from glasslock.wire.envelope import Seen, SlotHeader
from glasslock.wire.seal import Tier1Header

SHAPE = ((2, 3), (3, 5))
TAU = 1_973_128
DAY = TAU // 96
CONTENT = b"x" * 450
PACKAGES = ("cryptography", "msgspec")


@dataclass(frozen=True, slots=True)
class Case:
    """What to call, and the reference whose time is the unit of its ratio."""

    name: str
    call: Callable[[], object]
    reference: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Median and fastest time of one call in microseconds, and the median over the reference's."""

    name: str
    median: float
    fastest: float
    reference: str
    ratio: float


def references() -> list[Case]:
    """Return the yardsticks: another library's primitives, nothing of ours."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key(), key.sign(CONTENT)
    sealing, nonce, kilobyte = AESGCM(bytes(32)), bytes(12), bytes(1_024)
    return [
        Case("ed25519 sign", lambda: key.sign(CONTENT), "ed25519 sign"),
        Case("ed25519 verify", lambda: public.verify(signature, CONTENT), "ed25519 verify"),
        Case(
            "aes-256-gcm 1 KiB", lambda: sealing.encrypt(nonce, kilobyte, None), "aes-256-gcm 1 KiB"
        ),
    ]


def cases() -> list[Case]:
    """Return what is measured: signatures, KEM, slot, seal and body, as a client does them."""
    return [*_primitives(), *_slots_and_seals(), *_bodies()]


def _primitives() -> list[Case]:
    key = SigningKey.from_seed(bytes(32))
    signature = key.sign("slot", CONTENT)
    public, coins = _core.xwing_public_key(bytes(32)), bytes(64)
    return [
        Case("sign with label", lambda: key.sign("slot", CONTENT), "ed25519 sign"),
        Case(
            "verify with label",
            lambda: verify(key.public, "slot", CONTENT, signature),
            "ed25519 verify",
        ),
        Case(
            "x-wing encapsulate", lambda: _core.xwing_encapsulate(public, coins), "ed25519 verify"
        ),
    ]


def _slots_and_seals() -> list[Case]:
    roster, secret = _roster(), _secret()
    header, slot = _tier1_header(roster), _slot_header()
    _, keys = make_tier1(secret, header, roster)
    later = keys.at(TAU)
    return [
        Case("slot: secret of one leaf", _secret, "ed25519 verify"),
        Case(
            "tier 1, 8 seats: make or recompute",
            lambda: make_tier1(secret, header, roster),
            "ed25519 verify",
        ),
        Case(
            "seal, 8 seats: make or recompute",
            lambda: make_seal(secret, slot, SHAPE, later),
            "ed25519 verify",
        ),
    ]


def _bodies() -> list[Case]:
    signer, slot = SigningKey.from_seed(bytes(32)), _slot_header()
    key, _ = chain_step(chain_start(slot_key(_secret(), slot.digest)), 0)
    place = (slot.digest, 0, None)
    header, body = make_message(key, place, CONTENT, bytes(32), signer.sign)
    return [
        Case(
            "body of 450 bytes: sign and seal",
            lambda: make_message(key, place, CONTENT, bytes(32), signer.sign),
            "ed25519 sign",
        ),
        Case(
            "body of 450 bytes: open and verify",
            lambda: open_body(key, header, body, signer.public),
            "ed25519 verify",
        ),
    ]


def _secret() -> bytes:
    node, _ = SlotTree.from_root(bytes(32)).use(TAU)
    return leaf_secret(node, 3, bytes(32))


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


def measure(all_cases: list[Case], seconds: float) -> list[Measured]:
    """Time every case in turn, in rounds, so that a busy moment falls on all of them."""
    times: dict[str, list[float]] = {case.name: [] for case in all_cases}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for case in all_cases:
            times[case.name].append(_once(case.call))
    medians = {name: statistics.median(values) for name, values in times.items()}
    return [
        Measured(
            name=case.name,
            median=round(medians[case.name], 1),
            fastest=round(min(times[case.name]), 1),
            reference=case.reference,
            ratio=round(medians[case.name] / medians[case.reference], 2),
        )
        for case in all_cases
    ]


def _once(call: Callable[[], object], repeats: int = 5) -> float:
    start = time.perf_counter_ns()
    for _ in range(repeats):
        call()
    return (time.perf_counter_ns() - start) / repeats / 1_000


def machine() -> dict[str, str]:
    """Return where and under which load this ran, and with which versions."""
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "load (1, 5, 15 min)": load,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> int:
    """Measure and print; with ``--json`` as one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    before = machine()
    rows = measure([*references(), *cases()], options.seconds)
    if options.json:
        report = {"machine": before, "rows": [asdict(row) for row in rows]}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return 0
    for name, value in before.items():
        sys.stdout.write(f"{name:22}{value}\n")
    sys.stdout.write(f"\n{'':38}{'median us':>10}{'fastest':>10}{'ratio':>8}  of\n")
    for row in rows:
        figures = f"{row.median:10.1f}{row.fastest:10.1f}{row.ratio:8.2f}"
        sys.stdout.write(f"{row.name:38}{figures}  {row.reference}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
