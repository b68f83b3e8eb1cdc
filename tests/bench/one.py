"""Measures one path in a process of its own, so that no path lives in the heap of another.

``python -m tests.bench.one NAME TO`` is what ``run.py`` calls; ``measured`` is its caller's side.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path as FilePath

from tests.bench.areas import named
from tests.bench.harness import Effort, Path, Samples, sample
from tests.bench.machine import ROOT
from tests.bench.plant import planted

# Beyond its effort a path may prepare, warm up and clean up for this long before it is stopped.
GRACE = 120.0
_LAST_LINES = 12


class PathFailed(Exception):
    """A path did not deliver its samples; the message is the end of what it said."""


def measured(path: Path, effort: Effort, *, slower: float) -> Samples:
    """Return the samples of ``path`` from a new process; raises ``PathFailed``.

    ``slower`` above 0 plants that share of more work. All processes that the path started end
    with it.
    """
    with tempfile.TemporaryDirectory(prefix="glasslock-bench-") as folder:
        result = FilePath(folder) / "samples.json"
        bounds = (str(effort.seconds), str(effort.least), str(effort.most))
        command = [sys.executable, "-m", "tests.bench.one", path.name, str(result), *bounds]
        said = _run([*command, "--slower", str(slower)], FilePath(folder), effort.seconds + GRACE)
        if not result.exists():
            raise PathFailed("\n".join(said.splitlines()[-_LAST_LINES:]) or "it said nothing")
        return decoded(json.loads(result.read_text(encoding="utf-8")))


def decoded(kept: dict[str, object]) -> Samples:
    """Read samples back from JSON."""
    values, references = kept["values"], kept["references"]
    if not isinstance(values, list) or not isinstance(references, list):
        raise TypeError("samples are lists")
    return Samples(tuple(values), tuple(references), str(kept["reference_name"]))


def _run(command: list[str], folder: FilePath, seconds: float) -> str:
    """Run in a session of its own and return what was said on both streams."""
    # One hash seed: the layout of dictionaries is no part of what is compared.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "TMPDIR": str(folder)}
    talk = folder / "talk"
    with talk.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        late = ""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            late = f"\nstopped after {seconds:.0f} s"
        finally:
            _end(process)
    return talk.read_text(encoding="utf-8", errors="replace") + late


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole session of the process: servers and load generators too."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main() -> int:
    """Measure the path that the arguments name, and write its samples as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("to", type=FilePath)
    parser.add_argument("seconds", type=float)
    parser.add_argument("least", type=int)
    parser.add_argument("most", type=int)
    parser.add_argument("--slower", type=float, default=0.0)
    options = parser.parse_args()
    path = named(options.name)
    if options.slower:
        path = planted(path, options.slower)
    samples = sample(path, Effort(options.seconds, options.least, options.most))
    unfinished = options.to.with_suffix(".part")
    unfinished.write_text(json.dumps(asdict(samples)), encoding="utf-8")
    unfinished.rename(options.to)
    return 0


if __name__ == "__main__":
    sys.exit(main())
