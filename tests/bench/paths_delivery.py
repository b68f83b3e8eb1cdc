"""What a provider does: one to one, a group, catching up, everybody back at once, idle devices.

Provider and load generator are processes of their own and share the machine. Every sample is a
fresh provider with fresh devices, so that no store grows from one sample to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

from tests.bench.delivery_scene import play, provider, relay, sqlite_reads
from tests.bench.harness import Better, Path, Run
from tests.bench.references import ed25519_verify

Options = tuple[str | int, ...]
Make = Callable[[], AbstractContextManager[Run]]

PAIRS: Options = ("--talks", 20, "--readers", 1, "--messages", 1_000, "--outstanding", 32)
OFFERED: Options = ("--talks", 20, "--readers", 1, "--messages", 500, "--rate", 10_000)
GROUP_10: Options = ("--talks", 4, "--readers", 9, "--messages", 800, "--outstanding", 32)
GROUP_100: Options = ("--talks", 1, "--readers", 99, "--messages", 1_000, "--outstanding", 32)
CATCH_UP = 10_000
STORM = 500
IDLE = 1_000


def _of_provider(scene: str, options: Options, figure: str) -> Callable[[], float]:
    def sample() -> float:
        with provider() as server:
            return play(server, scene, options)[figure]

    return sample


def _of_relay(scene: str, options: Options, figure: str) -> Callable[[], float]:
    def sample() -> float:
        with relay() as server:
            return play(server, scene, options)[figure]

    return sample


def _beside_relay(scene: str, bare: str, options: Options, figure: str, named: str) -> Make:
    @contextmanager
    def make() -> Iterator[Run]:
        yield Run(_of_provider(scene, options, figure), _of_relay(bare, options, figure), named)

    return make


@contextmanager
def _catch_up() -> Iterator[Run]:
    with TemporaryDirectory() as name:
        reference, named = sqlite_reads(FilePath(name))
        options = ("--messages", CATCH_UP)
        yield Run(_of_provider("catch-up", options, "entries_per_s"), reference, named)


@contextmanager
def _storm() -> Iterator[Run]:
    reference, named = ed25519_verify()
    yield Run(_of_provider("storm", ("--devices", STORM), "logins_per_s"), reference, named)


def _load(name: str, target: float | None, options: Options, *, slow: bool = False) -> Path:
    named = "bare relay over SQLite, deliveries/s"
    make = _beside_relay("converse", "relay", options, "deliveries_per_s", named)
    return Path(f"delivery: {name}", "deliveries/s", "higher", target, make, slow)


def _late(name: str, target: float | None, options: Options) -> Path:
    make = _beside_relay("converse", "relay", options, "p99_ms", "bare relay over SQLite, p99 ms")
    better: Better = "lower"
    return Path(f"delivery: {name}, p99", "ms", better, target, make, slow=True)


_IDLE = _beside_relay(
    "idle", "relay-idle", ("--devices", IDLE), "mb_at_10000", "bare relay, MB for 10,000 sockets"
)
_CATCH_UP: Make = _catch_up
_STORM: Make = _storm

PATHS = (
    _load("one to one, 20 pairs", 20_000, PAIRS),
    _late("one to one, 20 pairs", 50, PAIRS),
    _late("one to one, 10,000/s offered", None, OFFERED),
    _load("4 groups of 10", None, GROUP_10, slow=True),
    _load("group of 100", 70_000, GROUP_100),
    Path("delivery: catch-up of 10,000 entries", "entries/s", "higher", None, _CATCH_UP),
    Path("delivery: 500 devices back at once", "logins/s", "higher", None, _STORM, slow=True),
    Path("delivery: 10,000 idle devices (from 1,000)", "MB", "lower", 600, _IDLE, slow=True),
)
