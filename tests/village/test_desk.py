"""A desk among real logs, witnesses and a provider: from the draft to the notice."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from glasslock.casefile.evidence import MESSAGES, PAGE
from glasslock.casefile.package import decode_package
from glasslock.cli.case import app as case_command
from glasslock.cli.order import app as order_command
from glasslock.cli.orderforms import status_of, wanted
from glasslock.desk.app import MAX_PER_SEAT
from glasslock.desk.casework import Wanted
from glasslock.errors import BadSignature, Denied, StateError, VerificationError, WireError
from glasslock.orders.ledger import sign_leaf
from glasslock.orders.lifecycle import State
from glasslock.runtime.keys import save_seed
from glasslock.wire.labels import Label
from glasslock.wire.leaf import RefusalLeaf, encode_leaf
from tests.village.access import Keyholder
from tests.village.desk import KEYS, SEATS, Scene, scene
from tests.village.institutions import (
    ISSUER,
    JUDGE,
    ORDERS,
    REGISTRY_KEY,
    seed,
)


class Commands:
    """``glasslock order`` typed by a person, at the village's time."""

    def __init__(self, here: Scene, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.config = folder / "desk.toml"
        names = ("data", "quorum", "policy_origin", "orders_origin", "policy", "provider")
        lines = [f'{name} = "{getattr(here.config, name)}"' for name in names]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        for role in ("prosecutor", "judge", "agency", "court", "registry office"):
            save_seed(self.key(role), seed(role))

    def key(self, role: str) -> Path:
        return self.folder / f"{role}.key"

    async def __call__(self, verb: str, *arguments: object) -> str:
        """Run one command and return what it wrote to standard output."""
        words = [verb, str(self.config), *map(str, arguments)]
        return await self.bare(*words)

    async def verify(
        self, package: Path, here: Scene, policy: bytes | None = None
    ) -> tuple[int, str | None]:
        """Run ``glasslock case verify`` as a stranger; returns its exit code and a rule."""
        wanted = here.policy.digest if policy is None else policy
        words = ["verify", str(package), "--quorum", str(here.config.quorum), "--json"]
        words += ["--policy", wanted.hex()]
        self._capsys.readouterr()
        code = await asyncio.to_thread(case_command, words, standalone_mode=False)
        told = json.loads(self._capsys.readouterr().out)
        assert told["accepted"] == (code == 0)
        return code, told.get("rule")

    async def bare(self, *words: str) -> str:
        self._capsys.readouterr()
        await asyncio.to_thread(order_command, list(words), standalone_mode=False)
        return self._capsys.readouterr().out.strip()


async def test_from_the_draft_to_the_notice(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        case = await here.office.draft(here.request())
        counts = (await here.office.preview(case, ISSUER)).numbers
        assert (counts.named, counts.third_parties, counts.messages) == (1, 0, 2)
        here.office.sign(here.again(case), ISSUER)
        here.office.countersign(here.again(case), JUDGE)
        verdict = await here.office.submit(here.again(case))
        assert verdict.admitted
        assert await here.office.submit(here.again(case)) == verdict
        await here.desk.work()
        case = here.again(case)
        assert case.state == State.LOGGED
        for seat in SEATS:
            release = await here.release(case, seat)
            await here.announce(case, release)
            await here.post(release.encode())
        case = here.again(case)
        assert case.state == State.RELEASING
        await here.desk.work()
        assert [(c.released, c.threshold) for c in here.desk.progress(case)] == [(2, 2), (2, 2)]

        await here.office.follow()
        evidence = await here.office.evidence(case, ISSUER)
        proven = here.office.prove(case, evidence.manifest)
        opening, file = here.office.open(case, proven, evidence, KEYS, ISSUER)
        assert [m.content for m in opening.messages if b"alice 0" in m.content]
        assert len(opening.messages) == 2
        assert opening.gaps == ()
        assert opening.faults == ()
        assert file.found.opening == opening
        (first, _) = json.loads(decode_package(file.data)[MESSAGES])
        assert first["account"] == "alice"

        with pytest.raises(Denied) as stranger:
            await here.office.report(here.again(case), JUDGE)
        assert stranger.value.rule == "case.key"
        await here.office.report(here.again(case), ISSUER)
        assert here.again(case).state == State.REPORTED
        here.place.clock.offset += 700
        await here.place.tick()
        await here.place.orders_log.add(b"a breath at that time")
        await here.desk.work()
        assert here.again(case).state == State.NOTICED
        await here.desk.work()
        assert here.again(case).state == State.CLOSED
        ledger, _ = await here.place.read_orders()
        record = ledger.orders[verdict.index or 0]
        assert record.disclosed is not None
        assert not ledger.overdue(record)
        provider = here.place.people.provider
        assert provider is not None
        (letters,) = provider._db.one("SELECT count(*) FROM notices") or (0,)
        assert letters == 1


async def test_a_preview_that_its_provider_has_not_signed_is_none(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        signed = await here.office.draft(here.request())
        first = await here.office.preview(signed, ISSUER)
        assert here.again(signed).preview == first
        here.office.sign(here.again(signed), ISSUER)
        # What it was signed on stays, whatever is asked afterwards.
        here.place.clock.offset += 2
        assert (await here.office.preview(here.again(signed), ISSUER)).time > first.time
        assert here.again(signed).preview == first

        case = await here.office.draft(here.request())
        assert here.place.people.provider is not None
        here.place.people.provider.orders._key = JUDGE
        with pytest.raises(BadSignature):
            await here.office.preview(case, ISSUER)
        assert here.again(case).preview is None


async def test_the_log_is_believed_and_not_the_provider(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        case = await here.logged()
        verdict = case.logged()
        for lie in (
            replace(verdict, manifest=bytes(32)),
            replace(verdict, commitment=bytes(32)),
        ):
            with pytest.raises(VerificationError) as caught:
                await here.office._check_verdict(case, lie)
            assert caught.value.rule == "case.leaf"


async def test_releases_are_taken_once_from_who_may_give_them(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        case = await here.logged()
        release = await here.release(case, 1)
        with pytest.raises(BadSignature):
            await here.post(replace(release, signature=bytes(64)).encode())
        stranger = replace(release, order=bytes(32))
        key = Keyholder.of(1).signing
        signed = replace(stranger, signature=key.sign(Label.SIGN_RELEASE, stranger.statement))
        with pytest.raises(Denied) as caught:
            await here.post(signed.encode())
        assert caught.value.rule == "desk.order"
        with pytest.raises(WireError):
            await here.post(b"\x80")
        nobody = replace(release, seat=9)
        with pytest.raises(VerificationError) as wrong:
            await here.post(nobody.encode())
        assert wrong.value.rule == "release.seat"
        assert here.office.store.releases(case.order.digest) == []
        await asyncio.gather(*(here.post(release.encode()) for _ in range(4)))
        assert len(here.office.store.releases(case.order.digest)) == 1
        for number in range(1, MAX_PER_SEAT):
            await here.post((await here.release(case, 1, number)).encode())
        with pytest.raises(Denied) as full:
            await here.post((await here.release(case, 1, 9)).encode())
        assert full.value.rule == "desk.releases"


async def test_a_release_nobody_announced_opens_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        case = await here.logged()
        for seat in SEATS:
            release = await here.release(case, seat)
            if seat != 2:
                await here.announce(case, release)
            await here.post(release.encode())
        await here.office.follow()
        case = here.again(case)
        evidence = await here.office.evidence(case, ISSUER)
        opening, _ = here.office.open(
            case, here.office.prove(case, evidence.manifest), evidence, KEYS, ISSUER
        )
        assert opening.messages == ()
        assert [(f.seat, f.rule) for f in opening.faults] == [(2, "release.intent")]
        assert here.again(case).state == State.RELEASING


async def test_the_same_draft_twice_is_one_case_with_one_secret(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        asked = here.request()
        first = await here.office.draft(asked)
        now = here.office.clock.now
        here.office.clock = Still(first.created)
        assert await here.office.draft(asked) == first
        assert now() >= first.created
        assert len(here.office.store.cases()) == 1


@dataclass(frozen=True)
class Still:
    """A clock that stands."""

    time: int

    def now(self) -> int:
        return self.time


async def test_a_refused_order_says_why_and_stays_refused(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        case = await here.office.draft(here.request())
        here.office.sign(case, JUDGE)
        here.office.countersign(here.again(case), JUDGE)
        verdict = await here.office.submit(here.again(case))
        assert (verdict.admitted, verdict.rule, verdict.index) == (False, "order.issuer", None)
        assert here.again(case).state == State.REFUSED
        with pytest.raises(StateError):
            here.office.withdraw(here.again(case))


async def test_refusals_of_keyholders_are_told_with_their_ground(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        case = await here.logged()
        leaf = RefusalLeaf(
            case.logged().index or 0, 3, "keyholder.person", "not grave enough", bytes(16)
        )
        await here.office.add(ORDERS, encode_leaf(sign_leaf(leaf, Keyholder.of(3).signing)))
        forged = RefusalLeaf(case.logged().index or 0, 2, "keyholder.person", "forged", bytes(16))
        await here.office.add(ORDERS, encode_leaf(sign_leaf(forged, Keyholder.of(3).signing)))
        await here.office.follow()
        told = status_of(here.office, case)
        refused = [seat["refused"] for seat in told["seats"]]
        assert refused == [None, None, None, "keyholder.person: not grave enough"]


async def test_an_order_without_enough_releases_lapses_and_is_still_noticed(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        case = await here.logged()
        here.place.clock.offset += 3_100
        await here.place.tick()
        await here.place.orders_log.add(b"a breath at that time")
        await here.desk.work()
        assert here.again(case).state == State.LAPSED
        for state in (State.NOTICED, State.CLOSED):
            await here.desk.work()
            assert here.again(case).state == state


async def test_an_order_by_its_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with scene(tmp_path) as here:
        monkeypatch.setattr("glasslock.cli.order.SystemClock", lambda: here.place.clock)
        order = Commands(here, tmp_path, capsys)
        issuing = ("--key", order.key("prosecutor"))
        public = await order.bare("key", str(tmp_path / "new.key"), "--role", "issuing")
        named = ("--name", "second", "--role", "issuing", "--owner", "Other", "--class", "civil")
        office = ("--registry-key", order.key("registry office"))
        server = here.place.logs.server
        assert server is not None
        server._submitters |= {REGISTRY_KEY.public}
        digest = await order("register", *office, *named, "--key", public)
        listed = json.loads(await order("authorities", "--json"))
        assert [each["digest"] for each in listed if each["name"] == "second"] == [digest]

        end = here.place.clock.now() - 4
        grant = f"{here.group.hex()}:alice:{here.begin}:{end}"
        who = ("--authority", "the issuing", "--countersigner", "the countersigner")
        case = await order(
            "draft", "--reference", "CASE 7", "--legal-basis", "Act 1", "--offence", "fraud",
            *who, "--agency", "the agency", "--registry", "the court-registry",
            "--grant", grant, "--disclose-by", end + 900,
        )  # fmt: skip
        assert await order("preview", case, *issuing) == (
            "1 person named, 0 third parties, 2 messages in 1 conversation, 2 slots on 1 day"
        )
        await order("sign", case, *issuing)
        await order("countersign", case, "--key", order.key("judge"))
        assert json.loads(await order("submit", case, "--json"))["case"] == case
        kept = here.office.store.case(case)
        for seat in SEATS:
            release = await here.release(kept, seat)
            await here.announce(kept, release)
            await here.post(release.encode())
        told = json.loads(await order("status", case, "--json"))
        assert [(c["released"], c["threshold"]) for c in told["classes"]] == [(2, 2), (2, 2)]
        assert told["state"] == "releasing"
        keys = ("--agency-key", order.key("agency"), "--registry-key", order.key("court"))
        out = tmp_path / "out"
        said = await order("open", case, *keys, *issuing, "--out", out)
        assert said == "2 messages opened from 2 of 2 slots, 0 gaps"
        package = out / "case.zip"
        assert all("alice" in text for text in texts_in(package, out / PAGE))
        assert await order.verify(package, here) == (4, "case.unreported")
        told = await order("report", case, *issuing, "--package", package)
        assert told.startswith("reported")
        assert await order.verify(package, here) == (0, None)
        assert await order.verify(package, here, policy=bytes(32)) == (4, "case.policy")
        assert json.loads(await order("status", case, "--json"))["reported"]
        with pytest.raises(Denied):
            await order("notify", case)
        assert json.loads(await order("list", "--json"))[0]["state"] == "reported"
        assert json.loads(await order("show", case, "--json"))["named"] == ["alice"]


def texts_in(package: Path, page: Path) -> list[str]:
    """What the messages in a package say; the page beside it is the one within."""
    files = decode_package(package.read_bytes())
    assert page.read_bytes() == files[PAGE]
    assert {each.name for each in package.parent.iterdir()} == {package.name, page.name}
    return [each["text"] for each in json.loads(files[MESSAGES])]


async def test_a_report_is_added_to_the_case_file_that_was_made_last(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        case, first = await here.opened()
        here.place.clock.offset += 1
        second = await here.open(case)
        assert first.digest != second.digest
        with pytest.raises(StateError) as caught:
            here.office.is_newest(here.again(case), first.data)
        assert caught.value.rule == "case.another"
        here.office.is_newest(here.again(case), second.data)


@pytest.mark.parametrize(
    "text",
    ["*:alice:1:2", "00:*:1:2", "00:alice:1", "00:alice::", ":alice:1:2", "0:alice:1:2", "00::1:2"],
)
def test_no_wildcard_parses(text: str) -> None:
    with pytest.raises(WireError) as caught:
        wanted(text)
    assert caught.value.rule == "order.grant"


def test_grants_as_they_are_typed() -> None:
    assert wanted("00ff:alice:60:120") == Wanted(b"\x00\xff", "alice", 60, 120)
    typed = "00ff:alice:1970-01-01T00:01Z:1970-01-01T01:02:00+01:00:bob"
    assert wanted(typed) == Wanted(b"\x00\xff", "alice", 60, 120, "bob")
