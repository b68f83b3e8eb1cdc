"""``glasslock demo``: tell the story on this machine and say how much of it held."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Annotated, Final

import typer

from glasslock.cli import output
from glasslock.demo import lock, messenger, order
from glasslock.demo.cast import Cast
from glasslock.demo.stage import Stage
from glasslock.demo.story import StepFailed, Story

app = typer.Typer(add_completion=False)

CHAPTERS: Final[tuple[ModuleType, ...]] = (messenger, lock, order)


@app.command()
def demo(
    *,
    chapter: Annotated[
        int, typer.Option(min=1, max=len(CHAPTERS), help="stop after this chapter")
    ] = len(CHAPTERS),
    json: Annotated[Path | None, typer.Option(help="write the report to this file too")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="leave everything running at the end")
    ] = False,
) -> int:
    """Tell the story on real processes on loopback, in a temporary folder."""
    chapters = CHAPTERS[:chapter]
    total = sum(len(each.ACTS) for each in chapters)
    folder = Path(tempfile.mkdtemp(prefix="glasslock-demo-"))
    story, stage = Story(sys.stdout), Stage(folder)
    cast = Cast(stage)
    try:
        for number, each in enumerate(chapters, 1):
            story.open_chapter(number, each.TITLE)
            for act in each.ACTS:
                story.play(act, cast)
    except StepFailed:
        output.talk(f"the folder with all logs stays: {folder}")
    held = story.held == total
    story.close(total)
    if json is not None:
        story.write_json(json, total)
    if keep:
        _leave_running(cast)
    else:
        stage.close()
        if held:
            shutil.rmtree(folder)
            output.talk(
                "next: make demo KEEP=1 leaves it running; docs/architecture.md explains it"
            )
    return output.EXIT_CODES["ok" if held else "error"][0]


def _leave_running(cast: Cast) -> None:
    # The agents hold the devices' folders: they end, so that a person can take over.
    for actor in cast.stage.actors.values():
        if actor.process.stdin is not None:
            actor.stop()
    running = [str(actor.pid) for actor in cast.stage.actors.values() if actor.alive]
    device = cast.stage.folder("alice") / "device"
    group = cast.facts.get("sealed", cast.facts.get("group", "CONVERSATION"))
    output.talk(f"the provider goes on at {cast.url}, with {len(running)} daemons in all")
    output.talk("write as Alice:")
    output.talk(f"  glasslock client send {device} {group} 'hello from me'")
    output.talk("read as Bob:")
    bob = cast.stage.folder("bob") / "device"
    output.talk(f"  glasslock client read {bob} {group}")
    if "quorum" in cast.facts:
        output.talk("check both logs as anybody, and have a page made of them:")
        output.talk(f"  glasslock monitor --quorum {cast.facts['quorum']} --page logs.html")
    output.talk("end it:")
    output.talk(f"  kill {' '.join(running)}; rm -r {cast.stage.root}")
