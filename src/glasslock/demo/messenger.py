"""Chapter 1: a messenger under the policy ``none``, which has no access path at all."""

from __future__ import annotations

from typing import Final

from glasslock.demo.cast import PEOPLE, Cast
from glasslock.demo.search import Searcher
from glasslock.demo.stage import planted_word
from glasslock.demo.story import Act, Step
from glasslock.errors import StateError

TITLE: Final = "people write to each other, and nobody else can read it"
BURST: Final = 20


def provider_starts(cast: Cast, step: Step) -> None:
    """A provider starts as a process of its own, with its own folder and key."""
    provider = cast.start_provider()
    step.fact(f"process {provider.pid} listens on {cast.url}")


def people_register(cast: Cast, step: Step) -> None:
    """Alice, Bob, Carol, Dave and Erin each make a device; Alice links a laptop as well."""
    cast.make_people(PEOPLE)
    cast.link("alice", "laptop")
    step.fact("6 devices, each a process with an encrypted store of its own")


def they_talk(cast: Cast, step: Step) -> None:
    """Everybody writes a secret 24-letter word, and every device reads all five."""
    others = [name for name in PEOPLE if name != "alice"]
    group = cast["alice"].ask("create", accounts=others)["conversation"]
    cast.facts["group"] = group
    for name in others:
        cast[name].expect("joined", conversation=group)
    for name in PEOPLE:
        word = planted_word()
        cast.words.append(word)
        cast[name].ask("send", conversation=group, text=f"{name} says {word}")
    devices = (*PEOPLE, "laptop")
    cast.until(
        step,
        lambda: all(len(cast.texts(name, group)) == len(PEOPLE) for name in devices),
        "a device did not get all messages",
    )
    views = [cast.texts(name, group) for name in devices]
    step.require(all(view == views[0] for view in views), "devices disagree on the order")
    read = " ".join(views[0])
    step.require(all(word in read for word in cast.words), "a word is missing")
    listed = cast["alice"].ask("list")["conversations"]
    step.require(listed[0]["policy"] == "none", "the conversation has an access path")
    step.fact("5 messages on 6 devices, in the same order, under policy none")


def disk_is_searched(cast: Cast, step: Step) -> None:
    """Somebody takes the provider's whole disk: none of the words is on it, in any form."""
    searcher = Searcher(cast.words)
    found, size = searcher.in_folder(cast.stage.folder("provider"))
    step.require(not found, f"found: {found[:1]}")
    names, _ = Searcher(PEOPLE).in_folder(cast.stage.folder("provider"))
    step.require(names, "the search finds nothing at all, so it proves nothing")
    step.fact(f"{size:,} bytes with database, write-ahead log and key: no word")
    step.fact(f"what the provider does see, as it says itself: account names ({len(names)} times)")


def memory_is_searched(cast: Cast, step: Step) -> None:
    """Somebody takes a dump of the provider's memory: none of the words is in it either."""
    searcher = Searcher(cast.words)
    found, size = searcher.in_memory(cast["provider"].pid)
    step.require(not found, f"found: {found[:1]}")
    control, _ = searcher.in_memory(cast["alice"].pid)
    step.require(control, "the search does not find the words where they must be")
    step.fact(f"{size:,} bytes: no word; the same search finds them in Alice's own process")


def devices_are_searched(cast: Cast, step: Step) -> None:
    """Somebody takes the disk of Bob's device without its key: nothing to read there."""
    device = cast.stage.folder("bob") / "device"
    found, size = Searcher(cast.words).in_folder(device)
    step.require(not found, f"found: {found[:1]}")
    step.fact(f"{size:,} bytes, encrypted: no word")


def provider_is_killed(cast: Cast, step: Step) -> None:
    """The provider is killed with -9 while Bob writes 20 messages; nothing is lost or doubled."""
    group = cast.facts["group"]
    before = len(cast.texts("erin", group))
    for number in range(BURST):
        cast["bob"].ask("send", conversation=group, text=f"burst {number}")
        if number == BURST // 2:
            cast["provider"].kill()
    cast.start_provider()
    wanted = [f"burst {number}" for number in range(BURST)]
    for name in PEOPLE:
        cast.until_read(step, name, before, wanted)
    step.fact("20 of 20 arrive once, in order, on all devices")


def device_is_killed(cast: Cast, step: Step) -> None:
    """Carol's device is killed with -9 while she writes; what it had taken is sent, once."""
    group = cast.facts["group"]
    before = len(cast.texts("dave", group))
    for number in range(BURST):
        cast["carol"].ask("send", conversation=group, text=f"carol {number}")
    cast["carol"].kill()
    cast.wake(["carol"])
    wanted = [f"carol {number}" for number in range(BURST)]
    for name in ("dave", "carol"):
        cast.until_read(step, name, before, wanted)
    step.fact("20 of 20 arrive once, in order")


def erin_is_removed(cast: Cast, step: Step) -> None:
    """Alice removes Erin, who reads nothing written after that and can write nothing."""
    group = cast.facts["group"]
    before = cast.texts("erin", group)
    cast["alice"].ask("remove", conversation=group, account="erin")
    cast["erin"].expect("members", removed=True)
    cast["alice"].ask("send", conversation=group, text="without Erin")
    cast.until(
        step,
        lambda: cast.texts("bob", group)[-1:] == ["without Erin"],
        "Bob did not get the message",
    )
    step.require(cast.texts("erin", group) == before, "Erin reads on")
    try:
        cast["erin"].ask("send", conversation=group, text="let me in")
    except StateError as refusal:
        step.fact(f"Erin's device says: {refusal}")
    else:
        step.require(holds=False, otherwise="Erin could still write")


ACTS: Final[tuple[Act, ...]] = (
    provider_starts,
    people_register,
    they_talk,
    disk_is_searched,
    memory_is_searched,
    devices_are_searched,
    provider_is_killed,
    device_is_killed,
    erin_is_removed,
)
