"""A client that was changed to seal wrongly, as a program of its own: the story's only villain.

It replaces, in its own process, the function that makes seals by one that flips a bit of the
commitment and signs the result. Nothing in shipped code knows of it.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from glasslock.cli.agent import Agent
from glasslock.client import Client, sealed, sending


def _false_make(*facts: Any) -> Any:  # noqa: ANN401 - passes on what it is given
    header, made, tier = sealed.make(*facts)
    wrong = bytes((made.seal.commitment[0] ^ 1,)) + made.seal.commitment[1:]
    return header, replace(made, seal=replace(made.seal, commitment=wrong)), tier


async def main(folder: Path) -> None:
    """Serve commands as the device in ``folder``, sealing wrongly."""
    setattr(sending, "make", _false_make)  # noqa: B010 - the only place that may do this
    async with Client.open(folder) as client:
        await Agent(client).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
