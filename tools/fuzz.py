"""Runs each file of tests/fuzz for a bounded time. Knows how to mutate bytes, not what they mean.

With atheris installed the runs are guided by coverage; without it they are random mutations of
random starts, which finds less, and says so.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 4_096
KEPT = 64


def main() -> int:
    """Run every fuzz file; return 1 when one of them let a foreign error out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="for each file")
    parser.add_argument("--seed", type=int, default=time.time_ns() & 0xFFFFFFFF)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    guided = importlib.util.find_spec("atheris") is not None
    if not guided:
        _say(f"atheris is not installed: unguided mutations, seed {options.seed}")
    files = sorted((ROOT / "tests" / "fuzz").glob("fuzz_*.py"))
    run = _guided if guided else _unguided
    held = [run(path, options.seconds, options.seed) for path in files]
    return int(not all(held))


def _guided(path: Path, seconds: int, seed: int) -> bool:
    command = [sys.executable, str(path), f"-max_total_time={seconds}", f"-seed={seed}"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0  # noqa: S603 - ours


def _unguided(path: Path, seconds: int, seed: int) -> bool:
    target: Callable[[bytes], None] = importlib.import_module(f"tests.fuzz.{path.stem}").one_input
    chance = random.Random(f"{path.stem} {seed}")  # noqa: S311 - makes cases, never keys
    pool = [b""]
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = _mutated(chance, chance.choice(pool))
        try:
            target(data)
        except Exception as error:  # noqa: BLE001 - whatever comes out is the finding
            _say(f"{path.name}: {type(error).__name__} from {data.hex()}")
            return False
        pool = [*pool[-KEPT:], data] if chance.random() < 1 / 16 else pool
        count += 1
    _say(f"{path.name}: {count} inputs in {seconds} s, none let a foreign error out")
    return True


def _mutated(chance: random.Random, data: bytes) -> bytes:
    """One to four edits: random or CBOR-like bytes put in, bits turned, ranges cut or doubled."""
    out = bytearray(data or chance.randbytes(chance.randrange(1, 64)))
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(out) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            out[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif kind == 1:
            out[at:at] = bytes([chance.choice((0x40, 0x58, 0x60, 0x80, 0x84, 0x86, 0xF6, 0x00))])
        elif kind == 2 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 3:
            del out[at : at + chance.randrange(1, 17)]
        else:
            out[at:at] = out[at : at + chance.randrange(1, 65)]
    return bytes(out[:LONGEST])


def _say(line: str) -> None:
    sys.stderr.write(f"fuzz: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
