"""The load generator: a process of its own that plays one scene against a provider.

    python -m tests.bench.loadgen SCENE --url URL [--pid PID] [--talks N] [--readers N]
        [--messages N] [--outstanding N] [--rate PER_SECOND] [--devices N]

Prints one JSON object. SCENE: converse (one to one with --readers 1), catch-up, storm, idle; and
against the bare relay: relay, relay-idle. With a rate, conversations are played in open loop.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys

import uvloop

from tests.bench import loadgen_scenes as scenes
from tests.bench.loadgen_people import Place
from tests.bench.loadgen_relay import relay, relay_idle

SCENES = ("converse", "catch-up", "storm", "idle", "relay", "relay-idle")


async def play(options: argparse.Namespace) -> scenes.Figures:
    """Play the scene that was asked for."""
    load = scenes.Load(
        options.talks, options.readers, options.messages, options.outstanding, options.rate
    )
    if options.scene == "relay":
        return await relay(options.url, load)
    if options.scene == "relay-idle":
        return await relay_idle(options.url, options.devices, options.pid)
    place = await Place.at(options.url)
    match options.scene:
        case "converse":
            return await scenes.converse(place, load)
        case "catch-up":
            return await scenes.catch_up(place, options.messages)
        case "storm":
            return await scenes.storm(place, options.devices)
        case _:
            return await scenes.idle(place, options.devices, options.pid)


def main() -> int:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", choices=SCENES)
    parser.add_argument("--url", required=True)
    parser.add_argument("--pid", type=int, default=0)
    parser.add_argument("--talks", type=int, default=20)
    parser.add_argument("--readers", type=int, default=1)
    parser.add_argument("--messages", type=int, default=1_000)
    parser.add_argument("--outstanding", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--devices", type=int, default=500)
    options = parser.parse_args()
    # Prepared frames are many and live to the end: looking through them again tells nothing.
    gc.disable()
    figures = uvloop.run(play(options))
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
