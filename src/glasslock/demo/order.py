"""Chapter 3: an order that opens what it names and nothing else, in front of everybody."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

from glasslock.casefile.evidence import CASE, MESSAGES, PAGE
from glasslock.casefile.package import decode_package, encode_package
from glasslock.demo import institutions
from glasslock.demo.cast import Cast
from glasslock.demo.institutions import KEYHOLDERS, LOOK
from glasslock.demo.story import Act, Step

TITLE: Final = "an order opens exactly what it names, and everybody can check it"
NAMED: Final = ("alice", "bob")
THIRD: Final = ("carol", "dave", "erin")
RELEASING: Final = ("court-north", "court-south", "privacy", "notaries", "rights")
REFUSING: Final = "science"
OFFLINE: Final = ("inspection", "abroad")
NOTICE_SECONDS: Final = 11


def forged_order(cast: Cast, step: Step) -> None:
    """Meanwhile somebody forges an order with a key of their own: refused, with the reason."""
    case = _draft(cast)
    stranger = str(cast.stage.folder("forger") / "issuing.key")
    cast.stage.run("order", "key", stranger, "--role", "issuing")
    config = cast.facts["desk settings"]
    cast.stage.run("order", "sign", config, case, "--key", stranger)
    cast.stage.run("order", "countersign", config, case, "--key", stranger)
    answer = cast.stage.run("order", "submit", config, case, check=False)
    step.require(answer.returncode != 0, "the forged order was taken")
    step.require("order.issuer" in answer.stderr, f"refused as: {answer.stderr.strip()}")
    orders = institutions.verified(cast, "orders")["orders"]
    step.require(orders == 1, "a forged order stands in the log")
    step.fact(answer.stderr.strip().splitlines()[0])


def order_is_previewed(cast: Cast, step: Step) -> None:
    """A real order is drafted, and its reach is told in numbers before anybody signs."""
    cast.facts["case"] = _draft(cast)
    shown = institutions.read_json(
        cast,
        "order",
        "preview",
        cast.facts["desk settings"],
        cast.facts["case"],
        "--key",
        institutions.key_of(cast, "issuing"),
    )
    counts = (shown["named"], shown["third_parties"], shown["messages"])
    wanted = (len(NAMED), len(THIRD), len(cast.facts["granted"]))
    step.require(counts == wanted, f"the preview says {counts}, not {wanted}")
    step.fact("{} people named, {} third parties, {} messages".format(*counts))


def order_is_logged(cast: Cast, step: Step) -> None:
    """It is signed, countersigned, admitted, and stands in the log under at least 3 witnesses."""
    config, case = cast.facts["desk settings"], cast.facts["case"]
    cast.stage.run("order", "sign", config, case, "--key", institutions.key_of(cast, "issuing"))
    judge = institutions.key_of(cast, "countersigner")
    cast.stage.run("order", "countersign", config, case, "--key", judge)
    for name in OFFLINE:
        cast[name].stop()
    cast.stage.run("order", "submit", config, case)
    seen = institutions.verified(cast, "orders")
    step.require(seen["orders"] == 1, "the order is not in the log")
    step.require(seen["cosigned"] >= 3, "fewer than 3 witnesses cosigned")
    step.fact(f"entry cosigned by {seen['cosigned']} of 4; who is concerned is hidden")


def keyholders_answer(cast: Cast, step: Step) -> None:
    """2 judicial and 3 independent keyholders release, 1 refuses on the record, 2 are offline."""
    name = REFUSING
    settings = cast.facts["settings"][name]
    asked: list[dict[str, Any]] = []

    def pending() -> bool:
        asked[:] = institutions.read_json(cast, "keyholder", "pending", settings)
        return bool(asked)

    cast.until(step, pending, f"{name} was not asked", pause=LOOK)
    ground = "the offence is not grave enough"
    cast.stage.run(
        "keyholder", "answer", settings, asked[0]["commitment"], "refuse", "--ground", ground
    )
    cast.until(
        step, lambda: _answers(cast) == (len(RELEASING), 1), "an answer is missing", pause=LOOK
    )
    step.fact(f"5 of 8 released, each after its logged intent; {name}: {ground}")


def _answers(cast: Cast) -> tuple[int, int]:
    seen = institutions.verified(cast, "orders")
    return seen["done"], seen["refusals"]


def order_opens(cast: Cast, step: Step) -> None:
    """Agency and court open together: exactly the 14 messages, and not the fifteenth."""
    out = cast.stage.folder("case")
    cast.stage.run(
        "order",
        "open",
        cast.facts["desk settings"],
        cast.facts["case"],
        "--agency-key",
        institutions.key_of(cast, "agency"),
        "--registry-key",
        institutions.key_of(cast, "court-registry"),
        "--key",
        institutions.key_of(cast, "issuing"),
        "--out",
        str(out),
    )
    package = out / "case.zip"
    files = decode_package(package.read_bytes())
    text, case = files[MESSAGES].decode(), json.loads(files[CASE])
    opened = [message["text"] for message in json.loads(text)]
    granted = cast.facts["granted"]
    step.require(len(opened) == len(granted), f"{len(opened)} messages were opened")
    step.require(all(any(w in t for t in opened) for w in granted), "a granted message is missing")
    step.require(cast.facts["later"] not in text, "the fifteenth message was opened")
    step.require(not case["gaps"], f"gaps: {case['gaps'][:1]}")
    issuing = institutions.key_of(cast, "issuing")
    config = cast.facts["desk settings"]
    cast.stage.run(
        "order", "report", config, cast.facts["case"], "--key", issuing, "--package", str(package)
    )
    cast.facts["package"] = package
    step.fact(f"{len(opened)} messages, each signed by its sender, no gap; {package}")


def stranger_verifies(cast: Cast, step: Step) -> None:
    """A court's expert checks the case file alone, offline; one word altered, and it is refused."""
    package: Path = cast.facts["package"]
    quorum = ("--quorum", cast.facts["quorum"])
    told = institutions.read_json(cast, "case", "verify", str(package), *quorum)
    step.require(told["accepted"], "the case file was refused")
    files = decode_package(package.read_bytes())
    word = cast.facts["granted"][0].encode()
    altered = package.with_name("altered.zip")
    changed = files[PAGE].replace(word, b"a confession")
    altered.write_bytes(encode_package({**files, PAGE: changed}))
    answer = cast.stage.run("case", "verify", str(altered), *quorum, check=False)
    step.require(answer.returncode == 4, "an altered case file was accepted")
    step.fact(f"{len(told['holds'])} things hold, {len(told['word'])} only the desk says")
    step.fact(answer.stdout.strip())


def notice_reaches_alice(cast: Cast, step: Step) -> None:
    """On its date the order is disclosed, and Alice's own device verifies the letter to her."""
    letter = cast["alice"].expect("notice", seconds=NOTICE_SECONDS + 20)
    step.require(letter["authority"], "the letter does not say whose order it was")
    cast["carol"].expect("notice", seconds=20)
    seen = institutions.verified(cast, "orders")
    step.require(seen["disclosures"] == 1, "the disclosure is not in the log")
    step.require(seen["overdue"] == 0, "the log calls the order overdue")
    step.fact(f"order of {letter['authority']}, {letter['legal_basis']}")
    step.fact("Carol, a third party whose messages were opened, has a letter too")


def anyone_replays(cast: Cast, step: Step) -> None:
    """Somebody without an account replays both logs from public addresses: everything fits."""
    policy, orders = (institutions.verified(cast, log) for log in ("policy", "orders"))
    step.require(policy["invalid"] == 0, "the policy log has a record that does not hold")
    step.require(orders["invalid"] == 0, "the orders log has a leaf that does not hold")
    step.require(
        orders["intents"] == orders["done"] == len(RELEASING), "intents and releases differ"
    )
    step.fact(
        f"{policy['size'] + orders['size']} entries; 1 order, 5 intents, 5 releases, 1 refusal"
    )


def keys_are_destroyed(cast: Cast, step: Step) -> None:
    """The retention ends, keyholders destroy their keys, and the same order now fails."""
    online = [name for name in KEYHOLDERS if name not in OFFLINE]
    cast.until(
        step,
        lambda: institutions.verified(cast, "policy")["destroyed"] >= len(online),
        "the keys were not destroyed in time",
        seconds=12.0 * cast.facts["day"],
        pause=LOOK,
    )
    config, case = cast.facts["desk settings"], _draft(cast)
    cast.stage.run("order", "sign", config, case, "--key", institutions.key_of(cast, "issuing"))
    judge = institutions.key_of(cast, "countersigner")
    cast.stage.run("order", "countersign", config, case, "--key", judge)
    cast.stage.run("order", "submit", config, case)
    standing = len(online) - 1
    cast.until(
        step,
        lambda: _answers(cast)[1] >= 1 + standing,
        "the keyholders did not refuse",
        pause=LOOK,
    )
    step.require(_answers(cast)[0] == len(RELEASING), "a destroyed key released something")
    refusals = institutions.verified(cast, "orders")["rules"]
    step.require("release.destroyed" in refusals, f"refused for other reasons: {refusals}")
    step.fact("every keyholder refuses: release.destroyed; no order opens this period any more")


def _draft(cast: Cast) -> str:
    """Draft the order of the story; returns its case. The same grants each time, issued now."""
    group, span = cast.facts["sealed"], f"{cast.facts['from']}:{cast.facts['to']}"
    grants = [f"{group}:{name}:{span}" for name in NAMED]
    grants += [f"{group}:{name}:{span}:alice" for name in THIRD]
    records = {role: name for role, name, _ in institutions.AUTHORITIES}
    arguments = [
        "--reference",
        f"4 Gs {int(time.time()) % 100_000}/26",
        "--legal-basis",
        "Code of Procedure, section 100",
    ]
    arguments += ["--offence", "fraud", "--disclose-by", str(int(time.time()) + NOTICE_SECONDS)]
    for option, role in (
        ("--authority", "issuing"),
        ("--countersigner", "countersigner"),
        ("--agency", "agency"),
        ("--registry", "court-registry"),
    ):
        arguments += [option, records[role]]
    for grant in grants:
        arguments += ["--grant", grant]
    return cast.stage.run("order", "draft", cast.facts["desk settings"], *arguments).stdout.strip()


ACTS: Final[tuple[Act, ...]] = (
    order_is_previewed,
    order_is_logged,
    keyholders_answer,
    order_opens,
    stranger_verifies,
    forged_order,
    notice_reaches_alice,
    anyone_replays,
    keys_are_destroyed,
)
