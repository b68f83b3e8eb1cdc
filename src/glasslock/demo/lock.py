"""Chapter 2: a policy with keyholders, sealed messages, and a log that says who holds keys."""

from __future__ import annotations

import time
from typing import Final

from glasslock.demo import institutions
from glasslock.demo.cast import PEOPLE, Cast
from glasslock.demo.institutions import CLASSES, KEYHOLDERS, POLICY, WITNESSES
from glasslock.demo.search import Searcher
from glasslock.demo.stage import planted_word
from glasslock.demo.story import Act, Step

TITLE: Final = "a lock of glass: who holds keys, and how everybody can check it"
# How often each person writes: 14 messages within the time that chapter 3's order names.
WRITES: Final = {"alice": 4, "bob": 3, "carol": 3, "dave": 2, "erin": 2}


def logs_start(cast: Cast, step: Step) -> None:
    """Two public logs start, and four witnesses, each with its own key; three must cosign."""
    institutions.start_logs(cast)
    step.fact(f"witnesses: {', '.join(WITNESSES)}")


def policy_is_founded(cast: Cast, step: Step) -> None:
    """Eight keyholders in two classes read a policy, and each signs it; it stands in the log."""
    institutions.found_policy(cast)
    seen = institutions.verified(cast, "policy")
    step.require(seen["policies"] == 1, "the policy is not in the log")
    shape = " AND ".join(f"{needed} of {len(names)} {name}" for name, needed, names in CLASSES)
    step.fact(f"to open anything takes {shape}; no class alone opens anything")
    step.fact(f"a policy day is {cast.facts['day']} s here")


def keyholders_start(cast: Cast, step: Step) -> None:
    """Eight keyholders start as processes that listen to nobody; the provider serves the policy."""
    for name in KEYHOLDERS:
        cast.stage.start(name, "keyholder", "run", cast.facts["settings"][name])
    institutions.serve_policy(cast)
    for name in KEYHOLDERS:
        cast[name].expect("ready")
    step.fact(", ".join(KEYHOLDERS))


def authorities_register(cast: Cast, step: Step) -> None:
    """Prosecutor, judge, police and court registry are entered in the log; a desk starts."""
    institutions.start_desk(cast)
    institutions.register_authorities(cast)
    seen = institutions.verified(cast, "policy")
    step.require(seen["authorities"] == len(institutions.AUTHORITIES), "an authority is missing")
    step.fact("four roles, four owners; agency and court registry hold one case key each")


def keys_are_proven(cast: Cast, step: Step) -> None:
    """Each keyholder has published a key and proven to the seven others that it has it."""
    cast.until(
        step,
        lambda: institutions.verified(cast, "policy")["vetted"] >= len(KEYHOLDERS),
        "not every keyholder has proven its key",
        pause=institutions.LOOK,
    )
    institutions.wait_for_first_day(cast)
    seen = institutions.verified(cast, "policy")
    step.fact(
        f"{seen['vetted']} keys vetted in {seen['size']} entries, by a reader without account"
    )


def sealed_messages(cast: Cast, step: Step) -> None:
    """Alice begins a conversation under the policy; the others read it, accept, and all write."""
    others = [name for name in PEOPLE if name != "alice"]
    group = cast["alice"].ask("create", accounts=others, policy=POLICY)["conversation"]
    cast.facts["sealed"] = group
    for name in (*others, "laptop"):
        cast[name].expect("invited", conversation=group)
        cast[name].ask("accept", conversation=group)
        cast[name].expect("joined", conversation=group)
    cast.facts["granted"] = []
    cast.facts["from"] = int(time.time()) - 1
    for number in range(max(WRITES.values())):
        for name in (each for each in PEOPLE if number < WRITES[each]):
            word = planted_word()
            cast.facts["granted"].append(word)
            cast[name].ask("send", conversation=group, text=f"{name} {number} {word}")
    wanted = len(cast.facts["granted"])
    devices = (*PEOPLE, "laptop")
    cast.until(
        step,
        lambda: all(len(cast.texts(name, group)) == wanted for name in devices),
        "a device did not get all sealed messages",
    )
    cast.facts["to"] = int(time.time()) + 1
    listed = cast["alice"].ask("list")["conversations"]
    shown = next(c for c in listed if c["conversation"] == group)
    step.require(shown["policy"] == POLICY, "the conversation does not show its policy")
    step.fact(f"{wanted} messages on 6 devices; every device recomputed every seal")


def provider_finds_nothing(cast: Cast, step: Step) -> None:
    """Somebody takes the provider's whole disk again, seals and all: no word in any form."""
    searcher = Searcher(cast.facts["granted"])
    found, size = searcher.in_folder(cast.stage.folder("provider"))
    step.require(not found, f"found: {found[:1]}")
    step.fact(f"{size:,} bytes: no word")


def false_seal(cast: Cast, step: Step) -> None:
    """A changed client seals to nobody: the other devices refuse it by name and show nothing."""
    cast["erin"].stop()
    device = str(cast.stage.folder("erin") / "device")
    cast.stage.start("erin", device, talks=True, module="glasslock.demo.villain")
    cast["erin"].expect("ready")
    # What was sealed falsely stays out of the slots that the order will name.
    time.sleep(max(0.0, cast.facts["to"] + 1 - time.time()))
    word = planted_word()
    cast["erin"].ask("send", conversation=cast.facts["sealed"], text=f"not for courts {word}")
    for name in ("alice", "bob"):
        warning = cast[name].expect("warned", conversation=cast.facts["sealed"])
        step.require(warning["rule"] == "seal.digest", f"{name} warns of {warning['rule']}")
        step.require(
            not any(word in text for text in cast.texts(name, cast.facts["sealed"])),
            f"{name} shows a message whose seal is false",
        )
    cast["erin"].stop()
    cast.wake(["erin"])
    step.fact(f"Alice and Bob: {warning['text']} [{warning['rule']}]")


def later_message(cast: Cast, step: Step) -> None:
    """Some slots later Alice writes a fifteenth message, which no order will name."""
    time.sleep(max(0.0, cast.facts["to"] + 2 - time.time()))
    group, word = cast.facts["sealed"], planted_word()
    cast.facts["later"] = word
    cast["alice"].ask("send", conversation=group, text=f"alice later {word}")
    cast.until(
        step, lambda: any(word in text for text in cast.texts("bob", group)), "it did not arrive"
    )
    step.fact("a slot is one second here, 15 minutes in use")


ACTS: Final[tuple[Act, ...]] = (
    logs_start,
    policy_is_founded,
    keyholders_start,
    authorities_register,
    keys_are_proven,
    sealed_messages,
    provider_finds_nothing,
    false_seal,
    later_message,
)
