"""Every lie of a log before all who read it: client, keyholder and monitor, in their real shells.

Each lie is told about an entry that is new. Who reads refuses by the same rule, keeps on disk what
it had, and reads on when the log is honest again.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from glasslock.client import Client
from glasslock.errors import GlasslockError
from glasslock.keyholder.running import Keyholder
from glasslock.monitor.app import look
from glasslock.monitor.store import Store
from glasslock.runtime.logs import Log
from glasslock.tlog.checkpoint import add_signatures
from glasslock.tlog.follow import Replica, TrustedLog
from glasslock.tlog.note import SignatureLine, Signer, format_note, parse_note
from glasslock.tlog.quorum import QuorumFile
from glasslock.tlog.treehead import TreeHead
from glasslock.wire.policy import Policy
from tests.village.access import SMALL, clocks_of
from tests.village.institutions import LIMITS, ORDERS, SETTINGS
from tests.village.keyholders import KeyholderVillage
from tests.village.lies import (
    Lie,
    LyingLogs,
    LyingServer,
    Making,
    always,
    at,
    failing,
    flip,
    in_bundle,
    in_history,
    line,
    lines,
    of_the_other,
    only,
    resigned,
    root,
    split,
    text,
)
from tests.village.logs import ORIGIN
from tests.village.village import Village

SIGNERS = ["log-ed25519", "log-ml-dsa", "w0", "w1", "w2"]
TIMED = SIGNERS[1:]
FAR = 10_000
BUNDLE = "tile/entries/"
Change = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Told:
    """A lie and the rule that refuses it; a monitor may have another word for what is not there."""

    making: Making
    rule: str
    monitor: str | None = None

    def to(self, who: str) -> str:
        """The rule that one of the readers names."""
        return self.monitor or self.rule if who.startswith("monitor") else self.rule


def shown(kind: str, change: Change, rule: str) -> Told:
    """A lie that takes no key: something else at paths of a kind."""
    return Told(always(at(kind, change)), rule)


def newest(change: Change, rule: str) -> Told:
    return shown("checkpoint", change, rule)


def older(change: Change, rule: str) -> Told:
    return Told(always(in_history(change)), rule)


def bundled(change: Callable[[list[bytes]], list[bytes]], rule: str = "log.entries") -> Told:
    return Told(always(in_bundle(change)), rule)


def error(kind: str, status: int) -> Told:
    return Told(always(failing(kind, status)), "http.status", "log.unreachable")


def number(change: Callable[[int], int]) -> Change:
    """Change the size of a note."""
    return text(1, lambda size: b"%d" % change(int(size)))


def padded(size: bytes) -> bytes:
    return b"0" + size


def other_root(hashed: bytes) -> bytes:
    return flip(hashed, 3)


def other_origin(origin: bytes) -> bytes:
    return origin[:-1] + b"x"


def renamed(each: SignatureLine) -> SignatureLine:
    return replace(each, name=each.name + "x")


def other_key(each: SignatureLine) -> SignatureLine:
    return replace(each, key_id=flip(each.key_id, 0))


def other_time(each: SignatureLine) -> SignatureLine:
    return replace(each, blob=flip(each.blob, 7))


def other_signature(each: SignatureLine) -> SignatureLine:
    return replace(each, blob=flip(each.blob, -1))


def without(place: int) -> Change:
    return lines(lambda all_: [each for at_, each in enumerate(all_) if at_ != place])


def of_checkpoints() -> dict[str, Told]:
    told = {
        "origin": newest(text(0, other_origin), "checkpoint.origin"),
        "size": newest(number(lambda size: size + 1), "note.signature"),
        "size-less": newest(number(lambda size: size - 1), "note.signature"),
        "size-enormous": newest(number(lambda _: 1 << 62), "note.signature"),
        "size-padded": newest(text(1, padded), "checkpoint.size"),
        "root": newest(root(other_root), "note.signature"),
        "extension": newest(text(2, lambda root: root + b"\nmore"), "checkpoint.lines"),
        "cut": newest(lambda note: note[:-1], "note.lines"),
        "nothing-in-it": newest(lambda _: b"\n", "note.separator"),
        "error": error("checkpoint", 500),
        "not-there": error("checkpoint", 404),
    }
    for place, who in enumerate(SIGNERS):
        missing = "checkpoint.unsigned" if who.startswith("log") else "quorum.short"
        told |= {
            f"{who}-name": newest(line(place, renamed), missing),
            f"{who}-key-id": newest(line(place, other_key), missing),
            f"{who}-signature": newest(line(place, other_signature), "note.signature"),
            f"{who}-gone": newest(without(place), missing),
        }
        if who in TIMED:
            told[f"{who}-time"] = newest(line(place, other_time), "note.signature")
    return told


def thrice(log: LyingServer, head: TreeHead) -> bytes:
    lines_ = [log.witness(0).sign(head.body, time=log.now + n) for n in range(3)]
    note = parse_note(log.cosigned(head, ()))
    return format_note(note.body, [*note.signatures, *lines_])


def strangers(log: LyingServer, head: TreeHead) -> bytes:
    """Their names are the witnesses', and their keys are not."""
    made = [Signer.witness(f"w{n}.test", bytes((99 + n,)) * 32) for n in range(4)]
    lines_ = [each.sign(head.body, time=log.now) for each in made]
    return add_signatures(log.cosigned(head, (0, 1)), lines_)


def of_quorums() -> dict[str, Told]:
    told = {
        f"cosigned-by-{'-'.join(map(str, some)) or 'nobody'}": newest(only(*some), "quorum.short")
        for count in range(3)
        for some in combinations(range(4), count)
    }
    return told | {
        "cosigned-thrice-by-one": Told(resigned(thrice), "quorum.short"),
        "cosigned-by-strangers": Told(resigned(strangers), "quorum.short"),
        "cosigned-in-the-future": Told(
            resigned(lambda log, head: log.cosigned(head, ahead=FAR)), "quorum.short"
        ),
        "cosigned-long-ago": Told(
            resigned(lambda log, head: log.cosigned(head, ahead=-FAR)), "log.time"
        ),
    }


def of_entries() -> dict[str, Told]:
    def cut(size: int) -> Change:
        return lambda data: data[:size]

    return {
        "entry": bundled(lambda e: [*e[:-1], flip(e[-1], -1)]),
        "entry-longer": bundled(lambda e: [*e[:-1], e[-1] + b"x"]),
        "entry-shorter": bundled(lambda e: [*e[:-1], e[-1][:-1]]),
        "entry-empty": bundled(lambda e: [*e[:-1], b""]),
        "entry-boundary": bundled(lambda e: [*e[:-2], e[-2] + e[-1][:1], e[-1][1:]]),
        "entry-repeated": bundled(lambda e: [*e[:-1], e[-2]]),
        "entry-withheld": bundled(lambda e: e[:-1], "bundle.count"),
        "entry-added": bundled(lambda e: [*e, b"more"], "bundle.length"),
        "entries-swapped": bundled(lambda e: [*e[:-2], e[-1], e[-2]]),
        "entry-length": shown(BUNDLE, lambda data: b"\xff\xff" + data[2:], "bundle.length"),
        "bundle-cut": shown(BUNDLE, cut(-1), "bundle.length"),
        "bundle-empty": shown(BUNDLE, cut(0), "bundle.count"),
        "bundle-of-one": bundled(lambda e: e[-1:], "bundle.count"),
        "bundle-of-another-log": Told(of_the_other, "log.entries"),
        "bundle-missing": error(BUNDLE, 404),
        "bundle-error": error(BUNDLE, 500),
    }


def of_histories() -> dict[str, Told]:
    told = {
        "history-cut": shown("history/", lambda data: data[:-1], "log.history"),
        "history-length": shown("history/", lambda data: b"\xff" + data[1:], "log.history"),
        "history-origin": older(text(0, other_origin), "checkpoint.origin"),
        "history-size": older(number(lambda size: size - 1), "note.signature"),
        "history-size-padded": older(text(1, padded), "checkpoint.size"),
        "history-back": older(number(lambda _: 1), "log.history"),
        "history-root": older(root(other_root), "note.signature"),
        "history-error": error("history/", 500),
    }
    for place, who in enumerate(SIGNERS):
        told[f"history-{who}-signature"] = older(line(place, other_signature), "note.signature")
        if who in TIMED:
            told[f"history-{who}-time"] = older(line(place, other_time), "note.signature")
    return told


def of_splits() -> dict[str, Told]:
    more = [b"other", b"and", b"more"]
    return {
        "split-same-size": Told(split(lambda e: [*e[:-1], b"other"]), "log.fork"),
        "split-same-size-early": Told(split(lambda e: [b"other", *e[1:]]), "log.fork"),
        "split-shorter": Told(split(lambda e: e[:-1]), "log.behind"),
        "split-shorter-other": Told(split(lambda e: [*e[:-2], b"other"]), "log.behind"),
        "split-one": Told(split(lambda _: [b"other"]), "log.behind"),
        "split-larger": Told(split(lambda e: [*e[:-1], *more]), "log.entries"),
        "split-larger-early": Told(split(lambda e: [b"other", *e[1:], *more]), "log.entries"),
        "split-without-a-quorum": Told(split(lambda e: [*e, *more], (0, 1)), "quorum.short"),
    }


LIES = of_checkpoints() | of_quorums() | of_entries() | of_histories() | of_splits()
# Of these the log has signed two pasts of one size: that is proof for anybody.
PROVEN = {"split-same-size", "split-same-size-early", "split-shorter-other", "split-one"}

# What may be otherwise without harm: more than a quorum needs, and less history than there is.
HARMLESS: dict[str, Lie] = {
    **{f"only-{some}": at("checkpoint", only(*some)) for some in combinations(range(4), 3)},
    "no-history": failing("history/", 404),
    "history-unsigned": in_history(only()),
    "history-of-a-stranger": in_history(line(0, renamed)),
}

Verdicts = dict[str, str | None]


@dataclass
class Readers:
    """Three who read: a person's device, a keyholder without a seat, a monitor."""

    client: Client
    policy: Policy
    keyholder: Keyholder
    memory: Store
    quorum: QuorumFile
    said: io.StringIO

    async def verdicts(self) -> Verdicts:
        """The rule by which each refuses each log that it reads; None for what it takes."""
        told: Verdicts = {"client-policy": None}
        try:
            await self.client._running.read_log(self.policy)
        except GlasslockError as error:
            told["client-policy"] = error.rule
        self.said.seek(0)
        self.said.truncate()
        await self.keyholder.round()
        failed = [json.loads(row) for row in self.said.getvalue().splitlines()]
        rules = {row["kind"]: row["rule"] for row in failed if row["event"] == "step.failed"}
        assert rules.keys() <= {"policy-log", "orders-log"}
        told |= {f"keyholder-{n}": rules.get(f"{n}-log") for n in ("policy", "orders")}
        found = await look(self.quorum, None, self.memory, self.keyholder.clock)
        names = {ORIGIN: "monitor-policy", ORDERS: "monitor-orders"}
        return told | {names[s.origin]: s.failure.rule if s.failure else None for s in found}

    def held(self) -> dict[str, tuple[Replica, int]]:
        """How far each stands by its disk, and how many entries it has of the log."""
        found = {}
        for name, origin in (("policy", ORIGIN), ("orders", ORDERS)):
            start = Replica(TrustedLog(self.quorum, origin))
            kept = len(self.keyholder.store.entries(origin))
            found[f"keyholder-{name}"] = (self.keyholder.store.replica(origin, start), kept)
            seen = len(self.memory.entries(origin))
            found[f"monitor-{name}"] = (self.memory.restore(start), seen)
        store, digest = self.client._running.store, self.policy.digest
        start = Replica(TrustedLog(self.quorum, ORIGIN))
        rows = store._db.all("SELECT 1 FROM log_entries WHERE policy = ?", (digest,))
        return found | {"client-policy": (store.replica(digest, start), len(rows))}

    @property
    def sizes(self) -> dict[str, int]:
        """How many entries each has on disk, which is as far as it has read."""
        found = self.held()
        assert all(replica.size == count for replica, count in found.values())
        return {name: count for name, (_, count) in found.items()}

    @property
    def proofs(self) -> int:
        """How many contradictions the monitor keeps."""
        return sum(len(self.memory.contradictions(origin)) for origin in (ORIGIN, ORDERS))


@contextlib.asynccontextmanager
async def readers(folder: Path) -> AsyncIterator[tuple[LyingLogs, Readers]]:
    """Open a village whose logs can lie, with all who read them."""
    people = Village(folder / "people", SETTINGS)
    people.folder.mkdir(parents=True)
    logs = LyingLogs(folder / "logs", people.clock)
    place = KeyholderVillage(people.folder, logs, clocks_of(SETTINGS), limits=LIMITS, people=people)
    await place.open()
    await place.desk.open()
    (folder / "monitor").mkdir()
    memory = Store(folder / "monitor")
    try:
        policy = place.sealed("sealed", SMALL)
        await place.publish(policy)
        await place.register(policy)
        # One that stands in no log yet gives nobody a seat: its keyholder only reads.
        place.daemons = [place.keyholder(0, place.sealed("not published", SMALL))]
        said = io.StringIO()
        place.daemons[0]._log = Log("keyholder", said)
        for log in (logs, logs.orders):
            log.liar.append([b"filler %d" % number for number in range(260)])
        client = await people.person("alice")
        quorum = QuorumFile.parse(logs.quorum)
        yield logs, Readers(client, policy, place.daemons[0], memory, quorum, said)
    finally:
        memory.db.close()
        await place.close()


async def grown(logs: LyingLogs, name: str) -> None:
    """Have both logs grow by two entries."""
    entries = [b"before " + name.encode(), b"after " + name.encode()]
    for log in (logs, logs.orders):
        # Both at once, so that both are of one checkpoint; added again, they are waited for.
        log.liar.append(entries)
    await asyncio.gather(*(log.add(*entries) for log in (logs, logs.orders)))


async def test_a_lie_is_refused_by_all_alike_and_the_truth_is_read_on(tmp_path: Path) -> None:
    async with readers(tmp_path) as (logs, all_):
        await grown(logs, "anything")
        honest = dict.fromkeys(await all_.verdicts())
        wrong: dict[str, object] = {}
        for name, lie in LIES.items():
            before, proofs = all_.held(), all_.proofs
            logs.tell(lie.making)
            await grown(logs, name)
            found = await all_.verdicts()
            if found != {who: lie.to(who) for who in honest}:
                wrong[name] = found
            if all_.held() != before:
                wrong[f"{name}: kept"] = all_.held()
            if all_.proofs != proofs + 2 * (name in PROVEN):
                wrong[f"{name}: proofs"] = all_.proofs - proofs
            logs.tell(None)
            if (after := await all_.verdicts()) != honest:
                wrong[f"{name}: honest again"] = after
            if (sizes := all_.sizes) != logs.sizes:
                wrong[f"{name}: read on"] = sizes
        assert wrong == {}


async def test_what_does_no_harm_stops_nobody(tmp_path: Path) -> None:
    async with readers(tmp_path) as (logs, all_):
        await grown(logs, "anything")
        taken = dict.fromkeys(await all_.verdicts())
        for name, change in HARMLESS.items():
            logs.tell(always(change))
            await grown(logs, name)
            assert await all_.verdicts() == taken, name
            assert all_.sizes == logs.sizes, name
