"""Two keyholders refuse, one under duress: everything about it is alike but for its contact."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from glasslock.cli import contact
from glasslock.cli.keyholder import app
from glasslock.errors import ConfigError, StateError
from glasslock.keyholder import app as keyholder
from glasslock.keyholder.config import KeyholderConfig
from glasslock.keyholder.release import Answer
from glasslock.keyholder.running import Keyholder
from glasslock.orders.ledger import Said
from glasslock.wire import api
from glasslock.wire.leaf import RefusalLeaf
from glasslock.wire.policy import Policy
from tests.village.institutions import ORDERS
from tests.village.keyholders import KeyholderVillage, keyholder_village
from tests.village.test_keyholders import record_of

CODES = ("north wind", "south wind")


class Desks:
    """What the persons of keyholders type."""

    def __init__(self, place: KeyholderVillage, capsys: pytest.CaptureFixture[str]) -> None:
        self.place, self._capsys = place, capsys

    async def type(self, *words: str) -> tuple[object, str, str]:
        """Exit, standard output and standard error of a command."""
        self._capsys.readouterr()
        command = contact.app if words[0] == "contact" else app
        typed = words[1:] if words[0] == "contact" else words
        code = await asyncio.to_thread(command, list(typed), standalone_mode=False)
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def settings(self, daemon: Keyholder) -> str:
        config: KeyholderConfig = daemon.config
        path = self.place.folder / f"{config.name}.toml"
        text = (
            f'data = "{config.data}"\nname = "{config.name}"\nquorum = "{config.quorum}"\n'
            f'policy_origin = "{config.policy_origin}"\norders_origin = "{config.orders_origin}"\n'
            f'provider = "{config.provider}"\npolicy = "{config.policy}"\nmax_age = 864000\n'
        )
        path.write_text(text, encoding="utf-8")
        return str(path)

    def code(self, *lines: str, mode: int = 0o600) -> str:
        path = self.place.folder / "code"
        path.write_text("\n".join(lines), encoding="utf-8")
        path.chmod(mode)
        return str(path)

    def contact(self, number: int) -> str:
        return str(self.place.folder / f"contact-{number}")


async def asked(place: KeyholderVillage, policy: Policy) -> api.OrderVerdict:
    await place.fill_roster(policy)
    for number in range(4):
        await place.restart(number, policy, standing=False)
    group, _ = await place.talk(policy, 1)
    verdict = await place.ask(policy, group)
    await place.rounds(lambda: all(daemon.cases for daemon in place.daemons))
    return verdict


async def test_a_refusal_under_duress_is_like_any_other_but_to_its_contact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keyholder_village(tmp_path) as (place, policy):
        verdict = await asked(place, policy)
        for module in ("keyholder.app", "cli.log"):
            monkeypatch.setattr(f"glasslock.{module}.SystemClock", lambda: place.clock)
        desks, sizes = Desks(place, capsys), {}
        said = {}
        for number, code in enumerate((*CODES, None, None)):
            daemon = place.daemons[number]
            settings = desks.settings(daemon)
            if code is not None:
                codes = desks.code(*CODES)
                agree = ("contact", "agree", settings, desks.contact(number))
                await desks.type(*agree, "--code-file", codes)
            words = ["answer", settings, verdict.commitment.hex(), "refuse", "--ground", "no"]
            words += [] if code is None else ["--code-file", desks.code(code)]
            said[number] = await desks.type(*words)
            sizes[number] = {
                path.name: path.stat().st_size for path in daemon.config.data.iterdir()
            }
        assert said[0] == said[1] == said[2] == said[3]
        assert sizes[0] == sizes[1]
        capsys.readouterr()
        for daemon in place.daemons:
            await daemon.round()
            (told,) = [
                {name: value for name, value in json.loads(line).items() if name != "time"}
                for line in capsys.readouterr().err.splitlines()
                if "order.refused" in line
            ]
            assert told["rule"] == "release.person"
        await place.rounds(lambda: not any(d.store.outbox() for d in place.daemons))
        await place.rounds(lambda: len(refusals(place, verdict)) == 4)
        leaves = [each.leaf for each in refusals(place, verdict)]
        assert all(isinstance(leaf, RefusalLeaf) for leaf in leaves)
        assert {(leaf.rule, leaf.ground) for leaf in leaves} == {("release.person", "no")}
        assert len({leaf.mark for leaf in leaves}) == 4
        quorum = str(place.folder / "both")
        read = {}
        for number in (0, 1):
            check = ("contact", "check", desks.contact(number), quorum, "--origin", ORDERS)
            (row,) = json.loads((await desks.type(*check, "--json"))[1])
            read[number] = row["meaning"]
        assert read == {0: "agreed", 1: "UNDER DURESS"}
        _, record = await record_of(place, verdict)
        assert record.disclosed is None


def refusals(place: KeyholderVillage, verdict: api.OrderVerdict) -> list[Said]:
    said = place.daemons[3].ledger.orders[verdict.index or 0].said
    return [each for each in said if isinstance(each.leaf, RefusalLeaf)]


async def test_a_refusal_takes_a_code_where_one_was_agreed_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keyholder_village(tmp_path) as (place, policy):
        verdict = await asked(place, policy)
        monkeypatch.setattr("glasslock.keyholder.app.SystemClock", lambda: place.clock)
        desks = Desks(place, capsys)
        settings = desks.settings(place.daemons[0])
        agree = ("contact", "agree", settings, desks.contact(0), "--code-file")
        for lines, rule in (
            (("one code only",), "contact.codes"),
            (("the same", "the same"), "keyholder.codes"),
        ):
            with pytest.raises(ConfigError) as caught:
                await desks.type(*agree, desks.code(*lines))
            assert caught.value.rule == rule
        with pytest.raises(ConfigError):
            await desks.type(*agree, desks.code(*CODES, mode=0o644))
        await desks.type(*agree, desks.code(*CODES))
        answer = ("answer", settings, verdict.commitment.hex(), "refuse", "--code-file")
        with pytest.raises(StateError) as wrong:
            await desks.type(*answer, desks.code("east wind"))
        assert wrong.value.rule == "keyholder.code"
        with pytest.raises(StateError) as none:
            keyholder.answer(place.daemons[0], verdict.commitment, Answer(yes=False))
        assert none.value.rule == "keyholder.code"
        assert place.daemons[0].store.answers() == {}
        await desks.type(*answer, desks.code(CODES[1]))
        (kept,) = place.daemons[0].store.answers().values()
        assert len(kept.mark) == 16
